import { describe, expect, test } from 'vitest'
import { Breakers, withoutOpen, type BreakerRules, type CircuitChange } from './breaker.ts'

const a = { channelId: 1, model: 'a' }
const b = { channelId: 1, model: 'b' }
const c = { channelId: 2, model: 'a' }

function world(rules: BreakerRules = { failures: 3, pauseMs: 1000 }) {
  const clock = { now: 1_000_000 }
  const told: string[] = []
  const onChange = ({ channelId, model, state }: CircuitChange): void =>
    void told.push(`${channelId}/${model} ${state}`)
  const make = (): Breakers => new Breakers({ rules: () => rules, now: () => clock.now, random: () => 0.5, onChange })
  const breakers = make()
  const fail = (place = a, times = 1, holder: object = {}): void => {
    for (let n = 0; n < times; n++) breakers.failed(place, holder, 'it is broken')
  }
  return { clock, told, breakers, make, fail }
}

describe('opening', () => {
  test('after failures in a row, and only for that channel and model', () => {
    const { breakers, fail, told } = world()
    fail(a, 2)
    expect(breakers.shuns(a)).toBe(false)
    fail(a)
    expect([a, b, c].map((place) => breakers.shuns(place))).toEqual([true, false, false])
    expect(told).toEqual(['1/a open'])
    expect(breakers.reasonOf(a)).toBe('it is broken')
  })

  test('an answer in between begins the row anew', () => {
    const { breakers, fail } = world()
    fail(a, 2)
    breakers.succeeded(a, {})
    fail(a, 2)
    expect(breakers.shuns(a)).toBe(false)
  })

  test('an answer that only began does not: it may still break off', () => {
    const { breakers, fail } = world()
    for (let n = 0; n < 3; n++) {
      breakers.began(a, {})
      fail(a)
    }
    expect(breakers.shuns(a)).toBe(true)
  })

  test('half of many tries failing opens it although none follows another', () => {
    const { breakers, fail } = world()
    for (let n = 0; n < 9; n++) {
      fail(a)
      breakers.succeeded(a, {})
    }
    expect(breakers.shuns(a)).toBe(false)
    fail(a)
    breakers.succeeded(a, {})
    fail(a)
    expect(breakers.shuns(a)).toBe(true)
  })

  test('failures of long ago do not count', () => {
    const { breakers, fail, clock } = world()
    for (let n = 0; n < 30; n++) {
      fail(a)
      breakers.succeeded(a, {})
      clock.now += 20_000
    }
    expect(breakers.shuns(a)).toBe(false)
  })

  test('nothing is remembered of what has healed', () => {
    const { breakers, fail, clock } = world()
    expect(breakers.quiet).toBe(true)
    fail(a)
    expect(breakers.quiet).toBe(false)
    clock.now += 70_000
    breakers.succeeded(a, {})
    expect(breakers.quiet).toBe(true)
  })

  test('0 switches it off', () => {
    const { breakers, fail } = world({ failures: 0, pauseMs: 1000 })
    fail(a, 100)
    expect(breakers.quiet).toBe(true)
  })
})

describe('the probe', () => {
  const opened = () => {
    const all = world()
    all.fail(a, 3)
    all.told.length = 0
    return all
  }

  test('is one, after the pause', () => {
    const { breakers, clock } = opened()
    clock.now += 999
    expect(breakers.enter(a, {})).toBe(false)
    clock.now += 1
    expect(breakers.shuns(a)).toBe(false)
    expect(breakers.enter(a, {})).toBe(true)
    expect(breakers.shuns(a)).toBe(true)
    expect(breakers.enter(a, {})).toBe(false)
  })

  test('that is answered closes the circuit, on trial until the answer is whole', () => {
    const { breakers, clock, told, fail } = opened()
    clock.now += 1000
    const probe = {}
    breakers.enter(a, probe)
    breakers.began(a, probe)
    expect(breakers.shuns(a)).toBe(false)
    expect(told).toEqual(['1/a probing', '1/a healthy'])
    fail(a)
    expect(breakers.shuns(a)).toBe(true)
    expect(breakers.opensAgainAt(a)).toBe(clock.now + 2000)
  })

  test('that fails opens it for twice as long, up to ten minutes', () => {
    const { breakers, clock, fail } = opened()
    const pauses: number[] = []
    for (let n = 0; n < 12; n++) {
      clock.now = breakers.opensAgainAt(a)
      const probe = {}
      expect(breakers.enter(a, probe)).toBe(true)
      fail(a, 1, probe)
      pauses.push(breakers.opensAgainAt(a) - clock.now)
    }
    expect(pauses.slice(0, 3)).toEqual([2000, 4000, 8000])
    expect(pauses.at(-1)).toBe(600_000)
  })

  test('that says nothing is given back', () => {
    const { breakers, clock, told } = opened()
    clock.now += 1000
    const probe = {}
    breakers.enter(a, probe)
    breakers.left(a, {})
    expect(breakers.enter(a, {}), 'another holder releases nothing').toBe(false)
    breakers.left(a, probe)
    expect(breakers.enter(a, {})).toBe(true)
    expect(told).toEqual(['1/a probing', '1/a open', '1/a probing'])
  })

  test('that is never heard of again ends by itself', () => {
    const { breakers, clock } = opened()
    clock.now += 1000
    breakers.enter(a, {})
    clock.now += 30_000
    expect(breakers.enter(a, {})).toBe(true)
  })

  test('a last resort that fails while the circuit is open changes nothing', () => {
    const { breakers, fail } = opened()
    const until = breakers.opensAgainAt(a)
    fail(a)
    expect(breakers.opensAgainAt(a)).toBe(until)
  })
})

describe('state', () => {
  test('survives a restart', () => {
    const { breakers, fail, make, clock } = world()
    fail(a, 3)
    const kept: unknown = JSON.parse(JSON.stringify(breakers.open()))
    const later = make()
    later.restore(kept as ReturnType<Breakers['open']>)
    expect(later.shuns(a)).toBe(true)
    expect(later.reasonOf(a)).toBe('it is broken')
    clock.now += 1000
    const probe = {}
    expect(later.enter(a, probe)).toBe(true)
    later.failed(a, probe, 'still')
    expect(later.opensAgainAt(a), 'the pause goes on growing').toBe(clock.now + 2000)
  })

  test('is reset by hand: one model or the whole channel', () => {
    const { breakers, fail, told } = world()
    for (const place of [a, b, c]) fail(place, 3)
    breakers.reset(1, 'a')
    expect([a, b, c].map((place) => breakers.shuns(place))).toEqual([false, true, true])
    breakers.reset(1)
    expect([a, b, c].map((place) => breakers.shuns(place))).toEqual([false, false, true])
    expect(told.slice(-2)).toEqual(['1/a healthy', '1/b healthy'])
  })

  test('a changed network lets open circuits be probed at once', () => {
    const { breakers, fail } = world()
    fail(a, 3)
    breakers.wake()
    expect(breakers.shuns(a)).toBe(false)
    expect(breakers.enter(a, {})).toBe(true)
    expect(breakers.enter(a, {})).toBe(false)
  })

  test('channels that are gone are forgotten', () => {
    const { breakers, fail } = world()
    fail(a, 3)
    fail(c, 3)
    breakers.retain((channelId) => channelId === 2)
    expect(breakers.open().map(({ channelId }) => channelId)).toEqual([2])
  })
})

describe('the order', () => {
  test('is untouched while all is well', () => {
    const { breakers } = world()
    const order = [a, b, c]
    expect(withoutOpen(order, breakers)).toBe(order)
  })

  test('loses open members but one, which stands last', () => {
    const { breakers, fail, clock } = world()
    fail(a, 3)
    clock.now += 10
    fail(b, 3)
    expect(withoutOpen([b, a, c], breakers)).toEqual([c, a])
  })

  test('of open ones only is the soonest', () => {
    const { breakers, fail, clock } = world()
    fail(b, 3)
    clock.now += 10
    fail(a, 3)
    expect(withoutOpen([a, b], breakers)).toEqual([b])
  })

  test('keeps the place of one that may be probed', () => {
    const { breakers, fail, clock } = world()
    fail(a, 3)
    clock.now += 1000
    expect(withoutOpen([a, c], breakers)).toEqual([a, c])
  })
})
