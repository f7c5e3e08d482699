import { gunzipSync, brotliDecompressSync, inflateSync, zstdDecompressSync } from 'node:zlib'
import { RelayError } from '../errors.ts'
import { collect, replay } from '../model/collect.ts'
import type { ChatRequest, JsonObject, Loss, WireFormat } from '../model/request.ts'
import type { ChatResponse, StreamEvent, Usage } from '../model/response.ts'
import type { Protocol, RouteMatch } from '../protocols/codec.ts'
import { asObject } from '../protocols/narrow.ts'
import { decodeFrame, SseSplitter, type RawFrame } from '../protocols/sse.ts'
import type { Exchange, ExchangeHandler, HeaderMap, Send, UpstreamRequest } from '../upstream/exchange.ts'
import { clientHeaders } from '../upstream/target.ts'
import type { Deadline, TimerWheel } from '../upstream/timer-wheel.ts'
import type { Conversation } from './call.ts'
import { ConvertPump, nothingCame, saysNothing, spoken, VerbatimPump, type Pump } from './pump.ts'
import { RawPump } from './raw-pump.ts'

/** An upstream's refusal needs no more room than this for its words. */
const ERROR_BODY_CAP_BYTES = 256 * 1024
/** A whole reply is held in memory until it is complete: it can still fail over. */
const WHOLE_CAP_BYTES = 256 * 1024 * 1024

/** What one try needs, beyond the request itself. */
export interface AttemptPlan {
  readonly request: UpstreamRequest
  readonly send: Send
  readonly upstream: Protocol
  readonly client: Protocol
  /** The client wants a stream. */
  readonly stream: boolean
  readonly operation: RouteMatch['operation']
  /** A route outside the five formats: whatever comes is passed on. */
  readonly raw: boolean
  /** Set when the formats differ. */
  readonly conversation: Conversation | null
  /** What the client asked, decoded: also for the rare same-format reply that has to be said anew. */
  readonly asked: () => ChatRequest
  /** The channel's id as opaque thoughts carry it. */
  readonly origin: string
  readonly loss: (loss: Loss) => void
  readonly fallback: { readonly id: string; readonly createdAt: number }
  /** `performance.now()` by which the first meaningful event must have come; Infinity: no limit. */
  readonly commitBy: number
  readonly commitWaitMs: number
  /** `performance.now()` by which all must be over; Infinity: no limit. */
  readonly endBy: number
  readonly wheel: TimerWheel
}

/** The bytes of an upstream's refusal, for a client of the same format. */
export interface UpstreamWords {
  readonly format: WireFormat
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

export type Outcome =
  | {
      readonly kind: 'whole'
      readonly status: number
      readonly headers: Readonly<Record<string, string>>
      readonly body: Buffer
      readonly usage: Usage | undefined
      readonly sample: () => string
    }
  | {
      readonly kind: 'stream'
      /** Said by our own encoder. */
      readonly encoded: boolean
      readonly status: number
      readonly headers: Readonly<Record<string, string>>
      readonly pump: Pump
    }
  | { readonly kind: 'failed'; readonly error: RelayError; readonly words: UpstreamWords | null }

/** Where a committed stream goes. */
export interface ReplySink {
  write(bytes: Buffer | string): void
  /** The bytes that come next complete the answer: the moment to account for it. May be called more than once. */
  completing(): void
  /** The last call. `error` says what the client must still be told; null: the reply is complete, or the failure is told already. */
  end(error: RelayError | null): void
}

/**
 * One try at one upstream: sends, waits for the first meaningful event (or the whole reply), and settles `outcome` once. A stream
 * goes on after that: `connect` says where to.
 */
export class Attempt implements ExchangeHandler, Deadline {
  at: number
  readonly outcome: Promise<Outcome>
  /** The upstream's HTTP status; null: it never answered. */
  status: number | null = null
  readonly #sentAt = performance.now()
  #upstreamEndedAt = 0
  readonly #plan: AttemptPlan
  readonly #settle: (outcome: Outcome) => void
  readonly #exchange: Exchange
  #headers: HeaderMap = {}
  #pump: Pump | null = null
  #settled = false
  #body: Buffer[] = []
  #arrived: Buffer[] = []
  #bodyBytes = 0
  #sink: ReplySink | null = null
  #early: (Buffer | string)[] = []
  #ended: { readonly error: RelayError | null } | null = null

  constructor(plan: AttemptPlan) {
    this.#plan = plan
    const { promise, resolve } = Promise.withResolvers<Outcome>()
    this.outcome = promise
    this.#settle = resolve
    this.at = Math.min(plan.commitBy, plan.endBy)
    if (this.at !== Infinity) plan.wheel.watch(this)
    this.#exchange = plan.send(plan.request, this)
  }

  onHead(status: number, headers: HeaderMap): void {
    this.status = status
    this.#headers = headers
    if (status < 200 || status >= 300) return
    if (this.#plan.raw) {
      this.#pump = new RawPump(this.#plan.upstream, headers)
      return
    }
    if (!this.#plan.stream) return
    const type = headers['content-type'] ?? ''
    if (!isEventStream(type)) return // collected whole, to say what came instead
    if (!isIdentity(headers)) {
      this.#fail(
        new RelayError(
          'upstream_failed',
          `the upstream compressed its stream (${headers['content-encoding'] ?? ''}) unasked`,
        ),
      )
      return
    }
    this.#pump = this.#openPump()
  }

  onData(chunk: Buffer): void {
    if (this.#pump === null) this.#collect(chunk)
    else if (this.#arrived.push(chunk) === 1) process.nextTick(takeArrived, this)
  }

  /** What one read of the socket brought is worked on as one piece: a burst of two hundred events costs one write, not two hundred. */
  takeArrived(): void {
    const pump = this.#pump
    const arrived = this.#arrived
    const [first] = arrived
    if (pump === null || first === undefined || this.#ended !== null) return
    this.#arrived = []
    const out = pump.push(arrived.length === 1 ? first : Buffer.concat(arrived))
    if (!this.#settled) {
      if (pump.committed) this.#commit(pump)
      else if (pump.failure !== null && pump.failure.kind !== 'empty_answer') {
        this.#fail(pump.failure)
        return
      }
    }
    if (pump.final) this.#sink?.completing()
    if (out !== null) this.#give(out)
    if (this.#settled && pump.failure !== null && this.#plan.conversation !== null) {
      // the encoder has told the error and closed the stream: what the upstream still says is of no use
      this.#exchange.abort()
      this.#endStream(pump)
    }
  }

  onEnd(): void {
    this.#upstreamEndedAt = performance.now()
    const pump = this.#pump
    if (pump === null) {
      this.#endWhole()
      return
    }
    this.takeArrived()
    if (this.#ended !== null || (this.#settled && !pump.committed)) return
    const out = pump.end()
    if (!this.#settled) {
      if (!pump.committed) {
        const failure = pump.failure ?? nothingCame()
        const { held } = pump
        this.#fail(failure, failure.kind === 'empty_answer' && held !== null ? this.#words(held) : null)
        return
      }
      this.#commit(pump)
    }
    if (pump.failure === null) this.#sink?.completing()
    if (out !== null) this.#give(out)
    this.#endStream(pump)
  }

  onError(error: Error): void {
    this.#upstreamEndedAt = performance.now()
    this.takeArrived()
    this.#break(
      error instanceof RelayError ? error : new RelayError('upstream_failed', error.message, { cause: error }),
    )
  }

  /** Called by the wheel: too long until the first meaningful event, or too long altogether. */
  expire(): void {
    this.#exchange.abort()
    this.takeArrived()
    const seconds = Math.round(this.#plan.commitWaitMs / 100) / 10
    this.#break(
      this.#settled
        ? new RelayError('upstream_timeout', 'the answer took longer than the total time allowed')
        : new RelayError('upstream_timeout', `no answer began within ${seconds} s of the request's arrival`),
    )
  }

  /** The client is gone, or nobody wants the answer any more. */
  abort(): void {
    this.#plan.wheel.drop(this)
    this.#exchange.abort()
    if (!this.#settled) {
      this.#settled = true
      this.#settle({ kind: 'failed', error: new RelayError('cancelled', 'the client went away'), words: null })
    }
    this.#ended ??= { error: null }
  }

  /** From sending the request to the reply's last byte, in ms. */
  get upstreamMs(): number {
    return Math.max(0, this.#upstreamEndedAt - this.#sentAt)
  }

  pause(): void {
    this.#exchange.pause()
  }

  resume(): void {
    this.#exchange.resume()
  }

  /** From here on the stream's bytes go to `sink`; what came meanwhile is given first. */
  connect(sink: ReplySink): void {
    this.#sink = sink
    const early = this.#early
    this.#early = []
    if (this.#pump?.final === true) sink.completing()
    for (const bytes of early) sink.write(bytes)
    if (this.#ended !== null) sink.end(this.#ended.error)
  }

  #openPump(): Pump {
    const { conversation, upstream, client, origin, loss, fallback } = this.#plan
    if (conversation === null) return new VerbatimPump(upstream)
    return new ConvertPump({ upstream, client, request: conversation.request, origin, loss, fallback })
  }

  #commit(pump: Pump): void {
    this.#settled = true
    this.at = this.#plan.endBy
    const headers = this.#plan.conversation === null ? clientHeaders(this.#headers) : streamHeaders
    const encoded = this.#plan.conversation !== null
    this.#settle({ kind: 'stream', encoded, status: this.status ?? 200, headers, pump })
  }

  #give(bytes: Buffer | string): void {
    if (this.#sink === null) this.#early.push(bytes)
    else this.#sink.write(bytes)
  }

  #endStream(pump: Pump): void {
    this.#close(pump.failure === null || pump.failureTold ? null : pump.failure)
  }

  #close(error: RelayError | null): void {
    if (this.#ended !== null) return
    this.#plan.wheel.drop(this)
    this.#ended = { error }
    this.#sink?.end(error)
  }

  /** Something failed outside the reply's own grammar: network, time. */
  #break(error: RelayError): void {
    if (!this.#settled) {
      this.#fail(error)
      return
    }
    const pump = this.#pump
    if (pump === null) return
    const told = pump.break(error)
    if (told !== null) this.#give(told)
    this.#endStream(pump)
  }

  #fail(error: RelayError, words: UpstreamWords | null = null): void {
    if (this.#settled) return
    this.#settled = true
    this.#plan.wheel.drop(this)
    this.#exchange.abort()
    this.#body = []
    this.#settle({ kind: 'failed', error, words })
  }

  #collect(chunk: Buffer): void {
    const refused = this.status === null || this.status >= 300
    if (refused && this.#bodyBytes > ERROR_BODY_CAP_BYTES) return
    this.#bodyBytes += chunk.length
    this.#body.push(chunk)
    if (this.#bodyBytes > WHOLE_CAP_BYTES)
      this.#fail(new RelayError('upstream_failed', 'the upstream sent more than 256 MB as one reply'))
  }

  #endWhole(): void {
    const body = Buffer.concat(this.#body, this.#bodyBytes)
    this.#body = []
    const status = this.status ?? 0
    let plain: Buffer
    try {
      plain = decompress(body, this.#headers)
    } catch (cause) {
      this.#fail(new RelayError('upstream_failed', 'the upstream sent a damaged compressed reply', { cause }))
      return
    }
    if (status < 200 || status >= 300) this.#refused({ status, body, plain })
    else if (this.#plan.stream) this.#notAStream(plain)
    else this.#whole({ status, body, plain })
  }

  #refused({ status, body, plain }: WholeReply): void {
    const { upstream } = this.#plan
    const error = upstream.decodeError(status, this.#headers, plain.toString('utf8'))
    this.#fail(error, this.#words(body))
  }

  /** What the upstream said, for a client that speaks its format. */
  #words(body: Buffer): UpstreamWords {
    return {
      format: this.#plan.upstream.format,
      status: this.status ?? 502,
      headers: clientHeaders(this.#headers),
      body,
    }
  }

  /**
   * A stream was asked for and one piece came, as some compatible servers answer: an answer is said again as a stream, an error body
   * behind a 200 is told in its own words.
   */
  #notAStream(plain: Buffer): void {
    const { upstream, client } = this.#plan
    const object = asObject(parseJson(plain))
    const summary = object === undefined ? undefined : upstream.summarise(object)
    if (object === undefined || summary === undefined || summary.error !== undefined || summary.empty) {
      const type = this.#headers['content-type'] ?? 'no content type'
      const wrongType = new RelayError('upstream_failed', `the upstream answered a stream request with ${type}`)
      this.#fail(summary?.error ?? (summary?.empty === true ? nothingCame() : wrongType))
      return
    }
    this.#convert(() => {
      const request = this.#plan.asked()
      const encoder = client.codec.encodeStream(request)
      let text = ''
      for (const event of replay(this.#decoded(object))) text += encoder.push(event)
      this.#early.push(text + encoder.end())
      this.#ended = { error: null }
      const pump = spoken(summary.usage, plain.toString('utf8', 0, SAMPLE_CAP_BYTES))
      return { kind: 'stream', encoded: true, status: 200, headers: streamHeaders, pump }
    })
  }

  /** One piece was asked for and a stream came: its events are put together. */
  #notWhole(plain: Buffer): void {
    const { upstream, client, origin, loss } = this.#plan
    this.#convert(() => {
      const request = this.#plan.asked()
      const decoder = upstream.codec.decodeStream({ origin, loss, request })
      const events: StreamEvent[] = []
      const splitter = new SseSplitter()
      const take = (raw: RawFrame): void => void events.push(...decoder.push(decodeFrame(raw)))
      splitter.push(plain, take)
      splitter.end(take)
      events.push(...decoder.end())
      const response = this.#named(collect(events))
      if (saysNothing(response)) throw nothingCame()
      const body = Buffer.from(JSON.stringify(client.codec.encodeResponse(response, request)), 'utf8')
      const sample = (): string => plain.toString('utf8', 0, SAMPLE_CAP_BYTES)
      return { kind: 'whole', status: 200, headers: jsonHeaders, body, usage: response.usage, sample }
    })
  }

  #whole({ status, body, plain }: WholeReply): void {
    const { upstream, client, conversation } = this.#plan
    const object = asObject(parseJson(plain))
    if (object === undefined) {
      if (isEventStream(this.#headers['content-type'] ?? '')) this.#notWhole(plain)
      else
        this.#fail(
          new RelayError('upstream_failed', 'the upstream answered 200 with something that is not a JSON object'),
        )
      return
    }
    // a token count is no answer: it has neither text nor usage of its own
    const summary =
      this.#plan.operation === 'generate' ? upstream.summarise(object) : { usage: undefined, empty: false }
    if (summary.error !== undefined || summary.empty) {
      this.#fail(summary.error ?? nothingCame(), summary.error === undefined ? this.#words(body) : null)
      return
    }
    const common = { usage: summary.usage, sample: () => plain.toString('utf8', 0, SAMPLE_CAP_BYTES) }
    this.#convert(() => {
      if (conversation === null)
        return { kind: 'whole', ...common, status, headers: clientHeaders(this.#headers), body }
      const response = this.#decoded(object)
      const encoded = Buffer.from(JSON.stringify(client.codec.encodeResponse(response, conversation.request)), 'utf8')
      return { kind: 'whole', ...common, status: 200, headers: jsonHeaders, body: encoded }
    })
  }

  #decoded(object: JsonObject): ChatResponse {
    const { upstream, origin, loss } = this.#plan
    const response = upstream.codec.decodeResponse(object, { origin, loss, request: this.#plan.asked() })
    if (saysNothing(response)) throw nothingCame()
    return this.#named(response)
  }

  /** Clients want an id and a time also where the upstream gave none. */
  #named(response: ChatResponse): ChatResponse {
    const { fallback } = this.#plan
    return {
      ...response,
      id: response.id === '' ? fallback.id : response.id,
      createdAt: response.createdAt === 0 ? fallback.createdAt : response.createdAt,
    }
  }

  /** The whole reply is here: settles with what `make` gives, or with why it could not. */
  #convert(make: () => Outcome): void {
    try {
      const outcome = make()
      this.#plan.wheel.drop(this)
      this.#settled = true
      this.#settle(outcome)
    } catch (cause) {
      this.#fail(
        cause instanceof RelayError ? cause : new RelayError('internal', 'the reply could not be converted', { cause }),
      )
    }
  }
}

interface WholeReply {
  readonly status: number
  /** As it came, and decompressed. */
  readonly body: Buffer
  readonly plain: Buffer
}

function takeArrived(attempt: Attempt): void {
  attempt.takeArrived()
}

const SAMPLE_CAP_BYTES = 256 * 1024

const streamHeaders = { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' }
const jsonHeaders = { 'content-type': 'application/json; charset=utf-8' }

const isEventStream = (contentType: string): boolean => contentType.toLowerCase().startsWith('text/event-stream')

const isIdentity = (headers: HeaderMap): boolean => {
  const encoding = headers['content-encoding']
  return encoding === undefined || encoding === '' || encoding === 'identity'
}

/** We never ask for compression; where an upstream compresses all the same, the client gets its bytes and we read a copy. */
function decompress(body: Buffer, headers: HeaderMap): Buffer {
  const options = { maxOutputLength: WHOLE_CAP_BYTES }
  switch (headers['content-encoding']) {
    case 'gzip':
      return gunzipSync(body, options)
    case 'deflate':
      return inflateSync(body, options)
    case 'br':
      return brotliDecompressSync(body, options)
    case 'zstd':
      return zstdDecompressSync(body, options)
    default:
      return body
  }
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
}
