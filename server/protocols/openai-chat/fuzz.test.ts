import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { RelayError } from '../../errors.ts'
import type { ChatRequest, JsonObject } from '../../model/request.ts'
import type { StreamEvent } from '../../model/response.ts'
import { asArray, asObject, parseObject } from '../narrow.ts'
import { decodeFrame, SseSplitter, type SseFrame } from '../sse.ts'
import { openaiChat } from './index.ts'

const folder = new URL('./fixtures/', import.meta.url)
const files = (ending: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith(ending))
    .map((name) => readFileSync(new URL(name, folder), 'utf8'))
const requests = files('.request.json').map((text) => parseObject(text)!)
const replies = files('.response.json').map((text) => parseObject(text)!)
const streams = files('.sse.txt').map((text) => {
  const frames: SseFrame[] = []
  const splitter = new SseSplitter()
  splitter.push(Buffer.from(text), (raw) => frames.push(decodeFrame(raw)))
  return [...frames.slice(0, 40), ...frames.slice(-4)]
})

const { codec } = openaiChat
const loss = (): void => undefined

/** What a value may be replaced by: wrong kinds, absurd numbers, names with a meaning in JavaScript, broken data URLs. */
const odd: readonly unknown[] = [
  null,
  0,
  -1,
  1e9,
  '',
  'x',
  [],
  {},
  [null],
  [[]],
  true,
  { type: 5 },
  '__proto__',
  { toString: 1 },
  [{ type: 'text' }],
  'data:;base64,%',
  'data:image/png,%zz',
]

/** Changes about one value in thirty, the same ones for the same seed. */
function mutate(value: unknown, random: () => number): unknown {
  if (random() < 0.03) return odd[Math.floor(random() * odd.length)]
  const list = asArray(value)
  if (list !== undefined) return list.map((entry) => mutate(entry, random))
  const object = asObject(value)
  if (object !== undefined) {
    const kept = Object.entries(object).filter(() => random() > 0.02)
    return Object.fromEntries(kept.map(([name, member]) => [name, mutate(member, random)]))
  }
  return typeof value === 'string' && random() < 0.02 ? value.slice(0, Math.floor(random() * value.length)) : value
}

function dice(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff
    return state / 0x8000_0000
  }
}

/** Anything but a RelayError fails the test. */
function refusalOf(run: () => void): RelayError | undefined {
  try {
    run()
  } catch (error) {
    if (error instanceof RelayError) return error
    throw error
  }
  return undefined
}

const seeds = fc.integer({ min: 1, max: 0x7fff_ffff })
const asked: ChatRequest = { model: 'm', stream: true, messages: [], tools: [], sampling: {} }

describe('broken input is refused with words, never with a crash', () => {
  test('requests', () => {
    fc.assert(
      fc.property(seeds, fc.constantFrom(...requests), (seed, body) => {
        const broken = asObject(mutate(body, dice(seed))) ?? {}
        let request: ChatRequest | undefined
        const refusal = refusalOf(() => {
          request = codec.decodeRequest({ headers: {}, body: broken, route: { operation: 'generate' } }, loss)
        })
        if (refusal !== undefined) {
          expect(refusal.kind).toBe('invalid_request')
          expect(refusal.message).toContain(refusal.detail.param)
        }
        for (const model of ['gpt-5', 'mistral-large', 'deepseek-chat', 'anthropic/claude-x'])
          if (request !== undefined) JSON.stringify(codec.encodeRequest({ ...request, model }, { loss, origin: '1' }))
      }),
      { numRuns: 1500 },
    )
  })

  test('whole replies and errors', () => {
    fc.assert(
      fc.property(seeds, fc.constantFrom(...replies), (seed, body) => {
        const broken = asObject(mutate(body, dice(seed))) ?? {}
        refusalOf(() => JSON.stringify(codec.encodeResponse(codec.decodeResponse(broken, { loss }), asked)))
        openaiChat.summarise(broken)
        expect(openaiChat.decodeError(400, {}, JSON.stringify(broken))).toBeInstanceOf(RelayError)
      }),
      { numRuns: 1500 },
    )
  })

  test('streams: one end or one error, nothing behind it, and the parser agrees with the scissors', () => {
    fc.assert(
      fc.property(seeds, fc.constantFrom(...streams), (seed, frames) => {
        const random = dice(seed)
        const broken = frames.flatMap((frame): SseFrame[] => {
          if (random() < 0.05) return []
          const chunk = random() < 0.1 ? parseObject(frame.data) : undefined
          return [chunk === undefined ? frame : { ...frame, data: JSON.stringify(mutate(chunk, random)) }]
        })
        const events = run(broken)
        expect(events.filter((event) => event.type === 'error').length).toBeLessThan(2)
        expect(events.slice(0, -1).some((event) => event.type === 'error')).toBe(false)
        expect(['error', 'finish']).toContain(events.at(-1)?.type)
        expect(withoutChance(run(broken.map((frame) => ({ event: 'message', ...frame }))))).toEqual(
          withoutChance(events),
        )
      }),
      { numRuns: 1500 },
    )
  })
})

function run(frames: readonly SseFrame[]): StreamEvent[] {
  const decoder = codec.decodeStream({ loss, origin: '1' })
  const encoder = codec.encodeStream(asked)
  const reader = openaiChat.reader()
  const events: StreamEvent[] = []
  for (const frame of frames) {
    reader.wants(frame.data)
    reader.read(frame)
    events.push(...decoder.push(frame))
  }
  events.push(...decoder.end())
  const text = events.map((event) => encoder.push(event)).join('')
  if (events.at(-1)?.type !== 'error') expect(text + encoder.end()).toMatch(/data: \[DONE\]\n\n$/)
  return events
}

/** Calls without an id in answers without an id get one by chance. */
function withoutChance(events: readonly StreamEvent[]): unknown {
  const text = JSON.stringify(events, (key, value: unknown) => (key === 'cause' ? undefined : value))
  const plain: JsonObject | undefined = parseObject(`{"events":${text.replaceAll(/"call_[0-9a-f]{24}"/g, '"call"')}}`)
  return plain
}
