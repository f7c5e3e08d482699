import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { RelayError } from '../errors.ts'
import { Limits, MinuteCount, type Caller, type Permit } from './limits.ts'

const open = { requestsPerMinute: null, tokensPerMinute: null, concurrency: null }
const caller = (limits: Partial<Caller['limits']>, id = 1): Caller => ({
  id,
  name: 'laptop',
  limits: { ...open, ...limits },
})

class HangUp {
  aborted = false
  #listener: (() => void) | null = null
  onAbort(listener: () => void): void {
    this.#listener = listener
  }
  fire(): void {
    this.aborted = true
    this.#listener?.()
  }
}

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000_000 })
})
afterEach(() => {
  expect(vi.getTimerCount(), 'no timer is left').toBe(0)
  vi.useRealTimers()
})

const limitsOf = (size = 50, waitMs = 2000): Limits => new Limits(() => ({ size, waitMs }))

/** How an admission stands after everything that is due has run. */
function watch(admitted: Promise<Permit> | null): { state: 'open' | 'waiting' | 'in' | 'refused'; error?: RelayError } {
  const seen: ReturnType<typeof watch> = { state: admitted === null ? 'open' : 'waiting' }
  admitted?.then(
    () => (seen.state = 'in'),
    (error: unknown) => {
      seen.state = 'refused'
      if (error instanceof RelayError) seen.error = error
    },
  )
  return seen
}
const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0)

test('a key without limits costs nothing', () => {
  const limits = limitsOf()
  expect(limits.admit(caller({}), new HangUp())).toBeNull()
  expect(limits.busy).toBe(0)
})

describe('requests per minute', () => {
  test('are exact over any minute, and the refusal says when the next fits', async () => {
    const limits = limitsOf()
    const one = caller({ requestsPerMinute: 3 })
    for (let n = 0; n < 3; n++) {
      ;(await limits.admit(one, new HangUp()))?.release(0)
      await vi.advanceTimersByTimeAsync(10_000)
    }
    const refused = watch(limits.admit(one, new HangUp()))
    await settle()
    expect(refused.state).toBe('refused')
    expect(refused.error?.kind).toBe('limit_exceeded')
    expect(refused.error?.detail.retryAfterMs).toBe(30_000)
    expect(refused.error?.message).toContain('3 requests per minute')
    await vi.advanceTimersByTimeAsync(30_000)
    expect(await limits.admit(one, new HangUp())).not.toBeNull()
    const next = watch(limits.admit(one, new HangUp()))
    await settle()
    expect(next.state, 'one came free, not three').toBe('refused')
  })

  test('that come free soon are waited for', async () => {
    const limits = limitsOf()
    const one = caller({ requestsPerMinute: 1 })
    await limits.admit(one, new HangUp())
    await vi.advanceTimersByTimeAsync(58_500)
    const waiting = watch(limits.admit(one, new HangUp()))
    await vi.advanceTimersByTimeAsync(1499)
    expect(waiting.state).toBe('waiting')
    await vi.advanceTimersByTimeAsync(1)
    expect(waiting.state).toBe('in')
  })

  test('of one key are not those of another', async () => {
    const limits = limitsOf(0)
    await limits.admit(caller({ requestsPerMinute: 1 }, 1), new HangUp())
    const other = watch(limits.admit(caller({ requestsPerMinute: 1 }, 2), new HangUp()))
    await settle()
    expect(other.state).toBe('in')
  })
})

test('tokens per minute are counted when an answer is over', async () => {
  const limits = limitsOf()
  const one = caller({ tokensPerMinute: 1000 })
  const first = await limits.admit(one, new HangUp())
  const second = await limits.admit(one, new HangUp())
  first?.release(1500)
  const refused = watch(limits.admit(one, new HangUp()))
  await settle()
  expect(refused.error?.message).toContain('1000 tokens per minute')
  expect(refused.error?.detail.retryAfterMs).toBe(60_000)
  second?.release(0)
  await vi.advanceTimersByTimeAsync(60_000)
  const later = watch(limits.admit(one, new HangUp()))
  await settle()
  expect(later.state).toBe('in')
})

describe('requests at a time', () => {
  test('wait for one to end, in their order', async () => {
    const limits = limitsOf()
    const one = caller({ concurrency: 1 })
    const first = await limits.admit(one, new HangUp())
    const [second, third] = [limits.admit(one, new HangUp()), limits.admit(one, new HangUp())]
    const seen = [watch(second), watch(third)]
    await settle()
    expect(seen.map(({ state }) => state)).toEqual(['waiting', 'waiting'])
    first?.release(0)
    first?.release(0)
    await settle()
    expect(
      seen.map(({ state }) => state),
      'released twice counts once',
    ).toEqual(['in', 'waiting'])
    ;(await second)?.release(0)
    await settle()
    expect(seen.map(({ state }) => state)).toEqual(['in', 'in'])
    ;(await third)?.release(0)
    expect(limits.busy).toBe(0)
  })

  test('are refused after the wait, and when too many wait', async () => {
    const limits = limitsOf(2)
    const one = caller({ concurrency: 1 })
    await limits.admit(one, new HangUp())
    const seen = [1, 2, 3].map(() => watch(limits.admit(one, new HangUp())))
    await settle()
    expect(seen.map(({ state }) => state)).toEqual(['waiting', 'waiting', 'refused'])
    await vi.advanceTimersByTimeAsync(2000)
    expect(seen.map(({ state }) => state)).toEqual(['refused', 'refused', 'refused'])
    expect(seen[0]?.error?.detail.retryAfterMs).toBe(1000)
  })

  test('a client that hangs up in the queue leaves it', async () => {
    const limits = limitsOf()
    const one = caller({ concurrency: 1 })
    const first = await limits.admit(one, new HangUp())
    const hangUp = new HangUp()
    const gone = watch(limits.admit(one, hangUp))
    const next = watch(limits.admit(one, new HangUp()))
    hangUp.fire()
    await settle()
    expect(gone.error?.kind).toBe('cancelled')
    first?.release(0)
    await settle()
    expect(next.state).toBe('in')
  })
})

test('keys that are gone are forgotten, but not while they are used', async () => {
  const limits = limitsOf(0)
  const one = caller({ requestsPerMinute: 1 })
  const permit = await limits.admit(one, new HangUp())
  limits.retain(() => false)
  expect(limits.busy).toBe(1)
  permit?.release(0)
  limits.retain(() => false)
  const again = watch(limits.admit(one, new HangUp()))
  await settle()
  expect(again.state).toBe('in')
})

test('a count forgets second by second, also after a long silence and a clock that was set back', () => {
  const count = new MinuteCount()
  count.add(5, 10_000)
  count.add(7, 40_000)
  expect(count.sum(69_999)).toBe(12)
  expect(count.sum(70_000)).toBe(7)
  expect(count.sum(60_000)).toBe(7)
  expect(count.sum(10_000_000)).toBe(0)
})
