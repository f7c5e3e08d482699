import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { recorded, recordedCases, wireFormats, type WireFormat } from '../fake-upstream/index.ts'
import { list, object, parse, text, type JsonObject } from '../fake-upstream/json.ts'
import { send, type Heard } from './http.ts'
import { Management } from './management.ts'
import {
  addressOf,
  channel,
  emptyProvision,
  gatewayKey,
  keyHeader,
  plainBody,
  readError,
  startWorld,
  type World,
} from './world.ts'

// Which models a client sees, under which names they answer, and through which addresses.

const keys = {
  narrow: `sk-octopus-${'narrow00'.repeat(6)}`,
  mapped: `sk-octopus-${'mapped00'.repeat(6)}`,
}
const names = ['plain', 'vendor/with/slashes', 'with space é']

let world: World
let management: Management
beforeAll(async () => {
  world = await startWorld((upstream) => {
    const provision = emptyProvision()
    for (const format of wireFormats) {
      provision.channels.push(channel(upstream, format, { name: format, models: ['ok', 'org/deep'] }))
      provision.groups.push({ name: `ok-${format}`, items: [{ channel: format, model: 'ok' }] })
    }
    const off = channel(upstream, 'openai-chat', { name: 'off', models: ['ok'], enabled: false })
    provision.channels.push(off)
    for (const name of names) provision.groups.push({ name, items: [{ channel: 'openai-chat', model: 'ok' }] })
    provision.groups.push({
      name: 'aliased',
      aliases: ['nickname', 'other/nickname', 'claude-*', '*-preview-*'],
      items: [{ channel: 'anthropic', model: 'ok' }],
    })
    provision.apiKeys.push(
      { name: 'narrow', key: keys.narrow, allowedGroups: ['plain', 'aliased'] },
      { name: 'mapped', key: keys.mapped, modelMapping: { 'gpt-4o': 'aliased', plain: 'ok-gemini' } },
    )
    return provision
  })
  management = await Management.login(world.gateway, world.gateway.adminPassword)
})
beforeEach(() => {
  world.upstream.reset()
  for (const model of ['ok', 'org/deep'])
    world.upstream.on(model, ({ target }) => {
      const { format, stream } = target ?? { format: 'openai-chat', stream: false }
      return recorded(format, recordedAnswer(format, stream))
    })
})
afterAll(() => world.close())

const all = [...wireFormats.map((format) => `ok-${format}`), ...names, 'aliased'].sort()

const get = (path: string, headers: Readonly<Record<string, string>> = {}): Promise<Heard> =>
  send(world.gateway.url + path, { headers: { authorization: `Bearer ${gatewayKey}`, ...headers } })

async function getJson(path: string, headers?: Readonly<Record<string, string>>): Promise<JsonObject> {
  const heard = await get(path, headers)
  expect(heard.status, heard.body.toString('utf8')).toBe(200)
  expect(heard.headers['content-type']).toMatch(/^application\/json/)
  return object(parse(heard.body.toString('utf8')))
}

/** The ids of OpenAI's list. */
const listed = async (key = gatewayKey): Promise<string[]> =>
  list((await getJson('/v1/models', { authorization: `Bearer ${key}` })).data).map((one) => text(object(one).id))

interface Asking {
  readonly key?: string
  readonly stream?: boolean
  /** In place of the format's own path. */
  readonly path?: string
}

function ask(
  format: WireFormat,
  model: string,
  { key = gatewayKey, stream = false, path }: Asking = {},
): Promise<Heard> {
  return send(world.gateway.url + (path ?? addressOf(format, { model, stream })), {
    headers: { 'content-type': 'application/json', ...keyHeader(format, key) },
    body: JSON.stringify(plainBody(format, { model, stream })),
  })
}

/** Who answered this model: the channel, as the provider saw it. */
async function answerer(model: string, asking: Asking = {}): Promise<string | undefined> {
  const heard = await ask('openai-chat', model, asking)
  expect(heard.status, heard.body.toString('utf8')).toBe(200)
  return world.upstream.requests.at(-1)?.at
}

describe('lists', () => {
  const anthropic = { 'anthropic-version': '2023-06-01' }
  const idOf = (id: string): string => encodeURIComponent(id)

  test("OpenAI's", async () => {
    const body = await getJson('/v1/models')
    expect(body.object).toBe('list')
    expect(
      list(body.data)
        .map((one) => text(object(one).id))
        .sort(),
    ).toEqual(all)
    for (const one of list(body.data))
      expect(one).toEqual({
        id: expect.any(String) as unknown,
        object: 'model',
        created: expect.any(Number) as unknown,
        owned_by: expect.any(String) as unknown,
      })
  })

  test("Anthropic's", async () => {
    const body = await getJson('/v1/models', anthropic)
    const ids = list(body.data).map((one) => text(object(one).id))
    expect([...ids].sort()).toEqual(all)
    expect(body).toMatchObject({ has_more: false, first_id: ids[0], last_id: ids.at(-1) })
    for (const one of list(body.data)) {
      expect(one).toMatchObject({ type: 'model', display_name: expect.any(String) as unknown })
      expect(text(object(one).created_at)).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
    }
  })

  test.each([
    ['/v1beta/models', {}],
    ['/v1beta/models', { authorization: '', 'x-goog-api-key': gatewayKey }],
    ['/v1/models', { authorization: '', 'x-goog-api-key': gatewayKey }],
    [`/v1beta/models?key=${gatewayKey}&pageSize=50`, { authorization: '' }],
  ])("Google's at %s", async (path, headers) => {
    const body = await getJson(path, headers)
    const found = list(body.models).map((one) => text(object(one).name))
    expect(found.sort()).toEqual(all.map((name) => `models/${name}`).sort())
    for (const one of list(body.models))
      expect(object(one).supportedGenerationMethods).toEqual(expect.arrayContaining(['generateContent']))
  })

  test.each(['//v1/models', '/v1/models/', '/v1/v1/models', '/api/provider/openai/v1/models', '/v1/models?limit=1000'])(
    '%s is meant too',
    async (path) => expect(list((await getJson(path)).data)).toHaveLength(all.length),
  )

  test.each([...names, 'aliased', 'nickname', 'other/nickname', 'claude-anything', 'x-preview-y'])(
    '%s is found by its id',
    async (id) => {
      for (const path of [idOf(id), idOf(id).replaceAll('%2F', '/')]) {
        expect(await getJson(`/v1/models/${path}`)).toMatchObject({ id, object: 'model' })
        expect(await getJson(`/v1/models/${path}`, anthropic)).toMatchObject({ id, type: 'model' })
        expect(await getJson(`/v1beta/models/${path}`)).toMatchObject({ name: `models/${id}` })
      }
    },
  )

  test("what is not there is told in the caller's words", async () => {
    for (const [format, path, headers] of [
      ['openai-chat', '/v1/models/no/body', {}],
      ['anthropic', '/v1/models/no/body', anthropic],
      ['gemini', '/v1beta/models/no/body', {}],
    ] as const) {
      const heard = await get(path, headers)
      expect(heard.status).toBe(404)
      expect(readError(format, heard.body.toString('utf8')).message).toContain("'no/body'")
    }
    expect((await get('/v1/models', { authorization: 'Bearer nobody' })).status).toBe(401)
  })
})

describe('names that answer', () => {
  test.each([
    ...names.map((name) => [name, 'openai-chat']),
    ['aliased', 'anthropic'],
    ['nickname', 'anthropic'],
    ['other/nickname', 'anthropic'],
    ['claude-opus-4', 'anthropic'],
    ['claude-', 'anthropic'],
    ['gpt-preview-2026', 'anthropic'],
  ])('%s', async (model, at) => {
    expect(await answerer(model)).toBe(at)
  })

  test.each(['nick', 'nickname2', 'Claude-opus', 'gpt-preview', 'openai-chat/ok'])('%s does not', async (model) => {
    const heard = await ask('openai-chat', model)
    expect(heard.status).toBe(404)
    expect(world.upstream.requests).toEqual([])
  })

  test.each(names)('%s in the path of a Gemini client', async (model) => {
    for (const name of [encodeURIComponent(model), encodeURIComponent(model).replaceAll('%2F', '/')])
      expect((await ask('gemini', model, { path: `/v1beta/models/${name}:generateContent` })).status).toBe(200)
    expect(world.upstream.requests.map(({ at }) => at)).toEqual(['openai-chat', 'openai-chat'])
  })
})

describe('a key of its own kind', () => {
  test('that is bound to groups sees and reaches them only', async () => {
    expect((await listed(keys.narrow)).sort()).toEqual(['aliased', 'plain'])
    expect(await answerer('plain', { key: keys.narrow })).toBe('openai-chat')
    expect(await answerer('claude-3', { key: keys.narrow })).toBe('anthropic')
    expect((await get('/v1/models/ok-gemini', { authorization: `Bearer ${keys.narrow}` })).status).toBe(404)
    expect((await get('/v1/models/nickname', { authorization: `Bearer ${keys.narrow}` })).status).toBe(200)
    expect((await ask('openai-chat', 'ok-gemini', { key: keys.narrow })).status).toBe(403)
  })

  test('that says other names means the groups behind them', async () => {
    expect(await answerer('gpt-4o', { key: keys.mapped })).toBe('anthropic')
    expect(await answerer('plain', { key: keys.mapped }), 'the mapping wins over a group of that name').toBe('gemini')
    expect(await answerer('plain'), 'other keys mean what they say').toBe('openai-chat')
    expect((await ask('openai-chat', 'gpt-4o')).status).toBe(404)
  })
})

describe('channels without groups', () => {
  const expose = (exposeChannelModels: boolean): Promise<unknown> =>
    management.send('PATCH', '/settings', { relay: { exposeChannelModels } })
  const exposed = wireFormats.flatMap((format) => [`${format}/ok`, `${format}/org/deep`])

  test('are offered as channel/model while the setting is on', async () => {
    await expose(true)
    expect((await listed()).sort()).toEqual([...all, ...exposed].sort())
    expect(await listed(keys.narrow), 'a key that is bound to groups sees no channels').toHaveLength(2)
    for (const format of wireFormats)
      for (const model of ['ok', 'org/deep']) {
        const id = `${format}/${model}`
        expect(await answerer(id)).toBe(format)
        expect(await getJson(`/v1/models/${id}`)).toMatchObject({ id, object: 'model' })
        expect(await getJson(`/v1beta/models/${encodeURIComponent(id)}`)).toMatchObject({ name: `models/${id}` })
        expect((await ask('openai-chat', id, { key: keys.narrow })).status).toBe(403)
      }
    expect((await ask('gemini', 'anthropic/org/deep')).status).toBe(200)
    expect((await ask('openai-chat', 'openai-chat/unlisted')).status).toBe(404)
    expect((await ask('openai-chat', 'off/ok')).status, 'a channel that is off does not answer').toBeGreaterThan(403)
    await expose(false)
    expect((await listed()).sort()).toEqual(all)
    expect((await ask('openai-chat', 'openai-chat/ok')).status).toBe(404)
  })
})

describe('addresses that are meant', () => {
  const tails = {
    'openai-chat': '/v1/chat/completions',
    'openai-responses': '/v1/responses',
    anthropic: '/v1/messages',
    gemini: '/v1beta/models/ok-gemini:generateContent',
    antigravity: '/v1internal:generateContent',
  }
  const openAiLike = (['openai-chat', 'openai-responses', 'anthropic'] as const).flatMap((format) =>
    [tails[format].slice('/v1'.length), `/v1${tails[format]}`, `${tails[format]}/`].map(
      (path) => [format, path] as const,
    ),
  )
  const everywhere = wireFormats.flatMap((format) =>
    [`/${tails[format]}`, `//${tails[format]}`, `/api/provider/anything${tails[format]}`].map(
      (path) => [format, path] as const,
    ),
  )
  const amp = [
    ['anthropic', '/api/provider/anthropic/v1/messages?beta=true'],
    ['openai-responses', '/api/provider/openai/v1/responses'],
    ['openai-chat', '/api/provider/openai/chat/completions'],
    ['gemini', '/api/provider/google/v1beta1/publishers/google/models/ok-gemini:generateContent'],
    ['gemini', '/api/provider/google/v1beta/models/ok-gemini:generateContent?alt=json'],
    ['gemini', '/v1/v1beta/models/ok-gemini:generateContent'],
  ] as const

  test.each([...openAiLike, ...everywhere, ...amp])('%s at %s', async (format, path) => {
    const heard = await ask(format, `ok-${format}`, { path })
    expect(heard.status, heard.body.toString('utf8')).toBe(200)
    expect(heard.body.equals(recorded(format, recordedAnswer(format, false)).body)).toBe(true)
    expect(world.upstream.requests.map(({ at, target }) => [at, target?.operation])).toEqual([[format, 'generate']])
    expect(world.upstream.violations()).toEqual([])
  })

  test.each([
    ['anthropic', '/api/provider/anthropic/v1/messages'],
    ['openai-responses', '/api/provider/openai/v1/responses'],
    ['gemini', '/api/provider/google/v1beta1/publishers/google/models/ok-gemini:streamGenerateContent?alt=sse'],
  ] as const)('%s streams at %s', async (format, path) => {
    const heard = await ask(format, `ok-${format}`, { path, stream: true })
    expect(heard).toMatchObject({ status: 200, broken: false })
    expect(heard.headers['content-type']).toMatch(/^text\/event-stream/)
    expect(world.upstream.requests.map(({ at }) => at)).toEqual([format])
  })
})

const recordedAnswer = (format: WireFormat, stream: boolean): string =>
  recordedCases.find((one) => one.format === format && one.status === 200 && one.stream === stream)?.id ?? ''
