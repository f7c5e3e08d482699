import { RelayError } from '../errors.ts'
import type { AssistantPart, Citation, Json, JsonObject, Opaque } from './request.ts'
import type { BlockHead, ChatResponse, Finish, StreamEvent, Usage } from './response.ts'

interface OpenBlock {
  readonly head: BlockHead
  readonly text: string[]
  readonly citations: Citation[]
}

interface Choice {
  readonly content: AssistantPart[]
  readonly open: Map<number, OpenBlock>
  readonly logprobs: Json[]
  finish: Finish | undefined
}

/** Puts a stream's events together to the answer that they tell. Linear in the text, however finely it is cut. */
class Collector {
  readonly #choices: Choice[] = []
  #head: Extract<StreamEvent, { type: 'start' }> | undefined
  #usage: Usage | undefined
  #serviceTier: string | undefined

  /** @throws RelayError the stream's own error, or `upstream_failed` where the events do not keep the grammar */
  push(event: StreamEvent): void {
    switch (event.type) {
      case 'start':
        this.#head = event
        this.#usage = event.usage
        return
      case 'block-start':
        this.#choice(event.choice).open.set(event.index, { head: event.block, text: [], citations: [] })
        return
      case 'block-delta':
        this.#block(event).text.push(event.text)
        if (event.logprobs !== undefined) this.#choice(event.choice).logprobs.push(event.logprobs)
        return
      case 'citation':
        this.#block(event).citations.push(event.citation)
        return
      case 'block-end':
        this.#choice(event.choice).content.push(partOf(this.#block(event), event.opaque))
        this.#choice(event.choice).open.delete(event.index)
        return
      case 'usage':
        this.#usage = event.usage
        this.#serviceTier = event.serviceTier ?? this.#serviceTier
        return
      case 'finish':
        this.#choice(event.choice).finish = event.finish
        return
      case 'error':
        throw event.error
    }
  }

  /** @throws RelayError `upstream_failed` when a choice has not finished */
  response(): ChatResponse {
    const head = this.#head
    const [first, ...others] = this.#choices.map(closed)
    if (head === undefined || first === undefined)
      throw new RelayError('upstream_failed', 'the upstream ended its stream before the answer was finished')
    return {
      id: head.id,
      model: head.model,
      createdAt: head.createdAt,
      ...first,
      ...(others.length === 0 ? {} : { alternatives: others }),
      ...(this.#usage === undefined ? {} : { usage: this.#usage }),
      ...(this.#serviceTier === undefined ? {} : { serviceTier: this.#serviceTier }),
    }
  }

  #choice(number = 0): Choice {
    for (let next = this.#choices.length; next <= number; next++)
      this.#choices.push({ content: [], open: new Map(), logprobs: [], finish: undefined })
    const choice = this.#choices[number]
    if (choice === undefined) throw new RelayError('upstream_failed', `a choice has the number ${number}`)
    return choice
  }

  #block(event: { readonly index: number; readonly choice?: number }): OpenBlock {
    const block = this.#choice(event.choice).open.get(event.index)
    if (block === undefined) throw new RelayError('upstream_failed', `block ${event.index} is not open`)
    return block
  }
}

/** A whole stream → the answer. @throws RelayError as `Collector` does */
export function collect(events: Iterable<StreamEvent>): ChatResponse {
  const collector = new Collector()
  for (const event of events) collector.push(event)
  return collector.response()
}

/** An answer → the shortest stream that tells it: `collect(replay(response))` equals `response`. */
export function replay(response: ChatResponse): StreamEvent[] {
  const { id, model, createdAt, usage, serviceTier } = response
  const choices = [response, ...(response.alternatives ?? [])]
  const events: StreamEvent[] = [{ type: 'start', id, model, createdAt }]
  for (const [number, choice] of choices.entries()) {
    const mark = number === 0 ? {} : { choice: number }
    let logprobs = choice.logprobs
    for (const [index, part] of choice.content.entries()) {
      const { head, text, citations, opaque } = blockOf(part)
      events.push({ type: 'block-start', index, block: head, ...mark })
      if (text !== '' || (logprobs !== undefined && head.type === 'text')) {
        const carried = logprobs === undefined || head.type !== 'text' ? {} : { logprobs }
        events.push({ type: 'block-delta', index, text, ...carried, ...mark })
        if (head.type === 'text') logprobs = undefined
      }
      for (const citation of citations) events.push({ type: 'citation', index, citation, ...mark })
      events.push({ type: 'block-end', index, ...(opaque === undefined ? {} : { opaque }), ...mark })
    }
  }
  if (usage !== undefined) events.push({ type: 'usage', usage, ...(serviceTier === undefined ? {} : { serviceTier }) })
  for (const [number, { finish }] of choices.entries())
    events.push({ type: 'finish', finish, ...(number === 0 ? {} : { choice: number }) })
  return events
}

/** OpenAI's logprobs come in pieces, `{content: [...], refusal: [...]}`: lists are joined, of other fields the last counts. */
export function mergeLogprobs(pieces: readonly Json[]): Json | undefined {
  if (pieces.length < 2) return pieces[0]
  const merged: Record<string, Json | undefined> = {}
  const lists: Record<string, Json[]> = {}
  for (const piece of pieces) {
    if (!isObject(piece)) continue
    for (const [name, value] of Object.entries(piece)) {
      if (isList(value)) {
        const list = (lists[name] ??= [])
        for (const entry of value) list.push(entry)
        merged[name] = list
      } else if (lists[name] === undefined) merged[name] = value
    }
  }
  return merged
}

function closed(choice: Choice): Pick<ChatResponse, 'content' | 'finish' | 'logprobs'> {
  if (choice.finish === undefined)
    throw new RelayError('upstream_failed', 'the upstream ended its stream before the answer was finished')
  const logprobs = mergeLogprobs(choice.logprobs)
  return { content: choice.content, finish: choice.finish, ...(logprobs === undefined ? {} : { logprobs }) }
}

function partOf({ head, text, citations }: OpenBlock, opaque: Opaque | undefined): AssistantPart {
  const signed = opaque === undefined ? {} : { opaque }
  switch (head.type) {
    case 'text':
      return { ...head, text: text.join(''), ...(citations.length === 0 ? {} : { citations }), ...signed }
    case 'reasoning':
      return { ...head, text: text.join(''), ...signed }
    case 'tool-call':
      return { ...head, arguments: text.join(''), ...signed }
    case 'media':
      return { ...head, ...signed }
  }
}

function blockOf(part: AssistantPart): {
  readonly head: BlockHead
  readonly text: string
  readonly citations: readonly Citation[]
  readonly opaque: Opaque | undefined
} {
  const none: readonly Citation[] = []
  switch (part.type) {
    case 'text': {
      const { refusal, text, citations = none, opaque } = part
      return { head: { type: 'text', ...(refusal === undefined ? {} : { refusal }) }, text, citations, opaque }
    }
    case 'reasoning': {
      const { text, opaque, ...head } = part
      return { head, text, citations: none, opaque }
    }
    case 'tool-call': {
      const { arguments: text, opaque, ...head } = part
      return { head, text, citations: none, opaque }
    }
    case 'media': {
      const { opaque, ...head } = part
      return { head, text: '', citations: none, opaque }
    }
  }
}

function isObject(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !isList(value)
}

function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value)
}
