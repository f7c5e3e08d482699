import { readdirSync, readFileSync } from 'node:fs'
import { RelayError } from '../../errors.ts'
import { wireFormats, type ChatRequest, type JsonObject, type WireFormat } from '../../model/request.ts'
import type { ChatResponse, StreamEvent } from '../../model/response.ts'
import { protocols } from '../index.ts'
import { asObject, parseObject } from '../narrow.ts'
import type { SseFrame } from '../sse.ts'
import { endOf, grammarFault } from './grammar.ts'
import { mutateBytes, mutateJson, pick, seeded } from './mutate.ts'
import { bodyOf, decodeFrames, framesOf, quiet, recordings } from './recordings.ts'

/** One input that a codec did not take as it must. `seed` alone makes it again. */
export interface Finding {
  readonly seed: number
  readonly what: string
  readonly stack: string
}

/** How many inputs were tried, and how many of them were understood, so that a fuzzer that is refused everything is seen. */
export interface Tally {
  readonly tried: number
  readonly understood: number
  readonly findings: readonly Finding[]
}

/** Longer than this for one input of some kilobytes: it hangs, or is on its way to. */
const LONGEST_MS = 5000

const loss = quiet.loss
const request: ChatRequest = { model: 'm', stream: true, messages: [], tools: [], sampling: {}, includeUsage: true }

/** Runs `count` inputs with the seeds from `from` on. */
function run(count: number, from: number, one: (seed: number) => boolean): Tally {
  const findings: Finding[] = []
  let understood = 0
  for (let seed = from; seed < from + count; seed++) {
    const started = performance.now()
    try {
      if (one(seed)) understood++
    } catch (error) {
      const { message, stack = '' } = error instanceof Error ? error : new Error(String(error))
      findings.push({ seed, what: message, stack: stack.split('\n').slice(1, 6).join('\n') })
    }
    const ms = performance.now() - started
    if (ms > LONGEST_MS) findings.push({ seed, what: `it took ${Math.round(ms)} ms`, stack: '' })
  }
  return { tried: count, understood, findings }
}

/** What a codec refuses must be a RelayError; JSON nested deeper than the stack is refused by the relay itself. */
function refused(error: unknown): null {
  if (error instanceof RelayError) return null
  if (error instanceof RangeError && error.message.includes('call stack')) return null
  throw error
}

function attempt<T>(work: () => T): T | null {
  try {
    return work()
  } catch (error) {
    return refused(error)
  }
}

function requestsOf(format: WireFormat): readonly JsonObject[] {
  const read = (url: URL): JsonObject => parseObject(readFileSync(url, 'utf8')) ?? {}
  const folder = new URL(`../${format}/fixtures/`, import.meta.url)
  const own = readdirSync(folder).filter((name) => name.endsWith('.request.json'))
  const sessions = new URL('../../../e2e/fixtures/sessions/', import.meta.url)
  const agents = readdirSync(sessions)
    .map((name) => read(new URL(name, sessions)))
    .filter(({ path }) => protocols[format].match(pathOf(path), new URLSearchParams())?.operation === 'generate')
  return [...own.map((name) => read(new URL(name, folder))), ...agents.map(({ body }) => asObject(body) ?? {})]
}

const pathOf = (path: unknown): string => String(path).replace(/\?.*$/, '')

const route = { operation: 'generate', model: 'some-model', stream: true, sse: true } as const

/** Mutated requests: looked into as bytes, decoded, and encoded in every format. */
export function fuzzRequests(format: WireFormat, count: number, from = 1): Tally {
  const bodies = requestsOf(format)
  return run(count, from, (seed) => {
    const random = seeded(seed)
    const body = mutateJson(pick(random, bodies), random)
    const bytes = Buffer.from(JSON.stringify(body))
    attempt(() => protocols[format].peek(random() < 0.5 ? mutateBytes(bytes, random) : bytes, route))
    const parsed = parseObject(bytes.toString('utf8'))
    if (parsed === undefined) return false
    const decoded = attempt(() => protocols[format].codec.decodeRequest({ headers: {}, body: parsed, route }, loss))
    if (decoded === null) return false
    for (const target of wireFormats) {
      const said = attempt(() => protocols[target].codec.encodeRequest(decoded, { origin: '7', loss }))
      if (said !== null) attempt(() => JSON.stringify(said).length)
    }
    return true
  })
}

/** Mutated streams: as bytes, as frames and as their JSON; decoded in their grammar, and told in every format to a proper end. */
export function fuzzStreams(format: WireFormat, count: number, from = 1): Tally {
  const streams = recordings('stream').filter((one) => one.format === format && one.bytes.length < 200_000)
  return run(count, from, (seed) => {
    const random = seeded(seed)
    const frames = mutateStream(pick(random, streams).bytes, random)
    const reader = protocols[format].reader()
    for (const frame of frames) if (reader.wants(frame.data)) reader.read(frame)
    const events = decodeFrames(format, frames)
    const fault = grammarFault(events)
    if (fault !== undefined) throw new Error(`the events leave their grammar: ${fault}`)
    for (const target of wireFormats) tell(target, events)
    return events.at(-1)?.type === 'finish'
  })
}

function mutateStream(bytes: Buffer, random: () => number): readonly SseFrame[] {
  if (random() < 0.35) return framesOf([mutateBytes(bytes, random)])
  const frames = framesOf([bytes])
  const changes = 1 + Math.floor(random() * 3)
  for (let change = 0; change < changes && frames.length > 0; change++) {
    const at = Math.floor(random() * frames.length)
    const frame = frames[at] ?? { data: '' }
    const roll = random()
    if (roll < 0.15) frames.splice(at, 1)
    else if (roll < 0.25) frames.splice(at, 0, frame)
    else if (roll < 0.35) frames.push(...frames.splice(at, 3))
    else if (roll < 0.4) frames.splice(at)
    else {
      const data = parseObject(frame.data)
      if (data !== undefined) frames[at] = { ...frame, data: JSON.stringify(mutateJson(data, random)) }
    }
  }
  return frames
}

function tell(target: WireFormat, events: readonly StreamEvent[]): void {
  const encoder = protocols[target].codec.encodeStream(request)
  let text = ''
  for (const event of events) text += encoder.push(event)
  const last = events.at(-1)
  if (last?.type !== 'error') text += encoder.end()
  const end = endOf(target, text)
  const broken = last?.type === 'error' || (last?.type === 'finish' && last.finish.reason === 'error')
  if (end !== 'complete' && end !== 'error') throw new Error(`${target}: ${end}`)
  if (last?.type === 'error' && end !== 'error') throw new Error(`${target}: an error ends as ${end}`)
  if (!broken && end !== 'complete') throw new Error(`${target}: an answer ends as ${end}`)
}

/** Mutated whole replies and error bodies: read, summarised, and told in every format. */
export function fuzzReplies(format: WireFormat, count: number, from = 1): Tally {
  const bodies = recordings('whole')
    .filter((one) => one.format === format && one.bytes.length < 200_000)
    .map(bodyOf)
  return run(count, from, (seed) => {
    const random = seeded(seed)
    const body = asObject(JSON.parse(JSON.stringify(mutateJson(pick(random, bodies), random))) as unknown)
    const error = protocols[format].decodeError(400 + Math.floor(random() * 200), {}, JSON.stringify(body))
    if (!(error instanceof RelayError)) throw new Error('decodeError gave no RelayError')
    if (body === undefined) return false
    attempt(() => protocols[format].summarise(body))
    const answer = attempt((): ChatResponse => protocols[format].codec.decodeResponse(body, { ...quiet, origin: '7' }))
    if (answer === null) return false
    for (const target of wireFormats)
      attempt(() => JSON.stringify(protocols[target].codec.encodeResponse(answer, request)).length)
    return true
  })
}
