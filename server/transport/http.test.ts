import express from 'express'
import { Agent, createServer, request, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, expect, test, vi } from 'vitest'
import type { Handlers } from '../contract/index.ts'
import { stopListening } from '../http/stop.ts'
import { createEventBus } from '../management/events.ts'
import { createDispatch } from './dispatch.ts'
import { managementRouter, type ManagementApi } from './http.ts'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

/** The router over HTTP, whose sessions are looked up when `known` is; counts whoever listens to anything. */
async function serve(known: Promise<unknown> = Promise.resolve(null)) {
  const bus = createEventBus()
  const listeners = new Set<object>()
  const counted = (stop: () => void): (() => void) => {
    const listener = {}
    listeners.add(listener)
    return () => {
      listeners.delete(listener)
      stop()
    }
  }
  const closing = new AbortController()
  const authenticate = vi.fn(async () => {
    await known
    return { id: 1, expiresAt: Date.now() + 60_000, renewed: false }
  })
  const api: ManagementApi = {
    dispatch: createDispatch({} as Handlers, { error: () => undefined }),
    feed: { subscribe: (event, listener) => counted(bus.subscribe(event, listener)) },
    sessions: { authenticate, onEnd: () => counted(() => undefined) },
    version: '1',
    closing: closing.signal,
  }
  const server = createServer(express().use('/api/v1', managementRouter(api)))
  const gone = vi.fn()
  server.on('request', (_, response) => response.on('close', gone))
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  closers.push(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1/events`
  return { server, closing, listeners, authenticate, gone, url }
}

const authorization = 'Bearer token'

test('a client that leaves while its session is looked up leaves nobody listening', async () => {
  const { promise, resolve } = Promise.withResolvers<null>()
  const { listeners, authenticate, gone, url } = await serve(promise)
  const asking = request(url, { headers: { authorization } }).on('error', () => undefined)
  asking.end()
  await vi.waitFor(() => expect(authenticate).toHaveBeenCalled())
  asking.destroy()
  await vi.waitFor(() => expect(gone).toHaveBeenCalled())
  const timers = vi.spyOn(globalThis, 'setInterval')
  resolve(null)
  await new Promise((done) => setImmediate(done))
  expect(listeners.size).toBe(0)
  expect(timers).not.toHaveBeenCalled()
  timers.mockRestore()
})

test('a client that stays is listened for, and no longer than it stays', async () => {
  const { listeners, url } = await serve()
  const leaving = new AbortController()
  await fetch(url, { headers: { authorization }, signal: leaving.signal })
  expect(listeners.size).toBeGreaterThan(1)
  leaving.abort()
  await vi.waitFor(() => expect(listeners.size).toBe(0))
})

test('a quit ends streams of events, and waits neither for them nor for the connections that they leave', async () => {
  const { server, closing, listeners, url } = await serve()
  const agent = new Agent({ keepAlive: true })
  closers.push(() => agent.destroy())
  const ask = (): Promise<IncomingMessage> =>
    new Promise((resolve) => request(url, { agent, headers: { authorization } }, resolve).end())
  const streams = await Promise.all([ask(), ask(), ask()])
  const heard = streams.map((stream) => text(stream))
  closing.abort()
  // answers would get until the end of this test
  await stopListening(server, new Set(), { drain: 2 ** 31 - 1, lastWords: 0 })
  for (const said of await Promise.all(heard)) expect(said).toContain('retry: ')
  expect(listeners.size).toBe(0)
})

test('a stream that is wanted after the quit began ends at once', async () => {
  const { closing, listeners, url } = await serve()
  closing.abort()
  const late = await fetch(url, { headers: { authorization } })
  expect([late.status, await late.text()]).toEqual([200, ''])
  expect(listeners.size).toBe(0)
})
