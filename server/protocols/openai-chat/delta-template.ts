import type { JsonObject } from '../../model/request.ts'
import { asArray, asNumber, asObject, asString } from '../narrow.ts'

/** The one piece of text that a plain delta brings, and where it belongs. */
export interface PlainDelta {
  readonly choice: number
  readonly kind: 'content' | 'reasoning_content' | 'reasoning' | 'arguments'
  /** Only for `arguments`: the call's index, where the delta names it. */
  readonly callIndex: number | undefined
}

const MARKERS = {
  content: ['"content":"', '"content": "'],
  reasoning_content: ['"reasoning_content":"', '"reasoning_content": "'],
  reasoning: ['"reasoning":"', '"reasoning": "'],
  arguments: ['"arguments":"', '"arguments": "'],
} as const

const OBFUSCATION = '"obfuscation":"'

/**
 * What all plain deltas of a stream have in common: everything around the text. Once a chunk was parsed and found to bring one piece
 * of text and nothing else, a later chunk that equals it byte for byte outside that text means the same, so the text is cut out and
 * nothing is parsed. OpenAI's `obfuscation` (random padding, https://platform.openai.com/docs/api-reference/chat-streaming) may differ.
 */
export class DeltaTemplate {
  readonly delta: PlainDelta
  readonly #before: string
  readonly #after: string
  /** What follows the obfuscation's value; undefined where there is none. */
  readonly #tail: string | undefined

  private constructor(delta: PlainDelta, parts: { before: string; after: string; tail: string | undefined }) {
    this.delta = delta
    this.#before = parts.before
    this.#after = parts.after
    this.#tail = parts.tail
  }

  /** Learns from a chunk and its text; undefined where the chunk is not plain. */
  static learn(chunk: JsonObject, data: string): DeltaTemplate | undefined {
    const plain = plainDelta(chunk)
    if (plain === undefined) return undefined
    const marker = MARKERS[plain.delta.kind].find((candidate) => data.includes(candidate))
    if (marker === undefined) return undefined
    const start = data.indexOf(marker) + marker.length
    if (data.includes(marker, start)) return undefined
    const end = endOfString(data, start)
    if (end < 0 || readText(data.slice(start, end)) !== plain.text) return undefined
    const after = data.slice(end)
    const padding = after.indexOf(OBFUSCATION)
    if (padding < 0) return new DeltaTemplate(plain.delta, { before: data.slice(0, start), after, tail: undefined })
    const value = padding + OBFUSCATION.length
    return new DeltaTemplate(plain.delta, {
      before: data.slice(0, start),
      after: after.slice(0, value),
      tail: after.slice(endOfPadding(after, value)),
    })
  }

  /** The text in a chunk of the same form; undefined for every other. Slices compare many times faster than `startsWith` does. */
  read(data: string): string | undefined {
    const start = this.#before.length
    if (data.slice(0, start) !== this.#before) return undefined
    const end = endOfString(data, start)
    if (end < 0) return undefined
    const rest = end + this.#after.length
    if (data.slice(end, rest) !== this.#after) return undefined
    if (this.#tail === undefined) {
      if (rest !== data.length) return undefined
    } else if (data.slice(endOfPadding(data, rest)) !== this.#tail) return undefined
    return readText(data.slice(start, end))
  }
}

/** Offset of the quote that ends the string whose text begins at `start`; -1 where it does not end. */
function endOfString(data: string, start: number): number {
  for (let quote = data.indexOf('"', start); quote >= 0; quote = data.indexOf('"', quote + 1)) {
    let backslashes = 0
    while (data.charCodeAt(quote - 1 - backslashes) === 0x5c) backslashes++
    if (backslashes % 2 === 0) return quote
  }
  return -1
}

/** Padding is letters and digits. */
function endOfPadding(data: string, start: number): number {
  let at = start
  for (;;) {
    const code = data.charCodeAt(at)
    const plain = (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122)
    if (!plain) return at
    at++
  }
}

/** The text behind a JSON string's inside; undefined where it is no valid one. */
function readText(inside: string): string | undefined {
  // eslint-disable-next-line no-control-regex -- JSON forbids control characters in strings: such a chunk is for the parser to refuse
  if (/^[^\\\u0000-\u001f]*$/.test(inside)) return inside
  try {
    return asString(JSON.parse(`"${inside}"`))
  } catch {
    return undefined
  }
}

/** A chunk whose only effect is one piece of text in one choice. */
function plainDelta(chunk: JsonObject): { readonly delta: PlainDelta; readonly text: string } | undefined {
  const choices = asArray(chunk.choices)
  const choice = asObject(choices?.[0])
  const delta = asObject(choice?.delta)
  if (choices?.length !== 1 || choice === undefined || delta === undefined) return undefined
  // everything else (usage, a finish reason, a tier) means the same when it is told twice
  if (isSet(choice.logprobs)) return undefined
  const filled = Object.entries(delta).filter(([name, value]) => name !== 'role' && isSet(value) && !IGNORED.has(name))
  const [field, ...others] = filled
  if (field === undefined || others.length > 0) return undefined
  const number = asNumber(choice.index) ?? 0
  const [name, value] = field
  if (name === 'content' || name === 'reasoning_content' || name === 'reasoning') {
    const text = asString(value)
    return text === undefined ? undefined : { delta: { choice: number, kind: name, callIndex: undefined }, text }
  }
  if (name !== 'tool_calls') return undefined
  const calls = asArray(value)
  const call = asObject(calls?.[0])
  const fn = asObject(call?.function)
  if (calls?.length !== 1 || call === undefined || fn === undefined) return undefined
  if (isSet(call.id) || isSet(fn.name) || isSet(call.custom) || isSet(call.extra_content)) return undefined
  const text = asString(fn.arguments)
  if (text === undefined || text === '') return undefined
  return { delta: { choice: number, kind: 'arguments', callIndex: asNumber(call.index) }, text }
}

/** Groq's `channel` says where a thought stands and changes nothing. */
const IGNORED = new Set(['channel'])

function isSet(value: unknown): boolean {
  return value !== undefined && value !== null && value !== ''
}
