import { describe, expect, it } from 'vitest'
import { createEventBus } from './events.ts'

const today = { requests: 0, failures: 0, cancelled: 0, tokens: 0, costNanoUsd: 0 }

describe('the event bus', () => {
  it('tells what the contract names, to those who listen, until they leave', () => {
    const bus = createEventBus()
    const heard: unknown[] = []
    const stop = bus.subscribe('gateway.changed', (payload) => heard.push(payload))
    const more = { activeRequests: 1, today, active: [{ apiKey: 'sk-secret' }] }
    bus.publish('gateway.changed', more)
    stop()
    bus.publish('gateway.changed', more)
    expect(heard).toEqual([{ activeRequests: 1, today }])
  })

  it('never fails its publisher', () => {
    const defects: string[] = []
    const bus = createEventBus((error) => defects.push(error.message))
    const heard: number[] = []
    bus.subscribe('configuration.changed', () => {
      throw new Error('a broken listener')
    })
    bus.subscribe('configuration.changed', ({ revision }) => heard.push(revision))
    bus.publish('configuration.changed', { revision: 1 })
    bus.publish('configuration.changed', { revision: 1.5 })
    expect(heard).toEqual([1])
    expect(defects).toEqual(['a broken listener', 'the event configuration.changed is outside the contract'])
  })
})
