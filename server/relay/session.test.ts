import { describe, expect, test } from 'vitest'
import type { ApiKey, Group } from '../store/configuration.ts'
import { sessionOf } from './session.ts'

const group: Group = {
  id: 4,
  name: 'g',
  mode: 'failover',
  aliases: [],
  items: [],
  pinnedItemId: null,
  policy: {},
  affinitySeconds: 60,
  createdAt: 0,
}
const caller: ApiKey = {
  id: 9,
  name: 'k',
  enabled: true,
  expiresAt: null,
  allowedGroups: null,
  modelMapping: {},
  budget: { totalNanoUsd: null, dailyNanoUsd: null, weeklyNanoUsd: null, monthlyNanoUsd: null },
  limits: { requestsPerMinute: null, tokensPerMinute: null, concurrency: null },
  hint: '',
  createdAt: 0,
  updatedAt: 0,
}
const name = (body: unknown, headers: Record<string, string> = {}, raw?: object): string | null =>
  sessionOf({ caller, headers, body: Buffer.from(JSON.stringify(body)), raw }, group)

const ask = { role: 'user', content: 'Why is the sky blue?' }
const answer = { role: 'assistant', content: 'Rayleigh.' }

describe('a call belongs to the conversation', () => {
  test('that its tool names', () => {
    expect(name({ messages: [ask] }, { session_id: 'abc' })).toBe('9/4/abc')
    expect(name({ messages: [answer] }, { session_id: 'abc' })).toBe('9/4/abc')
  })

  test('that its cache key names', () => {
    expect(name({ input: 'x', prompt_cache_key: 'abc' })).toBe('9/4/key:abc')
    expect(name({ prompt_cache_key: 'abc', input: 'y' })).toBe('9/4/key:abc')
  })

  test.each([
    ['OpenAI Chat', (turns: object[]) => ({ model: 'm', messages: turns })],
    ['OpenAI Responses', (turns: object[]) => ({ tools: [{ name: 'input' }], input: turns })],
    ['Anthropic', (turns: object[]) => ({ system: 'Be brief', messages: turns })],
    ['Gemini', (turns: object[]) => ({ contents: turns })],
    ['Antigravity', (turns: object[]) => ({ model: 'm', request: { contents: turns } })],
  ])('that began with the same words in %s', (_format, body) => {
    const first = name(body([ask]))
    expect(first).toMatch(/^9\/4\/start:/)
    expect(name(body([ask, answer, ask]))).toBe(first)
    expect(name(body([{ ...ask, content: 'Why is grass green?' }]))).not.toBe(first)
  })

  test('of nothing where nothing tells', () => {
    expect(name({ model: 'm' })).toBeNull()
    expect(name({ messages: [] })).toBeNull()
    expect(name({ messages: [ask] }, {}, {}), 'bytes that are passed on unread').toBeNull()
    const twice = Buffer.from('{"messages":[],"messages":[]}')
    expect(sessionOf({ caller, headers: {}, body: twice }, group)).toBeNull()
  })
})
