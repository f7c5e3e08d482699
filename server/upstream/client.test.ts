import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { connect, createServer as createTcpServer, type AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { Secret } from '../secret.ts'
import { isForbiddenAddress } from './address.ts'
import { createUpstreamClient } from './client.ts'
import type { Exchange, HeaderMap, UpstreamRequest } from './exchange.ts'

const closers: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

function listen(server: Server): Promise<string> {
  closers.push(
    () =>
      new Promise((done) => {
        server.closeAllConnections()
        server.close(done)
      }),
  )
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`))
  })
}

const serve = (handler: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> =>
  listen(createServer(handler))

interface Heard {
  status: number
  headers: HeaderMap
  text: string
  error: Error | null
}

const base: Omit<UpstreamRequest, 'origin'> = {
  method: 'POST',
  path: '/x',
  headers: { 'content-type': 'application/json' },
  body: Buffer.from('{}'),
  proxy: { mode: 'none' },
  connectMs: 1000,
  headersMs: 0,
  idleMs: 0,
}

function client(): ReturnType<typeof createUpstreamClient> {
  const made = createUpstreamClient()
  closers.push(() => made.close())
  return made
}

function send(
  upstream: ReturnType<typeof createUpstreamClient>,
  request: UpstreamRequest,
  onChunk: (exchange: Exchange, heard: Heard) => void = () => undefined,
): Promise<Heard> {
  const { promise, resolve } = Promise.withResolvers<Heard>()
  const heard: Heard = { status: 0, headers: {}, text: '', error: null }
  const exchange = upstream.send(request, {
    onHead: (status, headers) => Object.assign(heard, { status, headers }),
    onData: (chunk) => {
      heard.text += chunk.toString()
      onChunk(exchange, heard)
    },
    onEnd: () => resolve(heard),
    onError: (error) => resolve({ ...heard, error }),
  })
  return promise
}

describe('send', () => {
  it('carries method, path, headers and body, and brings the answer', async () => {
    const origin = await serve((request, response) => {
      let body = ''
      request.on('data', (chunk: Buffer) => (body += chunk.toString()))
      request.on('end', () => {
        response.writeHead(201, { 'x-seen': `${request.method ?? ''} ${request.url ?? ''}` }).end(body)
      })
    })
    const heard = await send(client(), { ...base, origin, body: Buffer.from('{"é":1}') })
    expect(heard).toMatchObject({ status: 201, text: '{"é":1}', error: null })
    expect(heard.headers['x-seen']).toBe('POST /x')
  })

  it.each([
    { when: 'no header comes', timers: { headersMs: 100 }, starts: false, message: /did not answer for 0\.1 s/ },
    { when: 'the answer stalls', timers: { idleMs: 100 }, starts: true, message: /was silent in the middle/ },
  ])('gives up when $when', async ({ timers, starts, message }) => {
    const origin = await serve((_request, response) => {
      if (starts) response.writeHead(200).write('a')
    })
    const upstream = client()
    const heard = await send(upstream, { ...base, ...timers, origin })
    expect(heard.error).toMatchObject({ kind: 'upstream_timeout', message: expect.stringMatching(message) as unknown })
    expect(upstream.active, 'nothing is watched any more').toBe(0)
  })

  it('says in a sentence why a connection failed', async () => {
    const probe = createTcpServer()
    const port = await new Promise<number>((resolve) => {
      probe.listen(0, '127.0.0.1', () => resolve((probe.address() as AddressInfo).port))
    })
    await new Promise((done) => probe.close(done))
    const refused = await send(client(), { ...base, origin: `http://127.0.0.1:${port}` })
    expect(refused.error).toMatchObject({
      kind: 'upstream_failed',
      message: expect.stringContaining('was refused') as unknown,
    })
    const unknown = await send(client(), { ...base, origin: 'http://no-such-host.invalid' })
    expect(unknown.error?.message).toMatch(/name is unknown|could not be looked up/)
  })

  it('tells a reset in the middle of an answer', async () => {
    const origin = await serve((_request, response) => {
      response.writeHead(200, { 'content-length': '100' }).write('half')
      setTimeout(() => response.destroy(), 20)
    })
    const heard = await send(client(), { ...base, origin })
    expect(heard).toMatchObject({ status: 200, text: 'half', error: { kind: 'upstream_failed' } })
  })

  it('ends at once when aborted, and the upstream sees it', async () => {
    const gone = Promise.withResolvers<null>()
    const origin = await serve((request, response) => {
      response.writeHead(200).write('a')
      request.on('close', () => gone.resolve(null))
    })
    const upstream = client()
    void send(upstream, { ...base, origin }, (exchange) => exchange.abort())
    await gone.promise
    expect(upstream.active).toBe(0)
  })

  it('stops reading while paused, without blaming the upstream for it', async () => {
    const origin = await serve((_request, response) => {
      response.writeHead(200).write('a')
      setTimeout(() => response.end('b'), 20)
    })
    const heard = await send(client(), { ...base, origin, idleMs: 150 }, (exchange, sofar) => {
      if (sofar.text !== 'a') return
      exchange.pause()
      setTimeout(() => exchange.resume(), 400)
    })
    expect(heard).toMatchObject({ text: 'ab', error: null })
  })

  it('goes through an HTTP proxy', async () => {
    const origin = await serve((_request, response) => void response.end('direct'))
    const seen: string[] = []
    const proxy = createServer()
    proxy.on('connect', (request, socket, head) => {
      seen.push(request.url ?? '')
      const [host = '', port = ''] = (request.url ?? '').split(':')
      const onward = connect(Number(port), host, () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n')
        onward.write(head)
        onward.pipe(socket).pipe(onward)
      })
    })
    const url = new Secret(await listen(proxy))
    const heard = await send(client(), { ...base, origin, proxy: { mode: 'url', url } })
    expect(heard.text).toBe('direct')
    expect(seen).toEqual([new URL(origin).host])
  })
})

describe('addresses of cloud metadata services', () => {
  it.each(['169.254.169.254', '[::ffff:169.254.169.254]', '100.100.100.200', 'fd00:ec2::254', '[fe80::1]'])(
    '%s is never asked',
    async (address) => {
      expect(isForbiddenAddress(address)).toBe(true)
      const host = address.includes(':') && !address.startsWith('[') ? `[${address}]` : address
      const heard = await send(client(), { ...base, origin: `http://${host}` })
      expect(heard.error?.message).toMatch(/metadata/)
    },
  )
  it.each(['127.0.0.1', '192.168.1.5', '10.0.0.1', '[::1]', '8.8.8.8', 'example.com'])('%s may be', (address) => {
    expect(isForbiddenAddress(address)).toBe(false)
  })
})
