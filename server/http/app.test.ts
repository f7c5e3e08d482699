import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { httpClient } from '../contract/client.ts'
import { startManagementSide, type ManagementSide } from './testing/management-side.ts'

let side: ManagementSide
let plain: ManagementSide
let port = 0
let token = ''

beforeAll(async () => {
  side = await startManagementSide({
    'index.html': '<!doctype html><title>the UI</title>',
    'assets/main-1a2b.js': 'console.log(1)',
    '../secret.txt': 'not for you',
  })
  plain = await startManagementSide()
  port = side.port
  token = side.token
})
afterAll(async () => {
  await side.close()
  await plain.close()
  expect(side.logged).toEqual([])
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
    const at = plain.port
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
    const login = await ask('POST', '/api/v1/session/login', {
      headers: json,
      body: JSON.stringify({ password: side.password }),
    })
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

describe('guessing the password', () => {
  it('many times at once is answered with the wait, in seconds', async () => {
    const guesses = Array.from({ length: 20 }, (_, n) =>
      // nobody gets a fresh start by claiming another address
      ask('POST', '/api/v1/session/login', {
        at: plain.port,
        headers: { ...json, 'x-forwarded-for': `10.9.8.${n}` },
        body: '{"password":"x"}',
      }),
    )
    const refused = (await Promise.all(guesses)).filter(({ status }) => status === 429)
    expect(refused.length).toBeGreaterThan(0)
    for (const { headers, text } of refused) {
      expect(headers['retry-after']).toMatch(/^[1-9]\d*$/)
      expect(JSON.parse(text)).toMatchObject({ error: { code: 'too_many_requests' } })
    }
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
    side.bus.publish('configuration.changed', { revision: 42 })
    expect(await heard).toEqual({ revision: 42 })
  })

  it('end with the session they belong to', async () => {
    const other = (await side.client.call('session.login', { password: side.password })).token
    const call = await fetch(`http://127.0.0.1:${port}/api/v1/events?only=gateway.changed`, {
      headers: { authorization: `Bearer ${other}` },
    })
    expect(call.headers.get('content-type')).toContain('text/event-stream')
    const reader = call.body!.getReader()
    expect(new TextDecoder().decode((await reader.read()).value)).toBe('retry: 1000\n\n')
    expect(new TextDecoder().decode((await reader.read()).value)).toBe(':\n\n')
    const sessions = await side.client.call('session.list', {})
    const newest = sessions.reduce((a, b) => (a.id > b.id ? a : b))
    expect(newest.current).toBe(false)
    await side.client.call('session.revoke', { id: newest.id })
    for (;;) if ((await reader.read()).done) break
  })
})
