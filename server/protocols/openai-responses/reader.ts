import type { RelayError } from '../../errors.ts'
import type { JsonObject } from '../../model/request.ts'
import type { Usage } from '../../model/response.ts'
import type { FrameMeaning, ReplyReader, ReplySummary } from '../codec.ts'
import { asArray, asObject, asString, parseObject } from '../narrow.ts'
import { decodeOpenAiErrorObject } from '../openai-error.ts'
import type { SseFrame } from '../sse.ts'
import { errorIn } from './errors.ts'
import { decodeUsage } from './usage.ts'

const TERMINAL = new Set(['response.completed', 'response.incomplete', 'response.failed', 'response.cancelled'])
const PREAMBLE = new Set(['response.created', 'response.queued', 'response.in_progress'])
const TYPE_FIRST = '{"type":"'
/** One of these words, or an escape that may hide one, is in every event that ends a reply, wherever its `type` stands. */
const ENDING_WORDS = ['completed', 'incomplete', 'failed', 'cancelled', 'error', '\\u']

/** Reads one streamed reply of a Responses upstream beside the bytes that pass. */
export class ResponsesReader implements ReplyReader {
  usage: Usage | undefined
  complete = false
  #content = false

  /** OpenAI writes `type` first: then the name decides, at the cost of one comparison a delta. */
  wants(data: string): boolean {
    if (data.startsWith(TYPE_FIRST)) {
      const type = data.slice(TYPE_FIRST.length, data.indexOf('"', TYPE_FIRST.length))
      if (type.startsWith('response.') && !type.includes('\\')) return TERMINAL.has(type)
    }
    return ENDING_WORDS.some((word) => data.includes(word))
  }

  read(frame: SseFrame): FrameMeaning {
    const event = parseObject(frame.data)
    if (event === undefined) return 'ignored' // OpenRouter's [DONE]
    const type = asString(event.type) ?? frame.event ?? ''
    const error = errorIn(event, type)
    if (error !== undefined) {
      this.#note(asObject(event.response))
      return error
    }
    if (!TERMINAL.has(type)) {
      const meaning = meaningOf(type, event)
      if (meaning === 'content') this.#content = true
      return meaning
    }
    const response = asObject(event.response)
    this.#note(response)
    this.complete = true
    // an answer that comes only in the last event, or none because a limit cut it, is an answer all the same
    const answered = type === 'response.incomplete' || !isEmptyOutput(response?.output)
    return !this.#content && answered ? 'content' : 'end'
  }

  #note(response: JsonObject | undefined): void {
    this.usage = decodeUsage(response?.usage) ?? this.usage
  }
}

function meaningOf(type: string, event: JsonObject): FrameMeaning {
  if (PREAMBLE.has(type)) return 'preamble'
  if (!type.startsWith('response.')) return 'ignored'
  if (type.endsWith('.delta')) return event.delta === '' ? 'preamble' : 'content'
  if (type === 'response.output_item.added' || type === 'response.output_item.done')
    return isEmptyItem(event.item) ? 'preamble' : 'content'
  if (type === 'response.content_part.added' || type === 'response.content_part.done')
    return isEmptyPart(event.part) ? 'preamble' : 'content'
  if (type === 'response.output_text.done') return event.text === '' ? 'preamble' : 'content'
  return 'content'
}

/** The relay's view of a whole response. One in a background that is still running is no failure. */
export function summarise(body: JsonObject): ReplySummary {
  const usage = decodeUsage(body.usage)
  const status = asString(body.status)
  const error = wholeError(body, status)
  if (error !== undefined) return { usage, empty: false, error }
  const pending = status === 'queued' || status === 'in_progress' || status === 'incomplete'
  return { usage, empty: !pending && isEmptyOutput(body.output) }
}

/** What a 200 says when it is a failure: `status: failed`, or an error object in place of a response. */
export function wholeError(body: JsonObject, status: string | undefined): RelayError | undefined {
  if (status === 'failed')
    return decodeOpenAiErrorObject(body.error ?? { message: 'the upstream says that the response failed' })
  if (body.error === undefined || body.error === null || body.output !== undefined) return undefined
  return decodeOpenAiErrorObject(body)
}

function isEmptyOutput(output: unknown): boolean {
  return (asArray(output) ?? []).every(isEmptyItem)
}

/** Only a message can be empty: thoughts and calls say something by being there. */
function isEmptyItem(value: unknown): boolean {
  const item = asObject(value)
  if (item === undefined) return true
  return asString(item.type) === 'message' && (asArray(item.content) ?? []).every(isEmptyPart)
}

function isEmptyPart(value: unknown): boolean {
  const part = asObject(value)
  return (asString(part?.text) ?? asString(part?.refusal) ?? '') === ''
}
