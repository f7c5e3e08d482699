import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { json, type Play } from '../fake-upstream/index.ts'
import { send, type Heard, type Sending } from './http.ts'
import { Management } from './management.ts'
import { channel, emptyProvision, gatewayKey, readError, startWorld, upstreamKey, type World } from './world.ts'

// Routes outside the five formats: bytes in, bytes out; only the model's name is exchanged.

/** A model with everything that JSON escapes and a form does not. */
const odd = 'odd "model" \\ é'

let world: World
beforeAll(async () => {
  world = await startWorld((upstream) => {
    const provision = emptyProvision()
    provision.channels.push(
      channel(upstream, 'openai-chat', { name: 'one', models: ['real-model', odd] }),
      channel(upstream, 'openai-responses', { name: 'two', models: ['spare-model'] }),
      channel(upstream, 'anthropic', { name: 'foreign', models: ['m'] }),
    )
    provision.groups.push(
      { name: 'public', items: [{ channel: 'one', model: 'real-model' }] },
      { name: 'public "odd" \\', items: [{ channel: 'one', model: odd }] },
      { name: 'spare', items: [{ channel: 'two', model: 'spare-model' }] },
      { name: 'foreign', items: [{ channel: 'foreign', model: 'm' }] },
      {
        name: 'both',
        mode: 'failover',
        items: [
          { channel: 'one', model: 'real-model', priority: 1 },
          { channel: 'two', model: 'spare-model', priority: 2 },
        ],
      },
    )
    return provision
  })
})
beforeEach(() => world.upstream.reset())
afterAll(() => world.close())

const post = (path: string, sending: Sending): Promise<Heard> =>
  send(world.gateway.url + path, {
    ...sending,
    headers: { authorization: `Bearer ${gatewayKey}`, 'content-type': 'application/json', ...sending.headers },
  })

/** White space, field order, escapes and large numbers that no parser would give back. */
const jsonBody = (model: string): string =>
  `{ "input" : ["h\\u00e9llo", "a/b"],\n\t"model":${JSON.stringify(model)} , "seed": 12345678901234567890, "prompt": "x", "model_hint": "public" }`

const boundary = 'form-data-7MA4YWxk'
const upload = Buffer.concat([randomBytes(3000), Buffer.from(`\r\n--not-the-${boundary}\r\nname="model"\r\n\r\n`)])
function form(model: string): Buffer {
  const part = (head: string, value: Buffer | string): Buffer =>
    Buffer.concat([Buffer.from(`--${boundary}\r\n${head}\r\n\r\n`), Buffer.from(value), Buffer.from('\r\n')])
  return Buffer.concat([
    part('Content-Disposition: form-data; name="prompt"', 'name="model" public'),
    part('Content-Disposition: form-data; name="file"; filename="a.bin"\r\nContent-Type: audio/wav', upload),
    part('Content-Disposition: form-data; name="model"', model),
    part('Content-Disposition: form-data; name="model_hint"', 'public'),
    Buffer.from(`--${boundary}--\r\n`),
  ])
}

interface Route {
  readonly path: string
  readonly contentType: string
  readonly body: (model: string) => Buffer | string
  readonly reply: Play
}

const jsonReply = (usage: object = {}): Play => ({
  status: 200,
  headers: { 'content-type': 'application/json; charset=utf-8', 'x-request-id': 'req_7' },
  body: Buffer.from(`{ "object":"list",  "data":[1.50, 12345678901234567890], "usage":${JSON.stringify(usage)} }\n`),
})
const jsonRoute = { contentType: 'application/json', body: jsonBody, reply: jsonReply() }
const formRoute = { contentType: `multipart/form-data; boundary=${boundary}`, body: form, reply: jsonReply() }
const routes: readonly Route[] = [
  { path: '/embeddings', ...jsonRoute },
  { path: '/rerank', ...jsonRoute },
  { path: '/moderations', ...jsonRoute },
  { path: '/completions', ...jsonRoute },
  { path: '/images/generations', ...jsonRoute },
  {
    path: '/audio/speech',
    ...jsonRoute,
    reply: {
      status: 200,
      headers: { 'content-type': 'audio/mpeg' },
      body: randomBytes(70_000),
      chunking: { random: 7 },
    },
  },
  { path: '/images/edits', ...formRoute },
  {
    path: '/audio/transcriptions',
    ...formRoute,
    reply: { status: 200, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: Buffer.from('Hé.\n') },
  },
]

/** Multipart bodies name no model that the fake could read. */
function answer(play: Play): void {
  for (const model of ['real-model', 'spare-model', odd, '']) world.upstream.on(model, play)
}

describe.each(routes)('$path', ({ path, contentType, body, reply }) => {
  const headers = { 'content-type': contentType }

  test.each(['/v1', '', '/v1/v1'])('below "%s": the bytes go through, with the other model', async (prefix) => {
    answer(reply)
    const heard = await post(`${prefix}${path}`, { headers, body: body('public') })
    expect(heard).toMatchObject({ status: 200, broken: false })
    expect(heard.body.equals(reply.body)).toBe(true)
    expect(heard.headers['content-type']).toBe(reply.headers['content-type'])
    expect(heard.headers['x-octopus-request-id']).toMatch(/^[0-9a-f-]{36}$/)
    const [received, ...more] = world.upstream.requests
    expect(more).toEqual([])
    expect(received?.path).toBe(`/v1${path}`)
    expect(received?.headers['content-type']).toBe(contentType)
    expect(received?.body.equals(Buffer.from(body('real-model')))).toBe(true)
    expect(world.upstream.violations()).toEqual([])
  })

  test('a name with quotes arrives as it is', async () => {
    answer(reply)
    expect((await post(`/v1${path}`, { headers, body: body('public "odd" \\') })).status).toBe(200)
    expect(world.upstream.requests[0]?.body.equals(Buffer.from(body(odd)))).toBe(true)
  })

  test("the query is kept; keys, cookies and the client's address stay here", async () => {
    answer(reply)
    const { status } = await send(`${world.gateway.url}/v1${path}?api-version=2026-01-01&key=${gatewayKey}&a=x%20y`, {
      headers: {
        ...headers,
        cookie: 'session=1',
        'api-key': 'sk-of-another-provider',
        'x-forwarded-for': '10.0.0.1',
      },
      body: body('public'),
    })
    expect(status).toBe(200)
    const received = world.upstream.requests[0] ?? expect.fail('nothing arrived')
    expect([...new URL(received.path, 'http://x').searchParams]).toEqual([
      ['api-version', '2026-01-01'],
      ['a', 'x y'],
    ])
    expect(received.headers['authorization']).toBe(`Bearer ${upstreamKey('openai-chat', 'one')}`)
    expect(Object.values(received.headers).join()).not.toMatch(/session=1|another-provider|10\.0\.0\.1|sk-octopus/)
    expect(received.leaks).toEqual([])
  })

  test('a second channel takes over', async () => {
    answer(reply)
    world.upstream.queue(json(503, { error: { message: 'busy', type: 'server_error', param: null, code: null } }))
    const heard = await post(`/v1${path}`, { headers, body: body('both') })
    expect(heard.status).toBe(200)
    expect(heard.body.equals(reply.body)).toBe(true)
    expect(world.upstream.requests.map(({ at }) => at)).toEqual(['one', 'two'])
    expect(world.upstream.requests[1]?.body.equals(Buffer.from(body('spare-model')))).toBe(true)
  })

  test("what is wrong is told in OpenAI's words", async () => {
    const ask = async (model: string): Promise<[number, string]> => {
      const heard = await post(`/v1${path}`, { headers, body: body(model) })
      return [heard.status, readError('openai-chat', heard.body.toString('utf8')).message]
    }
    expect(await ask('nobody')).toEqual([404, expect.stringContaining("'nobody'")])
    expect(await ask('foreign')).toEqual([503, expect.stringContaining('foreign')])
    const stranger = await send(`${world.gateway.url}/v1${path}`, { headers, body: body('public') })
    expect(stranger.status).toBe(401)
    readError('openai-chat', stranger.body.toString('utf8'))
    expect(world.upstream.requests).toEqual([])
  })

  test("the provider's own refusal comes as it is", async () => {
    const refusal = json(400, {
      error: { message: 'no such voice', type: 'invalid_request_error', param: 'voice', code: null },
    })
    answer({ ...refusal, body: Buffer.concat([refusal.body, Buffer.from('  \n')]) })
    const heard = await post(`/v1${path}`, { headers, body: body('public') })
    expect(heard.status).toBe(400)
    expect(heard.body.toString('utf8')).toBe(`${refusal.body.toString('utf8')}  \n`)
  })
})

test('/completions streams, byte for byte and as it comes', async () => {
  const events = Array.from({ length: 6 }, (_unused, at) => `data: {"choices":[{"text":"t${at}"}]}\n\n`)
  const body = Buffer.from(`${events.join('')}data: [DONE]\n\n`)
  const reply: Play = {
    status: 200,
    headers: { 'content-type': 'text/event-stream' },
    body,
    chunking: 'event',
    delayMs: 20,
  }
  answer(reply)
  const arrivals: string[] = []
  const heard = await post('/v1/completions', {
    body: '{"stream" :true,"model":"public","prompt":"x"}',
    onData: (soFar) => arrivals.push(soFar.toString('utf8')),
  })
  expect(heard).toMatchObject({ status: 200, broken: false })
  expect(heard.headers['content-type']).toBe('text/event-stream')
  expect(heard.body.equals(body)).toBe(true)
  expect(arrivals[0], 'the first events came before the last were sent').not.toContain('[DONE]')
  expect(world.upstream.requests[0]?.body.toString('utf8')).toBe('{"stream" :true,"model":"real-model","prompt":"x"}')
})

test('a channel of the other OpenAI format serves these routes too', async () => {
  answer(jsonReply())
  expect((await post('/v1/embeddings', { body: jsonBody('spare') })).status).toBe(200)
  expect(world.upstream.requests.map(({ at, path }) => [at, path])).toEqual([['two', '/v1/embeddings']])
})

test('embeddings are logged with what they used', async () => {
  answer(jsonReply({ prompt_tokens: 1234, total_tokens: 1234 }))
  const heard = await post('/v1/embeddings', { body: jsonBody('public') })
  const management = await Management.login(world.gateway, world.gateway.adminPassword)
  const row = async (): Promise<unknown> =>
    (await management.logs<{ id: string }>()).find(({ id }) => id === heard.headers['x-octopus-request-id'])
  await expect.poll(row).toMatchObject({
    clientFormat: 'passthrough',
    upstreamFormat: 'passthrough',
    groupName: 'public',
    requestedModel: 'public',
    upstreamModel: 'real-model',
    channelName: 'one',
    outcome: 'success',
    httpStatus: 200,
    tokens: { input: 1234, output: 0 },
    tokensEstimated: false,
  })
})

test.each([
  ['no model', 'application/json', '{"input":"x"}', 400, /model/],
  ['a broken body', 'application/json', '{"model":"public', 400, /./],
  [
    'a form without the field',
    `multipart/form-data; boundary=${boundary}`,
    form('x').toString('latin1').replaceAll('name="model"', 'name="other"'),
    400,
    /model/,
  ],
  ['a form whose type names no boundary', 'multipart/form-data', form('public'), 400, /boundary/],
])('%s is refused', async (...row) => {
  const [, contentType, body, status, says] = row
  const heard = await post('/v1/audio/transcriptions', { headers: { 'content-type': contentType }, body })
  expect(heard.status).toBe(status)
  expect(readError('openai-chat', heard.body.toString('utf8')).message).toMatch(says)
  expect(world.upstream.requests).toEqual([])
})
