import { expect, test } from 'vitest'
import type { JsonObject } from '../../model/request.ts'
import { holdsWrapped, UNSIGNED, wrapOpaque } from '../signature.ts'
import { withoutForeignThoughts } from './foreign-thoughts.ts'

const foreign = { type: 'thinking', thinking: 'hm', signature: wrapOpaque({ format: 'gemini', value: 'AQ' }) }
const carrier = { type: 'redacted_thinking', data: wrapOpaque({ format: 'gemini', value: 'AQ' }) }
const unsigned = { type: 'thinking', thinking: 'hm', signature: UNSIGNED }
const own = { type: 'thinking', thinking: 'hm', signature: 'Eq' }
const use = { type: 'tool_use', id: 'a', name: 'run', input: {} }
const results = { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'a' }] }
const native = { type: 'server_tool_use', id: 's', name: 'web_search', input: {} }

const body = (model: string, ...content: readonly JsonObject[]): JsonObject => ({
  model,
  messages: [
    { role: 'user', content: 'go' },
    { role: 'assistant', content },
    results,
    { role: 'assistant', content: [carrier] },
  ],
  thinking: { type: 'enabled', budget_tokens: 2000 },
  context_management: { edits: [{ type: 'clear_thinking_20251015' }, { type: 'clear_tool_uses_20250919' }] },
})

test('anthropic-3: foreign thoughts go, all else stays; a budget goes where the turn lacks its thought', () => {
  const before = body('claude-sonnet-4-5', foreign, native, use, carrier)
  expect(holdsWrapped(Buffer.from(JSON.stringify(before)))).toBe(true)
  const after = withoutForeignThoughts(before)
  expect(after).toEqual({
    model: 'claude-sonnet-4-5',
    messages: [{ role: 'user', content: 'go' }, { role: 'assistant', content: [native, use] }, results],
    context_management: { edits: [{ type: 'clear_tool_uses_20250919' }] },
  })
  expect(holdsWrapped(Buffer.from(JSON.stringify(after)))).toBe(false)
})

test('anthropic-3: a turn that begins with its own thought goes on thinking', () => {
  const after = withoutForeignThoughts(body('claude-sonnet-4-5', own, unsigned, use))
  expect(after).toMatchObject({ thinking: { budget_tokens: 2000 }, context_management: { edits: [{}, {}] } })
  expect(after.messages).toContainEqual({ role: 'assistant', content: [own, use] })
})

test('anthropic-3: a model that can adapt does so', () => {
  expect(withoutForeignThoughts(body('claude-sonnet-4-6', unsigned, use)).thinking).toEqual({ type: 'adaptive' })
})
