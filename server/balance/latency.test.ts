import { describe, expect, test } from 'vitest'
import { byLatency, Latency, ranked } from './latency.ts'

describe('addresses', () => {
  const measured = (...pairs: readonly (readonly [string, number])[]): { latency: Latency; clock: { now: number } } => {
    const clock = { now: 0 }
    const latency = new Latency(() => clock.now)
    for (const [name, ms] of pairs) latency.note(name, ms)
    return { latency, clock }
  }

  test('that were never measured come first, then the fastest', () => {
    const { latency } = measured(['a', 300], ['b', 100])
    expect(byLatency(['a', 'b', 'c'], latency)).toEqual(['c', 'b', 'a'])
  })

  test('are measured by an average that follows', () => {
    const { latency } = measured(['a', 100], ['b', 200])
    for (let n = 0; n < 6; n++) latency.note('a', 1000)
    expect(byLatency(['a', 'b'], latency)).toEqual(['b', 'a'])
    expect(latency.of('a')).toBeGreaterThan(800)
    expect(latency.of('a')).toBeLessThan(1000)
  })

  test('that fail are passed over, longer each time, and come back', () => {
    const { latency, clock } = measured(['a', 100], ['b', 200])
    latency.failed('a')
    expect(byLatency(['a', 'b'], latency)).toEqual(['b', 'a'])
    clock.now = 15_000
    expect(byLatency(['a', 'b'], latency)).toEqual(['a', 'b'])
    latency.failed('a')
    clock.now = 44_999
    expect(latency.shuns('a')).toBe(true)
    latency.wake()
    expect(latency.shuns('a'), 'a changed network forgives').toBe(false)
    latency.failed('a')
    latency.note('a', 100)
    expect(latency.shuns('a'), 'an answer forgives').toBe(false)
  })

  test('one alone is not looked at', () => {
    const names = ['a']
    expect(byLatency(names, new Latency())).toBe(names)
  })
})

describe('members by a number', () => {
  const member = (name: string, priority: number, rank: number | null) => ({ name, priority, rank })
  const names = (members: readonly { readonly name: string }[]): string => members.map(({ name }) => name).join('')
  const rank = ({ rank: given }: { readonly rank: number | null }): number | null => given

  test('stay in their tiers', () => {
    const order = [member('a', 1, 9), member('b', 1, 3), member('c', 2, 1)]
    expect(names(ranked(order, { rank, unknown: 'last' }))).toBe('bac')
  })

  test('unknown ones are asked first to be measured, and last where a price is unknown', () => {
    const order = [member('a', 1, 9), member('b', 1, null), member('c', 1, null), member('d', 1, 1)]
    expect(names(ranked(order, { rank, unknown: 'first' }))).toBe('bcda')
    expect(names(ranked(order, { rank, unknown: 'last' }))).toBe('dabc')
  })

  test('equal ones keep the order of the mode', () => {
    expect(names(ranked([member('b', 1, 5), member('a', 1, 5)], { rank, unknown: 'last' }))).toBe('ba')
  })

  test('chance leaves the order alone now and then', () => {
    const order = [member('a', 1, 9), member('b', 1, 3)]
    expect(names(ranked(order, { rank, unknown: 'first', chance: () => 0.049 }))).toBe('ab')
    expect(names(ranked(order, { rank, unknown: 'first', chance: () => 0.05 }))).toBe('ba')
  })
})
