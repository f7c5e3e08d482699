import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { portClient } from '../contract/client.ts'
import { ContractError, type Port, type PortMessage } from '../contract/define.ts'
import type { EventFeed, EventName, Handlers } from '../contract/index.ts'
import { createEventBus } from '../management/events.ts'
import { createDispatch } from './dispatch.ts'
import { servePort } from './port.ts'

function toPort(port: MessagePort): Port {
  return {
    post: (message) => port.postMessage(message),
    onMessage: (listener) => void port.on('message', (message: PortMessage) => listener(message)),
    onClose: (listener) => void port.on('close', listener),
  }
}

const open: MessagePort[] = []
afterEach(() => {
  for (const port of open.splice(0)) port.close()
})

function connect(handlers: Partial<Handlers>, feed: EventFeed = createEventBus()) {
  const { port1, port2 } = new MessageChannel()
  open.push(port1, port2)
  servePort(toPort(port1), createDispatch(handlers as Handlers, { error: () => undefined }), feed)
  return { client: portClient(toPort(port2)), server: port1 }
}

/** Counts subscribers, to see them leave. */
function watched(bus: ReturnType<typeof createEventBus>) {
  const names: EventName[] = []
  const feed: EventFeed = {
    subscribe(event, listener) {
      names.push(event)
      const stop = bus.subscribe(event, listener)
      return () => {
        names.splice(names.indexOf(event), 1)
        stop()
      }
    },
  }
  return { feed, names }
}

const turn = () => new Promise((resolve) => setTimeout(resolve, 20))

describe('the contract over a port', () => {
  it('outlives a window that goes away before its answer', async () => {
    const { promise, resolve } = Promise.withResolvers<{ key: string }>()
    const post = vi.fn(() => {
      throw new Error('the port is destroyed')
    })
    let deliver: (message: PortMessage) => void = () => undefined
    const port: Port = { post, onMessage: (listener) => void (deliver = listener), onClose: () => undefined }
    const unhandled = vi.fn()
    process.on('unhandledRejection', unhandled)
    const handlers: Partial<Handlers> = { 'apiKey.reveal': () => promise }
    servePort(port, createDispatch(handlers as Handlers, { error: () => undefined }), createEventBus())
    deliver({ type: 'call', id: 1, name: 'apiKey.reveal', input: { id: 1 } })
    resolve({ key: 'sk' })
    await vi.waitFor(() => expect(post).toHaveBeenCalled())
    await turn()
    process.off('unhandledRejection', unhandled)
    expect(unhandled).not.toHaveBeenCalled()
  })

  it('carries calls, refusals and what was wrong with the input', async () => {
    const { client } = connect({
      'apiKey.reveal': ({ id }) =>
        id === 1 ? Promise.resolve({ key: 'sk' }) : Promise.reject(new ContractError('not_found', 'none such')),
    })
    expect(await client.call('apiKey.reveal', { id: 1 })).toEqual({ key: 'sk' })
    await expect(client.call('apiKey.reveal', { id: 2 })).rejects.toMatchObject({
      code: 'not_found',
      message: 'none such',
    })
    await expect(client.call('apiKey.reveal', { id: 'x' })).rejects.toMatchObject({
      code: 'invalid_input',
      issues: [{ path: 'id' }],
    })
  })

  it('cancels a call at the other end', async () => {
    const { promise: aborted, resolve } = Promise.withResolvers<boolean>()
    const { client } = connect({
      'gateway.status': (_input, { signal }) => {
        signal.addEventListener('abort', () => resolve(true))
        return new Promise(() => undefined)
      },
    })
    const controller = new AbortController()
    const call = client.call('gateway.status', {}, controller.signal)
    await turn()
    controller.abort()
    await expect(call).rejects.toThrow()
    expect(await aborted).toBe(true)
  })

  it('rejects what is open when the port closes, and what comes after', async () => {
    const { client, server } = connect({ 'gateway.status': () => new Promise(() => undefined) })
    const call = client.call('gateway.status', {})
    await turn()
    server.close()
    await expect(call).rejects.toMatchObject({ code: 'unavailable' })
    await expect(client.call('gateway.status', {})).rejects.toMatchObject({ code: 'unavailable' })
  })

  it('carries events to those who asked, once, and stops when the last one leaves', async () => {
    const bus = createEventBus()
    const { feed, names } = watched(bus)
    const { client, server } = connect({}, feed)
    const heard: number[] = []
    const listener = ({ revision }: { revision: number }) => heard.push(revision)
    const stop = client.subscribe('configuration.changed', listener)
    const stopOther = client.subscribe('configuration.changed', ({ revision }) => heard.push(-revision))
    await turn()
    expect(names).toEqual(['configuration.changed'])
    bus.publish('configuration.changed', { revision: 3 })
    bus.publish('gateway.changed', {
      activeRequests: 1,
      today: { requests: 0, failures: 0, cancelled: 0, tokens: 0, costNanoUsd: 0 },
    })
    await turn()
    expect(heard).toEqual([3, -3])
    stop()
    await turn()
    expect(names).toEqual(['configuration.changed'])
    stopOther()
    await turn()
    expect(names).toEqual([])
    client.subscribe('configuration.changed', listener)
    await turn()
    server.close()
    await turn()
    expect(names).toEqual([])
  })
})
