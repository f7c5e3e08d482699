import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Today } from '../contract/activity.ts'
import { Live, type LiveOptions } from './live.ts'
import { aRecord, numbered } from './testing/records.ts'

const empty: Today = { requests: 0, failures: 0, cancelled: 0, tokens: 0, costNanoUsd: 0 }
const NOON = Date.UTC(2026, 10, 20, 12)
const opened: Live[] = []

beforeEach(() => {
  vi.useFakeTimers({ now: NOON })
})
afterEach(() => {
  for (const live of opened.splice(0)) live.close()
  vi.useRealTimers()
})

function open(options: Partial<LiveOptions> = {}): Live {
  const live = new Live({ restore: () => Promise.resolve(empty), timeZone: 'UTC', ...options })
  opened.push(live)
  return live
}

const request = (id: string) => ({
  id,
  model: 'sonnet',
  groupName: 'sonnet',
  apiKeyName: 'laptop',
  clientSoftware: 'claude-cli/2.1.3',
  at: NOON,
})

test('shows what is active, and its latest attempt', () => {
  const live = open()
  live.begin(request('a'))
  live.begin(request('b'))
  live.attempt('a', { channelName: 'one', number: 1 })
  live.attempt('a', { channelName: 'two', number: 2 })
  live.attempt('gone', { channelName: 'one', number: 1 })
  expect(live.snapshot().active).toEqual([
    { ...request('a'), attempt: { channelName: 'two', number: 2 } },
    { ...request('b'), attempt: null },
  ])
  live.finish(aRecord({ id: 'a', at: NOON }))
  expect(live.snapshot()).toMatchObject({ activeRequests: 1, today: { requests: 1 } })
})

test('counts like the statistics', () => {
  const live = open()
  live.finish(numbered(1, { at: NOON }))
  live.finish(numbered(2, { at: NOON, outcome: 'failure', costNanoUsd: null }))
  live.finish(numbered(3, { at: NOON, outcome: 'cancelled', costNanoUsd: 5 }))
  expect(live.snapshot().today).toEqual({
    requests: 3,
    failures: 1,
    cancelled: 1,
    tokens: 3 * (1200 + 8000 + 300 + 450),
    costNanoUsd: 13_875_005,
  })
})

test('goes on from what the database holds of today', async () => {
  const asked: number[][] = []
  const live = open({
    restore: (from, to) => {
      asked.push([from, to])
      return Promise.resolve({ requests: 10, failures: 2, cancelled: 1, tokens: 1000, costNanoUsd: 7 })
    },
  })
  await live.start()
  live.finish(aRecord({ at: NOON, costNanoUsd: 3 }))
  expect(asked).toEqual([[Date.UTC(2026, 10, 20), Date.UTC(2026, 10, 21)]])
  expect(live.snapshot().today).toMatchObject({ requests: 11, costNanoUsd: 10 })
})

test('a request counts to the day of its arrival', () => {
  const live = open()
  live.count(aRecord({ at: Date.UTC(2026, 10, 20) - 1 }))
  expect(live.snapshot().today.requests).toBe(0)
  live.count(aRecord({ at: Date.UTC(2026, 10, 20) }))
  expect(live.snapshot().today.requests).toBe(1)
})

describe('the day', () => {
  test('ends at midnight without anybody asking, and listeners hear of it', () => {
    const live = open()
    live.finish(aRecord({ at: NOON }))
    const heard: number[] = []
    live.onChange(({ today }) => heard.push(today.requests))
    vi.advanceTimersByTime(12 * 3_600_000 + 61_000)
    expect(heard).toEqual([0])
    live.finish(aRecord({ at: Date.now() }))
    expect(live.snapshot().today.requests).toBe(1)
  })

  test('asks the database after a jump of the clock', async () => {
    const live = open({
      restore: (from) => Promise.resolve({ ...empty, requests: from === Date.UTC(2026, 10, 18) ? 4 : 0 }),
    })
    live.finish(aRecord({ at: NOON }))
    vi.setSystemTime(NOON - 2 * 86_400_000)
    expect(live.snapshot().today.requests).toBe(0)
    await vi.advanceTimersByTimeAsync(0)
    expect(live.snapshot().today.requests).toBe(4)
  })

  test('keeps what it saw when the database does not answer after a jump', async () => {
    const live = open({ restore: () => Promise.reject(new Error('down')) })
    vi.setSystemTime(NOON + 5 * 86_400_000)
    live.finish(aRecord({ at: Date.now() }))
    await vi.advanceTimersByTimeAsync(0)
    expect(live.snapshot().today.requests).toBe(1)
  })

  test.each<[zone: string, now: number, from: number, to: number]>([
    ['UTC', NOON, Date.UTC(2026, 10, 20), Date.UTC(2026, 10, 21)],
    ['Asia/Shanghai', NOON, Date.UTC(2026, 10, 19, 16), Date.UTC(2026, 10, 20, 16)],
    ['Asia/Kolkata', NOON, Date.UTC(2026, 10, 19, 18, 30), Date.UTC(2026, 10, 20, 18, 30)],
    // clocks put back: 25 hours
    ['Europe/Berlin', Date.UTC(2026, 9, 25, 22, 30), Date.UTC(2026, 9, 24, 22), Date.UTC(2026, 9, 25, 23)],
    // clocks put forward: 23 hours
    ['America/New_York', Date.UTC(2026, 2, 8, 12), Date.UTC(2026, 2, 8, 5), Date.UTC(2026, 2, 9, 4)],
    // forward at midnight itself: the day begins at one o'clock
    ['America/Santiago', Date.UTC(2026, 8, 6, 12), Date.UTC(2026, 8, 6, 4), Date.UTC(2026, 8, 7, 3)],
  ])('of %s', async (...[timeZone, now, from, to]) => {
    vi.setSystemTime(now)
    const asked: number[][] = []
    const live = open({
      timeZone,
      restore: (...day) => {
        asked.push(day)
        return Promise.resolve(empty)
      },
    })
    await live.start()
    expect(asked).toEqual([[from, to]])
  })

  test('needs a time zone that exists', () => {
    expect(() => new Live({ restore: () => Promise.resolve(empty), timeZone: 'Mars/Olympus' })).toThrow(RangeError)
  })
})

describe('listeners', () => {
  test('hear of many changes at most every 250 ms, and of the last one', () => {
    const live = open()
    const heard: [at: number, requests: number][] = []
    live.onChange(({ today }) => heard.push([Date.now() - NOON, today.requests]))
    for (let n = 0; n < 100; n++) {
      live.finish(numbered(n, { at: NOON }))
      vi.advanceTimersByTime(10)
    }
    vi.advanceTimersByTime(1000)
    const times = heard.map(([at]) => at)
    expect(heard.at(-1)?.[1]).toBe(100)
    expect(times.length).toBeLessThanOrEqual(5)
    for (let n = 1; n < times.length; n++) expect(times[n]! - times[n - 1]!).toBeGreaterThanOrEqual(250)
  })

  test('hear nothing when nothing happens or after they left', () => {
    const live = open()
    const heard: string[] = []
    const leave = [live.onChange(() => heard.push('change')), live.onFinished(() => heard.push('finished'))]
    vi.advanceTimersByTime(10_000)
    expect(heard).toEqual([])
    live.finish(aRecord())
    expect(heard).toEqual(['finished'])
    for (const gone of leave) gone()
    live.finish(aRecord())
    vi.advanceTimersByTime(1000)
    expect(heard).toEqual(['finished'])
  })
})
