import type { IncomingMessage, ServerResponse } from 'node:http'
import { newRequestId } from '../relay/request-id.ts'
import { RelayError } from '../errors.ts'
import type { HeaderMap, Protocol, RouteMatch } from '../protocols/codec.ts'
import { credentials } from '../relay/access.ts'
import { lazyConversation, readBody, type Call } from '../relay/call.ts'
import { createMediaFetch } from '../relay/media.ts'
import { refuseLoop } from '../relay/gateway.ts'
import { Journal, type Bookkeeping } from '../relay/journal.ts'
import { relay, RelayFailure, type Answered, type Gateway } from '../relay/relay.ts'
import { StreamWriter, type Delivery } from '../relay/reply.ts'
import type { AbortSignalLike } from '../relay/try.ts'
import { EarlyHead } from './early-head.ts'
import type { UpstreamWords } from '../relay/outcome.ts'

/** What serving a relay route needs; server/index.ts brings it together. */
export interface RelayEnvironment {
  readonly gateway: Gateway
  readonly wheel: Delivery['wheel']
  readonly instanceId: string
  /** Reaches the public internet only: for files that clients name by address. */
  readonly fetch: Parameters<typeof createMediaFetch>[0]
  /** An estimate, for questions that no channel can answer. */
  readonly countTokens: (request: string) => number
  books(): Bookkeeping
  /** Told when a request begins, for the live view. */
  begin(arrival: Journal): void
  limits(): { readonly maxBodyBytes: number; readonly keepAliveMs: number }
  /** Requests under way, for the gateway's end. */
  readonly running: Set<Running>
  /** A defect, not a failure: written to the log with its stack. */
  onDefect(error: unknown): void
}

/** A request under way, as whoever ends the gateway sees it: the client is told the error, in the stream where one has begun. */
export interface Running {
  stop: (error: RelayError) => void
}

/** One request on a relay route, as the front matched it. */
export interface RelayRequest {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly protocol: Protocol
  readonly route: RouteMatch
  readonly queryKey: string | null
  /** Set for routes outside the five formats: bytes go through unread, `peek` finds the model. */
  readonly raw?: Call['raw'] & { peek(body: Buffer): Call['peek'] }
}

/** A client's hang-up, for whoever runs on its behalf now. */
class HangUp implements AbortSignalLike {
  aborted = false
  #listener: (() => void) | null = null
  /** One listener at a time: the current attempt, then the stream's writer. */
  onAbort(listener: () => void): void {
    if (this.aborted) listener()
    else this.#listener = listener
  }
  fire(): void {
    if (this.aborted) return
    this.aborted = true
    this.#listener?.()
  }
}

const requestIdHeader = 'x-octopus-request-id'

/** Serves one relay request to its end: never rejects, and closes its journal exactly once. */
export async function serveRelay(environment: RelayEnvironment, incoming: RelayRequest): Promise<void> {
  const { request, response, protocol, route, queryKey, raw } = incoming
  const at = Date.now()
  const id = newRequestId(at)
  const startedAt = performance.now()
  const headers = headerMap(request)
  const hangUp = new HangUp()
  let journal: Journal | null = null
  let known: Journal['caller'] = null
  const early: { head?: EarlyHead } = {}
  const presented = credentials(headers, queryKey)
  const running: Running = {
    stop: (error) => {
      sendError(error, { response, protocol, journal, id })
      hangUp.fire()
    },
  }
  environment.running.add(running)
  response.on('close', () => {
    environment.running.delete(running)
    if (response.writableFinished) return
    hangUp.fire()
  })
  const begin = (peek: Pick<Call['peek'], 'model' | 'stream'>): Journal => {
    const arrival = { id, at, startedAt, format: raw === undefined ? protocol.format : ('passthrough' as const) }
    const made = new Journal({ ...arrival, model: peek.model, stream: peek.stream, headers }, environment.books())
    made.caller = known
    for (const secret of presented) made.keepSecret(secret)
    return made
  }
  try {
    refuseLoop(headers, environment.instanceId)
    const caller = environment.gateway.authenticate(presented)
    known = caller
    const limits = environment.limits()
    const body = await readBody(request, limits.maxBodyBytes)
    const peek = raw === undefined ? protocol.peek(body, route) : raw.peek(body)
    let fetchMedia: Call['fetchMedia'] | null = null
    const call: Call = {
      id,
      at,
      startedAt,
      caller,
      protocol,
      route,
      headers,
      queryKey,
      body,
      peek,
      raw,
      conversation: lazyConversation({ protocol, route, headers, body }),
      fetchMedia: (url) => (fetchMedia ??= createMediaFetch(environment.fetch))(url),
    }
    journal = begin(peek)
    journal.requestBody = body
    environment.begin(journal)
    const onPatience = (): void => {
      const { keepAliveMs } = environment.limits()
      if (!peek.stream || raw !== undefined || protocol.keepAlive === '' || keepAliveMs === 0) return
      const head = { 'content-type': 'text/event-stream', 'cache-control': 'no-cache', [requestIdHeader]: id }
      early.head = new EarlyHead({
        response,
        head,
        keepAlive: protocol.keepAlive,
        keepAliveMs,
        wheel: environment.wheel,
      })
    }
    const watch = { journal, signal: hangUp, onPatience }
    let answered: Answered
    try {
      answered = await relay(call, environment.gateway, watch)
    } catch (thrown) {
      const tokens = countHere(call, thrown, environment.countTokens)
      sendCount(tokens, { response, protocol, journal, id })
      return
    } finally {
      early.head?.stop()
    }
    journal.answeredBy = answered.member
    journal.upstreamFormat = raw === undefined ? answered.member.format : 'passthrough'
    if (answered.outcome.kind === 'whole') sendWhole(answered, { response, journal, id, route })
    else sendStream(answered, { environment, incoming, journal, hangUp, running, id })
  } catch (thrown) {
    const stranger = known === null && !strangers.mayBeLogged(at)
    if (!stranger) journal ??= begin({ model: route.model ?? '', stream: route.stream ?? false })
    const words = thrown instanceof RelayFailure ? thrown.words : null
    const error = relayErrorOf(thrown, environment)
    if (response.headersSent && !response.destroyed) {
      // the stream is open already, so the error is told inside it
      journal?.close({ httpStatus: response.statusCode, error })
      response.end(protocol.encodeStreamError(error, route))
      return
    }
    sendError(error, { response, protocol, journal, id, words: sameFormat(words, protocol) ? words : null })
  }
}

/**
 * Counting tokens is answered by a channel of the client's format that can do it; where there is none, or it cannot, the gateway
 * estimates. Everything else stays the error that it is.
 */
function countHere(call: Call, thrown: unknown, countTokens: RelayEnvironment['countTokens']): number {
  const error = thrown instanceof RelayFailure ? thrown.error : thrown
  const nobodyCounts = error instanceof RelayError && (error.kind === 'no_channel' || error.scope === 'channel')
  if (call.route.operation !== 'count-tokens' || !nobodyCounts || call.protocol.encodeTokenCount === undefined)
    throw thrown
  return countTokens(call.body.toString('utf8'))
}

function sendCount(
  tokens: number,
  to: {
    readonly response: ServerResponse
    readonly protocol: Protocol
    readonly journal: Journal
    readonly id: string
  },
): void {
  const { response, protocol, journal, id } = to
  const body = Buffer.from(JSON.stringify(protocol.encodeTokenCount?.(tokens)), 'utf8')
  journal.close({ httpStatus: 200, error: null })
  response.writeHead(200, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': String(body.length),
    'x-octopus-estimated': 'true',
    [requestIdHeader]: id,
  })
  response.end(body)
}

/** Requests without a known key are worth a few lines in the log, not a way to fill the disk. */
const strangers = {
  perMinute: 30,
  minute: 0,
  seen: 0,
  mayBeLogged(atMs: number): boolean {
    const minute = Math.floor(atMs / 60_000)
    if (minute !== this.minute) Object.assign(this, { minute, seen: 0 })
    return this.seen++ < this.perMinute
  },
}

function relayErrorOf(thrown: unknown, environment: RelayEnvironment): RelayError {
  const error = thrown instanceof RelayFailure ? thrown.error : thrown
  if (error instanceof RelayError) {
    if (error.kind === 'internal' || error.detail.defect === true) environment.onDefect(error.cause ?? error)
    return error
  }
  environment.onDefect(error)
  return new RelayError('internal', 'the gateway failed on this request: its log says why', { cause: error })
}

const sameFormat = (words: UpstreamWords | null, protocol: Protocol): boolean => words?.format === protocol.format

function sendWhole(
  { attempt, outcome }: Answered,
  to: {
    readonly response: ServerResponse
    readonly journal: Journal
    readonly id: string
    readonly route: RouteMatch
  },
): void {
  if (outcome.kind !== 'whole') return
  const { response, journal, id, route } = to
  journal.firstTokenMs = journal.elapsed()
  journal.keepResponse(outcome.body)
  journal.close({
    httpStatus: outcome.status,
    error: null,
    usage: outcome.usage,
    // counting tokens uses none
    sample: route.operation === 'generate' ? () => ({ text: outcome.sample(), share: 1 }) : undefined,
  })
  const overhead = performance.now() - journal.arrival.startedAt - attempt.upstreamMs
  const head: string[] = []
  for (const name in outcome.headers) head.push(name, outcome.headers[name] ?? '')
  head.push('content-length', String(outcome.body.length), 'x-octopus-overhead-ms', overhead.toFixed(1))
  head.push(requestIdHeader, id)
  response.writeHead(outcome.status, head)
  response.end(outcome.body)
}

function sendStream(
  { attempt, outcome, try_ }: Answered,
  to: {
    readonly environment: RelayEnvironment
    readonly incoming: RelayRequest
    readonly journal: Journal
    readonly hangUp: HangUp
    readonly running: Running
    readonly id: string
  },
): void {
  if (outcome.kind !== 'stream') return
  const { environment, incoming, journal, hangUp, id } = to
  const { response, protocol, route } = incoming
  const { pump } = outcome
  journal.firstTokenMs = journal.elapsed()
  const close = (error: RelayError | null): void => {
    if (journal.closed) return
    if (error?.detail.defect === true) environment.onDefect(error.cause ?? error)
    environment.gateway.choice.noteEnd(try_, error === null ? null : journal.scrubError(error))
    const sample = incoming.raw === undefined ? { sample: () => pump.sample } : {}
    journal.close({ httpStatus: outcome.status, error, usage: pump.usage, ...sample })
  }
  const writer = new StreamWriter({
    response,
    protocol,
    route,
    pump,
    encoded: outcome.encoded,
    wheel: environment.wheel,
    keepAliveMs: incoming.raw === undefined ? environment.limits().keepAliveMs : 0,
    pause: () => attempt.pause(),
    resume: () => attempt.resume(),
    copy: (bytes) => journal.keepResponse(bytes),
    finished: close,
  })
  hangUp.onAbort(() => {
    attempt.abort()
    writer.drop()
    close(new RelayError('cancelled', 'the client went away in the middle of the answer'))
  })
  if (hangUp.aborted) return
  if (!response.headersSent)
    response.writeHead(outcome.status, { ...outcome.headers, ...writer.headers, [requestIdHeader]: id })
  to.running.stop = (error) => attempt.stop(error)
  attempt.connect(writer)
}

/** The error in the caller's own format; or, when the upstream that refused speaks it, the upstream's own bytes. */
export function sendError(
  error: RelayError,
  to: {
    readonly response: ServerResponse
    readonly protocol: Protocol
    readonly journal: Journal | null
    readonly id: string
    readonly words?: UpstreamWords | null
  },
): void {
  const { response, protocol, journal, id, words } = to
  // an upstream's 401 is about the channel's key: passed on, it would send the client's user to the wrong place
  const verbatim = words !== undefined && words !== null && error.kind !== 'key_refused' ? words : null
  const wire = protocol.encodeError(error)
  const status = verbatim?.status ?? wire.status
  const said = verbatim?.body ?? Buffer.from(JSON.stringify(wire.body), 'utf8')
  // some upstreams repeat the key that they refuse
  const body = journal?.scrub(said) ?? said
  journal?.close({ httpStatus: status, error, errorBody: body })
  if (response.writableEnded) return
  if (response.headersSent || response.destroyed) {
    response.destroy()
    return
  }
  response.writeHead(status, {
    ...(verbatim?.headers ?? { 'content-type': 'application/json; charset=utf-8', ...wire.headers }),
    'content-length': String(body.length),
    [requestIdHeader]: id,
    // a body that was not read to its end cannot be followed by another request on this connection
    ...(isUnread(response.req) && { connection: 'close' }),
  })
  if (!isUnread(response.req)) response.end(body)
  else lingeringEnd(response, body)
}

/** Whether a body is still to come. */
function isUnread({ complete, headers }: IncomingMessage): boolean {
  const hasBody = headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0'
  return hasBody && !complete
}

/** How long a client may go on sending a body that nobody wants, so that it comes to read why. */
const LINGER_MS = 2000

/**
 * Ending at once would close the socket with unread bytes in it, and the client's system would throw our answer away with a reset
 * (RFC 9112, 9.6): what still comes is read and dropped for a while first.
 */
function lingeringEnd(response: ServerResponse, body: Buffer): void {
  const { req } = response
  response.write(body)
  const end = (): void => {
    clearTimeout(patience)
    response.end()
  }
  const patience = setTimeout(end, LINGER_MS)
  req.once('end', end).once('close', end).resume()
}

/** A request's headers as they are: Node joins repeated ones already, and only `set-cookie`, which no client sends, comes as a list. */
export function headerMap({ headers }: Pick<IncomingMessage, 'headers'>): HeaderMap {
  if (isPlain(headers)) return headers
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))
}

function isPlain(headers: IncomingMessage['headers']): headers is Record<string, string> {
  return headers['set-cookie'] === undefined
}
