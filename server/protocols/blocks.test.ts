import { describe, expect, test } from 'vitest'
import fc from 'fast-check'
import { RelayError } from '../errors.ts'
import { collect } from '../model/collect.ts'
import type { StreamEvent } from '../model/response.ts'
import { BlockWriter } from './blocks.ts'

const call = (id: string) => ({ type: 'tool-call', id, name: 'run' }) as const
const text = { type: 'text' } as const
const head = { id: 'r', model: 'm', createdAt: 1 }

/** Says what breaks the grammar of StreamEvent, or nothing. */
function grammarFault(events: readonly StreamEvent[]): string | undefined {
  const open = new Map<number, number>()
  const next = new Map<number, number>()
  let tail: 'blocks' | 'usage' | 'finish' | 'over' = 'blocks'
  for (const [at, event] of events.entries()) {
    if ((event.type === 'start') !== (at === 0)) return `start at ${at}`
    if (tail === 'over') return `${event.type} after the end`
    const choice = 'choice' in event ? (event.choice ?? 0) : 0
    switch (event.type) {
      case 'start':
        break
      case 'block-start':
        if (tail !== 'blocks' || open.has(choice) || event.index !== (next.get(choice) ?? 0)) return `start ${at}`
        open.set(choice, event.index)
        next.set(choice, event.index + 1)
        break
      case 'block-delta':
      case 'citation':
        if (open.get(choice) !== event.index) return `delta outside its block at ${at}`
        if (event.type === 'block-delta' && event.text === '') return `empty delta at ${at}`
        break
      case 'block-end':
        if (open.get(choice) !== event.index) return `end outside its block at ${at}`
        open.delete(choice)
        break
      case 'usage':
        if (open.size > 0 || tail === 'finish') return `usage at ${at}`
        tail = 'usage'
        break
      case 'finish':
        if (open.size > 0) return `finish at ${at}`
        tail = 'finish'
        break
      case 'error':
        if (open.size > 0 || tail === 'finish') return `error at ${at}`
        tail = 'over'
    }
  }
  return undefined
}

describe('BlockWriter', () => {
  test('text, thoughts and calls keep their order; empty deltas are swallowed', () => {
    const writer = new BlockWriter()
    writer.start(head)
    writer.start({ ...head, id: 'second' })
    writer.append('r', { type: 'reasoning' }, 'hm')
    writer.append('t', text, '')
    writer.append('t', text, 'a')
    writer.append('t', text, 'b')
    writer.append('r', { type: 'reasoning' }, 'hm2')
    writer.append('t', text, 'c')
    writer.open('call', call('1'))
    writer.delta('call', '')
    writer.delta('call', '{}')
    writer.finish({ reason: 'tool-calls' })
    writer.usage({ input: 1, cacheRead: 0, cacheWrite5m: 0, cacheWrite1h: 0, output: 2 })
    writer.end()
    const events = writer.drain()
    expect(grammarFault(events)).toBeUndefined()
    expect(collect(events)).toEqual({
      ...head,
      content: [
        { type: 'reasoning', text: 'hm' },
        { type: 'text', text: 'ab' },
        { type: 'reasoning', text: 'hm2' },
        { type: 'text', text: 'c' },
        { ...call('1'), arguments: '{}' },
      ],
      finish: { reason: 'tool-calls' },
      usage: { input: 1, cacheRead: 0, cacheWrite5m: 0, cacheWrite1h: 0, output: 2 },
    })
  })

  test('calls whose deltas come interleaved are put one after another', () => {
    const writer = new BlockWriter()
    writer.open('0', call('a'))
    writer.open('1', call('b'))
    for (const piece of ['{"x":', '"\\"}"}']) {
      expect(writer.delta('0', piece)).toBe(true)
      expect(writer.delta('1', piece)).toBe(true)
    }
    writer.finish({ reason: 'tool-calls' })
    writer.end()
    const events = writer.drain()
    expect(grammarFault(events)).toBeUndefined()
    expect(collect(events).content).toEqual([
      { ...call('a'), arguments: '{"x":"\\"}"}' },
      { ...call('b'), arguments: '{"x":"\\"}"}' },
    ])
  })

  test('a call whose JSON is complete lets the next one stream at once', () => {
    const writer = new BlockWriter()
    writer.open('0', call('a'))
    writer.delta('0', '{"x":1}')
    writer.open('1', call('b'))
    writer.delta('1', '{"y"')
    expect(writer.drain().at(-1)).toMatchObject({ type: 'block-delta', index: 1, text: '{"y"' })
    expect(writer.delta('0', ' ')).toBe(false)
  })

  test('a finish is held until the usage that follows it', () => {
    const writer = new BlockWriter()
    writer.append('t', text, 'x')
    writer.finish({ reason: 'stop' })
    writer.usage({ input: 1, cacheRead: 0, cacheWrite5m: 0, cacheWrite1h: 0, output: 2 }, 'flex')
    writer.end()
    expect(writer.drain().map((event) => event.type)).toEqual([
      'start',
      'block-start',
      'block-delta',
      'block-end',
      'usage',
      'finish',
    ])
  })

  test('choices are numbered apart and each has its finish', () => {
    const writer = new BlockWriter()
    writer.choice(1).append('t', text, 'two')
    writer.append('t', text, 'one')
    writer.choice(1).finish({ reason: 'length' })
    writer.finish({ reason: 'stop' })
    writer.end()
    const events = writer.drain()
    expect(grammarFault(events)).toBeUndefined()
    expect(collect(events)).toMatchObject({
      content: [{ text: 'one' }],
      alternatives: [{ content: [{ text: 'two' }], finish: { reason: 'length' } }],
    })
  })

  test('a stream that ends without a finish ends with an error, and nothing follows it', () => {
    const writer = new BlockWriter()
    writer.append('t', text, 'x')
    writer.end()
    writer.finish({ reason: 'stop' })
    writer.append('t', text, 'y')
    writer.end()
    const events = writer.drain()
    expect(grammarFault(events)).toBeUndefined()
    expect(events.at(-1)).toMatchObject({ type: 'error', error: { kind: 'upstream_failed' } })
    expect(() => collect(events)).toThrow(RelayError)
  })

  test('any order of calls to the writer keeps the grammar and the text of every key', () => {
    const step = fc.record({
      do: fc.constantFrom('open', 'append', 'delta', 'close', 'finish', 'usage'),
      key: fc.constantFrom('a', 'b', 'c'),
      call: fc.boolean(),
      text: fc.constantFrom('', '{', '}', 'x', '"'),
      choice: fc.constantFrom(0, 0, 1),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const writer = new BlockWriter()
        const events: StreamEvent[] = []
        let written = 0
        for (const { do: what, key, call: isCall, text: piece, choice } of steps) {
          const blocks = writer.choice(choice)
          const block = isCall ? call(key) : text
          if (what === 'open') blocks.open(key, block)
          else if (what === 'append') {
            blocks.append(key, block, piece)
            written += piece.length
          } else if (what === 'delta') written += blocks.delta(key, piece) ? piece.length : 0
          else if (what === 'close') blocks.close(key)
          else if (what === 'finish') blocks.finish({ reason: 'stop' })
          else writer.usage({ input: 1, cacheRead: 0, cacheWrite5m: 0, cacheWrite1h: 0, output: 1 })
          events.push(...writer.drain())
        }
        writer.end()
        events.push(...writer.drain())
        expect(grammarFault(events)).toBeUndefined()
        const given = events.reduce((sum, event) => sum + (event.type === 'block-delta' ? event.text.length : 0), 0)
        expect(given).toBe(written)
      }),
    )
  })
})
