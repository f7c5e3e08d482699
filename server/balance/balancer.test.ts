import { describe, expect, it } from 'vitest'
import { balancers, createDice, preferring, type BalanceMode, type Candidate } from './balancer.ts'

const member = (itemId: number, more: Partial<Candidate> = {}): Candidate => ({
  itemId,
  groupId: 1,
  channelId: itemId,
  model: 'm',
  priority: 1,
  weight: 1,
  ...more,
})

const ids = (order: readonly Candidate[]): number[] => order.map(({ itemId }) => itemId)

/** A small, fast generator (mulberry32) with a seed: the draws are chance, the test is not. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

describe('every mode orders all candidates and drops none', () => {
  const members = [member(1, { priority: 2 }), member(2, { weight: 0 }), member(3, { weight: 5 }), member(4)]
  it.each(Object.keys(balancers) as BalanceMode[])('%s', (mode) => {
    const dice = createDice(seeded(1))
    for (let turn = 0; turn < 50; turn++) {
      const order = balancers[mode](members, dice)
      expect(ids(order).toSorted()).toEqual([1, 2, 3, 4])
      expect(order[3]?.itemId, 'the worse tier comes last').toBe(1)
    }
  })
})

describe('round robin', () => {
  it('starts one further each time and keeps the circle', () => {
    const dice = createDice()
    const members = [member(1), member(2), member(3)]
    const seen = [0, 1, 2, 3].map(() => ids(balancers.round_robin(members, dice)))
    expect(seen).toEqual([
      [1, 2, 3],
      [2, 3, 1],
      [3, 1, 2],
      [1, 2, 3],
    ])
  })

  it('has a counter of its own for each group, however they interleave', () => {
    const dice = createDice()
    const [a, b] = [1, 2].map((groupId) => [member(1, { groupId }), member(2, { groupId })])
    const firsts = [a, b, a, b, a, b].map((group) => balancers.round_robin(group ?? [], dice)[0]?.itemId)
    expect(firsts).toEqual([1, 1, 2, 2, 1, 1])
  })
})

describe('weighted', () => {
  it('is exactly proportional over each whole round, and smooth', () => {
    const dice = createDice()
    const members = [member(1, { weight: 5 }), member(2, { weight: 1 }), member(3, { weight: 1 })]
    const firsts = Array.from({ length: 7 }, () => balancers.weighted(members, dice)[0]?.itemId)
    expect(firsts).toEqual([1, 1, 2, 1, 3, 1, 1])
  })

  it('matches the weights within 0.5 % over 100,000 turns', () => {
    const dice = createDice()
    const weights = [50, 30, 15, 5]
    const members = weights.map((weight, at) => member(at, { weight }))
    const counts = weights.map(() => 0)
    for (let turn = 0; turn < 100_000; turn++) {
      const first = balancers.weighted(members, dice)[0]?.itemId ?? -1
      counts[first] = (counts[first] ?? 0) + 1
    }
    counts.forEach((count, at) => expect(Math.abs(count / 1000 - (weights[at] ?? 0))).toBeLessThan(0.5))
  })

  it('keeps members of weight 0 as reserves', () => {
    const members = [member(1, { weight: 0 }), member(2, { weight: 1 })]
    const dice = createDice()
    for (let turn = 0; turn < 5; turn++) expect(ids(balancers.weighted(members, dice))).toEqual([2, 1])
  })
})

describe('random', () => {
  it('gives each member the first place equally often (100,000 draws, 0.5 %)', () => {
    const dice = createDice(seeded(42))
    const members = [member(0), member(1), member(2), member(3)]
    const counts = [0, 0, 0, 0]
    for (let turn = 0; turn < 100_000; turn++) {
      const first = balancers.random(members, dice)[0]?.itemId ?? -1
      counts[first] = (counts[first] ?? 0) + 1
    }
    for (const count of counts) expect(Math.abs(count / 1000 - 25)).toBeLessThan(0.5)
  })
})

describe('failover', () => {
  it('walks priorities upwards and shares the load inside a tier', () => {
    const dice = createDice()
    const members = [member(1, { priority: 2 }), member(2), member(3)]
    expect(ids(balancers.failover(members, dice))).toEqual([2, 3, 1])
    expect(ids(balancers.failover(members, dice))).toEqual([3, 2, 1])
  })
})

describe('preferring', () => {
  it('puts the pinned member first and keeps the others to fail over to', () => {
    expect(ids(preferring([member(1), member(2), member(3)], 3))).toEqual([3, 1, 2])
    expect(ids(preferring([member(1), member(2)], 9))).toEqual([1, 2])
    expect(ids(preferring([member(1), member(2)], null))).toEqual([1, 2])
  })
})
