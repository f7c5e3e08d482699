import { RelayError } from '../../errors.ts'
import type { Citation, JsonObject, Opaque } from '../../model/request.ts'
import type { BlockHead, Finish, StreamEvent } from '../../model/response.ts'
import { BlockWriter } from '../blocks.ts'
import type { DecodeContext, StreamDecoder } from '../codec.ts'
import { asArray, asNumber, asObject, asString, parseObject } from '../narrow.ts'
import type { SseFrame } from '../sse.ts'
import { errorIn } from './errors.ts'
import { flatName, originalNames } from './names.ts'
import { decodeUsage } from './usage.ts'

/** One output item, as far as it has been told. `seen` counts the characters of each part that were given out. */
interface Item {
  readonly index: number
  readonly seen: Map<string, number>
  readonly citations: Map<string, number>
  /** Of a thought: whether its words come as a summary or as they are; the first kind counts. */
  thought: 'summary' | 'content' | undefined
  call: BlockHead | undefined
  id: string | undefined
  over: boolean
}

/**
 * A Responses stream → events. Every kind of gap is filled from the later, fuller events: deltas that never came from `….done`,
 * whole items from `output_item.done`, items never spoken of from the final `output[]`. `obfuscation` is ignored.
 */
export class ResponsesDecoder implements StreamDecoder {
  readonly #writer = new BlockWriter()
  readonly #context: DecodeContext
  readonly #names: ReadonlyMap<string, string>
  readonly #items = new Map<number, Item>()
  readonly #lost = new Set<string>()
  #last = 0
  #called = false
  #refused = false

  constructor(context: DecodeContext) {
    this.#context = context
    this.#names = originalNames(context.request?.tools ?? [])
  }

  push(frame: SseFrame): readonly StreamEvent[] {
    const event = parseObject(frame.data)
    if (event !== undefined) this.event(asString(event.type) ?? frame.event ?? '', event)
    else if (frame.data.trim() !== '' && frame.data.trim() !== '[DONE]')
      this.#writer.error(new RelayError('upstream_failed', 'the upstream sent an event that is not JSON'))
    return this.#writer.drain()
  }

  end(): readonly StreamEvent[] {
    this.#writer.end()
    return this.#writer.drain()
  }

  /** One event, parsed. */
  event(type: string, event: JsonObject): void {
    if (type === 'response.output_text.delta') {
      this.#text(event, { type: 'text' }, asString(event.delta))
      return
    }
    const error = errorIn(event, type)
    if (error !== undefined) {
      this.#terminal(asObject(event.response))
      this.#writer.error(error)
      return
    }
    switch (type) {
      case 'response.created':
      case 'response.in_progress':
      case 'response.queued':
        this.#start(asObject(event.response))
        return
      case 'response.output_item.added':
        this.#added(this.#item(event), asObject(event.item) ?? {})
        return
      case 'response.output_text.done':
        this.#textRest(event, { type: 'text' }, asString(event.text))
        return
      case 'response.refusal.delta':
        this.#text(event, { type: 'text', refusal: true }, asString(event.delta))
        return
      case 'response.refusal.done':
        this.#textRest(event, { type: 'text', refusal: true }, asString(event.refusal))
        return
      case 'response.output_text.annotation.added':
        this.#citation(this.#item(event), partKey(event), event.annotation)
        return
      case 'response.reasoning_summary_text.delta':
        this.#thought(event, 'summary')
        return
      case 'response.reasoning_text.delta':
        this.#thought(event, 'content')
        return
      case 'response.function_call_arguments.delta':
      case 'response.custom_tool_call_input.delta':
        this.#give(this.#item(event), 'call', asString(event.delta) ?? '')
        return
      case 'response.function_call_arguments.done':
        this.#rest(this.#item(event), 'call', asString(event.arguments) ?? '')
        return
      case 'response.custom_tool_call_input.done':
        this.#rest(this.#item(event), 'call', asString(event.input) ?? '')
        return
      case 'response.output_item.done':
        this.#done(this.#item(event), asObject(event.item) ?? {})
        return
      case 'response.completed':
      case 'response.incomplete':
        this.#complete(asObject(event.response) ?? {}, type)
    }
  }

  #start(response: JsonObject | undefined): void {
    if (this.#writer.started) return
    this.#writer.start({
      id: asString(response?.id) ?? '',
      model: asString(response?.model) ?? '',
      createdAt: Math.round(asNumber(response?.created_at) ?? 0),
    })
  }

  /** The item that an event belongs to. Servers that number nothing speak of the last one. */
  #item(event: JsonObject): Item {
    const index = asNumber(event.output_index) ?? this.#last
    this.#last = index
    let item = this.#items.get(index)
    if (item === undefined) {
      item = {
        index,
        seen: new Map(),
        citations: new Map(),
        thought: undefined,
        call: undefined,
        id: undefined,
        over: false,
      }
      this.#items.set(index, item)
    }
    return item
  }

  #added(item: Item, wire: JsonObject): void {
    item.id = asString(wire.id) ?? item.id
    this.#openCall(item, wire)
  }

  #openCall(item: Item, wire: JsonObject): void {
    const custom = wire.type === 'custom_tool_call'
    if (item.call !== undefined || (!custom && wire.type !== 'function_call')) return
    this.#called = true
    const name = flatName(asString(wire.namespace), asString(wire.name) ?? '')
    item.call = {
      type: 'tool-call',
      id: asString(wire.call_id) ?? asString(wire.id) ?? '',
      name: this.#names.get(name) ?? name,
      ...(custom ? { custom } : {}),
    }
    this.#writer.open(keyOf(item, 'call'), item.call)
  }

  #text(event: JsonObject, head: BlockHead, delta: string | undefined): void {
    const item = this.#item(event)
    const key = partKey(event)
    if (delta === undefined || delta === '' || item.over) return
    item.seen.set(key, (item.seen.get(key) ?? 0) + delta.length)
    const block = keyOf(item, key)
    const logprobs = asArray(event.logprobs)
    const carried = logprobs === undefined || logprobs.length === 0 ? undefined : { content: event.logprobs ?? null }
    if (this.#writer.delta(block, delta, carried)) return
    if (head.type === 'text' && head.refusal === true) this.#refused = true
    this.#writer.open(block, head)
    this.#writer.delta(block, delta, carried)
  }

  /** What the deltas left out of the full text. */
  #textRest(event: JsonObject, head: BlockHead, full = ''): void {
    const seen = this.#item(event).seen.get(partKey(event)) ?? 0
    if (full.length > seen)
      this.#text({ ...event, logprobs: seen === 0 ? event.logprobs : undefined }, head, full.slice(seen))
  }

  #thought(event: JsonObject, kind: 'summary' | 'content'): void {
    const item = this.#item(event)
    const delta = asString(event.delta) ?? ''
    item.thought ??= kind
    if (item.thought !== kind || delta === '' || item.over) return
    const key = `${kind}${asNumber(event.summary_index) ?? asNumber(event.content_index) ?? 0}`
    this.#openThought(item, key)
    this.#give(item, 'thought', delta)
    item.seen.set(key, (item.seen.get(key) ?? 0) + delta.length)
  }

  /** All of an item's thoughts are one block; parts of a summary are paragraphs. */
  #openThought(item: Item, part?: string): void {
    const key = keyOf(item, 'thought')
    if (!this.#writer.isOpen(key))
      this.#writer.open(key, { type: 'reasoning', ...(item.id === undefined ? {} : { id: item.id }) })
    else if (part?.startsWith('summary') === true && !item.seen.has(part)) this.#writer.delta(key, '\n\n')
  }

  #give(item: Item, key: string, text: string): void {
    if (text === '' || item.over) return
    if (!this.#writer.delta(keyOf(item, key), text)) return
    item.seen.set(key, (item.seen.get(key) ?? 0) + text.length)
  }

  #rest(item: Item, key: string, full: string): void {
    const seen = item.seen.get(key) ?? 0
    if (full.length > seen) this.#give(item, key, full.slice(seen))
  }

  #citation(item: Item, key: string, value: unknown): void {
    const citation = decodeCitation(asObject(value))
    item.citations.set(key, (item.citations.get(key) ?? 0) + 1)
    if (citation !== undefined) this.#writer.citation(keyOf(item, key), citation)
  }

  /** The whole item: whatever of it has not been told yet is told now. */
  #done(item: Item, wire: JsonObject): void {
    if (item.over) return
    item.id = asString(wire.id) ?? item.id
    switch (wire.type) {
      case 'message':
        this.#doneMessage(item, wire)
        break
      case 'reasoning':
        this.#doneThought(item, wire)
        break
      case 'function_call':
      case 'custom_tool_call':
        this.#openCall(item, wire)
        this.#rest(item, 'call', asString(wire.type === 'function_call' ? wire.arguments : wire.input) ?? '')
        this.#writer.close(keyOf(item, 'call'))
        break
      case 'image_generation_call':
        this.#donePicture(item, wire)
        break
      default:
        this.#lose(asString(wire.type) ?? 'unknown')
    }
    item.over = true
  }

  #doneMessage(item: Item, wire: JsonObject): void {
    for (const [index, value] of (asArray(wire.content) ?? []).entries()) {
      const part = asObject(value) ?? {}
      const at: JsonObject = { output_index: item.index, content_index: index, logprobs: part.logprobs }
      const key = partKey(at)
      if (part.type === 'refusal') this.#textRest(at, { type: 'text', refusal: true }, asString(part.refusal))
      else this.#textRest(at, { type: 'text' }, asString(part.text))
      const told = item.citations.get(key) ?? 0
      for (const annotation of (asArray(part.annotations) ?? []).slice(told)) this.#citation(item, key, annotation)
      this.#writer.close(keyOf(item, key))
    }
  }

  #doneThought(item: Item, wire: JsonObject): void {
    if (item.thought === undefined) {
      const content = texts(wire.content)
      const summary = texts(wire.summary)
      const text = content.length > 0 ? content.join('') : summary.join('\n\n')
      if (text !== '') this.#openThought(item)
      this.#give(item, 'thought', text)
    }
    const value = asString(wire.encrypted_content) ?? ''
    if (value !== '') this.#openThought(item)
    this.#writer.close(keyOf(item, 'thought'), value === '' ? undefined : this.#opaque(value))
  }

  #donePicture(item: Item, wire: JsonObject): void {
    const data = asString(wire.result) ?? ''
    if (data === '') return
    const mediaType = `image/${asString(wire.output_format) ?? 'png'}`
    this.#writer.open(keyOf(item, 'media'), { type: 'media', mediaType, source: { kind: 'base64', data } })
    this.#writer.close(keyOf(item, 'media'))
  }

  #opaque(value: string): Opaque {
    const { origin } = this.#context
    return { format: 'openai-responses', value, ...(origin === undefined ? {} : { origin }) }
  }

  #complete(response: JsonObject, type: string): void {
    this.#start(response)
    for (const [index, value] of (asArray(response.output) ?? []).entries()) {
      const item = this.#item({ output_index: index })
      if (!item.over) this.#done(item, asObject(value) ?? {})
    }
    this.#terminal(response)
    this.#writer.finish(this.#finish(response, type))
    this.#writer.end()
  }

  #terminal(response: JsonObject | undefined): void {
    const usage = decodeUsage(response?.usage)
    if (usage !== undefined) this.#writer.usage(usage, asString(response?.service_tier))
  }

  #finish(response: JsonObject, type: string): Finish {
    if (type === 'response.incomplete' || response.status === 'incomplete') {
      const raw = asString(asObject(response.incomplete_details)?.reason)
      const reason =
        raw === 'max_output_tokens' ? 'length' : raw === 'content_filter' ? 'content-filter' : ('other' as const)
      return { reason, raw: raw ?? 'incomplete' }
    }
    if (this.#called) return { reason: 'tool-calls', raw: 'completed' }
    return { reason: this.#refused ? 'refusal' : 'stop', raw: 'completed' }
  }

  /** What the provider ran itself: other formats have no place for it, and its answer is in the text. */
  #lose(type: string): void {
    if (this.#lost.has(type)) return
    this.#lost.add(type)
    this.#context.loss({ field: `output.${type}`, reason: `${type} items exist in the Responses format only` })
  }
}

const keyOf = (item: Item, key: string): string => `${item.index}:${key}`

const partKey = (event: JsonObject): string => `part${asNumber(event.content_index) ?? 0}`

function texts(value: unknown): string[] {
  return (asArray(value) ?? []).map((part) => asString(asObject(part)?.text) ?? '').filter((text) => text !== '')
}

/** Web sources have an address; files of a vector store have none that another format could name. */
function decodeCitation(annotation: JsonObject | undefined): Citation | undefined {
  const url = asString(annotation?.url)
  if (annotation === undefined || url === undefined) return undefined
  const title = asString(annotation.title)
  const start = asNumber(annotation.start_index)
  const end = asNumber(annotation.end_index)
  return {
    url,
    ...(title === undefined || title === '' ? {} : { title }),
    ...(start === undefined ? {} : { start }),
    ...(end === undefined ? {} : { end }),
  }
}
