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

  /** The bytes that may go out now; null: no frame ended yet. */
  push(chunk: Buffer): Buffer | null {
    if (this.#size === 0) {
      const end = frameEnd(chunk)
      if (end === chunk.length) return chunk
      this.#keep(chunk.subarray(end))
      return end === 0 ? null : chunk.subarray(0, end)
    }
    // a boundary may lie across the seam: look at the last bytes of what is kept together with the chunk
    const last = this.#parts[this.#parts.length - 1] ?? chunk
    const seam = last.subarray(Math.max(0, last.length - 3))
    const end = frameEnd(Buffer.concat([seam, chunk])) - seam.length
    if (end <= 0) {
      this.#keep(chunk)
      return null
    }
    const out = Buffer.concat([...this.#parts, chunk.subarray(0, end)], this.#size + end)
    this.#parts = []
    this.#size = 0
    this.#keep(chunk.subarray(end))
    return out
  }

  /** What is left of an unfinished frame, for a source that ends without the last blank line. */
  rest(): Buffer | null {
    if (this.#size === 0) return null
    const out = Buffer.concat(this.#parts, this.#size)
    this.#parts = []
    this.#size = 0
    return out
  }

  #keep(bytes: Buffer): void {
    if (bytes.length === 0) return
    const last = this.#parts[this.#parts.length - 1]
    // tiny pieces are joined, so that the seam always sees three bytes where there are three
    if (last !== undefined && last.length < 3) this.#parts[this.#parts.length - 1] = Buffer.concat([last, bytes])
    else this.#parts.push(bytes)
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
