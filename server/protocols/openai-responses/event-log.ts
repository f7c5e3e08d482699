import type { RelayError } from '../../errors.ts'
import type { JsonObject } from '../../model/request.ts'
import { errorFrames } from './errors.ts'

/** The text of a delta event around its number and its text. */
export interface Frame {
  readonly head: string
  readonly tail: string
}

export const NO_FRAME: Frame = { head: '', tail: '' }

/** The frame of an event whose last field is `delta`. */
export function deltaFrame(type: string, fields: JsonObject): Frame {
  return {
    head: `event: ${type}\ndata: {"type":"${type}","sequence_number":`,
    tail: `,${JSON.stringify(fields).slice(1, -1)},"delta":`,
  }
}

/** Events of one stream on their way to the socket, numbered from 0. */
export class EventLog {
  #out: string[] = []
  #sequence = 0

  emit(type: string, fields: JsonObject): void {
    const data = JSON.stringify({ type, sequence_number: this.#sequence++, ...fields })
    this.#out.push(`event: ${type}\ndata: ${data}\n\n`)
  }

  /** The hot path: everything but the text is ready since the block began. */
  say(frame: Frame, text: string): void {
    this.#out.push(`${frame.head}${this.#sequence++}${frame.tail}${JSON.stringify(text)}}\n\n`)
  }

  fail(error: RelayError, response: JsonObject): void {
    this.#out.push(errorFrames(error, this.#sequence, response))
    this.#sequence += 2
  }

  /** The text since the last call. */
  drain(): string {
    const [only] = this.#out
    if (only === undefined) return ''
    const text = this.#out.length === 1 ? only : this.#out.join('')
    this.#out = []
    return text
  }
}
