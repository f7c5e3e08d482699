import { expect, test } from 'vitest'
import { collect } from '../../model/collect.ts'
import type { JsonObject } from '../../model/request.ts'
import type { ChatResponse } from '../../model/response.ts'
import { openaiChat } from './index.ts'

const chunk = (delta: JsonObject, more: JsonObject = {}): JsonObject => ({
  id: 'r1',
  object: 'chat.completion.chunk',
  created: 7,
  model: 'm',
  choices: [{ index: 0, delta, finish_reason: null, ...more }],
})
const end = (reason: string): JsonObject => chunk({}, { finish_reason: reason })

function answer(...chunks: readonly JsonObject[]): ChatResponse {
  const decoder = openaiChat.codec.decodeStream({ loss: () => undefined })
  const events = chunks.flatMap((entry) => decoder.push({ data: JSON.stringify(entry) }))
  return collect([...events, ...decoder.end()])
}

test('text that is cut out: escapes, quotes, surrogates, padding, and chunks that differ elsewhere', () => {
  const padded = (content: string, obfuscation: string, more: JsonObject = {}): JsonObject => ({
    ...chunk({ content }),
    usage: null,
    obfuscation,
    ...more,
  })
  const texts = ['a', 'b"c', '\\', '\\"', '\n\t\u0001', '😀', '\ud83d', '\ude00', '"content":"x"', '}', '']
  const made = answer(
    padded('start', 'aa'),
    ...texts.map((text, at) => padded(text, 'z'.repeat(at))),
    padded('odd', 'not plain!'),
    { ...padded('last', 'q'), usage: { prompt_tokens: 1, completion_tokens: 9 } },
    end('stop'),
  )
  expect(made.content).toEqual([{ type: 'text', text: `start${texts.join('')}oddlast` }])
  expect(made.usage?.output).toBe(9)
})

test('text that is cut out: a field of the same name elsewhere is not taken for it', () => {
  const doubled = (debug: string, content: string): JsonObject => ({
    debug: { content: debug },
    ...chunk({ content }),
  })
  const made = answer(doubled('a', 'a'), doubled('b', 'a'), doubled('a', 'c'), end('stop'))
  expect(made.content).toEqual([{ type: 'text', text: 'aac' }])
})
