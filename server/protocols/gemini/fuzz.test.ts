import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { RelayError } from '../../errors.ts'
import type { JsonObject } from '../../model/request.ts'
import type { StreamEvent } from '../../model/response.ts'
import { antigravity } from '../antigravity/index.ts'
import type { Protocol } from '../codec.ts'
import { gemini } from './index.ts'
import { request } from './test-codec.ts'

const both: readonly Protocol[] = [gemini, antigravity]
const loss = (): void => undefined
const route = { operation: 'generate', model: 'gemini-3-pro', stream: true, sse: true } as const

function fixtures(ending: string): readonly { readonly protocol: Protocol; readonly text: string }[] {
  return both.flatMap((protocol) => {
    const folder = new URL(`../${protocol.format}/fixtures/`, import.meta.url)
    return readdirSync(folder)
      .filter((name) => name.endsWith(ending))
      .map((name) => ({ protocol, text: readFileSync(new URL(name, folder), 'utf8') }))
  })
}

/** Replaces the value at one place of a JSON tree; `step` walks through all places in order. */
function mutate(value: unknown, at: { step: number }, by: unknown): unknown {
  if (at.step-- === 0) return by
  if (Array.isArray(value)) return value.map((entry) => mutate(entry, at, by))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, mutate(entry, at, by)]))
}

function places(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1
  return Object.values(value).reduce<number>((sum, entry) => sum + places(entry), 1)
}

const mutations = fc.array(fc.tuple(fc.nat(), fc.jsonValue({ maxDepth: 2 })), { minLength: 1, maxLength: 3 })

function mutated(text: string, changes: readonly (readonly [number, unknown])[]): JsonObject {
  let value: unknown = JSON.parse(text)
  for (const [place, by] of changes) value = mutate(value, { step: 1 + (place % Math.max(1, places(value) - 1)) }, by)
  return value as JsonObject
}

describe('whatever comes', () => {
  const requests = fixtures('.request.json')
  test('a request is read, or refused as the fault of the client', () => {
    fc.assert(
      fc.property(fc.constantFrom(...requests), mutations, ({ protocol, text }, changes) => {
        const body = mutated(text, changes)
        let decoded
        try {
          decoded = protocol.codec.decodeRequest({ headers: {}, body, route }, loss)
        } catch (error) {
          expect(error).toBeInstanceOf(RelayError)
          expect(error).toMatchObject({ kind: 'invalid_request', detail: { param: expect.any(String) as unknown } })
          return
        }
        for (const target of both) {
          for (const model of ['gemini-3-pro', 'gemini-2.5-flash', 'claude-opus'])
            expect(JSON.stringify(target.codec.encodeRequest({ ...decoded, model }, { loss }))).toContain('"contents"')
        }
      }),
      { numRuns: 500 },
    )
  })

  const chunks = fixtures('.sse.txt').map(({ protocol, text }) => ({
    protocol,
    frames: text.split(/\r?\n/).flatMap((line) => (line.startsWith('data: ') ? [line.slice(6)] : [])),
  }))
  test('a stream keeps the grammar, and says once how it ended', () => {
    fc.assert(
      fc.property(fc.constantFrom(...chunks), fc.nat(), mutations, ({ protocol, frames }, which, changes) => {
        const decoder = protocol.codec.decodeStream({ loss, origin: 'here' })
        const reader = protocol.reader()
        const events: StreamEvent[] = []
        for (const [index, frame] of frames.entries()) {
          const data = index === which % frames.length ? JSON.stringify(mutated(frame, changes)) : frame
          reader.wants(data)
          reader.read({ data })
          events.push(...decoder.push({ data }))
        }
        events.push(...decoder.end())
        checkGrammar(events)
        expect(reader.usage?.output ?? 0).toBeGreaterThanOrEqual(0)
        const encoder = protocol.codec.encodeStream(request({}))
        for (const line of events
          .map((event) => encoder.push(event))
          .join('')
          .split('\r\n'))
          if (line !== '') expect(JSON.parse(line.slice(6))).toBeTypeOf('object')
      }),
      { numRuns: 500 },
    )
  })

  test('an error body is read, whatever it holds', () => {
    fc.assert(
      fc.property(fc.integer({ min: 400, max: 599 }), fc.oneof(fc.string(), fc.json()), (status, body) => {
        expect(gemini.decodeError(status, {}, body)).toBeInstanceOf(RelayError)
        expect(gemini.decodeError(status, {}, `{"error":${JSON.stringify(body)}}`)).toBeInstanceOf(RelayError)
      }),
    )
  })
})

/** The order of events that response.ts promises, for every choice. */
function checkGrammar(events: readonly StreamEvent[]): void {
  const open = new Map<number, number | undefined>()
  const next = new Map<number, number>()
  let ends = 0
  for (const [position, event] of events.entries()) {
    if (event.type === 'start') expect(position).toBe(0)
    if (event.type === 'finish' || event.type === 'error') ends++
    else expect(ends).toBe(0)
    if (!('index' in event)) continue
    const choice = event.choice ?? 0
    if (event.type === 'block-start') {
      expect(open.get(choice)).toBeUndefined()
      expect(event.index).toBe(next.get(choice) ?? 0)
      next.set(choice, event.index + 1)
      open.set(choice, event.index)
    } else expect(open.get(choice)).toBe(event.index)
    if (event.type === 'block-end') open.set(choice, undefined)
  }
  expect([...open.values()].every((index) => index === undefined)).toBe(true)
  expect(ends).toBeGreaterThan(0)
  expect(events.at(-1)?.type).toMatch(/finish|error/)
}
