import type { Opaque } from '../../model/request.ts'
import { carryOpaque, unwrapOpaque } from '../signature.ts'

/**
 * What an `encrypted_content` of ours belongs to. Responses has one place for opaque thoughts, the reasoning item; other formats
 * sign texts and calls too (Gemini), or hide whole blocks (Anthropic's `redacted_thinking`):
 * `reasoning` this item; `redacted` this item, all of it; `previous` the text, call or picture before it; `text` an empty text.
 */
export type Belongs = 'reasoning' | 'redacted' | 'previous' | 'text'

/** The wrapped value is base64: a letter behind a dot cannot be part of it. */
const MARKS = { reasoning: '', redacted: '.r', previous: '.p', text: '.t' } as const satisfies Record<Belongs, string>

export function carryThought(opaque: Opaque, belongs: Belongs): string {
  const value = carryOpaque(opaque, 'openai-responses')
  return opaque.format === 'openai-responses' ? value : value + MARKS[belongs]
}

export function readThought(value: string): { readonly opaque: Opaque; readonly belongs: Belongs } {
  for (const belongs of ['redacted', 'previous', 'text'] as const) {
    const mark = MARKS[belongs]
    if (!value.endsWith(mark)) continue
    const opaque = unwrapOpaque(value.slice(0, -mark.length), 'openai-responses')
    if (opaque.format !== 'openai-responses') return { opaque, belongs }
  }
  return { opaque: unwrapOpaque(value, 'openai-responses'), belongs: 'reasoning' }
}
