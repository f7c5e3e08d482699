import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { httpClient } from './client.ts'

const cleanUp: (() => void)[] = []
afterEach(() => {
  for (const step of cleanUp.splice(0)) step()
})

/** Answers like a gateway of which the test decides every word. */
async function speakAs(answer: (path: string, method: string, response: ServerResponse) => void) {
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'application/json')
    answer(request.url ?? '', request.method ?? '', response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanUp.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

describe('calls over HTTP', () => {
  it.each<[string, number, string, { code: string; message?: string | RegExp; retryAfterMs?: number }]>([
    [
      'a refusal in the API’s words',
      404,
      '{"error":{"code":"not_found","message":"none"}}',
      { code: 'not_found', message: 'none' },
    ],
    [
      'a wait',
      429,
      '{"error":{"code":"too_many_requests","message":"slow","retryAfterMs":5}}',
      { code: 'too_many_requests', retryAfterMs: 5 },
    ],
    ['a proxy’s page', 502, '<html>bad gateway</html>', { code: 'internal', message: 'the gateway answered 502' }],
    ['a code of another version', 418, '{"error":{"code":"teapot","message":"x"}}', { code: 'internal' }],
    [
      'an answer of another version',
      200,
      '{"token":5}',
      { code: 'internal', message: /not what this version expects/ },
    ],
    ['an answer cut short', 200, '{"key":', { code: 'internal' }],
  ])('%s is a ContractError', async (...[, status, body, { message, ...error }]) => {
    const baseUrl = await speakAs((...[, , response]) => {
      response.statusCode = status
      response.end(body)
    })
    const call = httpClient({ baseUrl }).call('apiKey.reveal', { id: 1 })
    await expect(call).rejects.toMatchObject({ name: 'ContractError', ...error })
    if (message !== undefined) await expect(call).rejects.toThrow(message)
  })

  it('put each field where the row says', async () => {
    const seen: string[] = []
    const baseUrl = await speakAs((path, method, response) => {
      seen.push(`${method} ${path}`)
      response.statusCode = 500
      response.end()
    })
    const client = httpClient({ baseUrl })
    await expect(client.call('log.get', { id: 'a/b?c' })).rejects.toThrow()
    await expect(client.call('log.list', { limit: 5, stream: false, text: 'ä & b', from: undefined })).rejects.toThrow()
    await expect(client.call('channel.delete', { id: 7 })).rejects.toThrow()
    expect(seen).toEqual([
      'GET /api/v1/logs/a%2Fb%3Fc',
      'GET /api/v1/logs?limit=5&stream=false&text=%C3%A4+%26+b',
      'DELETE /api/v1/channels/7',
    ])
  })
})

describe('events over HTTP', () => {
  it('come back by themselves, split anywhere, and stop with the last listener', async () => {
    let connections = 0
    const open = new Set<ServerResponse>()
    const baseUrl = await speakAs((...[, , response]) => {
      connections += 1
      open.add(response)
      response.on('close', () => open.delete(response))
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      if (connections === 1) {
        response.write('retry: 1000\n\n:\n\nevent: configuration.changed\nda')
        response.write(
          'ta: {"revision":1}\n\nevent: nonsense\ndata: {}\n\nevent: configuration.changed\ndata: {"revision":"x"}\n\n',
        )
        response.end()
      } else response.write('event: configuration.changed\ndata: {"revision":2}\n\n')
    })
    const connected: boolean[] = []
    const client = httpClient({ baseUrl, onConnection: (state) => connected.push(state) })
    const heard: number[] = []
    await new Promise<void>((resolve) => {
      const stop = client.subscribe('configuration.changed', ({ revision }) => {
        heard.push(revision)
        if (revision !== 2) return
        stop()
        resolve()
      })
    })
    expect(heard).toEqual([1, 2])
    expect(connected.slice(0, 3)).toEqual([true, false, true])
    while (open.size > 0) await new Promise((resolve) => setTimeout(resolve, 5))
  })
})
