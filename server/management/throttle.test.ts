import { describe, expect, it } from 'vitest'
import { ContractError } from '../contract/define.ts'
import { Throttle } from './throttle.ts'

/** A clock that only the test moves. */
function setUp() {
  let now = 1_000_000
  const throttle = new Throttle(() => now)
  /** null: the try was let through; else the wait in ms. */
  const attempt = (address: string): number | null => {
    try {
      throttle.begin(address)
      return null
    } catch (error) {
      if (!(error instanceof ContractError) || error.code !== 'too_many_requests') throw error
      return error.retryAfterMs ?? -1
    }
  }
  return { throttle, attempt, pass: (ms: number) => void (now += ms) }
}

/** Tries again as soon as it may, `times` times, and gives the waits. */
function guess({ attempt, pass }: ReturnType<typeof setUp>, times: number, address = '10.0.0.1') {
  const waits: number[] = []
  while (waits.length < times) {
    const wait = attempt(address)
    if (wait === null) waits.push(0)
    else {
      waits.push(wait)
      pass(wait)
    }
  }
  return waits
}

describe('Throttle', () => {
  it('lets people mistype, then doubles the wait', () => {
    const waits = guess(setUp(), 14)
    expect(waits.slice(0, 6)).toEqual([0, 0, 0, 0, 0, 0])
    expect(waits.slice(6).filter((wait) => wait > 0)).toEqual([1000, 2000, 4000, 8000])
  })

  it('stops at a quarter of an hour for one address', () => {
    expect(Math.max(...guess(setUp(), 80))).toBe(15 * 60_000)
  })

  it('counts what is tried at once', () => {
    const { attempt } = setUp()
    const through = Array.from({ length: 1000 }, () => attempt('10.0.0.1')).filter((wait) => wait === null)
    expect(through).toHaveLength(6)
  })

  it('counts guesses from everywhere together, but never locks the owner out for long', () => {
    const { attempt } = setUp()
    const through = Array.from({ length: 1000 }, (_, n) => attempt(`10.0.${n >> 8}.${n & 255}`)).filter(
      (w) => w === null,
    )
    expect(through).toHaveLength(31)
    const all = setUp()
    for (let n = 0; n < 200; n += 1) {
      const wait = all.attempt(`10.1.0.${n}`)
      if (wait !== null) all.pass(wait)
    }
    expect(all.attempt('192.168.7.7') ?? 0).toBeLessThanOrEqual(10_000)
  })

  it('forgets with the right password, and after an hour of silence', () => {
    const first = setUp()
    guess(first, 12)
    first.throttle.succeed('10.0.0.1')
    expect(guess(first, 6)).toEqual([0, 0, 0, 0, 0, 0])

    const second = setUp()
    guess(second, 12)
    second.pass(60 * 60_000)
    expect(guess(second, 6)).toEqual([0, 0, 0, 0, 0, 0])
  })

  it.each([
    ['IPv6 addresses of one network', '2001:db8:1:2::1', '2001:db8:1:2:aaaa::9', true],
    ['IPv6 addresses of two networks', '2001:db8:1:2::1', '2001:db8:1:3::1', false],
    ['shortened IPv6', '::1', '0:0:0:0:0:0:0:1', true],
    ['IPv4 and the same in IPv6 clothing', '10.0.0.1', '::ffff:10.0.0.1', true],
    ['two IPv4 addresses', '10.0.0.1', '10.0.0.2', false],
  ])('%s', (...[, first, second, same]) => {
    const { attempt } = setUp()
    for (let n = 0; n < 6; n += 1) attempt(first)
    expect(attempt(second) !== null).toBe(same)
  })
})
