import { RelayError } from '../../errors.ts'
import type { JsonObject } from '../../model/request.ts'
import type { Usage } from '../../model/response.ts'
import type { FrameMeaning, ReplyReader, ReplySummary } from '../codec.ts'
import { asArray, asObject, asString, parseObject } from '../narrow.ts'
import type { SseFrame } from '../sse.ts'
import { toldError } from './errors.ts'
import { readUsage, UsageReader } from './usage.ts'

/** Reads along a streamed message for the meter and the commit. */
export class MessageReader implements ReplyReader {
  readonly #usage = new UsageReader()
  complete = false

  get usage(): Usage | undefined {
    return this.#usage.usage
  }

  /** `message_delta`, `message_stop`, `error`, and whatever is not JSON at first sight. */
  wants(data: string): boolean {
    return data.includes('"message_') || data.includes('"error"') || !data.startsWith('{')
  }

  read(frame: SseFrame): FrameMeaning {
    const event = parseObject(frame.data)
    if (event === undefined) return this.#noJson(frame)
    const type = asString(event.type) ?? frame.event
    if (type === 'error' || frame.event === 'error') return toldError(event)
    switch (type) {
      case 'message_start': {
        const message = asObject(event.message)
        this.#usage.read(message?.usage)
        return (asArray(message?.content) ?? []).length > 0 ? 'content' : 'preamble'
      }
      case 'content_block_start':
        return asObject(event.content_block)?.type === 'text' ? 'preamble' : 'content'
      case 'content_block_delta':
        return 'content'
      case 'content_block_stop':
        return 'preamble'
      case 'message_delta':
        this.#usage.read(event.usage)
        return isVerdict(asString(asObject(event.delta)?.stop_reason)) ? 'content' : 'preamble'
      case 'message_stop':
        this.complete = true
        return 'end'
      default:
        return 'ignored'
    }
  }

  /** Some gateways end with OpenAI's `[DONE]`, which clients of this format tolerate; an error event may hold bare text. */
  #noJson(frame: SseFrame): FrameMeaning {
    if (frame.event === 'error')
      return new RelayError('upstream_failed', frame.data === '' ? 'the upstream reported an error' : frame.data)
    if (frame.data.trim() === '[DONE]' || frame.data.trim() === '') return 'ignored'
    return new RelayError('upstream_failed', 'the upstream sent an event that is not JSON')
  }
}

/** A whole message, an error in one's place, or the answer to `count_tokens`. */
export function summarise(body: JsonObject): ReplySummary {
  if (body.type === 'error' || (body.error !== undefined && body.error !== null))
    return { usage: undefined, empty: false, error: toldError(body) }
  if (typeof body.input_tokens === 'number') return { usage: undefined, empty: false }
  const answered = (asArray(body.content) ?? []).length > 0 || isVerdict(asString(body.stop_reason))
  return { usage: readUsage(body.usage), empty: !answered }
}

/** A turn without a word in it whose stop reason is the answer: refused, cut by a limit, stopped by the client's own sequence. */
function isVerdict(stopReason: string | undefined): boolean {
  return stopReason !== undefined && stopReason !== 'end_turn' && stopReason !== 'tool_use'
}
