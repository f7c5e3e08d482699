import { describe, expect, test } from 'vitest'
import fc from 'fast-check'
import { RelayError } from '../errors.ts'
import { collect, mergeLogprobs, replay } from './collect.ts'
import type { AssistantPart } from './request.ts'
import type { ChatResponse } from './response.ts'

const opaque = fc.record(
  { format: fc.constantFrom('anthropic', 'gemini'), value: fc.string(), origin: fc.string() },
  { requiredKeys: ['format', 'value'] },
)
const part: fc.Arbitrary<AssistantPart> = fc.oneof(
  fc.record(
    {
      type: fc.constant('text'),
      text: fc.string(),
      refusal: fc.constant(true),
      citations: fc.array(fc.record({ url: fc.webUrl() }), { minLength: 1 }),
      opaque,
    },
    { requiredKeys: ['type', 'text'] },
  ),
  fc.record(
    { type: fc.constant('reasoning'), text: fc.string(), redacted: fc.constant(true), id: fc.string(), opaque },
    { requiredKeys: ['type', 'text'] },
  ),
  fc.record(
    {
      type: fc.constant('tool-call'),
      id: fc.string(),
      name: fc.string(),
      arguments: fc.string(),
      custom: fc.constant(true),
      opaque,
    },
    { requiredKeys: ['type', 'id', 'name', 'arguments'] },
  ),
  fc.record(
    {
      type: fc.constant('media'),
      mediaType: fc.constant('image/png'),
      source: fc.record({ kind: fc.constant('base64'), data: fc.base64String() }),
      opaque,
    },
    { requiredKeys: ['type', 'mediaType', 'source'] },
  ),
)
const choice = {
  content: fc.array(part, { maxLength: 5 }),
  finish: fc.record(
    { reason: fc.constantFrom('stop', 'length', 'tool-calls'), raw: fc.string(), stopSequence: fc.string() },
    { requiredKeys: ['reason'] },
  ),
}
const response = fc.record(
  {
    id: fc.string(),
    model: fc.string(),
    createdAt: fc.nat(),
    ...choice,
    alternatives: fc.array(fc.record(choice), { minLength: 1, maxLength: 2 }),
    usage: fc.record({
      input: fc.nat(),
      cacheRead: fc.nat(),
      cacheWrite5m: fc.nat(),
      cacheWrite1h: fc.nat(),
      output: fc.nat(),
    }),
  },
  { requiredKeys: ['id', 'model', 'createdAt', 'content', 'finish'] },
) as fc.Arbitrary<ChatResponse>

describe('collect and replay', () => {
  test('collect(replay(response)) is the response', () => {
    fc.assert(
      fc.property(response, (whole) => {
        expect(collect(replay(whole))).toEqual(whole)
      }),
    )
  })

  test('logprobs and the service tier survive', () => {
    const whole: ChatResponse = {
      id: 'a',
      model: 'm',
      createdAt: 0,
      content: [{ type: 'text', text: 'ab' }],
      finish: { reason: 'stop' },
      logprobs: { content: [{ token: 'a' }] },
      usage: { input: 1, cacheRead: 0, cacheWrite5m: 0, cacheWrite1h: 0, output: 1 },
      serviceTier: 'flex',
    }
    expect(collect(replay(whole))).toEqual(whole)
  })

  test('pieces of logprobs are joined', () => {
    expect(mergeLogprobs([{ content: [1], refusal: null }, { content: [2, 3] }])).toEqual({
      content: [1, 2, 3],
      refusal: null,
    })
  })

  test.each([
    ['no start', []],
    ['no finish', [{ type: 'start', id: '', model: '', createdAt: 0 }]],
    ['a delta outside a block', [{ type: 'block-delta', index: 0, text: 'x' }]],
    ['an error', [{ type: 'error', error: new RelayError('rate_limited', 'slow down') }]],
  ] as const)('%s throws', (_, events) => {
    expect(() => collect(events)).toThrow(RelayError)
  })
})
