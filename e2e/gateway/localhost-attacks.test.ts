import { connect } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { wireFormats } from '../fake-upstream/index.ts'
import { send, type Heard, type Sending } from './http.ts'
import {
  addressOf,
  channel,
  emptyProvision,
  gatewayKey,
  keyHeader,
  plainBody,
  startWorld,
  type World,
} from './world.ts'

// A page in the user's browser, on any site, can send requests to this machine. None of them may be answered: not with the right
// key, not with a live session, on no route.

let world: World
let session = ''
beforeAll(async () => {
  world = await startWorld((upstream) => {
    const provision = emptyProvision()
    for (const format of wireFormats) {
      provision.channels.push(channel(upstream, format, { name: format, models: ['ok'] }))
      provision.groups.push({ name: `ok-${format}`, items: [{ channel: format, model: 'ok' }] })
    }
    return provision
  })
  const login = await send(`${world.gateway.url}/api/v1/session/login`, {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ password: world.gateway.adminPassword }),
  })
  session = String(login.headers['set-cookie']).split(';')[0] ?? ''
  await discover()
})
afterAll(() => world.close())
/** Whatever was tried, no provider was asked. */
afterEach(() => {
  const asked = world.upstream.requests.map(({ path }) => path)
  world.upstream.reset()
  expect(asked).toEqual([])
})

interface Route {
  readonly method: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

const relayRoutes: readonly Route[] = [
  ...wireFormats.flatMap((format) =>
    [false, true].map((stream) => ({
      method: 'POST',
      path: addressOf(format, { model: `ok-${format}`, stream }),
      headers: keyHeader(format, gatewayKey),
      body: JSON.stringify(plainBody(format, { model: `ok-${format}`, stream })),
    })),
  ),
  ...[
    '/chat/completions',
    '/v1/v1/responses',
    '/api/provider/anthropic/v1/messages',
    '/v1/messages/count_tokens',
    '/v1beta/models/ok-gemini:countTokens',
    '/v1/embeddings',
    '/v1/completions',
    '/v1/moderations',
    '/v1/rerank',
    '/v1/images/generations',
    '/v1/audio/speech',
  ].map((path) => ({
    method: 'POST',
    path,
    headers: { authorization: `Bearer ${gatewayKey}` },
    body: JSON.stringify({ model: 'ok-openai-chat', input: 'x', messages: [] }),
  })),
]
const readRoutes: readonly Route[] = [
  '/v1/models',
  '/v1/models/ok-openai-chat',
  '/v1beta/models',
  '/v1/chat/completions',
  '/healthz',
  '/api/v1/openapi.json',
  '/api/v1/events',
  '/',
  '/no/such/page',
  '/api/no-such-thing',
].map((path) => ({ method: 'GET', path, headers: { authorization: `Bearer ${gatewayKey}` } }))

/** Every row of the contract, as the gateway's own OpenAPI document lists them. */
const managementRoutes: Route[] = []
async function discover(): Promise<void> {
  const { body } = await send(`${world.gateway.url}/api/v1/openapi.json`)
  const document = JSON.parse(body.toString('utf8')) as { paths: Record<string, Record<string, unknown>> }
  for (const [path, methods] of Object.entries(document.paths))
    for (const method of Object.keys(methods)) {
      const full = path.startsWith('/api/v1') ? path : `/api/v1${path}`
      managementRoutes.push({
        method: method.toUpperCase(),
        path: full.replaceAll(/\{[^}]+\}/g, '1'),
        ...(['POST', 'PATCH', 'PUT'].includes(method) && { body: '{}' }),
      })
    }
}

const everyRoute = (): readonly Route[] => [...relayRoutes, ...readRoutes, ...managementRoutes]

function call(route: Route, sending: Sending = {}): Promise<Heard> {
  return send(`${world.gateway.url}${route.path}`, {
    method: route.method,
    headers: {
      ...(route.body !== undefined && { 'content-type': 'application/json' }),
      ...(route.path.startsWith('/api/v1') && { cookie: session }),
      ...route.headers,
      ...sending.headers,
    },
    ...(route.body !== undefined && { body: route.body }),
  })
}

function expectRefused(route: Route, heard: Heard, status: number): void {
  const name = `${route.method} ${route.path}`
  expect(heard.status, `${name}: ${heard.body.toString('utf8').slice(0, 200)}`).toBe(status)
  expect(heard.headers['access-control-allow-origin'], name).toBeUndefined()
  expect(heard.headers['set-cookie'], name).toBeUndefined()
}

test('there are routes of every kind', () => {
  expect(session).toMatch(/=./)
  expect(managementRoutes.length).toBeGreaterThan(25)
  expect(new Set(managementRoutes.map(({ method }) => method))).toEqual(
    new Set(['GET', 'POST', 'PATCH', 'PUT', 'DELETE']),
  )
})

test('without an attack they are open: the refusals below are not for another reason', async () => {
  expect((await call({ method: 'GET', path: '/v1/models', headers: { 'x-api-key': gatewayKey } })).status).toBe(200)
  for (const path of ['/healthz', '/api/v1/openapi.json', '/api/v1/channels', '/'])
    expect((await call({ method: 'GET', path })).status, path).toBe(200)
  const port = world.gateway.port
  for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `LOCALHOST:${port}`, `[::1]:${port}`, 'localhost'])
    expect((await call({ method: 'GET', path: '/healthz' }, { headers: { host } })).status, host).toBe(200)
  const own = { origin: world.gateway.url, 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors' }
  expect((await call({ method: 'GET', path: '/api/v1/channels' }, { headers: own })).status).toBe(200)
  // What Node's own fetch sends, and gemini-cli and Qwen Code with it.
  const tool = { 'sec-fetch-mode': 'cors', 'accept-language': '*' }
  expect(
    (await call({ method: 'GET', path: '/v1/models', headers: { 'x-api-key': gatewayKey } }, { headers: tool })).status,
  ).toBe(200)
})

const attacks: readonly { readonly name: string; readonly headers: () => Record<string, string | string[]> }[] = [
  { name: 'a foreign Host', headers: () => ({ host: 'evil.example' }) },
  { name: 'a foreign Host with our port', headers: () => ({ host: `evil.example:${world.gateway.port}` }) },
  { name: 'a nip.io Host', headers: () => ({ host: `127.0.0.1.nip.io:${world.gateway.port}` }) },
  { name: 'a localtest.me Host', headers: () => ({ host: `localtest.me:${world.gateway.port}` }) },
  { name: 'a Host below localhost', headers: () => ({ host: `evil.localhost:${world.gateway.port}` }) },
  { name: 'a trailing dot', headers: () => ({ host: `localhost.:${world.gateway.port}` }) },
  { name: 'a trailing dot on the address', headers: () => ({ host: `127.0.0.1.:${world.gateway.port}` }) },
  { name: 'the address as a number', headers: () => ({ host: `2130706433:${world.gateway.port}` }) },
  { name: 'another loopback address', headers: () => ({ host: `127.0.0.2:${world.gateway.port}` }) },
  { name: 'the unspecified address', headers: () => ({ host: `0.0.0.0:${world.gateway.port}` }) },
  { name: 'user info in Host', headers: () => ({ host: `localhost@evil.example:${world.gateway.port}` }) },
  { name: 'a foreign Origin', headers: () => ({ origin: 'https://evil.example' }) },
  { name: 'a foreign Origin on this machine', headers: () => ({ origin: 'http://localhost:1' }) },
  { name: 'an Origin that begins like ours', headers: () => ({ origin: `${world.gateway.url}.evil.example` }) },
  { name: 'a null Origin', headers: () => ({ origin: 'null' }) },
  { name: 'a file Origin', headers: () => ({ origin: 'file://' }) },
  {
    name: 'a cross-site fetch',
    headers: () => ({ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' }),
  },
  {
    name: 'a cross-site fetch without CORS',
    headers: () => ({ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' }),
  },
  {
    name: 'a same-site fetch (another port)',
    headers: () => ({ 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' }),
  },
  {
    name: 'a frame on another site',
    headers: () => ({ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' }),
  },
]

describe('refused on every route', () => {
  test.each(attacks)('$name', async ({ headers }) => {
    for (const route of everyRoute()) expectRefused(route, await call(route, { headers: headers() }), 403)
  })

  test('a preflight from another site', async () => {
    for (const route of everyRoute()) {
      const heard = await call(
        { ...route, method: 'OPTIONS' },
        {
          headers: {
            origin: 'https://evil.example',
            'access-control-request-method': route.method,
            'access-control-request-headers': 'authorization, content-type',
            'access-control-request-private-network': 'true',
          },
        },
      )
      expectRefused(route, heard, 403)
      expect(heard.headers['access-control-allow-private-network']).toBeUndefined()
    }
  })
})

describe('bodies that a form can send without asking', () => {
  test.each([
    'application/x-www-form-urlencoded',
    'text/plain',
    'text/plain; charset=application/json',
    'text/plain;application/json',
    'multipart/form-data; boundary=x',
    'application/xml',
  ])('%s', async (type) => {
    const uploads = type.startsWith('multipart/')
    const withBody = everyRoute().filter(({ method }) => ['POST', 'PATCH', 'PUT'].includes(method))
    expect(withBody.length).toBeGreaterThan(20)
    for (const route of withBody) {
      // Images and audio are really uploaded so; their key cannot be sent by a form.
      if (uploads && /\/(embeddings|completions|moderations|rerank|images|audio)\b/.test(route.path)) continue
      expectRefused(route, await call(route, { headers: { 'content-type': type } }), 415)
    }
  })

  test('a form that uploads has no key to send', async () => {
    for (const path of ['/v1/audio/transcriptions', '/v1/images/edits']) {
      const heard = await call(
        { method: 'POST', path, body: '--x--' },
        { headers: { 'content-type': 'multipart/form-data; boundary=x' } },
      )
      expect(heard.status).toBe(401)
    }
  })
})

describe('request lines that no honest client sends', () => {
  const raw = (lines: readonly string[]): Promise<string> =>
    new Promise((resolve) => {
      let heard = ''
      const socket = connect(world.gateway.port, '127.0.0.1', () => socket.write(`${lines.join('\r\n')}\r\n\r\n`))
      socket.setTimeout(2000, () => socket.destroy())
      socket.on('data', (part) => (heard += part.toString('latin1')))
      socket.on('error', () => undefined)
      socket.on('close', () => resolve(heard))
    })
  const status = async (...lines: string[]): Promise<number> =>
    Number(/^HTTP\/1\.1 (\d+)/.exec(await raw([...lines, 'connection: close']))?.[1])
  const own = (): string => `host: 127.0.0.1:${world.gateway.port}`
  const key = `authorization: Bearer ${gatewayKey}`

  test.each([
    { name: 'an absolute address', lines: () => ['GET http://evil.example/v1/models HTTP/1.1', own(), key] },
    { name: 'two hosts', lines: () => ['GET /v1/models HTTP/1.1', own(), 'host: evil.example', key] },
    { name: 'an empty host', lines: () => ['GET /v1/models HTTP/1.1', 'host:', key] },
    { name: 'no host', lines: () => ['GET /v1/models HTTP/1.1', key] },
    { name: 'no host in HTTP/1.0', lines: () => ['GET /v1/models HTTP/1.0', key] },
  ])('$name', async ({ lines }) => {
    const got = await status(...lines())
    expect([400, 403]).toContain(got)
  })

  test('the same request in order is answered', async () => {
    expect(await status('GET /v1/models HTTP/1.1', own(), key)).toBe(200)
  })

  test('a WebSocket from another site', async () => {
    for (const path of ['/v1/responses', '/api/v1/events', '/']) {
      const got = await raw([
        `GET ${path} HTTP/1.1`,
        own(),
        key,
        'origin: https://evil.example',
        'connection: Upgrade',
        'upgrade: websocket',
        'sec-websocket-version: 13',
        'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==',
      ])
      expect(got).toMatch(/^HTTP\/1\.1 4(03|26) /)
      expect(got).not.toMatch(/access-control-allow-origin/i)
    }
  })
})
