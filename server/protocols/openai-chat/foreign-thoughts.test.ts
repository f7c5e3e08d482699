import { expect, test } from 'vitest'
import type { AssistantPart, ChatRequest, JsonObject } from '../../model/request.ts'
import { asArray, asObject } from '../narrow.ts'
import { holdsWrapped } from '../signature.ts'
import { openaiChat } from './index.ts'

const request: ChatRequest = { model: 'm', stream: false, messages: [], tools: [], sampling: {} }

/** The message that a client keeps of an answer. */
function kept(content: readonly AssistantPart[]): JsonObject {
  const body = openaiChat.codec.encodeResponse(
    { id: 'r', model: 'm', createdAt: 1, content, finish: { reason: 'stop' } },
    request,
  )
  return asObject(asObject(asArray(body.choices)?.[0])?.message)!
}
const clean = (body: JsonObject): JsonObject => openaiChat.withoutForeignThoughts!(body)

const foreign: readonly AssistantPart[] = [
  { type: 'reasoning', text: 'theirs', opaque: { format: 'anthropic', value: 's', origin: '3' } },
  { type: 'text', text: 'hi', opaque: { format: 'gemini', value: 't' } },
  { type: 'tool-call', id: 'a', name: 'f', arguments: '{}', opaque: { format: 'gemini', value: 'g' } },
]

test('model-4: what channels of other formats thought does not go to this one, everything else does', () => {
  const native = { type: 'reasoning.text', text: 'own', signature: 's', index: 0 }
  const message = kept(foreign)
  const body = {
    model: 'gpt-5',
    unknown: { deep: [1] },
    messages: [
      { role: 'user', content: 'x' },
      {
        ...message,
        reasoning_details: [...asArray(message.reasoning_details)!, native],
        reasoning_content: 'theirsown',
      },
      { role: 'assistant', content: 'own', reasoning_content: 'mine', reasoning_details: [native] },
    ],
  } as JsonObject
  expect(holdsWrapped(Buffer.from(JSON.stringify(body)))).toBe(true)
  const cleaned = clean(body)
  expect(holdsWrapped(Buffer.from(JSON.stringify(cleaned)))).toBe(false)
  expect(cleaned).toEqual({
    model: 'gpt-5',
    unknown: { deep: [1] },
    messages: [
      { role: 'user', content: 'x' },
      {
        role: 'assistant',
        content: 'hi',
        refusal: null,
        reasoning_content: 'own',
        reasoning_details: [native],
        tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }],
      },
      { role: 'assistant', content: 'own', reasoning_content: 'mine', reasoning_details: [native] },
    ],
  })
})

test('chat-4: a field that OpenAI does not know is gone when nothing is left in it', () => {
  expect(JSON.stringify(clean({ model: 'gpt-5', messages: [kept(foreign)] }))).not.toMatch(/reasoning|extra_content/)
})

test('chat-3: DeepSeek wants the field with every call', () => {
  expect(clean({ model: 'deepseek-reasoner', messages: [kept(foreign)] })).toMatchObject({
    messages: [{ reasoning_content: ' ' }],
  })
})
