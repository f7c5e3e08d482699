import { RelayError } from '../errors.ts'
import type { ChatRequest, ReportLoss } from '../model/request.ts'
import type { ChatResponse, StreamEvent, Usage } from '../model/response.ts'
import type { Protocol, ReplyReader, StreamDecoder, StreamEncoder } from '../protocols/codec.ts'
import { decodeFrame, SseSplitter, type RawFrame } from '../protocols/sse.ts'
import { WholeFrames } from '../protocols/whole-frames.ts'

/** More held back than this before the first meaningful event: no longer an introduction, so it is let through. */
const HELD_CAP_BYTES = 8 * 1024 * 1024

/** Turns an upstream's stream into the client's, and says when the reply is worth committing to. */
export interface Pump {
  /** Feeds bytes; gives what the client shall get now (nothing before the commit: it is held). */
  push(chunk: Buffer): Buffer | string | null
  /** The source closed. Gives the rest; `failure` tells whether the reply ended properly. */
  end(): Buffer | string | null
  /** The connection broke or time ran out. Gives what tells the client so, where the pump can say it in the stream's own grammar. */
  break(error: RelayError): string | null
  /** What was held back of a reply that never became worth committing to; null where it was not the client's own format. */
  readonly held: Buffer | null
  /** The first meaningful event has come: from here on nothing can fail over. */
  readonly committed: boolean
  /** The terminal event has come: nothing of worth can follow. */
  readonly final: boolean
  /** What is wrong with the reply: before the commit it fails over, after it the client has been or must be told. */
  readonly failure: RelayError | null
  /** The client has read of the failure inside the stream already. */
  readonly failureTold: boolean
  readonly usage: Usage | undefined
  /** A sample of the reply's text, for counting tokens where the upstream named none; and the share of the reply it is. */
  readonly sample: { readonly text: string; readonly share: number }
}

const truncated = (): RelayError =>
  new RelayError('upstream_failed', 'the upstream ended its stream without saying that the answer is complete')

export const nothingCame = (): RelayError =>
  new RelayError('empty_answer', 'the upstream answered 200 without any answer in it')

/** Enough text for a fair estimate; the rest is extrapolated. */
const SAMPLE_CAP = 32 * 1024

/** Same format on both sides: bytes pass untouched, a reader sees a copy. */
export class VerbatimPump implements Pump {
  committed = false
  final = false
  failure: RelayError | null = null
  /** After the commit the upstream's own words pass to the client; a cut stream has no words. */
  failureTold = false
  readonly #reader: ReplyReader
  readonly #protocol: Protocol
  readonly #splitter = new SseSplitter()
  readonly #frames = new WholeFrames()
  #held: Buffer[] = []
  #heldBytes = 0
  #sampled: Buffer[] = []
  #sampledBytes = 0
  #totalBytes = 0
  #damaged = false
  readonly #see = (raw: RawFrame): void => this.#frame(raw)

  constructor(protocol: Protocol) {
    this.#protocol = protocol
    this.#reader = protocol.reader()
  }

  get usage(): Usage | undefined {
    return this.#reader.usage
  }

  push(chunk: Buffer): Buffer | null {
    this.#totalBytes += chunk.length
    this.#splitter.push(chunk, this.#see)
    // a damaged event would only break the client's parser: the failure is told instead
    if (this.#damaged) return null
    if (this.#sampledBytes < SAMPLE_CAP && this.#reader.usage === undefined) {
      this.#sampled.push(chunk)
      this.#sampledBytes += chunk.length
    }
    const whole = this.#frames.push(chunk)
    if (whole !== null) {
      if (this.committed && this.#heldBytes === 0) return whole
      this.#held.push(whole)
      this.#heldBytes += whole.length
    }
    if (!this.committed && this.failure === null && this.#heldBytes > HELD_CAP_BYTES) this.committed = true
    return this.committed && this.#heldBytes > 0 ? this.#release() : null
  }

  end(): Buffer | null {
    this.#splitter.end(this.#see)
    if (this.failure === null) {
      if (!this.#reader.complete) this.failure = truncated()
      else if (!this.committed) this.failure = nothingCame()
    }
    // the half of a frame that a cut leaves behind would only break the client's parser
    const proper = this.failure === null || this.failureTold || this.failure.kind === 'empty_answer'
    const rest = proper ? this.#frames.rest() : null
    if (rest !== null) {
      this.#held.push(rest)
      this.#heldBytes += rest.length
    }
    return this.committed && this.#heldBytes > 0 ? this.#release() : null
  }

  break(error: RelayError): null {
    this.failure ??= error
    return null
  }

  get held(): Buffer {
    return this.#release()
  }

  get sample(): { readonly text: string; readonly share: number } {
    const decoder = this.#protocol.codec.decodeStream({ loss: ignoreLoss })
    const splitter = new SseSplitter()
    let text = ''
    for (const chunk of this.#sampled)
      splitter.push(chunk, (raw) => {
        for (const event of decoder.push(decodeFrame(raw))) if (event.type === 'block-delta') text += event.text
      })
    return { text, share: this.#totalBytes === 0 ? 1 : this.#sampledBytes / this.#totalBytes }
  }

  #frame(raw: RawFrame): void {
    if (this.failure !== null) return
    if (!this.final && isTorn(raw.data)) {
      this.#damaged = true
      this.failure = new RelayError('upstream_failed', 'the upstream sent a damaged event in its stream')
      return
    }
    if (this.committed && !this.#reader.wants(raw.data)) return
    const meaning = this.#reader.read(decodeFrame(raw))
    if (meaning instanceof RelayError) {
      this.failure = meaning
      this.failureTold = this.committed
    } else if (meaning === 'content') this.committed = true
    else if (meaning === 'end') {
      if (this.committed) this.final = true
      else this.failure = nothingCame()
    }
  }

  #release(): Buffer {
    const [first] = this.#held
    const bytes = this.#held.length === 1 && first !== undefined ? first : Buffer.concat(this.#held, this.#heldBytes)
    this.#held = []
    this.#heldBytes = 0
    return bytes
  }
}

const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

/** An object that does not close is no JSON; looking at its first and last character costs nothing, so every event is looked at. */
function isTorn(data: string): boolean {
  if (data.charCodeAt(0) !== OPEN_BRACE || data.charCodeAt(data.length - 1) === CLOSE_BRACE) return false
  return !data.trimEnd().endsWith('}')
}

const ignoreLoss: ReportLoss = () => undefined

export interface Conversion {
  readonly upstream: Protocol
  readonly client: Protocol
  readonly request: ChatRequest
  /** The channel, stamped on opaque thoughts. */
  readonly origin: string
  readonly loss: ReportLoss
  /** Stands in where the upstream gave no id or time. */
  readonly fallback: { readonly id: string; readonly createdAt: number }
}

/** Different formats: frames are decoded into events and encoded again. */
export class ConvertPump implements Pump {
  committed = false
  failure: RelayError | null = null
  failureTold = false
  readonly held = null
  usage: Usage | undefined
  readonly #decoder: StreamDecoder
  readonly #encoder: StreamEncoder
  readonly #conversion: Conversion
  readonly #splitter = new SseSplitter()
  #out = ''
  #sampled = ''
  #totalChars = 0
  final = false
  readonly #see = (raw: RawFrame): void => {
    if (this.failure === null) this.#take(this.#decoder.push(decodeFrame(raw)))
  }

  constructor(conversion: Conversion) {
    this.#conversion = conversion
    const { origin, loss, request } = conversion
    this.#decoder = conversion.upstream.codec.decodeStream({ origin, loss, request })
    this.#encoder = conversion.client.codec.encodeStream(conversion.request)
  }

  push(chunk: Buffer): string | null {
    this.#splitter.push(chunk, this.#see)
    if (!this.committed && this.failure === null && this.#out.length > HELD_CAP_BYTES) this.committed = true
    return this.#flush()
  }

  end(): string | null {
    this.#splitter.end(this.#see)
    if (this.failure === null) this.#take(this.#decoder.end())
    if (this.failure === null && !this.committed) this.failure = nothingCame()
    if (this.failure === null && !this.final) {
      this.failure = truncated()
      this.#tell(this.failure)
    }
    if (this.committed && this.failure === null) this.#out += this.#encoder.end()
    return this.#flush()
  }

  break(error: RelayError): string | null {
    if (this.failure !== null) return null
    this.failure = error
    if (!this.committed) return null
    this.#tell(error)
    return this.#flush()
  }

  get sample(): { readonly text: string; readonly share: number } {
    return { text: this.#sampled, share: this.#totalChars === 0 ? 1 : this.#sampled.length / this.#totalChars }
  }

  #take(events: readonly StreamEvent[]): void {
    for (const event of events) {
      if (this.failure !== null) return
      switch (event.type) {
        case 'error':
          this.failure = event.error
          if (this.committed) this.#tell(event.error)
          return
        case 'usage':
          this.usage = event.usage
          break
        case 'start': {
          const { id, createdAt } = this.#conversion.fallback
          if (event.usage !== undefined) this.usage = event.usage
          this.#out += this.#encoder.push({
            ...event,
            id: event.id === '' ? id : event.id,
            createdAt: event.createdAt === 0 ? createdAt : event.createdAt,
          })
          continue
        }
        case 'finish':
          this.final = true
          break
        case 'block-delta':
          this.#totalChars += event.text.length
          if (this.#sampled.length < SAMPLE_CAP) this.#sampled += event.text
          break
        case 'block-start':
        case 'block-end':
        case 'citation':
          break
      }
      if (!this.committed && isMeaningful(event)) this.committed = true
      this.#out += this.#encoder.push(event)
    }
  }

  #tell(error: RelayError): void {
    this.#out += this.#encoder.push({ type: 'error', error })
    this.failureTold = true
  }

  #flush(): string | null {
    if (!this.committed || this.#out === '') return null
    const out = this.#out
    this.#out = ''
    return out
  }
}

/** What a client would notice: text, thought, a call, a picture, or a verdict (refused, filtered, cut by its own limit). */
function isMeaningful(event: StreamEvent): boolean {
  switch (event.type) {
    case 'block-delta':
      return event.text !== ''
    case 'block-start':
      return event.block.type === 'tool-call' || event.block.type === 'media'
    case 'block-end':
      return event.opaque !== undefined
    case 'finish':
      return event.finish.reason !== 'stop' && event.finish.reason !== 'other'
    case 'citation':
      return true
    case 'start':
    case 'usage':
    case 'error':
      return false
  }
}

/** The same of a whole reply: what only the upstream's own format can tell (its own tools' items) is no answer in another. */
export function saysNothing({ content, finish, alternatives = [] }: ChatResponse): boolean {
  return [{ content, finish }, ...alternatives].every(
    (choice) =>
      (choice.finish.reason === 'stop' || choice.finish.reason === 'other') &&
      choice.content.every(
        (part) => (part.type === 'text' || part.type === 'reasoning') && part.text === '' && part.opaque === undefined,
      ),
  )
}

/** A reply that came in one piece where a stream was asked for, already said as a stream. */
export function spoken(usage: Usage | undefined, text: string): Pump {
  return {
    push: () => null,
    end: () => null,
    break: () => null,
    held: null,
    committed: true,
    final: true,
    failure: null,
    failureTold: false,
    usage,
    sample: { text, share: 1 },
  }
}
