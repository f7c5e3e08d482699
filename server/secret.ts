import { inspect } from 'node:util'

/**
 * A provider key, token or password in memory. It prints as `***` wherever text is made of it (templates, JSON, console, pino),
 * so that only a deliberate `reveal()` can put it into a header.
 */
export class Secret {
  readonly #value: string
  constructor(value: string) {
    this.#value = value
  }
  reveal(): string {
    return this.#value
  }
  /** The last four characters behind dots: enough to tell two keys apart. Shorter secrets show nothing. */
  hint(): string {
    return this.#value.length >= 12 ? `…${this.#value.slice(-4)}` : '…'
  }
  toString(): string {
    return '***'
  }
  toJSON(): string {
    return '***'
  }
  [inspect.custom](): string {
    return '***'
  }
}
