import type { FinishedRequest } from './record.ts'

interface Waiting {
  record: FinishedRequest
  bytes: number
}

/** About what a record without bodies takes. */
const RECORD_BYTES = 1024

/**
 * Records that wait in memory while the disk refuses them, first in first out. Over its size it gives up bodies first (oldest first),
 * then whole records, oldest first, and counts those.
 */
export class Pending {
  readonly #capBytes: number
  #queue: Waiting[] = []
  #bytes = 0
  #lost = 0
  /** Entries before this index have no bodies left to give up. */
  #stripped = 0

  constructor(capBytes: number) {
    this.#capBytes = capBytes
  }

  get size(): number {
    return this.#queue.length
  }

  /** Records given up since the start. */
  get lost(): number {
    return this.#lost
  }

  push(record: FinishedRequest): void {
    const bytes =
      RECORD_BYTES + (record.bodies === undefined ? 0 : record.bodies.request.length + record.bodies.response.length)
    this.#queue.push({ record, bytes })
    this.#bytes += bytes
    while (this.#bytes > this.#capBytes && this.#stripped < this.#queue.length) this.#strip()
    while (this.#bytes > this.#capBytes && this.#queue.length > 0) {
      this.shift()
      this.#lost++
    }
  }

  first(): FinishedRequest | null {
    return this.#queue[0]?.record ?? null
  }

  shift(): void {
    const first = this.#queue.shift()
    if (first === undefined) return
    this.#bytes -= first.bytes
    this.#stripped = Math.max(0, this.#stripped - 1)
  }

  #strip(): void {
    const waiting = this.#queue[this.#stripped++]
    if (waiting?.record.bodies === undefined) return
    const record: { -readonly [K in keyof FinishedRequest]: FinishedRequest[K] } = { ...waiting.record }
    delete record.bodies
    this.#bytes -= waiting.bytes - RECORD_BYTES
    waiting.record = record
    waiting.bytes = RECORD_BYTES
  }
}
