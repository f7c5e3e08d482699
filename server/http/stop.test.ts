import { Agent, createServer, request, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, expect, test, vi } from 'vitest'
import type { RelayError } from '../errors.ts'
import type { Running } from './relay-routes.ts'
import { stopListening } from './stop.ts'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

const NEVER = 2 ** 31 - 1

/** A server whose clients keep their connections; `ask` gives the answer's two ends, once its head is there. */
async function serve() {
  const responses: ServerResponse[] = []
  const running = new Set<Running>()
  const server = createServer((_, response) => {
    responses.push(response)
    const stop = vi.fn((error: RelayError) => void response.end(error.kind))
    running.add({ stop })
    response.write('begun,')
  })
  server.keepAliveTimeout = NEVER
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  closers.push(() => {
    agent.destroy()
    server.closeAllConnections()
    server.close()
  })
  const ask = async () => {
    const answer = await new Promise<IncomingMessage>((resolve, reject) =>
      request({ port, agent }, resolve).on('error', reject).end(),
    )
    return { response: responses.at(-1)!, headers: answer.headers, heard: text(answer) }
  }
  return { server, running, ask }
}

test('an answer under way ends in peace, and the connection that its client keeps holds nothing up', async () => {
  const { server, running, ask } = await serve()
  const { response, heard } = await ask()
  const stopped = stopListening(server, running, { drain: NEVER, lastWords: 0 })
  response.end('ended')
  expect(await heard).toBe('begun,ended')
  await stopped
  for (const { stop } of running) expect(stop).not.toHaveBeenCalled()
})

test('who does not end in time is told once, and has time to say so', async () => {
  const { server, running, ask } = await serve()
  const { heard } = await ask()
  await stopListening(server, running, { drain: 1, lastWords: 10_000 })
  expect(await heard).toBe('begun,gateway_stopping')
  for (const { stop } of running) expect(stop).toHaveBeenCalledTimes(1)
})

test('who does not end even then is cut', async () => {
  const { server, ask } = await serve()
  const broken = expect((await ask()).heard).rejects.toThrow('aborted')
  await stopListening(server, new Set(), { drain: 1, lastWords: 1 })
  await broken
})

test('a kept connection brings one more request, and is closed after it', async () => {
  const { server, running, ask } = await serve()
  const first = await ask()
  const second = ask()
  const stopped = stopListening(server, running, { drain: NEVER, lastWords: 0 })
  first.response.end('first')
  const { response, headers, heard } = await second
  expect(headers.connection).toBe('close')
  response.end('second')
  expect([await first.heard, await heard]).toEqual(['begun,first', 'begun,second'])
  await stopped
})

test('a request that comes when the others have been told is told, too', async () => {
  const { server, running, ask } = await serve()
  const first = await ask()
  const [slow] = running
  // it takes its time to end, so that its client's next request comes after the telling
  const toldFirst = vi.mocked(slow!.stop).mockImplementation(() => undefined)
  const second = ask()
  const stopped = stopListening(server, running, { drain: 1, lastWords: 10_000 })
  await vi.waitFor(() => expect(toldFirst).toHaveBeenCalled())
  first.response.end('first')
  expect(await (await second).heard).toBe('begun,gateway_stopping')
  await stopped
})
