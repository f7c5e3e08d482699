import type { Json, JsonObject, Opaque, ReasoningPart } from '../../model/request.ts'
import { asArray, asNumber, asObject, asString } from '../narrow.ts'
import { mayReplay, unwrapOpaque, wrapOpaque } from '../signature.ts'

/**
 * Thoughts stand in three fields of this format: `reasoning_content` (DeepSeek, Moonshot, xAI, Z.ai, vLLM …), `reasoning` (Groq,
 * Cerebras, Ollama, OpenRouter) and OpenRouter's `reasoning_details`, a list with signatures and encrypted thoughts
 * (https://openrouter.ai/docs/use-cases/reasoning-tokens). All of these providers want what they sent back with the tool calls.
 *
 * Towards other formats, where a thought stood is kept as its `Opaque`: the field's name, or the details as JSON in which each
 * readable text is replaced by its length (the text itself is the block's). So it can be put back exactly.
 *
 * Thoughts of other formats go to chat clients as `reasoning_content` (what a person reads) and one `reasoning_details` entry each
 * of type `reasoning.encrypted` with the wrapped signature as `data`, which clients of OpenRouter replay unread. The entry's id says
 * where in `reasoning_content` the block stood, so that nothing is sent twice and blocks come back whole and in their order.
 */
export type ReasoningField = 'reasoning_content' | 'reasoning'

const isField = (value: string): value is ReasoningField => value === 'reasoning_content' || value === 'reasoning'

const readable = { 'reasoning.text': 'text', 'reasoning.summary': 'summary' } as const

function readableField(entry: JsonObject): 'text' | 'summary' | undefined {
  const type = asString(entry.type)
  return type === 'reasoning.text' || type === 'reasoning.summary' ? readable[type] : undefined
}

/** Gathers what one block of thoughts consists of, from the deltas of a stream or from a whole message. */
export class ThoughtGatherer {
  readonly #entries: Record<string, Json | undefined>[] = []
  #field: ReasoningField | undefined

  /** Takes a delta or message; gives the readable text in it. */
  take(message: JsonObject): string {
    const details = this.#takeDetails(message.reasoning_details)
    for (const field of ['reasoning_content', 'reasoning'] as const) {
      const text = asString(message[field])
      if (text === undefined || text === '') continue
      this.#field ??= field
      return details === '' ? text : details
    }
    return details
  }

  get empty(): boolean {
    return this.#field === undefined && this.#entries.length === 0
  }

  opaque(origin: string | undefined): Opaque | undefined {
    const value = this.#entries.length > 0 ? JSON.stringify(this.#entries) : this.#field
    if (value === undefined) return undefined
    return { format: 'openai-chat', value, ...(origin === undefined ? {} : { origin }) }
  }

  #takeDetails(list: unknown): string {
    let text = ''
    for (const item of asArray(list) ?? []) {
      const entry = asObject(item)
      if (entry === undefined) continue
      const field = readableField(entry)
      const piece = field === undefined ? '' : (asString(entry[field]) ?? '')
      text += piece
      const last = this.#entries.at(-1)
      if (last !== undefined && field !== undefined && last.type === entry.type && last.index === entry.index) {
        for (const [name, value] of Object.entries(entry))
          if (name !== field && value !== null && value !== undefined) last[name] = value
        last[field] = (asNumber(last[field]) ?? 0) + piece.length
      } else this.#entries.push(field === undefined ? { ...entry } : { ...entry, [field]: piece.length })
    }
    return text
  }
}

/** The thoughts of a whole reply's message; undefined where it has none. */
export function decodeThoughts(message: JsonObject, origin: string | undefined): ReasoningPart | undefined {
  const gatherer = new ThoughtGatherer()
  const text = gatherer.take(message)
  if (gatherer.empty) return undefined
  const opaque = gatherer.opaque(origin)
  return { type: 'reasoning', text, ...(opaque === undefined ? {} : { opaque }) }
}

/** Fields of an assistant message for the channel that made these thoughts; those of others are left out. */
export function replayThoughts(parts: readonly ReasoningPart[], origin: string | undefined): JsonObject {
  const fields: Record<string, Json> = {}
  const details: JsonObject[] = []
  for (const { text, opaque } of parts) {
    if (opaque === undefined || !mayReplay(opaque, 'openai-chat', origin)) continue
    if (isField(opaque.value)) fields[opaque.value] = `${asString(fields[opaque.value]) ?? ''}${text}`
    else details.push(...restoreDetails(opaque.value, text))
  }
  return details.length === 0 ? fields : { ...fields, reasoning_details: details }
}

/** Details with their texts put back; none where the text is no longer what it was. */
function restoreDetails(value: string, text: string): readonly JsonObject[] {
  const entries: JsonObject[] = []
  let at = 0
  for (const item of parseList(value)) {
    const entry = asObject(item)
    if (entry === undefined) return []
    const field = readableField(entry)
    const length = field === undefined ? undefined : asNumber(entry[field])
    if (field === undefined || length === undefined) entries.push(entry)
    else entries.push({ ...entry, [field]: text.slice(at, at + length) })
    at += length ?? 0
  }
  return at === 0 || at === text.length ? entries : []
}

function parseList(value: string): readonly unknown[] {
  try {
    return asArray(JSON.parse(value)) ?? []
  } catch {
    return []
  }
}

/** Where a block of thoughts stood among its message's other parts. */
export interface ThoughtPlace {
  /** UTF-16 offset in `reasoning_content`. */
  readonly start: number
  readonly callsBefore: number
  readonly afterText: boolean
}

const OURS = /^octopus-(\d+)-(\d+)-(\d+)-([01])-([01])-(.*)$/s

/** What a client needs of a block to give it back: the text itself it has in `reasoning_content`. */
export interface Thought {
  /** UTF-16 units of its text. */
  readonly length: number
  readonly redacted?: boolean
  readonly id?: string
  readonly opaque?: Opaque
}

/** The `reasoning_details` entry with which a chat client can give a block of thoughts back; undefined where it has nothing but text. */
export function thoughtForClient(thought: Thought, place: ThoughtPlace): JsonObject | undefined {
  const { opaque, length, redacted, id = '' } = thought
  if (opaque === undefined || (opaque.format === 'openai-chat' && isField(opaque.value))) return undefined
  const flags = `${place.afterText ? 1 : 0}-${redacted === true ? 1 : 0}`
  return {
    type: 'reasoning.encrypted',
    data: wrapOpaque(opaque),
    format: 'unknown',
    id: `octopus-${place.start}-${length}-${place.callsBefore}-${flags}-${id}`,
  }
}

/** What the id of one of our entries says; undefined for an entry of anybody else. */
export function placeOf(
  entry: JsonObject,
): (ThoughtPlace & { readonly length: number; readonly redacted: boolean; readonly id: string }) | undefined {
  const match = OURS.exec(asString(entry.id) ?? '')
  if (match === null || asString(entry.data) === undefined) return undefined
  const [, start, length, calls, afterText, redacted, id = ''] = match
  return {
    start: Number(start),
    length: Number(length),
    callsBefore: Number(calls),
    afterText: afterText === '1',
    redacted: redacted === '1',
    id,
  }
}

/** A thought that a client gave back, and where it stood. */
export interface ReplayedThought {
  readonly part: ReasoningPart
  readonly callsBefore: number
  readonly afterText: boolean
}

/**
 * The thoughts in an assistant message of a client, in order. Ours come back as the blocks they were; a text that the client changed
 * loses its signatures, which would be refused.
 */
export function decodeReplayedThoughts(message: JsonObject): readonly ReplayedThought[] {
  const entries = (asArray(message.reasoning_details) ?? []).map((entry) => asObject(entry) ?? {})
  const first = { callsBefore: 0, afterText: false }
  if (entries.every((entry) => placeOf(entry) === undefined)) {
    const part = decodeThoughts(message, undefined)
    if (part === undefined) return []
    const plain = part.opaque === undefined || isField(part.opaque.value)
    return [{ part: plain ? { type: 'reasoning', text: part.text } : part, ...first }]
  }
  const text = asString(message.reasoning_content) ?? asString(message.reasoning) ?? ''
  const thoughts: ReplayedThought[] = []
  let at = 0
  for (const entry of entries) {
    const place = placeOf(entry)
    if (place === undefined || place.start < at || place.start + place.length > text.length) continue
    const { start, callsBefore, afterText, redacted, id } = place
    if (start > at) thoughts.push({ part: { type: 'reasoning', text: text.slice(at, start) }, ...first })
    at = start + place.length
    const part: ReasoningPart = {
      type: 'reasoning',
      text: text.slice(start, at),
      ...(redacted ? { redacted: true } : {}),
      ...(id === '' ? {} : { id }),
      opaque: unwrapOpaque(asString(entry.data) ?? '', 'openai-chat'),
    }
    thoughts.push({ part, callsBefore, afterText })
  }
  if (at < text.length) thoughts.push({ part: { type: 'reasoning', text: text.slice(at) }, ...first })
  return thoughts
}

/** Gemini's thought signature where its OpenAI endpoint puts it, under `google` or `vertex`: on a tool call, or on the message. */
export function decodeSignature(carrier: JsonObject, origin: string | undefined): Opaque | undefined {
  const extra = asObject(carrier.extra_content)
  const value = asString((asObject(extra?.google) ?? asObject(extra?.vertex))?.thought_signature)
  if (value === undefined || value === '') return undefined
  const opaque = unwrapOpaque(value, 'openai-chat')
  return origin === undefined || opaque.format !== 'openai-chat' ? opaque : { ...opaque, origin }
}

/** The same place for clients: their replies carry it back unread. */
export function signatureForClient(opaque: Opaque | undefined): JsonObject {
  if (opaque === undefined) return {}
  const value = opaque.format === 'openai-chat' ? opaque.value : wrapOpaque(opaque)
  return { extra_content: { google: { thought_signature: value } } }
}

export function replaySignature(opaque: Opaque | undefined, origin: string | undefined): JsonObject {
  if (opaque === undefined || !mayReplay(opaque, 'openai-chat', origin)) return {}
  return { extra_content: { google: { thought_signature: opaque.value } } }
}
