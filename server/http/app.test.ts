import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, request as httpRequest, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Catalogue } from '../accounting/catalogue.ts'
import { PriceBook } from '../accounting/pricing.ts'
import { httpClient } from '../contract/client.ts'
import type { ApiClient } from '../contract/index.ts'
import { demoModels, demoSend } from '../demo/index.ts'
import { createEventBus } from '../management/events.ts'
import { createHandlers } from '../management/index.ts'
import { createSessions, ensureAdminPassword } from '../management/session.ts'
import { protocols } from '../protocols/index.ts'
import { DataKey } from '../store/secrets.ts'
import { openStore, type Store } from '../store/store.ts'
import { createDispatch } from '../transport/dispatch.ts'
import { createUpstreamClient } from '../upstream/client.ts'
import { createApp } from './app.ts'
import { createPolicy } from './guard.ts'

const bus = createEventBus()
const logged: unknown[] = []
const log = { error: (fields: unknown) => logged.push(fields) }
const upstream = createUpstreamClient()
let directory = ''
let store: Store
let server: Server
let plain: Server
let port = 0
let password = ''
let client: ApiClient
let token = ''

/** A provider on this machine that lists two pages in Anthropic's way, for one key only. */
const provider = createServer((request, response) => {
  const url = new URL(request.url ?? '', 'http://x')
  response.setHeader('content-type', 'application/json')
  if (request.headers['x-api-key'] !== 'sk-right-key-0001') {
    response.statusCode = 401
    response.end('{"type":"error","error":{"type":"authentication_error","message":"that key is not known here"}}')
  } else if (url.searchParams.get('after_id') === null) {
    response.end('{"data":[{"type":"model","id":"one"},{"type":"model","id":"two"}],"has_more":true,"last_id":"two"}')
  } else response.end('{"data":[{"type":"model","id":"three"}],"has_more":false,"last_id":"three"}')
})

const listen = (it: Server) =>
  new Promise<number>((resolve) => it.listen(0, '127.0.0.1', () => resolve((it.address() as AddressInfo).port)))

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'octopus-app-'))
  const quiet = { info: () => undefined, warn: () => undefined }
  const database = { kind: 'sqlite', file: join(directory, 'data.db') } as const
  store = await openStore({ database, dataKey: new DataKey(randomBytes(32)), log: quiet })
  password = (await ensureAdminPassword(store))!
  const ui = join(directory, 'ui')
  await mkdir(join(ui, 'assets'), { recursive: true })
  await writeFile(join(ui, 'index.html'), '<!doctype html><title>the UI</title>')
  await writeFile(join(ui, 'assets', 'main-1a2b.js'), 'console.log(1)')
  await writeFile(join(directory, 'secret.txt'), 'not for you')

  const sessions = createSessions(store)
  const today = { requests: 3, failures: 1, cancelled: 0, tokens: 99, costNanoUsd: 7 }
  const catalogue = new Catalogue(() => '{"source":"models.dev","date":"2026-01-02","licence":"MIT","vendors":{}}')
  const handlers = createHandlers({
    store,
    sessions,
    protocols,
    send: (request, handler) => (request.origin === 'http://demo.invalid' ? demoSend : upstream.send)(request, handler),
    listener: () => ({ port, hosts: ['127.0.0.1'] }),
    live: () => ({ activeRequests: 2, today }),
    priceOf: (question) => new PriceBook(store.current().prices, catalogue).lookup(question),
    resetChannelKey: async (id) => {
      await store.channelKeys.reset(id)
    },
    about: () => ({ version: '1.2.3', startedAt: 5, url: `http://127.0.0.1:${port}`, database: store.kind }),
  })
  const api = { dispatch: createDispatch(handlers, log), feed: bus, sessions, version: '1.2.3', heartbeatMs: 50 }
  const policy = () => createPolicy({ hosts: ['127.0.0.1'], port, corsOrigins: ['https://chat.example'] })
  server = createServer(createApp({ api, policy, log, ui }))
  plain = createServer(createApp({ api, policy, log, ui: join(directory, 'nothing') }))
  port = await listen(server)
  await listen(plain)
  await listen(provider)

  client = httpClient({ baseUrl: `http://127.0.0.1:${port}`, token: () => (token === '' ? null : token) })
  token = (await client.call('session.login', { password })).token
})

afterAll(async () => {
  for (const each of [server, plain, provider]) {
    each.closeAllConnections()
    each.close()
  }
  await upstream.close()
  await store.close()
  await rm(directory, { recursive: true })
  expect(logged).toEqual([])
})

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

/** Below fetch, which chooses Host and Origin by itself. */
function ask(
  method: string,
  path: string,
  more: { headers?: Record<string, string>; body?: string; at?: number } = {},
) {
  return new Promise<Answer>((resolve, reject) => {
    const call = httpRequest({ host: '127.0.0.1', port: more.at ?? port, method, path, headers: more.headers ?? {} })
    call.on('response', (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => (text += chunk.toString()))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }))
    })
    call.on('error', reject)
    call.end(more.body)
  })
}

const json = { 'content-type': 'application/json' }

describe('the guard, on every kind of route', () => {
  const routes: [string, string][] = [
    ['GET', '/'],
    ['GET', '/assets/main-1a2b.js'],
    ['GET', '/channels'],
    ['GET', '/healthz'],
    ['GET', '/api/v1/channels'],
    ['GET', '/api/v1/events'],
    ['GET', '/api/v1/openapi.json'],
    ['GET', '/api/v1/session/status'],
    ['GET', '/api/v1/nothing'],
    ['GET', '/api/nothing'],
    ['POST', '/api/v1/session/login'],
    ['POST', '/api/v1/channels'],
    ['PATCH', '/api/v1/settings'],
    ['DELETE', '/api/v1/channels/1'],
  ]
  const attacks: [string, Record<string, string>, number][] = [
    ['a foreign Host', { host: 'evil.example' }, 403],
    ['a nip.io Host', { host: '127.0.0.1.nip.io' }, 403],
    ['a trailing dot', { host: 'localhost.' }, 403],
    ['a foreign Origin', { origin: 'https://evil.example' }, 403],
    ['a CORS origin of the relay', { origin: 'https://chat.example' }, 403],
    ['a null Origin', { origin: 'null' }, 403],
    ['a cross-site fetch', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }, 403],
    ['a same-site fetch', { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'cors' }, 403],
    ['a form body', { 'content-type': 'application/x-www-form-urlencoded' }, 415],
    ['text/plain', { 'content-type': 'text/plain' }, 415],
  ]
  it.each(routes.flatMap(([method, path]) => attacks.map((attack) => [method, path, ...attack] as const)))(
    '%s %s with %s',
    async (...[method, path, , headers, status]) => {
      if (status === 415 && (method === 'GET' || method === 'DELETE')) return // says nothing about a body
      const body = method === 'GET' || method === 'DELETE' ? '' : '{"password":"x"}'
      const answer = await ask(method, path, { headers: { ...headers, authorization: `Bearer ${token}` }, body })
      expect(answer.status).toBe(status)
      expect(JSON.parse(answer.text)).toMatchObject({
        error: { code: status === 403 ? 'forbidden' : 'unsupported_media_type' },
      })
      expect(answer.headers['access-control-allow-origin']).toBeUndefined()
    },
  )

  it('lets our own page and programs through', async () => {
    const origin = `http://127.0.0.1:${port}`
    const own = { origin, 'sec-fetch-site': 'same-origin', authorization: `Bearer ${token}` }
    expect((await ask('GET', '/api/v1/channels', { headers: own })).status).toBe(200)
    expect((await ask('GET', '/healthz')).text).toBe('{"status":"ok"}')
  })
})

describe('pages', () => {
  it('come with headers that keep them in their place', async () => {
    const { headers, text } = await ask('GET', '/')
    expect(text).toContain('the UI')
    expect(headers['content-security-policy']).toMatch(/default-src 'self'.*frame-ancestors 'none'/)
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-cache',
    })
    expect(headers['x-powered-by']).toBeUndefined()
  })

  it.each([
    ['/groups/7', 200, 'the UI'],
    ['/assets/main-1a2b.js', 200, 'console.log'],
    ['/assets/gone.js', 404, 'nothing'],
    ['/../secret.txt', 404, 'nothing'],
    ['/%2e%2e/secret.txt', 404, ''],
    ['/assets/..%2f..%2fsecret.txt', 404, ''],
  ])('%s', async (...[path, status, text]) => {
    const answer = await ask('GET', path)
    expect(answer.status).toBe(status)
    expect(answer.text).toContain(text)
    expect(answer.text).not.toContain('not for you')
  })

  it('are kept by browsers only where their name changes with their content', async () => {
    expect((await ask('GET', '/assets/main-1a2b.js')).headers['cache-control']).toContain('immutable')
  })

  it('say what this is where no UI was built', async () => {
    const at = (plain.address() as AddressInfo).port
    const answer = await ask('GET', '/', { at })
    expect(answer.status).toBe(200)
    expect(answer.text).toContain('/api/v1/openapi.json')
    expect((await ask('GET', '/elsewhere', { at })).status).toBe(404)
  })
})

describe('the API, before login', () => {
  it('says so, but for what is open', async () => {
    const answer = await ask('GET', '/api/v1/channels')
    expect(answer.status).toBe(401)
    expect(JSON.parse(answer.text)).toMatchObject({ error: { code: 'unauthorized' } })
    expect((await ask('GET', '/api/v1/events')).status).toBe(401)
    expect((await ask('GET', '/api/v1/channels', { headers: { authorization: 'Bearer wrong' } })).status).toBe(401)
    expect(JSON.parse((await ask('GET', '/api/v1/session/status')).text)).toEqual({
      loginRequired: true,
      loggedIn: false,
      expiresAt: null,
    })
    expect(JSON.parse((await ask('GET', '/api/v1/openapi.json')).text)).toMatchObject({ openapi: '3.1.1' })
  })

  it('gives browsers a cookie that scripts and other sites do not get', async () => {
    const login = await ask('POST', '/api/v1/session/login', { headers: json, body: JSON.stringify({ password }) })
    expect(login.status).toBe(200)
    const [cookie = ''] = login.headers['set-cookie'] ?? []
    expect(cookie).toMatch(new RegExp(`^octopus_session_${port}=[\\w-]{43}; `))
    for (const attribute of ['HttpOnly', 'SameSite=Strict', 'Path=/api', 'Expires='])
      expect(cookie).toContain(attribute)
    const headers = { cookie: cookie.split(';')[0]! }
    expect((await ask('GET', '/api/v1/channels', { headers })).status).toBe(200)
    const logout = await ask('POST', '/api/v1/session/logout', { headers })
    expect(logout.status).toBe(204)
    expect(logout.headers['set-cookie']?.[0]).toContain('Expires=Thu, 01 Jan 1970')
    expect((await ask('GET', '/api/v1/channels', { headers })).status).toBe(401)
  })
})

describe('the API, with broken requests', () => {
  const send = (method: string, path: string, body: string) =>
    ask(method, path, { headers: { ...json, authorization: `Bearer ${token}` }, body })
  it.each([
    ['no JSON', 'POST', '/api/v1/channels', '{"name":', 400, 'invalid_input', 'not JSON'],
    ['no object', 'POST', '/api/v1/channels', '[]', 400, 'invalid_input', 'JSON object'],
    ['too much', 'POST', '/api/v1/channels', `{"notes":"${'x'.repeat(21 * 1024 * 1024)}"}`, 413, 'too_large', '20 MB'],
    [
      'a wrong field',
      'POST',
      '/api/v1/channels',
      '{"name":"a","type":"demo","endpoints":[{"format":"x"}]}',
      400,
      'invalid_input',
      'endpoints[0].format',
    ],
    ['a wrong id', 'GET', '/api/v1/channels/abc', '', 400, 'invalid_input', 'id must be a number'],
    ['an unknown id', 'GET', '/api/v1/channels/999', '', 404, 'not_found', '999'],
    ['an unknown path', 'GET', '/api/v1/nothing', '', 404, 'not_found', '/api/v1/nothing'],
    ['an unknown API', 'GET', '/api/v2/channels', '', 404, 'not_found', '/api/v2/channels'],
    ['an unknown method', 'POST', '/api/v1/gateway/status', '{}', 404, 'not_found', 'POST'],
    ['an unknown event', 'GET', '/api/v1/events?only=x', '', 400, 'invalid_input', 'x'],
    ['a doubled parameter', 'GET', '/api/v1/logs?limit=1&limit=2', '', 400, 'invalid_input', 'limit'],
    ['a broken path', 'GET', '/api/v1/channels/%E0%A4%A', '', 400, 'invalid_input', ''],
  ])('%s', async (...[, method, path, body, status, code, said]) => {
    const answer = await send(method, path, body)
    expect(answer.status).toBe(status)
    const { error } = JSON.parse(answer.text) as { error: { code: string; message: string } }
    expect(error.code).toBe(code)
    expect(error.message).toContain(said)
  })
})

describe('configuration through the client', () => {
  it('keeps provider keys to itself', async () => {
    const made = await client.call('channel.create', {
      name: 'shop',
      type: 'deepseek',
      keys: [{ secret: 'sk-provider-secret-1' }],
    })
    expect(made.endpoints).toHaveLength(2)
    expect(JSON.stringify(await client.call('channel.list', {}))).not.toContain('provider-secret')
    const kept = await client.call('channel.update', {
      id: made.id,
      notes: 'n',
      keys: [{ id: made.keys[0]!.id, note: 'mine' }],
    })
    expect(kept.keys).toMatchObject([{ id: made.keys[0]!.id, note: 'mine' }])
    expect(store.current().channels.get(made.id)?.keys[0]?.secret.reveal()).toBe('sk-provider-secret-1')
    await expect(client.call('channel.create', { name: 'shop', type: 'demo' })).rejects.toMatchObject({
      code: 'conflict',
      issues: [{ path: 'name' }],
    })
    const own = [{ format: 'openai-chat' as const, baseUrl: `http://localhost:${port}/v1` }]
    await expect(client.call('channel.update', { id: made.id, endpoints: own })).rejects.toMatchObject({
      code: 'invalid_input',
      issues: [{ path: 'endpoints[0].baseUrl' }],
    })
    await client.call('channelKey.reset', { id: made.keys[0]!.id })
    await expect(client.call('channelKey.reset', { id: 12345 })).rejects.toMatchObject({ code: 'not_found' })
    expect(await client.call('channel.update', { id: made.id, endpoints: [] })).toMatchObject({
      endpoints: made.endpoints,
    })
    await client.call('channel.delete', { id: made.id })
    await expect(client.call('channel.get', { id: made.id })).rejects.toMatchObject({ code: 'not_found' })
  })

  it('makes groups of channels that exist', async () => {
    const channel = await client.call('channel.create', { name: 'members', type: 'demo' })
    await expect(
      client.call('group.create', { name: 'g', items: [{ channelId: 999, model: 'm' }] }),
    ).rejects.toMatchObject({
      issues: [{ path: 'items[0].channelId' }],
    })
    const group = await client.call('group.create', { name: 'g', items: [{ channelId: channel.id, model: 'm' }] })
    expect(await client.call('group.update', { id: group.id, mode: 'failover' })).toMatchObject({
      mode: 'failover',
      items: group.items,
    })
    await client.call('group.delete', { id: group.id })
  })

  it('shows an API key when it is made, and when it is asked for', async () => {
    const made = await client.call('apiKey.create', { name: 'laptop' })
    expect(made.key).toMatch(/^sk-octopus-[A-Za-z0-9]{48}$/)
    expect(JSON.stringify(await client.call('apiKey.list', {}))).not.toContain(made.key)
    expect(await client.call('apiKey.reveal', { id: made.id })).toEqual({ key: made.key })
    const key = 'sk-my-own-key-of-old'
    expect(await client.call('apiKey.update', { id: made.id, key })).toMatchObject({ name: 'laptop', hint: '…-old' })
    expect(await client.call('apiKey.reveal', { id: made.id })).toEqual({ key })
    expect([...store.current().apiKeysByHash.values()].map(({ id }) => id)).toEqual([made.id])
    await expect(client.call('apiKey.create', { name: 'other', key })).rejects.toMatchObject({ code: 'conflict' })
    await expect(client.call('apiKey.update', { id: made.id, allowedGroups: ['none such'] })).rejects.toMatchObject({
      issues: [{ path: 'allowedGroups[0]' }],
    })
    await client.call('apiKey.delete', { id: made.id })
  })

  it('prices models, and says where a price comes from', async () => {
    expect(await client.call('price.lookup', { model: 'm' })).toMatchObject({ source: 'unknown', price: null })
    const channel = await client.call('channel.create', { name: 'priced', type: 'demo' })
    await client.call('price.set', { model: 'm', tokens: { input: 0, output: 5_000 } })
    const own = await client.call('price.set', { model: 'm', channelId: channel.id, tokens: { input: 1 } })
    expect(await client.call('price.lookup', { model: 'm' })).toMatchObject({
      source: 'default',
      price: { tokens: { input: 0 } },
    })
    expect(await client.call('price.lookup', { model: 'm', channelId: channel.id })).toMatchObject({
      source: 'channel',
    })
    expect(await client.call('price.list', { channelId: channel.id })).toEqual([own])
    await client.call('price.delete', { id: own.id })
  })

  it('changes single settings', async () => {
    const before = await client.call('settings.get', {})
    const after = await client.call('settings.update', { relay: { maxAttempts: 7 } })
    expect(after).toEqual({ ...before, relay: { ...before.relay, maxAttempts: 7 } })
    await expect(client.call('settings.update', { relay: { maxAttempts: 0 } })).rejects.toMatchObject({
      issues: [{ path: 'relay.maxAttempts', message: 'must be at least 1' }],
    })
  })

  it('reads an empty log and empty sums', async () => {
    expect(await client.call('log.list', { limit: 5, outcome: 'failure', stream: true })).toEqual({
      rows: [],
      next: null,
    })
    await expect(client.call('log.get', { id: 'none' })).rejects.toMatchObject({ code: 'not_found' })
    expect(await client.call('stats.overview', {})).toMatchObject({ requests: 0, firstToken: { p50Ms: null } })
    expect(await client.call('stats.series', { step: 'day', timeZone: 'Asia/Kolkata' })).toEqual([])
    expect(await client.call('stats.ranking', { by: 'model' })).toEqual([])
    expect(await client.call('gateway.status', {})).toMatchObject({
      version: '1.2.3',
      activeRequests: 2,
      database: 'sqlite',
    })
  })
})

describe('the listing of models', () => {
  const at = () => [
    { format: 'anthropic' as const, baseUrl: `http://127.0.0.1:${(provider.address() as AddressInfo).port}/v1` },
  ]
  const keys = [{ secret: 'sk-right-key-0001' }]

  it('asks for all pages, keeps what the filter wants, and saves nothing', async () => {
    const draft = { type: 'anthropic', endpoints: at(), keys }
    expect(await client.call('channel.fetchModels', { draft })).toEqual({ models: ['one', 'two', 'three'] })
    const filtered = { ...draft, modelFilter: '^t' }
    expect(await client.call('channel.fetchModels', { draft: filtered })).toEqual({ models: ['two', 'three'] })
    expect((await client.call('channel.list', {})).some(({ type }) => type === 'anthropic')).toBe(false)
  })

  it('uses the stored key where the form has none', async () => {
    const { id } = await client.call('channel.create', { name: 'listed', type: 'anthropic', endpoints: at(), keys })
    expect(await client.call('channel.fetchModels', { id })).toMatchObject({ models: ['one', 'two', 'three'] })
    const draft = { type: 'anthropic', endpoints: at() }
    expect(await client.call('channel.fetchModels', { id, draft })).toMatchObject({ models: ['one', 'two', 'three'] })
  })

  it('works for the demo', async () => {
    expect(await client.call('channel.fetchModels', { draft: { type: 'demo' } })).toEqual({ models: demoModels })
  })

  it.each([
    [
      'a refused key',
      { type: 'anthropic', keys: [{ secret: 'sk-wrong-key-00001' }] },
      'unavailable',
      /401.*that key is not known here/,
    ],
    ['no key', { type: 'anthropic' }, 'invalid_input', /keys must have a key/],
    ['an unknown type', { type: 'x' }, 'invalid_input', /type is not a known type/],
    ['a type without listing', { type: 'azure-openai', keys }, 'invalid_input', /type them by hand/],
  ])('explains %s', async (...[, draft, code, message]) => {
    const call = client.call('channel.fetchModels', { draft: { endpoints: at(), ...draft } })
    await expect(call).rejects.toMatchObject({ code, message: expect.stringMatching(message) as string })
  })

  it('explains a provider that is not there', async () => {
    const endpoints = [{ format: 'anthropic' as const, baseUrl: 'http://127.0.0.1:1/v1' }]
    await expect(
      client.call('channel.fetchModels', { draft: { type: 'anthropic', endpoints, keys } }),
    ).rejects.toMatchObject({
      code: 'unavailable',
    })
  })
})

describe('events', () => {
  const next = <T>(subscribe: (listener: (payload: T) => void) => () => void) =>
    new Promise<T>((resolve) => {
      const stop = subscribe((payload) => {
        stop()
        resolve(payload)
      })
    })

  it('arrive as they happen', async () => {
    const { promise: standing, resolve } = Promise.withResolvers<boolean>()
    const listening = httpClient({ baseUrl: `http://127.0.0.1:${port}`, token: () => token, onConnection: resolve })
    const heard = next<{ revision: number }>((listener) => listening.subscribe('configuration.changed', listener))
    expect(await standing).toBe(true)
    bus.publish('configuration.changed', { revision: 42 })
    expect(await heard).toEqual({ revision: 42 })
  })

  it('end with the session they belong to', async () => {
    const other = (await client.call('session.login', { password })).token
    const call = await fetch(`http://127.0.0.1:${port}/api/v1/events?only=gateway.changed`, {
      headers: { authorization: `Bearer ${other}` },
    })
    expect(call.headers.get('content-type')).toContain('text/event-stream')
    const reader = call.body!.getReader()
    expect(new TextDecoder().decode((await reader.read()).value)).toBe('retry: 1000\n\n')
    expect(new TextDecoder().decode((await reader.read()).value)).toBe(':\n\n')
    const sessions = await client.call('session.list', {})
    const newest = sessions.reduce((a, b) => (a.id > b.id ? a : b))
    expect(newest.current).toBe(false)
    await client.call('session.revoke', { id: newest.id })
    for (;;) if ((await reader.read()).done) break
  })
})
