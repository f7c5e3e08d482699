import { describe, expect, it } from 'vitest'
import { Days } from './days.ts'

const hour = 3_600_000

describe('the beginning of a day', () => {
  it.each([
    ['UTC', '2026-03-29T12:00Z', '2026-03-29T00:00Z'],
    ['UTC', '1969-12-31T23:59Z', '1969-12-31T00:00Z'],
    ['Europe/Berlin', '2026-01-15T22:59Z', '2026-01-14T23:00Z'],
    ['Europe/Berlin', '2026-01-15T23:00Z', '2026-01-15T23:00Z'],
    // the clock changes at 02:00 and 03:00: the day is 23 or 25 hours long, its beginning keeps the old offset
    ['Europe/Berlin', '2026-03-29T12:00Z', '2026-03-28T23:00Z'],
    ['Europe/Berlin', '2026-03-29T22:00Z', '2026-03-29T22:00Z'],
    ['Europe/Berlin', '2026-10-25T12:00Z', '2026-10-24T22:00Z'],
    ['Europe/Berlin', '2026-10-25T22:59Z', '2026-10-24T22:00Z'],
    ['America/Los_Angeles', '2026-03-08T20:00Z', '2026-03-08T08:00Z'],
    ['Asia/Kolkata', '2026-05-01T18:29Z', '2026-04-30T18:30Z'],
    ['Asia/Kolkata', '2026-05-01T18:30Z', '2026-05-01T18:30Z'],
    ['Asia/Kathmandu', '2026-05-01T18:15Z', '2026-05-01T18:15Z'],
    ['Pacific/Kiritimati', '2026-05-01T11:00Z', '2026-05-01T10:00Z'],
    ['Pacific/Pago_Pago', '2026-05-01T10:00Z', '2026-04-30T11:00Z'],
    // midnight does not exist: the clock goes from 00:00 to 01:00
    ['Africa/Cairo', '2026-04-24T12:00Z', '2026-04-23T22:00Z'],
    // midnight comes twice: the day begins when the first 23:00 to 24:00 was repeated
    ['Africa/Cairo', '2026-10-30T12:00Z', '2026-10-29T22:00Z'],
  ])('in %s at %s', (timeZone, at, start) => {
    expect(new Date(new Days(timeZone).startOf(Date.parse(at))).toISOString()).toBe(new Date(start).toISOString())
  })

  it('is a partition of a year, each day 23 to 25 hours long, in whatever order it is asked', () => {
    for (const timeZone of ['Europe/Berlin', 'America/Sao_Paulo', 'Africa/Cairo', 'Australia/Lord_Howe']) {
      const from = Date.parse('2026-01-01T12:00Z')
      const forward = new Days(timeZone)
      const starts = Array.from({ length: 365 * 24 }, (_, at) => forward.startOf(from + at * hour))
      const distinct = [...new Set(starts)]
      expect(distinct.length).toBeGreaterThan(364)
      for (const [at, start] of distinct.entries()) {
        const next = distinct[at + 1]
        if (next === undefined) continue
        expect(next - start).toBeGreaterThanOrEqual(23 * hour)
        expect(next - start).toBeLessThanOrEqual(25 * hour)
      }
      const backward = new Days(timeZone)
      const again = starts.map((_, at) => backward.startOf(from + at * hour)).reverse()
      expect(again.reverse()).toEqual(starts)
    }
  })
})
