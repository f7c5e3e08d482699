import { SseSplitter, utf8 } from '../sse.ts'

/**
 * A stream for a client that did not ask for `alt=sse`: one JSON array whose elements are the data of the upstream's events, as they
 * were sent. Takes SSE bytes cut anywhere. After an error `encodeStreamError` closes the array instead of `end`.
 */
export class ArrayForm {
  readonly #frames = new SseSplitter()
  #open = false

  push(bytes: Buffer): string {
    let text = ''
    this.#frames.push(bytes, (frame) => (text += this.#element(frame.data)))
    return text
  }

  end(): string {
    let text = ''
    this.#frames.end((frame) => (text += this.#element(frame.data)))
    text += this.#open ? ']' : '[]'
    return text
  }

  #element(data: string): string {
    const text = this.#open ? `,\n${utf8(data)}` : `[${utf8(data)}`
    this.#open = true
    return text
  }
}
