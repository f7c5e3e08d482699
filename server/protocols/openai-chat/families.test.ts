import { describe, expect, test } from 'vitest'
import type { ChatRequest, JsonObject, Loss } from '../../model/request.ts'
import { openaiChat } from './index.ts'

function encode(request: Partial<ChatRequest>): { readonly body: JsonObject; readonly losses: Loss[] } {
  const losses: Loss[] = []
  const whole: ChatRequest = {
    model: 'm',
    stream: false,
    messages: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }],
    tools: [],
    sampling: {},
    ...request,
  }
  return { body: openaiChat.codec.encodeRequest(whole, { loss: (loss) => losses.push(loss) }), losses }
}

describe('what a model’s name says about its provider', () => {
  test.each([
    ['gpt-4.1', 'max_tokens'],
    ['o3-mini', 'max_completion_tokens'],
    ['gpt-5.2-codex', 'max_completion_tokens'],
    ['openai/gpt-5', 'max_completion_tokens'],
    ['gpt-5-chat-latest', 'max_tokens'],
    ['deepseek-chat', 'max_tokens'],
    ['gpt-oss-120b', 'max_tokens'],
  ])('chat-7: %s wants %s', (model, field) => {
    const { body } = encode({ model, sampling: { maxTokens: 5 } })
    expect(Object.keys(body).filter((name) => name.startsWith('max_'))).toEqual([field])
  })

  test('chat-7: reasoning models refuse sampling fields; leaving out a default is no loss', () => {
    const { body, losses } = encode({
      model: 'gpt-5',
      sampling: { temperature: 0.2, topP: 1, stop: ['x'], presencePenalty: 0, logprobs: true, topLogprobs: 2 },
    })
    for (const field of ['temperature', 'top_p', 'stop', 'presence_penalty', 'logprobs', 'top_logprobs'])
      expect(body).not.toHaveProperty(field)
    expect(losses.map((loss) => loss.field)).toEqual(['temperature', 'stop', 'logprobs', 'top_logprobs'])
  })

  test.each([
    ['gpt-5', { effort: 'max' }, 'high'],
    ['gpt-5.2', { effort: 'max' }, 'xhigh'],
    ['gpt-5.2', { effort: 'minimal' }, 'none'],
    ['o3', { effort: 'none' }, 'low'],
    ['glm-5.3', { effort: 'max' }, 'max'],
    ['qwen3-max', { effort: 'none' }, 'none'],
    ['gpt-5', { budgetTokens: 2000 }, 'low'],
    ['gpt-5', { budgetTokens: 31_999 }, 'high'],
    ['gpt-5', { adaptive: true }, undefined],
    ['gpt-4o', { effort: 'high' }, undefined],
    ['gpt-4o', { effort: 'none' }, undefined],
    ['llama-3.3-70b', { budgetTokens: 5000 }, undefined],
  ] as const)('effort for %s of %j: %s', (model, reasoning, effort) => {
    expect(encode({ model, reasoning }).body.reasoning_effort).toBe(effort)
  })

  test('chat-7: a reasoning model told not to think takes sampling fields', () => {
    const { body, losses } = encode({ model: 'gpt-5.1', sampling: { temperature: 0.2 }, reasoning: { effort: 'none' } })
    expect(body).toMatchObject({ temperature: 0.2, reasoning_effort: 'none' })
    expect(losses).toEqual([])
  })

  test.each([
    ['gpt-5', true],
    ['grok-4', true],
    ['kimi-k3', true],
    ['glm-5', false],
  ])('a cache key for %s: %s', (model, sent) => {
    const { body, losses } = encode({ model, cacheKey: 'k' })
    expect(body.prompt_cache_key).toBe(sent ? 'k' : undefined)
    expect(losses).toHaveLength(sent ? 0 : 1)
  })

  test.each([
    ['o3', false],
    ['gpt-5', true],
  ])('parallel calls for %s: %s', (model, sent) => {
    const tools: ChatRequest['tools'] = [{ type: 'function', name: 'f', parameters: {} }]
    expect(encode({ model, tools, sampling: { parallelToolCalls: false } }).body.parallel_tool_calls).toBe(
      sent ? false : undefined,
    )
  })

  test.each([
    ['gpt-5', 'on_demand', undefined],
    ['llama-3.3-70b', 'on_demand', 'on_demand'],
    ['llama-3.3-70b', 'standard_only', undefined],
    ['gpt-5', 'flex', 'flex'],
  ])('for %s the service tier %s: %s', (model, serviceTier, sent) => {
    expect(encode({ model, serviceTier }).body.service_tier).toBe(sent)
  })
})
