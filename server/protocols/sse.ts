/** One server-sent event: the `data:` lines joined by LF, and the event's name where there was one. */
export interface SseFrame {
  readonly event?: string
  readonly data: string
}

const CR = 13

/**
 * Cuts a byte stream into lines without LF and CR, at any chunking. Lines are latin1 text: every byte is one character, so
 * nothing is decoded before it is wanted, and a multi-byte character cut by the network stays whole.
 * A line that spans many chunks is joined once: cost stays linear for a line of many megabytes.
 */
export class LineSplitter {
  #parts: string[] = []

  /** Calls `line` for each line that `chunk` completes. One decoding for the whole chunk: its lines are slices of that text. */
  push(chunk: Buffer, line: (text: string) => void): void {
    const text = chunk.toString('latin1')
    let start = 0
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      const cr = end > start && text.charCodeAt(end - 1) === CR ? 1 : 0
      if (this.#parts.length === 0) line(text.slice(start, end - cr))
      else {
        this.#parts.push(text.slice(start, end))
        const whole = this.#parts.join('')
        this.#parts = []
        line(whole.endsWith('\r') ? whole.slice(0, -1) : whole)
      }
      start = end + 1
    }
    if (start < text.length) this.#parts.push(start === 0 ? text : text.slice(start))
  }

  /** The last line, when the source closed without ending it. */
  end(line: (text: string) => void): void {
    if (this.#parts.length === 0) return
    const text = this.#parts.join('')
    this.#parts = []
    line(text.endsWith('\r') ? text.slice(0, -1) : text)
  }
}

/** The UTF-8 text behind a latin1 string of its bytes. ASCII, the common case, is returned as it is. */
export function utf8(latin1: string): string {
  // eslint-disable-next-line no-control-regex -- the range is the point: only bytes above ASCII need decoding
  return /^[\x00-\x7f]*$/.test(latin1) ? latin1 : Buffer.from(latin1, 'latin1').toString('utf8')
}

/** A frame whose text is still latin1 (see LineSplitter); `utf8` decodes it when it is wanted. */
export interface RawFrame {
  readonly event: string | undefined
  readonly data: string
}

/** Bytes → frames (WHATWG server-sent events; `id:` and `retry:` are ignored, a BOM too). One object per stream. */
export class SseSplitter {
  readonly #lines = new LineSplitter()
  #event: string | undefined
  #data: string | undefined
  #first = true

  push(chunk: Buffer, frame: (frame: RawFrame) => void): void {
    this.#lines.push(chunk, (line) => {
      this.#line(line, frame)
    })
  }

  /** A last frame that was not closed by an empty line is given too: real providers end so. */
  end(frame: (frame: RawFrame) => void): void {
    this.#lines.end((line) => {
      this.#line(line, frame)
    })
    this.#line('', frame)
  }

  #line(text: string, frame: (frame: RawFrame) => void): void {
    let line = text
    if (this.#first) {
      this.#first = false
      if (line.startsWith('\u00ef\u00bb\u00bf')) line = line.slice(3)
    }
    if (line === '') {
      if (this.#data !== undefined) frame({ event: this.#event, data: this.#data })
      this.#event = undefined
      this.#data = undefined
      return
    }
    if (line.startsWith('data:')) {
      const value = line.charCodeAt(5) === 32 ? line.slice(6) : line.slice(5)
      this.#data = this.#data === undefined ? value : `${this.#data}\n${value}`
    } else if (line.startsWith('event:')) {
      this.#event = line.charCodeAt(6) === 32 ? line.slice(7) : line.slice(6)
    }
  }
}

/** The frame's text decoded. */
export function decodeFrame(raw: RawFrame): SseFrame {
  const data = utf8(raw.data)
  return raw.event === undefined ? { data } : { event: raw.event, data }
}

/** `data:` line, blank line; with an `event:` line where a name is given. */
export function encodeFrame(frame: SseFrame): string {
  const data = `data: ${frame.data}\n\n`
  return frame.event === undefined ? data : `event: ${frame.event}\n${data}`
}
