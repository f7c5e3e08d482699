import { RelayError } from '../errors.ts'
import { mergeLogprobs } from '../model/collect.ts'
import type { Citation, Json, Opaque } from '../model/request.ts'
import type { BlockHead, Finish, StreamEvent, Usage } from '../model/response.ts'

type StartHead = Omit<Extract<StreamEvent, { type: 'start' }>, 'type'>

interface Block {
  readonly head: BlockHead
  /** Where the decoder keeps the block; unique among the blocks that still accept text. */
  readonly key: string
  /** Its number in the stream, once its start was given out. */
  index: number | undefined
  /** What came while an earlier block was still open. */
  waiting: { text: string[]; logprobs: Json[]; citations: Citation[] } | undefined
  closed: boolean
  opaque: Opaque | undefined
  json: JsonEnd | undefined
}

/**
 * Keeps the grammar of `StreamEvent` for stream decoders: they say what they saw in the order in which they saw it, and the writer
 * starts, orders, closes and numbers the blocks.
 *
 * - A text, reasoning or media block is closed by the next block that opens. Writing to its key again opens a new block, so
 *   interleaved thoughts, text and calls keep their order.
 * - A tool call stays open until it is closed, or its JSON is complete and another block wants to start. Calls whose deltas come
 *   interleaved wait in memory behind the first, each piece touched once.
 * - Empty deltas are swallowed. `usage` and `finish` are held until `end` (OpenAI sends usage after the finish reason).
 *
 * Methods without `choice` speak of the first choice; `choice(n)` gives the same for the others.
 */
export class BlockWriter {
  readonly #choices = new Map<number, ChoiceWriter>()
  #events: StreamEvent[] = []
  #started = false
  #ended = false
  #usage: { readonly usage: Usage; readonly serviceTier: string | undefined } | undefined

  /** Only the first call counts. Where none was made before the first block, an empty head is given (the relay fills it in). */
  start(head: StartHead): void {
    if (this.#started) return
    this.#started = true
    this.#events.push({ type: 'start', ...head })
  }

  get started(): boolean {
    return this.#started
  }

  /** True once `end` or `error` was called: all that comes after is ignored. */
  get ended(): boolean {
    return this.#ended
  }

  choice(number: number): ChoiceWriter {
    let choice = this.#choices.get(number)
    if (choice === undefined) {
      choice = new ChoiceWriter(number, (event) => {
        this.#emit(event)
      })
      this.#choices.set(number, choice)
    }
    return choice
  }

  open(key: string, head: BlockHead): void {
    this.choice(0).open(key, head)
  }
  delta(key: string, text: string, logprobs?: Json): boolean {
    return this.choice(0).delta(key, text, logprobs)
  }
  append(key: string, head: BlockHead, text: string): void {
    this.choice(0).append(key, head, text)
  }
  citation(key: string, citation: Citation): boolean {
    return this.choice(0).citation(key, citation)
  }
  close(key: string, opaque?: Opaque): boolean {
    return this.choice(0).close(key, opaque)
  }
  isOpen(key: string): boolean {
    return this.choice(0).isOpen(key)
  }
  finish(finish: Finish): void {
    this.choice(0).finish(finish)
  }

  /** The latest counts win; they are given out before the finish. */
  usage(usage: Usage, serviceTier?: string): void {
    this.#usage = { usage, serviceTier: serviceTier ?? this.#usage?.serviceTier }
  }

  /** The stream broke: closes what is open, gives usage and the error, and ends. */
  error(error: RelayError): void {
    if (this.#ended) return
    this.#closeAll()
    this.#emit({ type: 'error', error })
    this.#ended = true
  }

  /**
   * The source is over: closes what is open, gives usage and one finish for each choice. A choice without a finish means that the
   * answer was cut: then an error comes instead, `broken` or a general one.
   */
  end(broken?: RelayError): void {
    if (this.#ended) return
    const choices = [...this.#choices.values()].sort((a, b) => a.number - b.number)
    if (broken !== undefined || choices.length === 0 || choices.some((choice) => choice.finished === undefined)) {
      this.error(
        broken ?? new RelayError('upstream_failed', 'the upstream ended its stream before the answer was finished'),
      )
      return
    }
    this.#closeAll()
    for (const choice of choices) choice.giveFinish()
    this.#ended = true
  }

  /** The events since the last call. */
  drain(): StreamEvent[] {
    const events = this.#events
    this.#events = []
    return events
  }

  #closeAll(): void {
    for (const choice of this.#choices.values()) choice.closeAll()
    if (this.#usage === undefined) return
    const { usage, serviceTier } = this.#usage
    this.#emit(serviceTier === undefined ? { type: 'usage', usage } : { type: 'usage', usage, serviceTier })
  }

  #emit(event: StreamEvent): void {
    if (this.#ended) return
    if (!this.#started) this.start({ id: '', model: '', createdAt: 0 })
    this.#events.push(event)
  }
}

/** The blocks of one choice; made by `BlockWriter.choice`. */
export class ChoiceWriter {
  readonly number: number
  readonly #emit: (event: StreamEvent) => void
  readonly #mark: { readonly choice?: number }
  /** Blocks that are not given out whole yet; the first is the one that streams. */
  readonly #queue: Block[] = []
  readonly #open = new Map<string, Block>()
  #next = 0
  #finish: Finish | undefined

  constructor(number: number, emit: (event: StreamEvent) => void) {
    this.number = number
    this.#emit = emit
    this.#mark = number === 0 ? {} : { choice: number }
  }

  /** The last finish that was told, still held back. */
  get finished(): Finish | undefined {
    return this.#finish
  }

  /** Starts a block. One that is open under the same key is closed first. */
  open(key: string, head: BlockHead): void {
    this.close(key)
    for (const block of this.#queue) {
      if (!block.closed && block.head.type !== 'tool-call') this.#markClosed(block)
    }
    const first = this.#queue[0]
    if (first?.json?.complete === true) this.#markClosed(first)
    const block: Block = {
      head,
      key,
      index: undefined,
      waiting: undefined,
      closed: false,
      opaque: undefined,
      json: head.type === 'tool-call' && head.custom !== true ? new JsonEnd() : undefined,
    }
    this.#queue.push(block)
    this.#open.set(key, block)
    this.#advance()
  }

  /** Adds text to an open block; false when none is open under the key (then nothing happened). */
  delta(key: string, text: string, logprobs?: Json): boolean {
    const block = this.#open.get(key)
    if (block === undefined) return false
    if (text === '' && logprobs === undefined) return true
    block.json?.push(text)
    if (block.index !== undefined) this.#giveDelta(block.index, text, logprobs)
    else {
      const waiting = (block.waiting ??= { text: [], logprobs: [], citations: [] })
      waiting.text.push(text)
      if (logprobs !== undefined) waiting.logprobs.push(logprobs)
    }
    if (block.json?.complete === true && this.#queue.length > 1 && this.#queue[0] === block) {
      this.#markClosed(block)
      this.#advance()
    }
    return true
  }

  /** Adds text under the key, opening a block for it where none is open. Empty text opens nothing. */
  append(key: string, head: BlockHead, text: string): void {
    if (text === '') return
    if (!this.#open.has(key)) this.open(key, head)
    this.delta(key, text)
  }

  citation(key: string, citation: Citation): boolean {
    const block = this.#open.get(key)
    if (block === undefined) return false
    if (block.index !== undefined) this.#emit({ type: 'citation', index: block.index, citation, ...this.#mark })
    else (block.waiting ??= { text: [], logprobs: [], citations: [] }).citations.push(citation)
    return true
  }

  /** Ends a block; false when none is open under the key. */
  close(key: string, opaque?: Opaque): boolean {
    const block = this.#open.get(key)
    if (block === undefined) return false
    if (opaque !== undefined) block.opaque = opaque
    this.#markClosed(block)
    this.#advance()
    return true
  }

  /** Gives an open block its signature before it is known where the block ends; false when none is open under the key. */
  sign(key: string, opaque: Opaque): boolean {
    const block = this.#open.get(key)
    if (block === undefined) return false
    block.opaque = opaque
    return true
  }

  isOpen(key: string): boolean {
    return this.#open.has(key)
  }

  /** Held until the stream's end; a later one wins. Blocks may still follow (some providers repeat the reason). */
  finish(finish: Finish): void {
    this.#finish = finish
  }

  closeAll(): void {
    for (const block of this.#queue) this.#markClosed(block)
    this.#advance()
  }

  giveFinish(): void {
    if (this.#finish !== undefined) this.#emit({ type: 'finish', finish: this.#finish, ...this.#mark })
  }

  #markClosed(block: Block): void {
    block.closed = true
    if (this.#open.get(block.key) === block) this.#open.delete(block.key)
  }

  /** Gives out what may go: the first block as it streams, and every closed one before it whole. */
  #advance(): void {
    for (let block = this.#queue[0]; block !== undefined; block = this.#queue[0]) {
      if (block.index === undefined) {
        block.index = this.#next++
        this.#emit({ type: 'block-start', index: block.index, block: block.head, ...this.#mark })
        this.#giveWaiting(block, block.index)
        if (this.#queue.length > 1 && block.json?.complete === true) this.#markClosed(block)
      }
      if (!block.closed) return
      this.#emit(
        block.opaque === undefined
          ? { type: 'block-end', index: block.index, ...this.#mark }
          : { type: 'block-end', index: block.index, opaque: block.opaque, ...this.#mark },
      )
      this.#queue.shift()
    }
  }

  #giveWaiting(block: Block, index: number): void {
    const waiting = block.waiting
    if (waiting === undefined) return
    block.waiting = undefined
    if (waiting.text.length > 0) this.#giveDelta(index, waiting.text.join(''), mergeLogprobs(waiting.logprobs))
    for (const citation of waiting.citations) this.#emit({ type: 'citation', index, citation, ...this.#mark })
  }

  #giveDelta(index: number, text: string, logprobs: Json | undefined): void {
    this.#emit(
      logprobs === undefined
        ? { type: 'block-delta', index, text, ...this.#mark }
        : { type: 'block-delta', index, text, logprobs, ...this.#mark },
    )
  }
}

/** Tells, character by character, when a streamed JSON object or array has ended. */
class JsonEnd {
  #depth = 0
  #begun = false
  #inString = false
  #escaped = false

  get complete(): boolean {
    return this.#begun && this.#depth === 0
  }

  push(text: string): void {
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at)
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false
        else if (code === 0x5c) this.#escaped = true
        else if (code === 0x22) this.#inString = false
      } else if (code === 0x22) this.#inString = true
      else if (code === 0x7b || code === 0x5b) {
        this.#depth++
        this.#begun = true
      } else if (code === 0x7d || code === 0x5d) this.#depth--
    }
  }
}
