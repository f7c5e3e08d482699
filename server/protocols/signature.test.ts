import { describe, expect, test } from 'vitest'
import fc from 'fast-check'
import { wireFormats } from '../model/request.ts'
import { carryOpaque, mayReplay, unwrapOpaque, wrapOpaque } from './signature.ts'

const opaque = fc.record(
  {
    format: fc.constantFrom(...wireFormats),
    value: fc.string({ unit: 'binary' }),
    origin: fc.string({ unit: 'binary', minLength: 1 }),
  },
  { requiredKeys: ['format', 'value'] },
)

describe('signature', () => {
  test('what is wrapped comes back exactly, through any format', () => {
    fc.assert(
      fc.property(opaque, fc.constantFrom(...wireFormats), (thought, through) => {
        const word = wrapOpaque(thought)
        expect(word).toMatch(/^[A-Za-z0-9]+$/)
        expect(word.length % 4).toBe(0)
        expect(unwrapOpaque(word, through)).toEqual(thought)
      }),
    )
  })

  test('an unmarked value is native and of unknown origin', () => {
    expect(unwrapOpaque('EqQBCkYIBxgC', 'anthropic')).toEqual({ format: 'anthropic', value: 'EqQBCkYIBxgC' })
    const damaged = wrapOpaque({ format: 'gemini', value: 'x' }).slice(0, 14)
    expect(unwrapOpaque(damaged, 'anthropic')).toEqual({ format: 'anthropic', value: damaged })
  })

  test('only what a foreign format made is wrapped', () => {
    expect(carryOpaque({ format: 'gemini', value: 'v', origin: '3' }, 'gemini')).toBe('v')
    expect(unwrapOpaque(carryOpaque({ format: 'gemini', value: 'v', origin: '3' }, 'anthropic'), 'anthropic')).toEqual({
      format: 'gemini',
      value: 'v',
      origin: '3',
    })
  })

  test.each([
    ['anthropic', '1', 'anthropic', '1', true],
    ['anthropic', '1', 'anthropic', '2', false],
    ['anthropic', undefined, 'anthropic', '2', true],
    ['anthropic', '1', 'anthropic', undefined, true],
    ['anthropic', '1', 'gemini', '1', false],
  ] as const)('a thought of %s %s towards %s %s: %s', (...row) => {
    const [format, origin, target, channel, may] = row
    expect(mayReplay({ format, value: 'v', ...(origin && { origin }) }, target, channel)).toBe(may)
  })
})
