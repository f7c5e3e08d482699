import { RelayError } from '../../errors.ts'
import type { JsonObject } from '../../model/request.ts'
import type { Usage } from '../../model/response.ts'
import type { FrameMeaning, ReplyReader, ReplySummary } from '../codec.ts'
import { asArray, asNumber, asObject, asString, parseObject } from '../narrow.ts'
import { decodeOpenAiErrorObject } from '../openai-error.ts'
import type { SseFrame } from '../sse.ts'
import { findUsage, isZero } from './usage.ts'

/** Reads a copy of a streamed reply: usage, errors, the end. */
export class ChatReader implements ReplyReader {
  usage: Usage | undefined
  #done = false
  #broken = false
  readonly #open = new Set<number>()
  readonly #finished = new Set<number>()

  /** `[DONE]`, or a finish reason for every choice that was seen: several providers never send `[DONE]`. Never after an error. */
  get complete(): boolean {
    return !this.#broken && (this.#done || (this.#finished.size > 0 && this.#open.size === 0))
  }

  /** OpenAI says `"usage":null` and `"finish_reason":null` in every chunk, so the name alone proves nothing. */
  wants(data: string): boolean {
    if (data.charCodeAt(0) === 0x5b && data.startsWith('[DONE]')) return true
    return hasValue(data, FINISH) || hasValue(data, USAGE) || hasValue(data, ERROR)
  }

  read(frame: SseFrame): FrameMeaning {
    const meaning = this.#read(frame)
    if (meaning instanceof RelayError) this.#broken = true
    return meaning
  }

  #read(frame: SseFrame): FrameMeaning {
    const data = frame.data.trim()
    if (data === '') return 'ignored'
    if (data === '[DONE]') {
      this.#done = true
      return 'end'
    }
    const chunk = parseObject(data)
    if (chunk === undefined)
      return new RelayError('upstream_failed', 'the upstream sent an event that is not a JSON object')
    return errorOf(chunk, frame.event) ?? this.#readChunk(chunk)
  }

  #readChunk(chunk: JsonObject): FrameMeaning {
    const choices = (asArray(chunk.choices) ?? []).map(asObject)
    const usage = findUsage(chunk, choices[0])
    if (usage !== undefined && (this.usage === undefined || !isZero(usage))) this.usage = usage
    let content = false
    for (const choice of choices) {
      if (choice === undefined) continue
      const index = asNumber(choice.index) ?? 0
      const finish = asString(choice.finish_reason)
      if (finish !== undefined && finish !== '') {
        this.#finished.add(index)
        this.#open.delete(index)
      } else if (!this.#finished.has(index)) this.#open.add(index)
      if (finish === 'error')
        return new RelayError('upstream_failed', 'the upstream broke the answer off with an error')
      if (isAnswer(asObject(choice.delta) ?? asObject(choice.message)) || isAnswerByItself(finish)) content = true
    }
    return content ? 'content' : 'preamble'
  }
}

/** A whole reply as the relay sees it. */
export function summarise(body: JsonObject): ReplySummary {
  const error = errorOf(body, undefined)
  const choices = (asArray(body.choices) ?? []).map(asObject)
  const usage = findUsage(body, choices[0])
  if (error !== undefined) return { usage, empty: true, error }
  const empty = !choices.some(
    (choice) => isAnswer(asObject(choice?.message)) || isAnswerByItself(asString(choice?.finish_reason)),
  )
  return { usage, empty }
}

/**
 * The error that a chunk or body holds: `error`, vLLM's `{object: 'error', message}`, or anything under `event: error` (Groq).
 * `"error": null` is none.
 */
export function errorOf(chunk: JsonObject, event: string | undefined): RelayError | undefined {
  const { error } = chunk
  if (error !== undefined && error !== null && error !== false && error !== '') return decodeOpenAiErrorObject(chunk)
  if (event === 'error' || chunk.object === 'error') return decodeOpenAiErrorObject(chunk)
  return undefined
}

/** An answer may rightly be without content: its thoughts used up `max_tokens`, or a filter took it. */
function isAnswerByItself(finish: string | undefined): boolean {
  return finish === 'length' || finish === 'content_filter'
}

/** Whether a delta or message holds anything that a client would show, run or replay. */
function isAnswer(message: JsonObject | undefined): boolean {
  if (message === undefined) return false
  return ANSWER_FIELDS.some((field) => {
    const value = message[field]
    if (typeof value === 'string') return value !== ''
    if (Array.isArray(value)) return value.length > 0
    return typeof value === 'object' && value !== null
  })
}

const ANSWER_FIELDS = [
  'content',
  'tool_calls',
  'refusal',
  'reasoning_content',
  'reasoning',
  'reasoning_details',
  'function_call',
  'audio',
  'images',
] as const

/**
 * A member's name as it is looked for: from a letter that is rare in chunks to its closing quote. A quote first would stop the search
 * at every member.
 */
interface Member {
  readonly before: string
  readonly needle: string
}
const FINISH: Member = { before: '"', needle: 'finish_reason"' }
const USAGE: Member = { before: '"', needle: 'usage"' }
const ERROR: Member = { before: '"e', needle: 'rror"' }

/**
 * Whether a member of that name stands in the JSON text with a value that is not null. Quotes inside strings are escaped, so the
 * quoted name cannot match inside a text.
 */
function hasValue(data: string, { before, needle }: Member): boolean {
  for (let at = data.indexOf(needle); at >= 0; at = data.indexOf(needle, at + 1)) {
    if (!data.startsWith(before, at - before.length)) continue
    let value = at + needle.length
    while (isSpace(data.charCodeAt(value))) value++
    if (data.charCodeAt(value) !== 0x3a) continue
    value++
    while (isSpace(data.charCodeAt(value))) value++
    if (!data.startsWith('null', value)) return true
  }
  return false
}

const isSpace = (code: number): boolean => code === 32 || code === 10 || code === 13 || code === 9
