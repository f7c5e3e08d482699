import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { recordedCases } from './cases.ts'
import { object, parse, type JsonObject } from './json.ts'
import { listing, tokenCount } from './listing.ts'
import { json, perform, playOfModel, type Play } from './play.ts'
import { refusalBody, type Refusal } from './refusal.ts'
import { bodyFaults, headerFaults, refusalOf } from './rules/index.ts'
import { targetOf, type Target, type WireFormat } from './target.ts'

export { agentSession, agentSessions, recordedCase, recordedCases, type RecordedCase } from './cases.ts'
export { chunks, events, json, recorded, type Chunking, type Play } from './play.ts'
export { refusalBody } from './refusal.ts'
export { wireFormats, type WireFormat } from './target.ts'

/** One request as it arrived. */
export interface ReceivedRequest {
  readonly method: string
  /** Path and query without the channel's prefix. */
  readonly path: string
  /** The `<name>` of `/at/<name>/…`: which channel's base URL was used; '' without. */
  readonly at: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  readonly json: JsonObject
  readonly target: Target | null
  /** What the provider would have refused, in its words, and what should never have reached it. Empty is good. */
  readonly violations: readonly string[]
  /** Those of them that should never have left the gateway, whatever the provider thinks of it. */
  readonly leaks: readonly string[]
  /** Unix ms. */
  readonly receivedAt: number
  /** The client hung up before the reply was over; settles when the exchange ends. */
  readonly outcome: Promise<'finished' | 'aborted'>
}

export interface FakeUpstreamOptions {
  readonly port?: number
  /** What counts as a key; by default everything that begins with `upstream-`, and Google tokens `ya29.upstream-…`. */
  readonly isKey?: (credential: string) => boolean
}

export interface FakeUpstream {
  readonly url: string
  /** The base URL for a channel of this format; with a name, requests tell that they came through it. */
  baseUrl(format: WireFormat, at?: string): string
  readonly requests: readonly ReceivedRequest[]
  /** Everything that broke a rule, with the request's path before it. */
  violations(): readonly string[]
  /** The next request for an answer, whatever it asks, is answered like this. Several are answered in turn. */
  queue(...plays: readonly Play[]): void
  /** Requests for this model are answered like this; wins over `case:` names. */
  on(model: string, play: Play | ((request: ReceivedRequest) => Play)): void
  /** Forgets requests, queue and models. */
  reset(): void
  close(): Promise<void>
}

/** A provider of all five formats on a free loopback port; see `play.ts` for how a model's name chooses the reply. */
export async function startFakeUpstream(options: FakeUpstreamOptions = {}): Promise<FakeUpstream> {
  const isKey = options.isKey ?? ((credential) => /^(ya29\.)?upstream-/.test(credential))
  const requests: ReceivedRequest[] = []
  const queued: Play[] = []
  const models = new Map<string, Play | ((request: ReceivedRequest) => Play)>()

  const answer = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const outcome = new Promise<'finished' | 'aborted'>((resolve) => {
      response.once('close', () => resolve(response.writableFinished ? 'finished' : 'aborted'))
    })
    const { request, refusal } = examine(incoming, { body: await readBody(incoming), isKey, outcome })
    requests.push(request)
    const { target } = request
    const scripted = scriptable(target) ? (queued.shift() ?? play(request, models)) : undefined
    if (scripted !== undefined && (refusal === undefined || scripted.lenient === true))
      await perform(scripted, response)
    else if (target === null) await perform(json(404, { error: { message: `nothing at ${request.path}` } }), response)
    else if (refusal !== undefined) await perform(json(refusal.status, refusalBody(target.format, refusal)), response)
    else await perform(standard(request, target), response)
  }

  const server = createServer({ maxHeaderSize: 256 * 1024, keepAliveTimeout: 60_000 }, (incoming, response) => {
    answer(incoming, response).catch((error: unknown) => {
      // The client went away in the middle of its own body, or a test asks for a case that does not exist.
      if (!response.headersSent) response.writeHead(599, { 'content-type': 'text/plain' })
      response.end(String(error))
    })
  })
  const url = await listen(server, options.port ?? 0)
  return {
    url,
    baseUrl: (format, at) => `${url}${at === undefined ? '' : `/at/${at}`}${basePath[format]}`,
    requests,
    violations: () => requests.flatMap(({ path, violations }) => violations.map((words) => `${path}: ${words}`)),
    queue: (...plays) => void queued.push(...plays),
    on: (model, scripted) => void models.set(model, scripted),
    reset: () => {
      requests.length = 0
      queued.length = 0
      models.clear()
    },
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const basePath: Record<WireFormat, string> = {
  'openai-chat': '/v1',
  'openai-responses': '/v1',
  anthropic: '/v1',
  gemini: '/v1beta',
  antigravity: '',
}

/** Listings, token counts and Google's account calls are always answered as usual. */
const scriptable = (target: Target | null): boolean =>
  target?.operation === 'generate' || (target?.operation === 'other' && target.format === 'openai-chat')

function play(
  request: ReceivedRequest,
  models: ReadonlyMap<string, Play | ((request: ReceivedRequest) => Play)>,
): Play | undefined {
  if (request.target === null) return undefined
  const { format, model } = request.target
  const scripted = models.get(model)
  if (scripted !== undefined) return typeof scripted === 'function' ? scripted(request) : scripted
  return playOfModel(format, model)
}

/** What is answered to a proper request that no script is for. */
function standard({ json: body, path }: ReceivedRequest, target: Target): Play {
  switch (target.operation) {
    case 'list':
      return json(
        200,
        listing(
          target.format,
          recordedCases
            .filter((one) => one.format === target.format)
            .slice(0, 20)
            .map((one) => `case:${one.id}`),
        ),
      )
    case 'count-tokens':
      return json(200, tokenCount(target.format, 42))
    case 'other':
      if (path.includes(':loadCodeAssist'))
        return json(200, { cloudaicompanionProject: 'fake-project', currentTier: { id: 'free-tier' } })
      return json(200, { object: 'fake', path, model: body.model ?? null, data: [] })
    case 'generate':
      return json(
        404,
        refusalBody(target.format, { status: 404, message: `The model ${target.model} does not exist.` }),
      )
  }
}

interface Arrival {
  readonly body: Buffer
  readonly isKey: (credential: string) => boolean
  readonly outcome: ReceivedRequest['outcome']
}

/** Thoughts that the gateway wrapped for a foreign client begin like this; no provider may ever see one. */
const WRAPPED_THOUGHT = Buffer.from('octopus:1').toString('base64')

function examine(
  incoming: IncomingMessage,
  { body, isKey, outcome }: Arrival,
): { request: ReceivedRequest; refusal: Refusal | undefined } {
  const [, at = '', rest = '/'] = /^(?:\/at\/([^/]+))?(.*)$/s.exec(incoming.url ?? '/') ?? []
  const url = new URL(rest, 'http://fake')
  const headers = Object.fromEntries(Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]))
  const parsed = parse(body.toString('utf8'))
  const target = targetOf(url, headers, object(parsed))
  const violations: string[] = []
  const leaks: string[] = []
  let refusal: Refusal | undefined
  const refuse = (reason: Refusal): void => {
    violations.push(reason.message)
    refusal ??= reason
  }
  if (target !== null) {
    const { unauthorized, leaks: found } = headerFaults(incoming.headers, url, {
      format: target.format,
      credentials: { isKey },
    })
    leaks.push(...found)
    if (body.includes(WRAPPED_THOUGHT)) leaks.push('a thought wrapped for a foreign client reached the provider')
    if (unauthorized !== undefined) refuse({ status: 401, message: unauthorized })
    if (target.operation === 'generate' || target.operation === 'count-tokens') {
      if (!headers['content-type']?.startsWith('application/json'))
        refuse({ status: 415, message: `Unsupported content type: ${headers['content-type'] ?? 'none'}` })
      if (parsed === undefined) refuse({ status: 400, message: 'The body is not valid JSON.' })
      else for (const fault of bodyFaults(object(parsed), target)) refuse(refusalOf(fault, target.format))
    }
  } else violations.push(`there is nothing at ${rest}`)
  const request: ReceivedRequest = {
    method: incoming.method ?? '',
    path: rest,
    at,
    headers,
    body,
    json: object(parsed),
    target,
    violations: [...leaks, ...violations],
    leaks,
    receivedAt: Date.now(),
    outcome,
  }
  return { request, refusal }
}

async function readBody(incoming: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of incoming) if (Buffer.isBuffer(part)) parts.push(part)
  return Buffer.concat(parts)
}

async function listen(server: Server, port: number): Promise<string> {
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  const address = server.address() as AddressInfo
  return `http://127.0.0.1:${address.port}`
}
