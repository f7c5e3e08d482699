import { randomBytes } from 'node:crypto'
import { request } from 'node:http'
import { connect } from 'node:net'
import { brotliCompressSync, constants, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { recorded, recordedCases, wireFormats, type WireFormat } from '../fake-upstream/index.ts'
import { send, type Heard, type Sending } from './http.ts'
import {
  addressOf,
  channel,
  emptyProvision,
  gatewayKey,
  keyHeader,
  plainBody,
  readError,
  startWorld,
  upstreamKey,
  type World,
} from './world.ts'

// What clients get wrong, by accident or on purpose: each is answered clearly, in the caller's own format, and nobody else suffers.

const keys = {
  disabled: `sk-octopus-${'disabled'.repeat(6)}`,
  expired: `sk-octopus-${'expired0'.repeat(6)}`,
  narrow: `sk-octopus-${'narrow00'.repeat(6)}`,
}
const MB = 1024 * 1024

let world: World
beforeAll(async () => {
  world = await startWorld((upstream) => {
    const provision = emptyProvision()
    for (const format of wireFormats) {
      provision.channels.push(channel(upstream, format, { name: format, models: ['ok'] }))
      provision.channels.push(channel(upstream, format, { name: `${format}-off`, models: ['ok'], enabled: false }))
      provision.channels.push({
        name: `${format}-gone`,
        type: format,
        // Port 9 (discard) is closed here: nobody listens.
        endpoints: [{ format, baseUrl: 'http://127.0.0.1:9/v1' }],
        keys: [upstreamKey(format, 'gone')],
        models: ['ok'],
      })
      provision.groups.push({ name: `ok-${format}`, items: [{ channel: format, model: 'ok' }] })
      provision.groups.push({ name: `off-${format}`, items: [{ channel: `${format}-off`, model: 'ok' }] })
      provision.groups.push({ name: `gone-${format}`, items: [{ channel: `${format}-gone`, model: 'ok' }] })
    }
    provision.groups.push({ name: 'empty', items: [] })
    provision.apiKeys.push(
      { name: 'disabled', key: keys.disabled, enabled: false },
      { name: 'expired', key: keys.expired, expiresAt: Date.now() - 60_000 },
      { name: 'narrow', key: keys.narrow, allowedGroups: ['empty'] },
    )
    return provision
  })
})
beforeEach(() => {
  world.upstream.reset()
  world.upstream.on('ok', ({ target }) => {
    const { format, stream } = target ?? { format: 'openai-chat', stream: false }
    const one = recordedCases.find((each) => each.format === format && each.status === 200 && each.stream === stream)
    return recorded(format, one?.id ?? '')
  })
})
/** No request, however bad, is a defect of ours: the log stays free of stack traces, and no key or cookie went astray. */
afterEach(() => {
  expect(world.gateway.stderr()).not.toMatch(/\n\s+at |"stack":|UnhandledPromise/)
  expect(world.upstream.requests.flatMap(({ leaks }) => leaks)).toEqual([])
})
afterAll(() => world.close())

interface Asking {
  readonly model?: string
  readonly stream?: boolean
  readonly key?: string
  readonly headers?: Sending['headers']
  readonly body?: Buffer | string
  /** In place of the format's own path. */
  readonly path?: string
}

function ask(format: WireFormat, asking: Asking = {}): Promise<Heard> {
  const { stream = false, model = `ok-${format}`, key = gatewayKey, headers, body, path } = asking
  return send(`${world.gateway.url}${path ?? addressOf(format, { model, stream })}`, {
    headers: { 'content-type': 'application/json', ...keyHeader(format, key), ...headers },
    body: body ?? JSON.stringify(plainBody(format, { model, stream })),
  })
}

/** Anthropic has a status of its own for "nobody is free". */
const noChannel = (format: WireFormat): number => (format === 'anthropic' ? 529 : 503)

/** Body formats name the model in the body; Gemini in the path. */
const inBody = wireFormats.filter((format) => format !== 'gemini')

function expectRefusal(format: WireFormat, heard: Heard, wanted: { status: number; says: RegExp }): void {
  const body = heard.body.toString('utf8')
  expect(heard.status, body).toBe(wanted.status)
  expect(heard.headers['content-type']).toMatch(/^application\/json/)
  expect(readError(format, body).message).toMatch(wanted.says)
  expect(heard.headers['x-octopus-request-id']).toMatch(/^[0-9a-f-]{36}$/)
  // An attacker's megabyte is not sent back to it, nor into the log.
  expect(heard.body.length).toBeLessThan(4096)
}

/** Each with 100 MB of blanks in a few KB. */
const blanks = Buffer.alloc(100 * MB, 0x20)
const brotli = (bytes: Buffer): Buffer => brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } })
const encodings = (
  [
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['br', brotli],
    ['zstd', zstdCompressSync],
  ] as const
).map(([encoding, compress]) => ({ encoding, compress, bomb: compress(blanks) }))

describe.each(wireFormats)('%s', (format) => {
  test('the good request is answered', async () => {
    for (const stream of [false, true]) expect((await ask(format, { stream })).status).toBe(200)
  })

  const rows: readonly (Asking & { readonly what: string; readonly status: number; readonly says: RegExp })[] = [
    {
      what: 'no key',
      headers: { authorization: '', 'x-api-key': '', 'x-goog-api-key': '' },
      status: 401,
      says: /API key/,
    },
    { what: 'an unknown key', key: `sk-octopus-${'x'.repeat(48)}`, status: 401, says: /key/ },
    { what: 'a disabled key', key: keys.disabled, status: 401, says: /disabled/ },
    { what: 'an expired key', key: keys.expired, status: 401, says: /expired/ },
    { what: 'a model that is not allowed', key: keys.narrow, status: 403, says: /may not use/ },
    { what: 'an unknown model', model: 'nobody', status: 404, says: /'nobody'/ },
    { what: "JavaScript's own names", model: '__proto__', status: 404, says: /__proto__/ },
    { what: 'more names of that kind', model: 'constructor', status: 404, says: /constructor/ },
    { what: 'an empty group', model: 'empty', status: noChannel(format), says: /empty/ },
    { what: 'a group whose channels are off', model: `off-${format}`, status: noChannel(format), says: /off-/ },
    { what: 'a group whose channels are down', model: `gone-${format}`, status: 502, says: /./ },
    { what: 'an unknown encoding', headers: { 'content-encoding': 'rot13' }, status: 415, says: /rot13/ },
    {
      what: 'a body that is not what its encoding says',
      headers: { 'content-encoding': 'gzip' },
      status: 400,
      says: /gzip/,
    },
  ]
  test.each(rows)('$what: $status', async ({ status, says, ...asking }) => {
    expectRefusal(format, await ask(format, asking), { status, says })
  })

  test.each([
    { what: 'no body', body: '' },
    { what: 'half an object', body: '{"contents": [' },
    { what: 'no JSON', body: 'hello' },
    { what: 'a list', body: '[]' },
    { what: 'a text', body: '"x"' },
    { what: 'null', body: 'null' },
    { what: 'two objects', body: '{}{}' },
    { what: 'binary', body: Buffer.from([0, 255, 1, 254]) },
  ])('a body that is $what: 400', async ({ body }) => {
    const heard = await ask(format, { body })
    expect(heard.status).toBe(400)
    expect(readError(format, heard.body.toString('utf8')).message).not.toBe('')
  })

  test('fields of the wrong type are refused in the words of who knows them', async () => {
    const model = `ok-${format}`
    const wrong = {
      'openai-chat': 'messages',
      'openai-responses': 'input',
      anthropic: 'messages',
      gemini: 'contents',
      antigravity: 'request',
    }
    const heard = await ask(format, {
      body: JSON.stringify({ ...plainBody(format, { model, stream: false }), [wrong[format]]: 5 }),
    })
    expect(heard.status).toBe(400)
    expect(readError(format, heard.body.toString('utf8')).message).toContain(wrong[format])
  })

  test('a deep body does not fell the gateway', async () => {
    const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`
    const heard = await ask(format, { body: `{"model":"ok-${format}","messages":${deep}}` })
    expect(heard.status).toBe(400)
    readError(format, heard.body.toString('utf8'))
  })

  test('a megabyte of headers: 431', async () => {
    const heard = await ask(format, { headers: { 'x-long': 'a'.repeat(MB) } }).catch((error: unknown) => error)
    if (heard instanceof Error) throw heard
    const { status, body } = heard as Heard
    expect(status).toBe(431)
    expect(body.toString('utf8')).toMatch(/"message":"[^"]*headers[^"]*KB"/)
  })

  test('100 MB: refused before they are sent', async () => {
    const { heard, sentBytes } = await pour(format, { declared: 100 * MB })
    expectRefusal(format, heard, { status: 413, says: /MB/ })
    expect(sentBytes).toBeLessThan(90 * MB)
  })

  test.each(encodings)('a body in $encoding is read; a bomb is not', async ({ encoding, compress, bomb }) => {
    const headers = { 'content-encoding': encoding }
    const plain = JSON.stringify(plainBody(format, { model: `ok-${format}`, stream: false }))
    expect((await ask(format, { headers, body: compress(Buffer.from(plain)) })).status).toBe(200)
    const received = world.upstream.requests.find(({ target }) => target?.operation === 'generate')
    expect(received?.headers['content-encoding']).toBeUndefined()
    expect(received?.json).toMatchObject(
      format === 'gemini' ? { contents: expect.anything() as unknown } : { model: 'ok' },
    )

    expect(bomb.length).toBeLessThan(MB)
    expectRefusal(format, await ask(format, { headers, body: bomb }), { status: 413, says: /MB/ })
  })

  test('cookies, forwarding headers and the keys of other providers stay here', async () => {
    const heard = await ask(format, {
      headers: {
        cookie: 'session=1',
        'x-forwarded-for': '10.0.0.1',
        forwarded: 'for=10.0.0.1',
        via: '1.1 proxy',
        'x-real-ip': '10.0.0.1',
        'proxy-authorization': 'Basic eDp5',
        'x-octopus-anything': '1',
        referer: 'http://127.0.0.1/secret',
        'api-key': 'sk-of-another-provider',
      },
    })
    expect(heard.status).toBe(200)
    const { headers } = world.upstream.requests.at(-1) ?? expect.fail('nothing arrived')
    expect(Object.values(headers).join()).not.toMatch(/session=1|10\.0\.0\.1|eDp5|sk-of-another|secret/)
  })

  test('every place for the key is good', async () => {
    const none = { authorization: [], 'x-api-key': [], 'x-goog-api-key': [] }
    const path = addressOf(format, { model: `ok-${format}`, stream: false })
    for (const headers of [
      { authorization: `Bearer ${gatewayKey}` },
      { authorization: `bearer ${gatewayKey}` },
      { 'x-api-key': gatewayKey },
      { 'x-goog-api-key': gatewayKey },
      { 'api-key': gatewayKey },
    ])
      expect((await ask(format, { headers: { ...none, ...headers } })).status).toBe(200)
    const query = `${path}${path.includes('?') ? '&' : '?'}key=${gatewayKey}`
    expect((await ask(format, { headers: none, path: query })).status).toBe(200)
    expect(world.gateway.stderr()).not.toContain(gatewayKey)
  })

  test('GET is not the way', async () => {
    const heard = await send(`${world.gateway.url}${addressOf(format, { model: 'x', stream: false })}`, {
      headers: keyHeader(format, gatewayKey),
    })
    expect(heard.status).toBe(405)
    expect(heard.headers.allow).toBe('POST')
    readError(format, heard.body.toString('utf8'))
  })

  test('a WebSocket is refused at once: 426', async () => {
    const answer = await upgrade(addressOf(format, { model: `ok-${format}`, stream: false }))
    expect(answer).toMatch(/^HTTP\/1\.1 426 /)
    readError(format, answer.slice(answer.indexOf('\r\n\r\n') + 4))
  })
})

describe.each(inBody)('%s, which names the model in the body', (format) => {
  const good = plainBody(format, { model: `ok-${format}`, stream: false })
  test.each([
    { what: 'no model', change: { model: undefined } },
    { what: 'a number', change: { model: 5 } },
    { what: 'null', change: { model: null } },
    { what: 'a list', change: { model: ['ok'] } },
    { what: 'an empty text', change: { model: '' } },
  ])('a model that is $what: 400', async ({ change }) => {
    const heard = await ask(format, { body: JSON.stringify({ ...good, ...change }) })
    expectRefusal(format, heard, { status: 400, says: /model/ })
    expect(world.upstream.requests).toEqual([])
  })

  test('a model that is given twice: 400', async () => {
    const twice = `{"model":"ok-${format}",${JSON.stringify({ ...good, model: 'x' }).slice(1)}`
    expectRefusal(format, await ask(format, { body: twice }), { status: 400, says: /model.*twice/ })
    const hidden = `{"mod\\u0065l":"ok-${format}",${JSON.stringify(good).slice(1)}`
    expectRefusal(format, await ask(format, { body: hidden }), { status: 400, says: /model.*twice/ })
    expect(world.upstream.requests).toEqual([])
  })

  test('a model of a megabyte is refused', async () => {
    const heard = await ask(format, { body: JSON.stringify({ ...good, model: 'x'.repeat(MB) }) })
    expect([400, 404]).toContain(heard.status)
    expect(readError(format, heard.body.toString('utf8')).message).toMatch(/model/)
  })

  test('a model with an escaped quote goes on as it is written', async () => {
    const heard = await ask(format, { body: JSON.stringify({ ...good, model: 'a"b\\' }) })
    expectRefusal(format, heard, { status: 404, says: /a"b/ })
  })
})

describe.each(['openai-chat', 'openai-responses', 'anthropic'] as const)('%s', (format) => {
  test('stream that is no boolean: 400', async () => {
    const body = JSON.stringify({ ...plainBody(format, { model: `ok-${format}`, stream: false }), stream: 'yes' })
    expectRefusal(format, await ask(format, { body }), { status: 400, says: /stream/ })
  })

  const tail = { 'openai-chat': '/chat/completions', 'openai-responses': '/responses', anthropic: '/messages' }[format]
  test.each(['', '/v1/v1', '/v1/v1/v1', '/api/provider/anything/v1', '/api/provider/anything'])(
    'its path below "%s" is meant too',
    async (prefix) => {
      expect((await ask(format, { path: `${prefix}${tail}` })).status).toBe(200)
      expect((await ask(format, { path: `${prefix}${tail}/` })).status).toBe(200)
    },
  )
})

test('Gemini below odd prefixes is meant too', async () => {
  for (const prefix of [
    '/v1beta',
    '/v1',
    '/v1/v1beta',
    '/v1beta/v1beta',
    '/api/provider/google/v1beta1/publishers/google',
  ])
    expect((await ask('gemini', { path: `${prefix}/models/ok-gemini:generateContent` })).status, prefix).toBe(200)
})

test('100 MB in chunks without a declared length are refused on the way', async () => {
  const { heard, sentBytes } = await pour('openai-chat', { declared: null })
  expectRefusal('openai-chat', heard, { status: 413, says: /MB/ })
  expect(sentBytes).toBeLessThan(100 * MB)
})

test('garbage on the wire is answered, and the next caller is served', async () => {
  for (const garbage of [
    '\r\n\r\n',
    'HELLO\r\n\r\n',
    'POST /v1/messages HTTP/9.9\r\n\r\n',
    randomBytes(200).toString('latin1'),
  ])
    await rawExchange(garbage)
  expect((await ask('openai-chat')).status).toBe(200)
})

test('a body that never ends holds nobody up', async () => {
  const socket = connect(world.gateway.port, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.write(
    `POST /v1/messages HTTP/1.1\r\nhost: 127.0.0.1:${world.gateway.port}\r\nx-api-key: ${gatewayKey}\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{"model"`,
  )
  expect((await ask('anthropic')).status).toBe(200)
  socket.destroy()
})

interface Poured {
  readonly heard: Heard
  readonly sentBytes: number
}

/** Sends up to 100 MB and stops as soon as an answer comes. The kernel may drop the answer of a connection that still sends. */
async function pour(format: WireFormat, { declared }: { readonly declared: number | null }): Promise<Poured> {
  for (let left = 5; ; left--) {
    try {
      return await pourOnce(format, declared)
    } catch (error) {
      if (left === 0) throw error
    }
  }
}

function pourOnce(format: WireFormat, declared: number | null): Promise<Poured> {
  return new Promise((resolve, reject) => {
    let sentBytes = 0
    let answered = false
    const outgoing = request(
      `${world.gateway.url}${addressOf(format, { model: `ok-${format}`, stream: false })}`,
      {
        method: 'POST',
        agent: false,
        headers: {
          'content-type': 'application/json',
          ...keyHeader(format, gatewayKey),
          ...(declared === null ? {} : { 'content-length': String(declared) }),
        },
      },
      (response) => {
        answered = true
        const parts: Buffer[] = []
        response.on('data', (part: Buffer) => parts.push(part))
        response.on('end', () => {
          outgoing.destroy()
          const heard = {
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(parts),
            broken: false,
          }
          resolve({ heard, sentBytes })
        })
      },
    )
    outgoing.on('error', (error) => {
      if (!answered) reject(error)
    })
    const piece = Buffer.alloc(256 * 1024, 0x20)
    const more = (): void => {
      if (answered || outgoing.destroyed || sentBytes >= 100 * MB) return
      sentBytes += piece.length
      outgoing.write(piece, () => setImmediate(more))
    }
    more()
  })
}

/** What comes back for these bytes until the connection closes or falls silent. */
function rawExchange(bytes: string): Promise<string> {
  return new Promise((resolve) => {
    let heard = ''
    const socket = connect(world.gateway.port, '127.0.0.1', () => socket.write(bytes, 'latin1'))
    socket.setTimeout(1000, () => socket.destroy())
    socket.on('data', (part) => (heard += part.toString('latin1')))
    socket.on('error', () => undefined)
    socket.on('close', () => resolve(heard))
  })
}

const upgrade = (path: string): Promise<string> =>
  rawExchange(
    `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1:${world.gateway.port}\r\nauthorization: Bearer ${gatewayKey}\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: ${randomBytes(16).toString('base64')}\r\n\r\n`,
  )
