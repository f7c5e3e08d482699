import { describe, expect, test } from 'vitest'
import { failures, RelayError, type ErrorKind } from '../errors.ts'
import { backOffMs, mayPass, worthRepeating } from './back-off.ts'

describe('the pause', () => {
  test('doubles, with jitter between half and whole, up to half a minute', () => {
    const rounds = [0, 1, 2, 3, 10, 1000]
    expect(rounds.map((round) => backOffMs(round, () => 0))).toEqual([125, 250, 500, 1000, 15_000, 15_000])
    expect(rounds.map((round) => backOffMs(round, () => 1))).toEqual([250, 500, 1000, 2000, 30_000, 30_000])
  })

  test('is never shorter than what the upstream asks for, up to a minute', () => {
    expect(backOffMs(0, () => 0, 5000)).toBe(5000)
    expect(backOffMs(0, () => 1, 5000)).toBe(5500)
    expect(backOffMs(0, () => 0, 10)).toBe(125)
    expect(backOffMs(0, () => 0, 3_600_000)).toBe(60_000)
  })
})

const kinds = Object.keys(failures) as ErrorKind[]

test('what can pass by waiting', () => {
  expect(kinds.filter((kind) => mayPass(new RelayError(kind, '')))).toEqual([
    'rate_limited',
    'key_refused',
    'upstream_overloaded',
    'upstream_failed',
    'empty_answer',
    'upstream_timeout',
  ])
})

test.each([
  ['upstream_failed', {}, true],
  ['upstream_overloaded', {}, true],
  ['upstream_overloaded', { retryAfterMs: 9000 }, true],
  ['upstream_overloaded', { retryAfterMs: 11_000 }, false],
  ['rate_limited', { retryAfterMs: 2000 }, true],
  ['rate_limited', { retryAfterMs: 30_000 }, false],
  ['rate_limited', {}, false],
  ['upstream_timeout', {}, false],
  ['upstream_timeout', { upstreamCode: 'UND_ERR_CONNECT_TIMEOUT' }, true],
  ['key_refused', {}, false],
  ['upstream_rejected', {}, false],
  ['empty_answer', {}, false],
  ['invalid_request', {}, false],
  ['cancelled', {}, false],
] as const)('the only member is asked again after %s %o: %s', (kind, detail, expected) => {
  expect(worthRepeating(new RelayError(kind, '', detail))).toBe(expected)
})
