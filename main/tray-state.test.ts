import { expect, it } from 'vitest'
import { icon, initialTrayState, reduce, type TrayEvent, type TrayState } from './tray-state.ts'

const after = (...events: TrayEvent[]): TrayState => events.reduce(reduce, initialTrayState)

const running: TrayEvent = { type: 'gateway', gateway: 'running', url: 'http://127.0.0.1:8080' }
const traffic: TrayEvent = { type: 'traffic', activeRequests: 2, today: { requests: 3, costNanoUsd: 5 } }
const crashed: TrayEvent = { type: 'gateway', gateway: 'crashed' }

it.each([
  ['nothing yet', [], 'off'],
  ['running', [running], 'idle'],
  ['requests under way', [running, traffic], 'busy'],
  ['crashed', [running, traffic, crashed], 'error'],
  ['started again', [running, crashed, running], 'idle'],
  ['a failure', [running, { type: 'failure', message: 'a key is dead', at: 1 }], 'error'],
  ['stopped', [running, { type: 'gateway', gateway: 'stopped' }], 'off'],
] satisfies [string, TrayEvent[], string][])('%s', (_name, events, picture) => {
  expect(icon(after(...events))).toBe(picture)
})

it('forgets address and requests of a gateway that is gone, and keeps the numbers of the day', () => {
  expect(after(running, traffic, crashed)).toMatchObject({
    url: null,
    activeRequests: 0,
    today: { requests: 3, costNanoUsd: 5 },
  })
})
