import { asString, parseObject } from '../protocols/narrow.ts'
import type { HeaderMap, Send, UpstreamRequest } from '../upstream/exchange.ts'
import { anthropic } from './anthropic.ts'
import { antigravity } from './antigravity.ts'
import type { DemoError, Dialect, Operation } from './answer.ts'
import { gemini } from './gemini.ts'
import { openAiChat } from './openai-chat.ts'
import { openAiResponses } from './openai-responses.ts'
import { openAiList } from './openai-words.ts'
import { play, type Performance } from './player.ts'
import { answerOf, countTokens, demoModels, scriptFor, type Script } from './script.ts'

export { demoModels }

const dialects: readonly Dialect[] = [openAiChat, openAiResponses, anthropic, gemini, antigravity]

/**
 * A provider inside this process that needs no account: it answers on the paths of all five formats, and the model's name chooses
 * what happens (`demoModels`; an unknown name is answered like `demo-normal`). For newcomers, tests and rehearsals of failover.
 */
export function createDemoSend(): Send {
  let flakyTurns = 0
  const turn = (): number => flakyTurns++
  return (request, handler) => play(perform(request, turn), request, handler)
}

export const demoSend: Send = createDemoSend()

function perform(request: UpstreamRequest, turn: () => number): Performance {
  const url = new URL(request.path, 'http://demo.invalid')
  const found = findDialect(url, lowerCase(request.headers))
  if (found === undefined) return listingOrNotFound(request, url)
  const { dialect, operation } = found
  if (operation.kind === 'list') return whole(200, dialect.list(demoModels))

  const body = parseObject(request.body?.toString('utf8') ?? '')
  if (body === undefined)
    return failure(dialect, {
      status: 400,
      message: 'The demo provider could not read the request: it is no JSON object.',
    })
  const question = dialect.read(body, operation)
  if (operation.kind === 'count-tokens') return whole(200, dialect.countTokens(countTokens(question.text)))

  const script = scriptFor(question.model, turn)
  if (script.silent === true) return { head: null, pieces: [], ends: false }
  if (script.error !== undefined) return failure(dialect, script.error)
  const answer = answerOf(script, question)
  if (!question.stream) return damaged(script, whole(200, dialect.whole(answer), script.paceMs * answer.outputTokens))

  const pieces = dialect
    .stream(answer, question)
    .map((beat) => ({ text: beat.text, delayMs: beat.kind === 'token' ? script.paceMs : 0 }))
  const arrayForm = operation.sse === false
  return damaged(script, {
    head: head(200, arrayForm ? 'application/json; charset=UTF-8' : dialect.streamType),
    pieces,
    ends: true,
  })
}

function findDialect(url: URL, headers: HeaderMap): { dialect: Dialect; operation: Operation } | undefined {
  for (const dialect of dialects) {
    const operation = dialect.match(url.pathname, url.searchParams, headers)
    if (operation !== null) return { dialect, operation }
  }
  return undefined
}

function listingOrNotFound(request: UpstreamRequest, url: URL): Performance {
  if (request.method === 'GET' && url.pathname.endsWith('/models')) return whole(200, openAiList(demoModels))
  return failure(openAiChat, { status: 404, message: `The demo provider has nothing at ${url.pathname}.` })
}

/** The performance with the fault that the script asks for. A whole reply counts as one event that is cut or stalls in its middle. */
function damaged(script: Script, performance: Performance): Performance {
  const { pieces } = performance
  if (script.malformed === true) return { ...performance, pieces: [{ delayMs: script.paceMs, text: broken(pieces) }] }
  const keep = script.stallAfter ?? script.cutAfter
  if (keep === undefined) return performance
  const kept =
    pieces.length > 1 ? pieces.slice(0, keep) : pieces.map(({ delayMs, text }) => ({ delayMs, text: half(text) }))
  return { ...performance, pieces: kept, ends: script.stallAfter === undefined }
}

const half = (text: string): string => text.slice(0, text.length >> 1)

/** The first event with its end torn off, in the framing that it had. */
function broken(pieces: Performance['pieces']): string {
  const first = pieces[0]?.text ?? ''
  const end = /\r?\n\r?\n$/.exec(first)?.[0] ?? ''
  return `${half(first)}${end}`
}

function whole(status: number, body: object, delayMs = 0): Performance {
  return {
    head: head(status, 'application/json'),
    pieces: [{ delayMs, text: JSON.stringify(body) }],
    ends: true,
  }
}

function failure(dialect: Dialect, error: DemoError): Performance {
  const performance = whole(error.status, dialect.error(error))
  if (error.retryAfterSeconds === undefined || performance.head === null) return performance
  const headers = { ...performance.head.headers, 'retry-after': String(error.retryAfterSeconds) }
  return { ...performance, head: { status: error.status, headers } }
}

const head = (status: number, type: string): { status: number; headers: HeaderMap } => ({
  status,
  headers: { 'content-type': type },
})

const lowerCase = (headers: Readonly<Record<string, string>>): HeaderMap =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), asString(value)]))
