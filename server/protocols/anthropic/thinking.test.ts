import { describe, expect, test } from 'vitest'
import type { ChatRequest, JsonObject, Loss } from '../../model/request.ts'
import { asObject } from '../narrow.ts'
import { wrapOpaque } from '../signature.ts'
import { call, decode, encode, fieldsOf, objects, result, run, user } from './testing/requests.ts'

describe('thinking', () => {
  test.each<[string, ChatRequest['reasoning'], number | undefined, JsonObject | undefined]>([
    ['claude-sonnet-4-5', { budgetTokens: 3000 }, 4096, { type: 'enabled', budget_tokens: 3000 }],
    ['claude-sonnet-4-5', { budgetTokens: 9000 }, 4096, { type: 'enabled', budget_tokens: 4095 }],
    ['claude-sonnet-4-5', { budgetTokens: 10 }, 4096, { type: 'enabled', budget_tokens: 1024 }],
    ['claude-sonnet-4-5', { budgetTokens: 3000 }, 1000, undefined],
    ['claude-sonnet-4-5', { effort: 'high' }, 4096, { type: 'enabled', budget_tokens: 3276 }],
    ['claude-sonnet-4-5', { effort: 'medium' }, undefined, { type: 'enabled', budget_tokens: 8192 }],
    ['claude-sonnet-4-5', { adaptive: true }, undefined, { type: 'enabled', budget_tokens: 16_384 }],
    ['claude-sonnet-4-5', { effort: 'none' }, undefined, undefined],
    ['claude-sonnet-4-5', { summary: 'auto' }, undefined, undefined],
    ['claude-3-5-sonnet-20241022', { effort: 'high' }, undefined, undefined],
    ['claude-sonnet-4-6', { effort: 'low', visible: true }, undefined, { type: 'adaptive', display: 'summarized' }],
    ['claude-sonnet-4-6', { budgetTokens: 2000 }, undefined, { type: 'enabled', budget_tokens: 2000 }],
    ['claude-opus-4-7', { budgetTokens: 2000 }, undefined, { type: 'adaptive' }],
    ['claude-opus-4-8', { effort: 'none' }, undefined, undefined],
    ['claude-opus-5', { effort: 'none' }, undefined, { type: 'disabled' }],
    ['claude-opus-5-5', { effort: 'none' }, undefined, undefined],
    ['anthropic/claude-sonnet-4.5', { effort: 'low' }, undefined, { type: 'enabled', budget_tokens: 4096 }],
    ['kimi-k2', { effort: 'low', visible: true }, undefined, { type: 'enabled', budget_tokens: 4096 }],
  ])('anthropic-1: thinking of %s with %j and %s tokens', (...row) => {
    const [model, reasoning, maxTokens, thinking] = row
    const body = encode({
      model,
      sampling: maxTokens === undefined ? {} : { maxTokens },
      ...(reasoning && { reasoning }),
    })
    expect(body.thinking).toEqual(thinking)
  })

  test.each<[string, ChatRequest['reasoning'], string | undefined]>([
    ['claude-opus-4-7', { effort: 'xhigh' }, 'xhigh'],
    ['claude-opus-4-6', { effort: 'xhigh' }, 'high'],
    ['claude-opus-4-6', { effort: 'max' }, 'max'],
    ['claude-sonnet-4-6', { effort: 'minimal' }, 'low'],
    ['claude-opus-4-7', { budgetTokens: 20_000 }, 'high'],
    ['claude-opus-4-7', { adaptive: true }, undefined],
    ['claude-opus-5-5', { effort: 'none' }, 'low'],
    ['claude-sonnet-4-5', { effort: 'high' }, undefined],
  ])('anthropic-1: newer models take adaptive and an effort: %s with %j', (model, reasoning, effort) => {
    expect(asObject(encode({ model, reasoning: reasoning ?? {} }).output_config)?.effort).toBe(effort)
  })

  test('anthropic-1: temperature, top_p and top_k give way to thinking, and to each other', () => {
    const sampling = { temperature: 0.2, topP: 0.9, topK: 5 }
    const losses: Loss[] = []
    const thinking = encode({ sampling, reasoning: { effort: 'low' } }, losses)
    expect([thinking.temperature, thinking.top_p, thinking.top_k]).toEqual([undefined, undefined, undefined])
    expect(fieldsOf(losses)).toEqual(['temperature', 'top_p', 'top_k'])
    expect(encode({ sampling })).toMatchObject({ temperature: 0.2, top_k: 5 })
    expect(encode({ sampling }).top_p).toBeUndefined()
    expect(encode({ model: 'claude-opus-4', sampling })).toMatchObject({ temperature: 0.2, top_p: 0.9 })
    expect(encode({ model: 'claude-opus-4-8', sampling })).not.toHaveProperty('temperature')
    expect(encode({ model: 'kimi-k2', sampling: { topP: 0.97 }, reasoning: { effort: 'low' } }).top_p).toBe(0.97)
    expect(encode({ sampling: { temperature: 1.7 } }).temperature).toBe(1)
  })

  test('anthropic-1: a forced tool switches thinking off, or is given up where the model always thinks', () => {
    const forced = { tools: [run], toolChoice: 'required', reasoning: { effort: 'high' } } as const
    const losses: Loss[] = []
    expect(encode(forced, losses)).toMatchObject({ tool_choice: { type: 'any' } })
    expect(encode({ ...forced, model: 'claude-opus-5' }).thinking).toEqual({ type: 'disabled' })
    expect(encode({ ...forced, model: 'claude-opus-5-5' }, losses).tool_choice).toEqual({ type: 'auto' })
    expect(fieldsOf(losses)).toEqual(['reasoning', 'tool_choice'])
  })

  describe('anthropic-3: thoughts', () => {
    const thought = (origin?: string) =>
      ({
        type: 'reasoning',
        text: 'hm',
        opaque: { format: 'anthropic', value: 'Eq', ...(origin && { origin }) },
      }) as const
    const turn = (part: ReturnType<typeof thought>): Partial<ChatRequest> => ({
      reasoning: { budgetTokens: 2000 },
      tools: [run],
      messages: [
        user('go'),
        { role: 'assistant', content: [part, call('a')] },
        { role: 'tool', content: [result('a')] },
        { role: 'assistant', content: [call('b')] },
        { role: 'tool', content: [result('b')] },
      ],
    })

    test.each([['7'], [undefined]])('of this channel (%s) go back verbatim', (origin) => {
      const body = encode(turn(thought(origin)))
      expect(objects(objects(body.messages)[1]?.content)[0]).toEqual({
        type: 'thinking',
        thinking: 'hm',
        signature: 'Eq',
      })
      expect(body.thinking).toBeDefined()
    })

    test('of another channel do not go, and then a budget cannot be: thinking is off', () => {
      const losses: Loss[] = []
      const body = encode(turn(thought('8')), losses)
      expect(JSON.stringify(body)).not.toContain('Eq')
      expect(body.thinking).toBeUndefined()
      expect(fieldsOf(losses)).toEqual(['messages[].content[] (reasoning)', 'reasoning'])
    })

    test('of another channel: a model that takes adaptive thinks on', () => {
      expect(encode({ ...turn(thought('8')), model: 'claude-sonnet-4-6' }).thinking).toEqual({ type: 'adaptive' })
    })

    test('redacted ones are kept; wrapped ones of this channel are unwrapped by the client’s format', () => {
      const opaque = { format: 'anthropic', value: 'Em', origin: '7' } as const
      const part = { type: 'reasoning', text: '', redacted: true, opaque } as const
      const body = encode({
        ...turn(thought()),
        messages: [user('go'), { role: 'assistant', content: [part] }, user('x')],
      })
      expect(objects(body.messages)[1]?.content).toEqual([{ type: 'redacted_thinking', data: 'Em' }])
    })

    test('a client sends back what we wrapped: it is foreign here, and none of its text is lost before', () => {
      const signature = wrapOpaque({ format: 'gemini', value: 'AQ', origin: '3' })
      const content = [
        { type: 'thinking', thinking: 'hm', signature },
        { type: 'thinking', thinking: 'unsigned', signature: '' },
      ]
      expect(decode({ messages: [{ role: 'assistant', content }] }).messages[0]?.content).toEqual([
        { type: 'reasoning', text: 'hm', opaque: { format: 'gemini', value: 'AQ', origin: '3' } },
        { type: 'reasoning', text: 'unsigned' },
      ])
    })
  })
})
