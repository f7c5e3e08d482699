import { RelayError } from '../../errors.ts'
import type { JsonObject } from '../../model/request.ts'
import type { Usage } from '../../model/response.ts'
import type { FrameMeaning, ReplyReader, ReplySummary } from '../codec.ts'
import { asArray, asObject, parseObject } from '../narrow.ts'
import type { SseFrame } from '../sse.ts'
import { errorBehindOk } from './errors.ts'
import { decodeUsage } from './usage.ts'
import { blockReasonOf, candidatesOf, finishReasonOf, objects, partsOf, type Unwrap } from './wire.ts'

/**
 * Usage stands in every chunk and the last one counts, so frames that only carry text are remembered, not parsed; the one
 * remembered last is parsed when somebody asks.
 */
export class GeminiReader implements ReplyReader {
  readonly #unwrap: Unwrap
  #counted: string | undefined
  #usage: Usage | undefined
  #complete = false

  constructor(unwrap: Unwrap) {
    this.#unwrap = unwrap
  }

  wants(data: string): boolean {
    this.#note(data)
    return data.includes('"finishReason"') || data.includes('"promptFeedback"') || data.includes('"error"')
  }

  read(frame: SseFrame): FrameMeaning {
    if (frame.data === '[DONE]') return 'ignored'
    const outer = parseObject(frame.data)
    if (outer === undefined) return new RelayError('upstream_failed', 'the upstream sent an event that is not JSON')
    const error = errorBehindOk(outer)
    if (error !== undefined) return error
    this.#note(frame.data)
    const body = this.#unwrap(outer)
    const candidates = candidatesOf(body)
    const ends = candidates.some((candidate) => finishReasonOf(candidate) !== undefined)
    if (ends || blockReasonOf(body) !== undefined) this.#complete = true
    if (isAnswer(body, candidates)) return 'content'
    return ends ? 'end' : 'preamble'
  }

  get usage(): Usage | undefined {
    if (this.#counted !== undefined) {
      const body = parseObject(this.#counted)
      this.#counted = undefined
      if (body !== undefined) this.#usage = decodeUsage(asObject(this.#unwrap(body)['usageMetadata'])) ?? this.#usage
    }
    return this.#usage
  }

  get complete(): boolean {
    return this.#complete
  }

  /** Vertex's early chunks have a `usageMetadata` without counts; those must not push out one that has them. */
  #note(data: string): void {
    if (data.includes('TokenCount"')) this.#counted = data
  }
}

/** A whole reply, or the array of chunks that a stream without `alt=sse` is. */
export function summarise(body: JsonObject | readonly unknown[], unwrap: Unwrap): ReplySummary {
  const chunks = asArray(body) === undefined ? objects([body]) : objects(body)
  let usage: Usage | undefined
  let empty = true
  for (const chunk of chunks) {
    const error = errorBehindOk(chunk)
    if (error !== undefined) return { usage, empty: true, error }
    const inner = unwrap(chunk)
    usage = decodeUsage(asObject(inner['usageMetadata'])) ?? usage
    if (isAnswer(inner, candidatesOf(inner)) || typeof inner['totalTokens'] === 'number') empty = false
  }
  return { usage, empty }
}

/** Content, or a verdict in its place: a blocked prompt, a candidate ended by a filter or by the token limit before its first word. */
function isAnswer(body: JsonObject, candidates: readonly JsonObject[]): boolean {
  if (blockReasonOf(body) !== undefined) return true
  return candidates.some((candidate) => isVerdict(finishReasonOf(candidate)) || partsOf(candidate).some(saysSomething))
}

function isVerdict(reason: string | undefined): boolean {
  return reason !== undefined && reason !== 'STOP' && reason !== 'OTHER'
}

/** Signatures alone, and the empty text parts that carry them, are no content. */
function saysSomething(part: JsonObject): boolean {
  for (const [name, value] of Object.entries(part)) {
    if (name === 'thought' || name === 'thoughtSignature' || name === 'videoMetadata') continue
    if (name === 'text' ? value !== '' : asObject(value) !== undefined) return true
  }
  return false
}
