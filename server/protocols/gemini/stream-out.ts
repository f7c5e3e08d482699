import type { Citation, Json, JsonObject, Opaque } from '../../model/request.ts'
import type { BlockHead, StreamEvent, Usage } from '../../model/response.ts'
import type { StreamEncoder } from '../codec.ts'
import { carryOpaque } from '../signature.ts'
import type { Dialect } from './dialect.ts'
import { errorBody } from './errors.ts'
import { encodeCitations, OffsetText } from './grounding.ts'
import { encodeLogprobs } from './logprobs.ts'
import { PartWriter } from './response-out.ts'
import { encodeUsage } from './usage.ts'

interface Block {
  readonly head: BlockHead
  /** Arguments of a call, and the text of a thought: both are needed whole at the block's end. */
  readonly text: string[]
}

interface ChoiceState {
  readonly writer: PartWriter
  readonly open: Map<number, Block>
  readonly citations: { readonly citation: Citation; readonly text: OffsetText }[]
  offsets: OffsetText
}

type Event<T extends StreamEvent['type']> = Extract<StreamEvent, { type: T }>

/**
 * Events → chunks, as SSE with CRLF, or as the elements of one array where the client did not ask for `alt=sse`. Never a comment,
 * an `event:` line or `[DONE]`: @google/genai and gemini-cli break at them. A call goes out whole at its end.
 */
export class GeminiStreamEncoder implements StreamEncoder {
  readonly #dialect: Dialect
  readonly #array: boolean
  readonly #choices = new Map<number, ChoiceState>()
  #head = ''
  #id = ''
  #usage: Usage | undefined
  #serviceTier: string | undefined
  #begun = false

  constructor(dialect: Dialect, arrayStream: boolean) {
    this.#dialect = dialect
    this.#array = arrayStream
  }

  push(event: StreamEvent): string {
    switch (event.type) {
      case 'start':
        this.#start(event)
        return ''
      case 'block-start':
        return this.#open(event)
      case 'block-delta':
        return this.#delta(event)
      case 'citation': {
        const choice = this.#choice(event.choice)
        choice.citations.push({ citation: event.citation, text: choice.offsets })
        return ''
      }
      case 'block-end':
        return this.#close(event)
      case 'usage':
        this.#usage = event.usage
        this.#serviceTier = event.serviceTier
        return ''
      case 'finish':
        return this.#finish(event)
      case 'error':
        return this.#frame(JSON.stringify(errorBody(event.error))) + (this.#array ? ']' : '')
    }
  }

  end(): string {
    if (!this.#array) return ''
    return this.#begun ? ']' : '[]'
  }

  #start(event: Event<'start'>): void {
    this.#id = event.id
    this.#usage = event.usage
    const created = event.createdAt > 0 ? { createTime: new Date(event.createdAt * 1000).toISOString() } : {}
    this.#head = JSON.stringify({ modelVersion: event.model, ...created, responseId: event.id }).slice(1)
  }

  #open({ block, index, choice }: Event<'block-start'>): string {
    const state = this.#choice(choice)
    if (block.type === 'media') {
      const part = state.writer.whole(block)
      return part === undefined ? '' : this.#part(part, choice)
    }
    state.open.set(index, { head: block, text: [] })
    if (block.type === 'text') state.offsets = new OffsetText()
    return ''
  }

  #delta({ index, text, choice, logprobs }: Event<'block-delta'>): string {
    const state = this.#choice(choice)
    const block = state.open.get(index)
    if (block === undefined) return ''
    switch (block.head.type) {
      case 'text':
        if (text === '' && logprobs === undefined) return ''
        state.offsets.add(text)
        if (text !== '') state.writer.said()
        return this.#part({ text }, choice, encodeLogprobs(logprobs))
      case 'reasoning':
        block.text.push(text)
        return text === '' ? '' : this.#part({ text, thought: true }, choice)
      default:
        block.text.push(text)
        return ''
    }
  }

  #close({ index, opaque, choice }: Event<'block-end'>): string {
    const state = this.#choice(choice)
    const block = state.open.get(index)
    if (block === undefined) return ''
    state.open.delete(index)
    const { head, text } = block
    if (head.type === 'tool-call') {
      const part = state.writer.call({ ...head, arguments: text.join(''), ...signed(opaque) })
      return part === undefined ? '' : this.#part(part, choice)
    }
    if (head.type === 'reasoning') state.writer.thought({ ...head, text: text.join(''), ...signed(opaque) })
    if (opaque === undefined) return ''
    const thoughtSignature = carryOpaque(opaque, this.#dialect.format)
    return this.#part({ text: '', ...(head.type === 'reasoning' && { thought: true }), thoughtSignature }, choice)
  }

  #finish({ finish, choice }: Event<'finish'>): string {
    const state = this.#choice(choice)
    const grounding = encodeCitations(state.citations)
    return this.#chunk(
      [
        {
          content: { parts: [{ text: '' }], role: 'model' },
          ...state.writer.finish(finish),
          index: choice ?? 0,
          ...(grounding !== undefined && { groundingMetadata: grounding }),
        },
      ],
      this.#usage === undefined
        ? ''
        : `"usageMetadata":${JSON.stringify(encodeUsage(this.#usage, this.#serviceTier))},`,
    )
  }

  #part(part: JsonObject, choice: number | undefined, logprobs?: JsonObject): string {
    const result = logprobs === undefined ? {} : { logprobsResult: logprobs }
    return this.#chunk([{ content: { parts: [part], role: 'model' }, index: choice ?? 0, ...result }], '')
  }

  #chunk(candidates: Json, usage: string): string {
    const answer = `{"candidates":${JSON.stringify(candidates)},${usage}${this.#head}`
    return this.#frame(this.#dialect.wrap(answer, this.#id))
  }

  #frame(data: string): string {
    if (!this.#array) return `data: ${data}\r\n\r\n`
    const text = this.#begun ? `,\n${data}` : `[${data}`
    this.#begun = true
    return text
  }

  #choice(number = 0): ChoiceState {
    let choice = this.#choices.get(number)
    if (choice === undefined) {
      choice = { writer: new PartWriter(this.#dialect), open: new Map(), citations: [], offsets: new OffsetText() }
      this.#choices.set(number, choice)
    }
    return choice
  }
}

function signed(opaque: Opaque | undefined): { readonly opaque?: Opaque } {
  return opaque === undefined ? {} : { opaque }
}
