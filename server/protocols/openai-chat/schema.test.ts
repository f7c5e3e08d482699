import { expect, test } from 'vitest'
import type { ChatRequest, JsonObject, Loss } from '../../model/request.ts'
import { asArray, asObject } from '../narrow.ts'
import { openaiChat } from './index.ts'

function encode(request: Partial<ChatRequest>): { readonly body: JsonObject; readonly losses: Loss[] } {
  const losses: Loss[] = []
  const whole: ChatRequest = {
    model: 'gpt-4.1',
    stream: false,
    messages: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }],
    tools: [],
    sampling: {},
    ...request,
  }
  const body = openaiChat.codec.encodeRequest(whole, { loss: (loss) => losses.push(loss) })
  const plain: unknown = JSON.parse(JSON.stringify(body))
  return { body: asObject(plain)!, losses }
}

test('model-7: schemas are cleaned: an object at the root, items in every array', () => {
  const parameters = {
    anyOf: [{ properties: { a: { type: 'array' } } }],
    properties: {
      properties: { type: 'array' },
      default: { type: 'array' },
      b: { type: 'string', default: { type: 'array' } },
    },
  }
  const { body, losses } = encode({ tools: [{ type: 'function', name: 'f', parameters }] })
  expect(asObject(asObject(asArray(body.tools)?.[0])?.function)?.parameters).toEqual({
    type: 'object',
    properties: {
      properties: { type: 'array', items: {} },
      a: { type: 'array', items: {} },
      default: { type: 'array', items: {} },
      b: { type: 'string', default: { type: 'array' } },
    },
  })
  expect(losses).toHaveLength(1)
})

test('model-7: strict is dropped where OpenAI would refuse the schema, and said to be', () => {
  const property = { type: 'string' }
  const closed = { type: 'object', properties: { a: property }, required: ['a'], additionalProperties: false }
  const strictOf = (parameters: JsonObject, model = 'gpt-4.1'): readonly [unknown, number] => {
    const { body, losses } = encode({ model, tools: [{ type: 'function', name: 'f', parameters, strict: true }] })
    return [asObject(asObject(asArray(body.tools)?.[0])?.function)?.strict, losses.length]
  }
  expect(strictOf(closed)).toEqual([true, 0])
  expect(strictOf({ ...closed, properties: { a: { type: 'array', items: closed } } })).toEqual([true, 0])
  expect(strictOf({ ...closed, required: [] })).toEqual([undefined, 1])
  expect(strictOf({ ...closed, additionalProperties: true })).toEqual([undefined, 1])
  expect(strictOf({ ...closed, properties: { a: { type: 'object' } } })).toEqual([undefined, 1])
  expect(strictOf({ ...closed, required: [] }, 'qwen3-max')).toEqual([true, 0])
  const output = { type: 'json-schema', name: 'r', schema: { type: 'object' }, strict: true } as const
  expect(encode({ output }).body.response_format).toEqual({
    type: 'json_schema',
    json_schema: { name: 'r', schema: { type: 'object' } },
  })
})
