import { describe, expect, test } from 'vitest'
import { Affinity, openingOf, sessionHeader, sessionName } from './affinity.ts'

const seat = { itemId: 7, keyId: 3 }

describe('a conversation', () => {
  test('is remembered for as long as the group wants, from its last answer on', () => {
    const clock = { now: 0 }
    const affinity = new Affinity(() => clock.now)
    expect(affinity.find('a').seat).toBeNull()
    affinity.remember('a', seat, 10)
    clock.now = 9_999
    expect(affinity.find('a').seat).toEqual(seat)
    affinity.remember('a', seat, 10)
    clock.now = 19_998
    expect(affinity.find('a').seat).toEqual(seat)
    clock.now = 19_999
    expect(affinity.find('a').seat).toBeNull()
    expect(affinity.size).toBe(0)
  })

  test('that was used least recently is forgotten first', () => {
    const affinity = new Affinity(() => 0, 3)
    for (const name of ['a', 'b', 'c', 'a', 'd']) affinity.remember(name, seat, 10)
    expect(['a', 'b', 'c', 'd'].map((name) => affinity.find(name).seat !== null)).toEqual([true, false, true, true])
  })
})

describe('its name', () => {
  test.each([
    ['Claude Code', { 'x-claude-code-session-id': 'one' }],
    ['Amp', { 'x-amp-thread-id': 'one' }],
    ['Codex', { session_id: 'one' }],
    ['a newer Codex', { 'session-id': 'one' }],
  ])('comes from the header of %s', (_tool, headers) => {
    expect(sessionHeader(headers)).toBe('one')
  })

  test('is none without such a header, or with an empty one', () => {
    expect(sessionHeader({ session_id: '', 'user-agent': 'x' })).toBeNull()
  })

  test('holds for one API key and group', () => {
    const names = [
      sessionName({ apiKeyId: 1, groupId: 1 }, 'one'),
      sessionName({ apiKeyId: 2, groupId: 1 }, 'one'),
      sessionName({ apiKeyId: 1, groupId: 2 }, 'one'),
      sessionName({ apiKeyId: 1, groupId: 1 }, 'x'.repeat(100_000)),
    ]
    expect(new Set(names).size).toBe(4)
    for (const name of names) expect(name.length).toBeLessThan(100)
  })
})

const opening = (list: unknown): string => {
  const body = Buffer.from(JSON.stringify(list))
  return openingOf(body, { start: 0, end: body.length })
}

describe('the start of a conversation', () => {
  const system = { role: 'system', content: 'Be brief.' }
  const first = { role: 'user', content: 'Why is "the sky" blue? \\' }
  const more = [
    { role: 'assistant', content: 'Rayleigh.' },
    { role: 'user', content: 'And at night?' },
  ]

  test('is the same in every turn', () => {
    expect(opening([system, first])).not.toBe('')
    expect(opening([system, first, ...more])).toBe(opening([system, first]))
  })

  test('is that of the person, whatever stands before', () => {
    expect(opening([{ ...system, content: 'It is Monday.' }, first])).toBe(opening([system, first]))
    expect(opening([system, { ...first, content: 'Why is grass green?' }])).not.toBe(opening([system, first]))
  })

  test('does not change when the client moves its cache marks', () => {
    const text = { type: 'text', text: 'hello' }
    const marked = [{ role: 'user', content: [{ ...text, cache_control: { type: 'ephemeral' } }] }]
    expect(opening(marked)).toBe(opening([{ role: 'user', content: [text] }]))
  })

  test('is found in the lists of all formats', () => {
    const lists = [
      [{ role: 'user', parts: [{ text: 'hello' }] }],
      [{ type: 'message', role: 'user', content: [{ type: 'input_text', text: 'hello' }] }],
      [{ role: 'user', content: [{ type: 'text', text: 'hello' }] }],
    ]
    expect(new Set(lists.map(opening)).size).toBe(1)
    expect(opening('hello')).not.toBe('')
  })

  test('is nothing where no word was said', () => {
    expect(opening([])).toBe('')
    expect(opening([{ role: 'assistant', content: 'hi' }])).toBe('')
    expect(opening([{ role: 'user', content: [{ type: 'image', source: { data: 'AAAA' } }] }])).toBe('')
  })

  test('does not need the whole of a long message', () => {
    const long = 'x'.repeat(500_000)
    const turns = [[{ role: 'user', content: long }], [{ role: 'user', content: long }, ...more]]
    expect(opening(turns[0])).toBe(opening(turns[1]))
    expect(opening(turns[0])).not.toBe('')
  })
})
