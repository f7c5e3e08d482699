import { describe, expect, test } from 'vitest'
import { createDice } from './balancer.ts'
import { KeyUse, rotated, type KeyRotation } from './rotation.ts'

const keys = [{ id: 1 }, { id: 2 }, { id: 3 }]
const rotate = (rotation: KeyRotation, use = new KeyUse(), dice = createDice()) => {
  const next = (): number[] => rotated(keys, { rotation, name: 'channel', dice, use }).map(({ id }) => id)
  return { next, use }
}

describe('keys', () => {
  test('in turn', () => {
    const { next } = rotate('round_robin')
    expect([next(), next(), next(), next()].map(([first]) => first)).toEqual([1, 2, 3, 1])
  })

  test('always the first', () => {
    const { next } = rotate('first')
    expect([next(), next()]).toEqual([
      [1, 2, 3],
      [1, 2, 3],
    ])
  })

  test('the one with least to do, then the one that had least to do', () => {
    const { next, use } = rotate('least_used')
    use.begin(1)
    expect(next()).toEqual([2, 3, 1])
    use.begin(2)
    use.end(2)
    expect(next()).toEqual([3, 2, 1])
    use.end(1)
    expect(next()).toEqual([3, 1, 2])
  })

  test('a use that ends twice, or never began, is not counted', () => {
    const { next, use } = rotate('least_used')
    use.end(3)
    use.begin(3)
    use.end(3)
    use.end(3)
    use.begin(3)
    use.begin(1)
    expect(next()).toEqual([2, 1, 3])
  })
})
