const LF = 10
const CR = 13

/**
 * Lets bytes through up to the last complete server-sent event and keeps the beginning of the next one. So a stream that breaks
 * off never leaves half a frame with the client, and a keep-alive or an error can always be put in. Bytes are never changed, and
 * cost is linear for a frame of many megabytes.
 */
export class WholeFrames {
  #parts: Buffer[] = []
  #size = 0
  /** The last bytes that are kept: a boundary may lie across the seam with the next chunk. */
  #seam: Buffer = Buffer.alloc(0)

  /** The bytes that may go out now; null: no frame ended yet. */
  push(chunk: Buffer): Buffer | null {
    if (this.#size === 0) {
      const end = frameEnd(chunk)
      if (end === chunk.length) return chunk
      this.#keep(chunk.subarray(end))
      return end === 0 ? null : chunk.subarray(0, end)
    }
    const end = frameEnd(Buffer.concat([this.#seam, chunk])) - this.#seam.length
    if (end <= 0) {
      this.#keep(chunk)
      return null
    }
    const out = Buffer.concat([...this.#parts, chunk.subarray(0, end)], this.#size + end)
    this.#clear()
    this.#keep(chunk.subarray(end))
    return out
  }

  /** What is left of an unfinished frame, for a source that ends without the last blank line. */
  rest(): Buffer | null {
    if (this.#size === 0) return null
    const out = Buffer.concat(this.#parts, this.#size)
    this.#clear()
    return out
  }

  #clear(): void {
    this.#parts = []
    this.#size = 0
    this.#seam = this.#seam.subarray(0, 0)
  }

  #keep(bytes: Buffer): void {
    if (bytes.length === 0) return
    this.#parts.push(bytes)
    this.#seam = bytes.length >= 3 ? bytes.subarray(-3) : Buffer.concat([this.#seam, bytes]).subarray(-3)
    this.#size += bytes.length
  }
}

/** Offset behind the last blank line (LF LF, or CR LF CR LF); 0 when there is none. */
function frameEnd(bytes: Buffer): number {
  for (let at = bytes.lastIndexOf(LF); at > 0; at = bytes.lastIndexOf(LF, at - 1)) {
    const before = bytes[at - 1]
    if (before === LF || (before === CR && bytes[at - 2] === LF)) return at + 1
  }
  return 0
}
