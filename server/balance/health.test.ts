import { describe, expect, it } from 'vitest'
import { RelayError } from '../errors.ts'
import { KeyHealth } from './health.ts'

function healthAt(start: number): { health: KeyHealth; clock: { now: number } } {
  const clock = { now: start }
  return { health: new KeyHealth(() => clock.now), clock }
}

describe('a key rests', () => {
  it('for as long as Retry-After says, for that model only', () => {
    const { health, clock } = healthAt(1000)
    health.noteFailure(7, 'a', new RelayError('rate_limited', 'slow down', { retryAfterMs: 5000, upstreamStatus: 429 }))
    expect(health.restOf(7, 'a')).toEqual({ until: 6000, kind: 'cooling', status: 429 })
    expect(health.restOf(7, 'b')).toBeNull()
    clock.now = 6000
    expect(health.restOf(7, 'a')).toBeNull()
  })

  it('for all models after a refused key, and recovers by itself', () => {
    const { health, clock } = healthAt(0)
    health.noteFailure(7, 'a', new RelayError('key_refused', 'invalid key', { upstreamStatus: 401 }))
    expect(health.restOf(7, 'b')?.kind).toBe('suspended')
    clock.now = 600_000
    expect(health.restOf(7, 'b')).toBeNull()
  })

  it('not for failures that are not its fault', () => {
    const { health } = healthAt(0)
    expect(health.noteFailure(7, 'a', new RelayError('upstream_failed', 'boom'))).toBeNull()
    expect(health.restOf(7, 'a')).toBeNull()
  })

  it('no longer after a success or a reset', () => {
    const { health } = healthAt(0)
    const limited = new RelayError('rate_limited', 'slow down')
    health.noteFailure(7, 'a', limited)
    health.noteSuccess(7, 'a')
    expect(health.restOf(7, 'a')).toBeNull()
    health.noteFailure(7, 'a', limited)
    health.noteFailure(7, 'b', limited)
    health.reset(7)
    expect([health.restOf(7, 'a'), health.restOf(7, 'b')]).toEqual([null, null])
  })
})

describe('what rests', () => {
  it('is listed until it is over, a suspension for every model', () => {
    const { health, clock } = healthAt(0)
    health.noteFailure(7, 'a/b', new RelayError('rate_limited', 'slow down', { retryAfterMs: 5000 }))
    health.noteFailure(8, 'a', new RelayError('key_refused', 'invalid key', { upstreamStatus: 401 }))
    expect(health.all()).toEqual([
      { keyId: 8, model: null, rest: { until: 600_000, kind: 'suspended', status: 401 } },
      { keyId: 7, model: 'a/b', rest: { until: 5000, kind: 'cooling', status: null } },
    ])
    clock.now = 5000
    expect(health.all().map(({ keyId }) => keyId)).toEqual([8])
  })
})
