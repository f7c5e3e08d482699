import { Agent, createServer, request, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { expect, test, vi } from 'vitest'
import type { RelayError } from '../errors.ts'
import { stopListening } from './stop.ts'

/** An answer that has begun, on a connection that its client keeps. */
async function begun() {
  const { promise, resolve } = Promise.withResolvers<ServerResponse>()
  const server = createServer((_, response) => {
    response.writeHead(200).write('begun,')
    resolve(response)
  })
  server.keepAliveTimeout = 2 ** 31 - 1
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  const agent = new Agent({ keepAlive: true })
  const answer = new Promise<IncomingMessage>((done) => request({ port, agent }, done).end())
  return { server, response: await promise, heard: text(await answer) }
}

test('an answer under way ends in peace, and the connection that its client keeps holds nothing up', async () => {
  const { server, response, heard } = await begun()
  const stop = vi.fn()
  const stopped = stopListening(server, new Set([{ stop }]), { drain: 2 ** 31 - 1, lastWords: 0 })
  response.end('ended')
  expect(await heard).toBe('begun,ended')
  await stopped
  expect(stop).not.toHaveBeenCalled()
})

test('who does not end in time is told, and has time to say so', async () => {
  const { server, response, heard } = await begun()
  const stop = vi.fn((error: RelayError) => void response.end(error.kind))
  await stopListening(server, new Set([{ stop }]), { drain: 1, lastWords: 10_000 })
  expect(await heard).toBe('begun,gateway_stopping')
})

test('who does not end even then is cut', async () => {
  const { server, heard } = await begun()
  const broken = expect(heard).rejects.toThrow('aborted')
  await stopListening(server, new Set(), { drain: 1, lastWords: 1 })
  await broken
})
