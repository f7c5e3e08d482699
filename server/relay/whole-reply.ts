import { brotliDecompressSync, gunzipSync, inflateSync, zstdDecompressSync } from 'node:zlib'
import { RelayError } from '../errors.ts'
import { collect, replay } from '../model/collect.ts'
import type { JsonObject } from '../model/request.ts'
import type { ChatResponse, StreamEvent } from '../model/response.ts'
import { asObject } from '../protocols/narrow.ts'
import { decodeFrame, SseSplitter, type RawFrame } from '../protocols/sse.ts'
import type { HeaderMap } from '../upstream/exchange.ts'
import { clientHeaders } from '../upstream/target.ts'
import type { AttemptPlan, Outcome, UpstreamWords } from './outcome.ts'
import { nothingCame, saysNothing, spoken } from './pump.ts'

/** A whole reply is held in memory until it is complete: it can still fail over. */
export const WHOLE_CAP_BYTES = 256 * 1024 * 1024
/** So much of a reply without usage is looked at for an estimate. */
const SAMPLE_CAP_BYTES = 256 * 1024

/** An upstream's answer that came in one piece, as it went over the wire. */
export interface WholeReply {
  readonly status: number
  readonly headers: HeaderMap
  readonly body: Buffer
}

/** What became of it; `text` is the whole stream where the client wanted one. */
export interface ReadReply {
  readonly outcome: Outcome
  readonly text?: string
}

/** Judges a whole reply and says it in the client's format. Never throws. */
export function readWhole(plan: AttemptPlan, reply: WholeReply): ReadReply {
  const { status, headers, body } = reply
  try {
    const plain = decompress(body, headers)
    if (status < 200 || status >= 300)
      throw new Failed(plan.upstream.decodeError(status, headers, plain.toString('utf8')), wordsOf(plan, reply))
    return plan.stream ? sayAsStream(plan, plain, headers) : { outcome: sayWhole(plan, plain, reply) }
  } catch (thrown) {
    if (thrown instanceof Failed) return failed(thrown.error, thrown.words)
    if (thrown instanceof RelayError) return failed(thrown, null)
    const detail = { cause: thrown, defect: true } as const
    return failed(new RelayError('upstream_failed', "the upstream's answer could not be read", detail), null)
  }
}

/** What the upstream said, for a client that speaks its format. */
export function wordsOf(plan: AttemptPlan, { status, headers, body }: WholeReply): UpstreamWords {
  return { format: plan.upstream.format, status, headers: clientHeaders(headers), body }
}

class Failed extends Error {
  readonly error: RelayError
  readonly words: UpstreamWords
  constructor(error: RelayError, words: UpstreamWords) {
    super(error.message, { cause: error })
    this.error = error
    this.words = words
  }
}

const failed = (error: RelayError, words: UpstreamWords | null): ReadReply => ({
  outcome: { kind: 'failed', error, words },
})

function sayWhole(plan: AttemptPlan, plain: Buffer, reply: WholeReply): Outcome {
  const { upstream, client, conversation } = plan
  const object = asObject(parseJson(plain))
  if (object === undefined) {
    if (isEventStream(reply.headers)) return putTogether(plan, plain)
    throw new RelayError('upstream_failed', 'the upstream answered 200 with something that is not a JSON object')
  }
  // a token count is no answer: it has neither text nor usage of its own
  const summary = plan.operation === 'generate' ? upstream.summarise(object) : { usage: undefined, empty: false }
  if (summary.error !== undefined) throw summary.error
  if (summary.empty) throw isReply(plan, object) ? new Failed(nothingCame(), wordsOf(plan, reply)) : nothingCame()
  const common = { kind: 'whole', usage: summary.usage, sample: sampleOf(plain) } as const
  if (conversation === null)
    return { ...common, status: reply.status, headers: clientHeaders(reply.headers), body: reply.body }
  const encoded = client.codec.encodeResponse(decoded(plan, object), conversation.request)
  return { ...common, status: 200, headers: jsonHeaders, body: Buffer.from(JSON.stringify(encoded), 'utf8') }
}

/** Whether it is an answer of the format at all, if one that says nothing. */
function isReply({ upstream, origin, loss }: AttemptPlan, object: JsonObject): boolean {
  try {
    upstream.codec.decodeResponse(object, { origin, loss })
    return true
  } catch (error) {
    if (error instanceof RelayError) return false
    throw error
  }
}

/** One piece was asked for and a stream came, as some servers always answer: its events are put together. */
function putTogether(plan: AttemptPlan, plain: Buffer): Outcome {
  const { upstream, client, origin, loss } = plan
  const request = plan.asked()
  const decoder = upstream.codec.decodeStream({ origin, loss, request })
  const events: StreamEvent[] = []
  const splitter = new SseSplitter()
  const take = (raw: RawFrame): void => {
    events.push(...decoder.push(decodeFrame(raw)))
  }
  splitter.push(plain, take)
  splitter.end(take)
  events.push(...decoder.end())
  const response = named(plan, collect(events))
  if (saysNothing(response)) throw nothingCame()
  const body = Buffer.from(JSON.stringify(client.codec.encodeResponse(response, request)), 'utf8')
  return { kind: 'whole', status: 200, headers: jsonHeaders, body, usage: response.usage, sample: sampleOf(plain) }
}

/**
 * A stream was asked for and one piece came, as some compatible servers answer: an answer is said again as a stream, an error body
 * behind a 200 is told in its own words.
 */
function sayAsStream(plan: AttemptPlan, plain: Buffer, headers: HeaderMap): ReadReply {
  const object = asObject(parseJson(plain))
  const summary = object === undefined ? undefined : plan.upstream.summarise(object)
  if (summary?.error !== undefined) throw summary.error
  if (summary?.empty === true) throw nothingCame()
  if (object === undefined || summary === undefined) {
    const type = headers['content-type'] ?? 'no content type'
    throw new RelayError('upstream_failed', `the upstream answered a stream request with ${type}`)
  }
  const encoder = plan.client.codec.encodeStream(plan.asked())
  let text = ''
  for (const event of replay(decoded(plan, object))) text += encoder.push(event)
  text += encoder.end()
  const pump = spoken(summary.usage, sampleOf(plain)())
  return { outcome: { kind: 'stream', encoded: true, status: 200, headers: streamHeaders, pump }, text }
}

function decoded(plan: AttemptPlan, object: JsonObject): ChatResponse {
  const { upstream, origin, loss } = plan
  const response = upstream.codec.decodeResponse(object, { origin, loss, request: plan.asked() })
  if (saysNothing(response)) throw nothingCame()
  return named(plan, response)
}

/** Clients want an id and a time also where the upstream gave none. */
function named({ fallback }: AttemptPlan, response: ChatResponse): ChatResponse {
  return {
    ...response,
    id: response.id === '' ? fallback.id : response.id,
    createdAt: response.createdAt === 0 ? fallback.createdAt : response.createdAt,
  }
}

const sampleOf =
  (plain: Buffer): (() => string) =>
  () =>
    plain.toString('utf8', 0, SAMPLE_CAP_BYTES)

export const streamHeaders = { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' }
const jsonHeaders = { 'content-type': 'application/json; charset=utf-8' }

export const isEventStream = (headers: HeaderMap): boolean =>
  (headers['content-type'] ?? '').toLowerCase().startsWith('text/event-stream')

/** We never ask for compression; where an upstream compresses all the same, the client gets its bytes and we read a copy. */
function decompress(body: Buffer, headers: HeaderMap): Buffer {
  const options = { maxOutputLength: WHOLE_CAP_BYTES }
  try {
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
  } catch (cause) {
    throw new RelayError('upstream_failed', 'the upstream sent a damaged compressed reply', { cause })
  }
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
}
