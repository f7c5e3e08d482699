import { EventEmitter } from 'node:events'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { GatewayChanged, LogRow } from '../contract/activity.ts'
import { createEventBus } from '../management/events.ts'
import { streamEvents } from './event-stream.ts'

/** A response whose reader can fall asleep: then nothing more fits, until it wakes. */
class Reader extends EventEmitter {
  written: string[] = []
  asleep = false
  destroyed = false
  write(text: string): boolean {
    this.written.push(text)
    return !this.asleep
  }
  wake(): void {
    this.asleep = false
    this.emit('drain')
  }
  destroy(): void {
    this.destroyed = true
    this.emit('close')
  }
}

const now = (activeRequests: number): GatewayChanged => ({
  activeRequests,
  today: { requests: 0, failures: 0, cancelled: 0, tokens: 0, costNanoUsd: 0 },
})

const line = (id: string): LogRow => ({
  id,
  at: 1,
  clientFormat: 'anthropic',
  upstreamFormat: null,
  groupId: null,
  groupName: 'g',
  requestedModel: 'm',
  apiKeyId: null,
  apiKeyName: '',
  clientSoftware: '',
  stream: false,
  outcome: 'success',
  httpStatus: 200,
  errorKind: null,
  errorMessage: null,
  channelId: null,
  channelName: '',
  upstreamModel: '',
  tokens: null,
  tokensEstimated: false,
  costNanoUsd: null,
  firstTokenMs: null,
  durationMs: 1,
  attemptCount: 0,
  lossCount: 0,
})

describe('streamEvents', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  const start = () => {
    const feed = createEventBus()
    const reader = new Reader()
    const stop = streamEvents(reader, { feed, names: ['gateway.changed', 'log.appended'], heartbeatMs: 15_000 })
    reader.written = []
    return { feed, reader, stop }
  }

  it('writes one frame an event, and none of events that were not asked for', () => {
    const { feed, reader } = start()
    feed.publish('gateway.changed', now(2))
    feed.publish('configuration.changed', { revision: 1 })
    expect(reader.written).toEqual([`event: gateway.changed\ndata: ${JSON.stringify(now(2))}\n\n`])
  })

  it('keeps a silent line open, and no longer than it is there', () => {
    const { reader } = start()
    vi.advanceTimersByTime(31_000)
    expect(reader.written).toEqual([':\n\n', ':\n\n'])
    reader.destroy()
    vi.advanceTimersByTime(60_000)
    expect(reader.written).toHaveLength(2)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('keeps for a sleeping reader every line, but only the last of the standing events', () => {
    const { feed, reader } = start()
    reader.asleep = true
    feed.publish('log.appended', line('1')) // fits, and fills it
    feed.publish('gateway.changed', now(1))
    feed.publish('log.appended', line('2'))
    feed.publish('gateway.changed', now(2))
    vi.advanceTimersByTime(60_000)
    expect(reader.written).toHaveLength(1)
    reader.wake()
    expect(reader.written).toHaveLength(2)
    expect(reader.written[1]).toContain('"id":"2"')
    expect(reader.written[1]).toContain('"activeRequests":2')
    expect(reader.written[1]).not.toContain('"activeRequests":1')
    feed.publish('gateway.changed', now(3))
    expect(reader.written).toHaveLength(3)
  })

  it('cuts off a reader that never wakes, and forgets it', () => {
    const { feed, reader } = start()
    reader.asleep = true
    for (let id = 0; id < 1100; id += 1) feed.publish('log.appended', line(String(id)))
    expect(reader.destroyed).toBe(true)
    expect(reader.written).toHaveLength(1)
    expect(vi.getTimerCount()).toBe(0)
  })
})
