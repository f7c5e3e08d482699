import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { ApiKeyCreate } from '../contract/access.ts'
import { ChannelCreate, ChannelUpdate } from '../contract/channels.ts'
import { ContractError } from '../contract/define.ts'
import { GroupCreate, GroupUpdate } from '../contract/groups.ts'
import { PriceSet } from '../contract/prices.ts'
import { Secret } from '../secret.ts'
import { DatabaseRefusal, type DatabaseConfig } from './database.ts'
import { DataKey, hashApiKey } from './secrets.ts'
import { openStore, type Store } from './store.ts'
import { startServer, testKinds, type TestServer } from './testing/databases.ts'
import { runSql } from './testing/shapes.ts'

const silent = { info: () => undefined, warn: () => undefined }
const dataKey = new DataKey(Buffer.alloc(32, 7))

const channel = (name: string, more: object = {}) =>
  ChannelCreate.parse({
    name,
    type: 'openai-chat',
    endpoints: [{ format: 'openai-chat', baseUrl: 'https://api.example/v1' }],
    keys: [{ secret: `sk-${name}-0123456789`, note: 'first' }],
    models: ['m1', 'm2'],
    ...more,
  })
const group = (name: string, more: object = {}) => GroupCreate.parse({ name, ...more })
const apiKey = (name: string, more: object = {}) => ApiKeyCreate.parse({ name, ...more })

/** What a rejected call says to its caller. */
async function refusal(call: Promise<unknown>): Promise<{ code: string; paths: string[] }> {
  const error: unknown = await call.then(
    () => undefined,
    (failure: unknown) => failure,
  )
  if (!(error instanceof ContractError)) throw new Error('no ContractError', { cause: error })
  return { code: error.code, paths: (error.issues ?? []).map(({ path }) => path) }
}

describe.each(testKinds())('the store on %s', (kind) => {
  let server: TestServer
  let database: DatabaseConfig
  let store: Store
  const open = () => openStore({ database, dataKey, log: silent })

  beforeAll(async () => {
    server = await startServer(kind)
  })
  afterAll(async () => {
    await server.stop()
  })
  beforeEach(async () => {
    database = await server.fresh()
    store = await open()
  })
  afterEach(async () => {
    await store.close()
  })

  describe('channels', () => {
    const whole = channel('main', {
      customModels: ['own', 'm1'],
      modelFilter: '^m',
      autoSync: true,
      autoGroup: 'fuzzy',
      headers: [
        { action: 'set', name: 'x-team', value: 'blue 🐙' },
        { action: 'remove', name: 'x-old' },
      ],
      paramOverride: { temperature: 0, nested: { z: 1, a: [null] } },
      proxy: { mode: 'own', url: 'socks5://me:pass@proxy.example:1080' },
      priceMultiplier: 0.85,
      notes: 'line one\nline two',
      timeouts: { connectMs: 5000, idleMs: 0 },
      keys: [
        { secret: 'sk-aaaaaaaaaa1111', note: 'one', models: ['m1'] },
        { secret: 'short', enabled: false },
      ],
    })

    it('are read back as they were written, without secrets', async () => {
      const row = await store.channels.create(whole)
      const models = whole.models
      expect(row).toMatchObject({ ...whole, keys: row.keys, models: row.models, proxy: row.proxy })
      expect(row.proxy).toEqual({ mode: 'own', url: 'socks5://***@proxy.example:1080' })
      expect(row.models).toEqual(models.map((name) => ({ name, missedSyncs: 0 })))
      expect(row.keys).toMatchObject([
        { hint: '…1111', enabled: true, note: 'one', models: ['m1'], suspendedUntil: null, lastStatus: null },
        { hint: '…', enabled: false, note: '', models: null },
      ])
      expect(JSON.stringify(row)).not.toMatch(/aaaaaaaaaa|short|pass/)
      expect(await store.channels.get(row.id)).toEqual(row)
      expect(await store.channels.list()).toEqual([row])
    })

    it('are in memory as the relay needs them, also after a restart', async () => {
      const { id } = await store.channels.create(whole)
      const seen = store.current().channels.get(id)
      expect(seen).toMatchObject({
        models: ['m1', 'm2', 'own'],
        priceMultiplier: 0.85,
        paramOverride: whole.paramOverride,
      })
      expect(seen?.keys.map((key) => [key.secret.reveal(), key.enabled, key.models])).toEqual([
        ['sk-aaaaaaaaaa1111', true, new Set(['m1'])],
        ['short', false, null],
      ])
      expect(seen?.proxy.mode === 'own' && seen.proxy.url.reveal()).toBe('socks5://me:pass@proxy.example:1080')
      await store.close()
      store = await open()
      expect(store.current().channels.get(id)).toEqual(seen)
    })

    it('are nowhere in the clear where a secret is', async () => {
      await store.channels.create(whole)
      await store.apiKeys.create(apiKey('k', { key: 'my-own-client-key-1' }))
      await store.settings.patch({ network: { proxyUrl: 'http://u:proxypass@p.example' } })
      await store.documents.setSecret('oauth', new Secret('oauth-client-secret'))
      const tables = ['channel', 'channel_key', 'api_key', 'setting'].map((table) => `SELECT * FROM ${table}`)
      const text = JSON.stringify(await runSql(database, tables), (_key, value: unknown) =>
        typeof value === 'bigint' ? Number(value) : value,
      )
      expect(text).toContain('main')
      for (const secret of ['aaaaaaaaaa', 'short', 'me:pass', 'blue', 'client-key', 'proxypass', 'oauth-client-secret'])
        expect(text).not.toContain(secret)
    })

    it('keep what an update does not name', async () => {
      const before = await store.channels.create(whole)
      const after = await store.channels.update(ChannelUpdate.parse({ id: before.id, enabled: false, notes: 'new' }))
      expect(after).toEqual({ ...before, enabled: false, notes: 'new', updatedAt: after.updatedAt })
      expect(after.updatedAt).toBeGreaterThanOrEqual(before.updatedAt)
    })

    it('keep a key whose secret is not given, add new ones, drop the others, in the new order', async () => {
      const before = await store.channels.create(whole)
      const [one, two] = before.keys
      await store.channelKeys.noteHealth(one!.id, { suspendedUntil: 9_999_999_999_999, lastStatus: 401 })
      const keys = [{ secret: 'sk-new-new-new-3333' }, { id: one!.id, note: 'renamed' }]
      const after = await store.channels.update(ChannelUpdate.parse({ id: before.id, keys }))
      expect(after.keys.map(({ hint, note }) => [hint, note])).toEqual([
        ['…3333', ''],
        ['…1111', 'renamed'],
      ])
      expect(after.keys[1]).toMatchObject({ id: one!.id, suspendedUntil: 9_999_999_999_999, lastStatus: 401 })
      expect(after.keys[0]!.id).not.toBe(two!.id)
      const seen = store
        .current()
        .channels.get(before.id)
        ?.keys.map((key) => key.secret.reveal())
      expect(seen).toEqual(['sk-new-new-new-3333', 'sk-aaaaaaaaaa1111'])
    })

    it('forget what happened to a key when its secret is another, and only then', async () => {
      const { id, keys } = await store.channels.create(whole)
      const keyId = keys[0]!.id
      const noted = { suspendedUntil: 9_999_999_999_999, lastStatus: 403 }
      const change = (secret: string) =>
        store.channels.update(ChannelUpdate.parse({ id, keys: [{ id: keyId, secret, models: ['m1'], note: 'one' }] }))
      await store.channelKeys.noteHealth(keyId, noted)
      expect((await change('sk-aaaaaaaaaa1111')).keys[0]).toMatchObject(noted)
      expect((await change('sk-bbbbbbbbbb2222')).keys[0]).toMatchObject({
        id: keyId,
        hint: '…2222',
        suspendedUntil: null,
        lastStatus: null,
      })
    })

    it('keep a proxy whose masked address comes back, and refuse a mask of another', async () => {
      const { id } = await store.channels.create(whole)
      const url = (text: string) => ChannelUpdate.parse({ id, proxy: { mode: 'own', url: text } })
      await store.channels.update(url('socks5://***@proxy.example:1080'))
      const proxy = store.current().channels.get(id)?.proxy
      expect(proxy?.mode === 'own' && proxy.url.reveal()).toBe('socks5://me:pass@proxy.example:1080')
      expect(await refusal(store.channels.update(url('socks5://***@evil.example:1080')))).toEqual({
        code: 'invalid_input',
        paths: ['proxy.url'],
      })
      await store.channels.update(ChannelUpdate.parse({ id, proxy: { mode: 'none' } }))
      expect(store.current().channels.get(id)?.proxy).toEqual({ mode: 'none' })
    })

    it('remember how often sync missed a model, through a save that names it again', async () => {
      const { id } = await store.channels.create(channel('c'))
      const found = [
        { name: 'm2', missedSyncs: 2 },
        { name: 'm9', missedSyncs: 0 },
      ]
      await store.channels.setModels(id, found)
      expect((await store.channels.get(id)).models).toEqual(found)
      const { revision } = store.current()
      await store.channels.setModels(id, found)
      expect(store.current().revision).toBe(revision)
      const { models } = await store.channels.update(ChannelUpdate.parse({ id, models: ['m2', 'new', 'new'] }))
      expect(models).toEqual([
        { name: 'm2', missedSyncs: 2 },
        { name: 'new', missedSyncs: 0 },
      ])
    })

    it('take thousands of models', async () => {
      const models = Array.from({ length: 5000 }, (_, at) => `vendor/model-${at}`)
      const row = await store.channels.create(channel('big', { models }))
      expect(row.models.map(({ name }) => name)).toEqual(models)
    })

    it('take their places in groups, pins and prices with them', async () => {
      const [a, b] = [await store.channels.create(channel('a')), await store.channels.create(channel('b'))]
      const items = [a, b].map(({ id }) => ({ channelId: id, model: 'm1' }))
      const made = await store.groups.create(group('g', { items }))
      await store.groups.update(GroupUpdate.parse({ id: made.id, pinnedItemId: made.items[0]!.id }))
      const tokens = { input: 1, output: 2 }
      await store.prices.set(PriceSet.parse({ channelId: a.id, model: 'm1', tokens }))
      await store.prices.set(PriceSet.parse({ channelId: b.id, model: 'm1', tokens }))
      await store.channels.delete(a.id)
      expect(await store.groups.get(made.id)).toMatchObject({ pinnedItemId: null, items: [{ channelId: b.id }] })
      expect((await store.prices.list()).map((price) => price.channelId)).toEqual([b.id])
      expect(await refusal(store.channels.get(a.id))).toEqual({ code: 'not_found', paths: [] })
      expect(store.current().channels.has(a.id)).toBe(false)
      // ids are never used again: history names them
      expect((await store.channels.create(channel('c'))).id).toBeGreaterThan(b.id)
    })

    it.each([
      ['an unknown channel', (id: number) => store.channels.update({ id: id + 1 }), 'not_found', []],
      ['a name that is taken', () => store.channels.create(channel('c')), 'conflict', ['name']],
      [
        'a new key without secret',
        () => store.channels.create(channel('d', { keys: [{}] })),
        'invalid_input',
        ['keys[0].secret'],
      ],
      [
        'a key of another channel',
        (id: number) => store.channels.update(ChannelUpdate.parse({ id, keys: [{ id: 999 }] })),
        'invalid_input',
        ['keys[0].id'],
      ],
      ['the deletion of nothing', (id: number) => store.channels.delete(id + 1), 'not_found', []],
    ] as const)('refuse %s and change nothing', async (...[, call, code, paths]) => {
      const { id } = await store.channels.create(channel('c'))
      const before = [store.current(), await store.channels.list()]
      expect(await refusal(call(id))).toEqual({ code, paths })
      expect([store.current(), await store.channels.list()]).toEqual(before)
    })

    it('may have names that differ in case alone', async () => {
      await store.channels.create(channel('Name'))
      await store.channels.create(channel('name'))
      expect((await store.channels.list()).map(({ name }) => name)).toEqual(['Name', 'name'])
    })

    it('can be renamed to their own name, but not to another one', async () => {
      const { id } = await store.channels.create(channel('a'))
      await store.channels.create(channel('b'))
      expect((await store.channels.update(ChannelUpdate.parse({ id, name: 'a' }))).name).toBe('a')
      expect(await refusal(store.channels.update(ChannelUpdate.parse({ id, name: 'b' })))).toMatchObject({
        code: 'conflict',
      })
    })
  })

  describe('channel keys', () => {
    it('stay suspended over a restart until they are reset, without a new revision', async () => {
      const { id, keys } = await store.channels.create(channel('c'))
      const keyId = keys[0]!.id
      const { revision } = store.current()
      await store.channelKeys.noteHealth(keyId, { suspendedUntil: 2000, lastStatus: 402 })
      expect(store.current().revision).toBe(revision)
      await store.close()
      store = await open()
      expect([...(await store.channelKeys.suspended(1999))]).toEqual([
        [keyId, { suspendedUntil: 2000, lastStatus: 402 }],
      ])
      expect((await store.channelKeys.suspended(2000)).size).toBe(0)
      expect(await store.channelKeys.reset(keyId)).toEqual({ channelId: id })
      expect((await store.channels.get(id)).keys[0]).toMatchObject({ suspendedUntil: null, lastStatus: null })
      expect(await refusal(store.channelKeys.reset(keyId + 1))).toMatchObject({ code: 'not_found' })
    })
  })

  describe('groups', () => {
    it('are read back as they were written, and are in memory by id and name', async () => {
      const { id: channelId } = await store.channels.create(channel('c'))
      const input = group('gpt', {
        mode: 'weighted',
        aliases: ['gpt-*'],
        policy: { maxAttempts: 2, timeouts: { firstTokenMs: 9000 } },
        affinitySeconds: 60,
        items: [
          { channelId, model: 'm2', priority: 2, weight: 0.5 },
          { channelId, model: 'm1', enabled: false },
        ],
      })
      const row = await store.groups.create(input)
      expect(row).toMatchObject({ ...input, pinnedItemId: null })
      expect(await store.groups.list()).toEqual([row])
      const seen = store.current().groupsByName.get('gpt')
      expect(seen).toBe(store.current().groups.get(row.id))
      expect(seen?.items).toEqual(row.items.map((item) => ({ ...item, groupId: row.id })))
    })

    it('keep the ids of members that stay, and the pin', async () => {
      const { id: channelId } = await store.channels.create(channel('c'))
      const item = (model: string, more: object = {}) => ({ channelId, model, ...more })
      const before = await store.groups.create(group('g', { items: ['a', 'b', 'c'].map((model) => item(model)) }))
      const [a, b, c] = before.items
      await store.groups.update(GroupUpdate.parse({ id: before.id, pinnedItemId: c!.id }))
      const items = [item('c', { weight: 7 }), item('new'), item('a')]
      const after = await store.groups.update(GroupUpdate.parse({ id: before.id, items }))
      expect(after.items.map(({ model }) => model)).toEqual(['c', 'new', 'a'])
      expect(after.items[0]).toMatchObject({ id: c!.id, weight: 7 })
      expect(after.items[2]!.id).toBe(a!.id)
      expect(after.items.map(({ id }) => id)).not.toContain(b!.id)
      expect(after.pinnedItemId).toBe(c!.id)
      const without = await store.groups.update(GroupUpdate.parse({ id: before.id, items: [item('a')] }))
      expect(without.pinnedItemId).toBeNull()
    })

    it('are followed by API keys when renamed, and leave them when deleted', async () => {
      const [one, two] = [await store.groups.create(group('one')), await store.groups.create(group('two'))]
      const more = { allowedGroups: ['one', 'two'], modelMapping: { fast: 'one', slow: 'two' } }
      const { row } = await store.apiKeys.create(apiKey('k', more))
      await store.groups.update(GroupUpdate.parse({ id: one.id, name: 'uno' }))
      expect(await store.apiKeys.get(row.id)).toMatchObject({
        allowedGroups: ['uno', 'two'],
        modelMapping: { fast: 'uno', slow: 'two' },
      })
      await store.groups.delete(two.id)
      await store.groups.delete(one.id)
      // nothing is left, which is not the same as everything
      expect(await store.apiKeys.get(row.id)).toMatchObject({ allowedGroups: [], modelMapping: {} })
      expect(store.current().apiKeys.get(row.id)?.allowedGroups).toEqual(new Set())
    })

    it.each([
      [
        'a member of no channel',
        (id: number, channelId: number) => ({
          id,
          items: [
            { channelId, model: 'm' },
            { channelId: 99, model: 'm' },
          ],
        }),
        'items[1].channelId',
      ],
      [
        'a member that stands twice',
        (id: number, channelId: number) => ({
          id,
          items: [
            { channelId, model: 'm' },
            { channelId, model: 'm' },
          ],
        }),
        'items[1]',
      ],
      ['a pin on another group', (id: number) => ({ id, pinnedItemId: 99 }), 'pinnedItemId'],
    ] as const)('refuse %s', async (_what, input, path) => {
      const { id: channelId } = await store.channels.create(channel('c'))
      const { id } = await store.groups.create(group('g'))
      const before = await store.groups.get(id)
      const call = store.groups.update(GroupUpdate.parse(input(id, channelId)))
      expect(await refusal(call)).toEqual({ code: 'invalid_input', paths: [path] })
      expect(await store.groups.get(id)).toEqual(before)
    })

    it('have names of their own', async () => {
      await store.groups.create(group('g'))
      expect(await refusal(store.groups.create(group('g')))).toEqual({ code: 'conflict', paths: ['name'] })
    })
  })

  describe('API keys', () => {
    it('are shown whole once, then by their end, and found by their hash', async () => {
      await store.groups.create(group('g'))
      const input = apiKey('laptop', {
        expiresAt: 1_900_000_000_000,
        allowedGroups: ['g'],
        modelMapping: { x: 'g' },
        budget: { dailyNanoUsd: 5_000_000_000 },
        limits: { requestsPerMinute: 60 },
      })
      const { row, key } = await store.apiKeys.create(input)
      expect(key.reveal()).toMatch(/^sk-octopus-\w{48}$/)
      expect(row).toMatchObject({ ...input, hint: key.hint() })
      expect(await store.apiKeys.list()).toEqual([row])
      expect(JSON.stringify(row)).not.toContain(key.reveal())
      expect((await store.apiKeys.reveal(row.id)).reveal()).toBe(key.reveal())
      const seen = store.current().apiKeysByHash.get(hashApiKey(key.reveal()))
      expect(seen).toEqual({ ...row, allowedGroups: new Set(['g']) })
    })

    it('change in what is given and go when deleted', async () => {
      const { row, key } = await store.apiKeys.create(apiKey('k', { key: 'my-own-key-0123456789' }))
      const changed = await store.apiKeys.update({ id: row.id, enabled: false, expiresAt: 5 })
      expect(changed).toEqual({ ...row, enabled: false, expiresAt: 5, updatedAt: changed.updatedAt })
      expect((await store.apiKeys.update({ id: row.id, expiresAt: null })).expiresAt).toBeNull()
      await store.apiKeys.delete(row.id)
      expect(store.current().apiKeysByHash.has(hashApiKey(key.reveal()))).toBe(false)
      expect(await refusal(store.apiKeys.reveal(row.id))).toMatchObject({ code: 'not_found' })
    })

    it.each([
      ['a name that is taken', { name: 'k' }, 'conflict', 'name'],
      ['a key that is taken', { name: 'other', key: 'my-own-key-0123456789' }, 'conflict', 'key'],
      ['a group that does not exist', { name: 'other', allowedGroups: ['nope'] }, 'invalid_input', 'allowedGroups[0]'],
    ])('refuse %s', async (...[, more, code, path]) => {
      await store.apiKeys.create(apiKey('k', { key: 'my-own-key-0123456789' }))
      expect(await refusal(store.apiKeys.create(ApiKeyCreate.parse(more)))).toEqual({ code, paths: [path] })
      expect(await store.apiKeys.list()).toHaveLength(1)
    })
  })

  describe('prices', () => {
    const price = (more: object) => PriceSet.parse({ model: 'm', tokens: { input: 3_000_000_000, output: 0 }, ...more })

    it('tell unknown from free, and are replaced in place', async () => {
      const tiers = [{ abovePromptTokens: 200_000, tokens: { input: 6_000_000_000 } }]
      const first = await store.prices.set(price({ tiers }))
      expect(first.tokens).toEqual({
        input: 3_000_000_000,
        output: 0,
        cacheRead: null,
        cacheWrite5m: null,
        cacheWrite1h: null,
        reasoning: null,
      })
      expect(first.tiers[0]?.tokens).toMatchObject({ input: 6_000_000_000, output: null })
      const second = await store.prices.set(price({ perRequestNanoUsd: 40_000_000 }))
      expect(second).toMatchObject({ id: first.id, channelId: null, tiers: [], perRequestNanoUsd: 40_000_000 })
      expect(store.current().prices).toEqual([second])
    })

    it('stand beside each other for a channel and for all', async () => {
      const { id: channelId } = await store.channels.create(channel('c'))
      await store.prices.set(price({}))
      const own = await store.prices.set(price({ channelId }))
      expect(await store.prices.list()).toHaveLength(2)
      expect(await store.prices.list(channelId)).toEqual([own])
      await store.prices.delete(own.id)
      expect(await refusal(store.prices.delete(own.id))).toMatchObject({ code: 'not_found' })
      expect(await refusal(store.prices.set(price({ channelId: 99 })))).toEqual({
        code: 'invalid_input',
        paths: ['channelId'],
      })
    })
  })

  describe('settings', () => {
    it('have defaults, change in what is given, and stay', async () => {
      expect(store.settings.get().relay.maxAttempts).toBe(3)
      await store.settings.patch({ relay: { maxAttempts: 5 }, log: { bodies: 'all' } })
      await store.settings.patch({
        relay: { exposeChannelModels: true },
        network: { corsOrigins: ['https://a.example'] },
      })
      await store.close()
      store = await open()
      expect(store.settings.get()).toMatchObject({
        relay: { maxAttempts: 5, exposeChannelModels: true, keepAliveMs: 15_000 },
        log: { bodies: 'all', keepDays: 30 },
        network: { corsOrigins: ['https://a.example'] },
      })
    })

    it('mask the proxy, keep it when the mask comes back, and give it to the relay', async () => {
      const shown = await store.settings.patch({ network: { proxyUrl: 'http://u:secret@p.example:3128' } })
      expect(shown.network.proxyUrl).toBe('http://***@p.example:3128')
      await store.settings.patch({ network: { proxyUrl: 'http://***@p.example:3128', corsOrigins: [] } })
      expect(store.current().settings.network.proxyUrl).toBe('http://u:secret@p.example:3128')
      const other = store.settings.patch({ network: { proxyUrl: 'http://***@q.example:3128' } })
      expect(await refusal(other)).toEqual({ code: 'invalid_input', paths: ['network.proxyUrl'] })
    })

    it('fall back to the default where a stored field means nothing, and keep the others', async () => {
      await store.settings.patch({ relay: { maxAttempts: 7, idleMs: 1 } })
      await runSql(database, [
        `UPDATE setting SET value = '{"maxAttempts":"many","idleMs":1}' WHERE name = 'settings.relay'`,
      ])
      await store.close()
      const warn = vi.fn<(message: string) => void>()
      store = await openStore({ database, dataKey, log: { info: () => undefined, warn } })
      expect(store.settings.get().relay).toMatchObject({ maxAttempts: 3, idleMs: 1 })
      expect(warn.mock.calls.flat().join()).toContain('relay.maxAttempts')
    })
  })

  it('keeps documents and secrets between starts', async () => {
    const long = '{"🐙":1}'.repeat(50_000)
    await store.documents.set('prices', 'first')
    await store.documents.set('prices', long)
    await store.documents.setSecret('token', new Secret('ya29.x'))
    await store.close()
    store = await open()
    expect(await store.documents.get('prices')).toBe(long)
    expect((await store.documents.getSecret('token'))?.reveal()).toBe('ya29.x')
    await store.documents.setSecret('token', null)
    expect(await store.documents.getSecret('token')).toBeNull()
    expect(await store.documents.get('nothing')).toBeNull()
  })

  it('keeps the admin password and sessions', async () => {
    expect(await store.admin.passwordHash()).toBeNull()
    await store.admin.setPasswordHash('scrypt$1')
    await store.admin.setPasswordHash('scrypt$2')
    expect(await store.admin.passwordHash()).toBe('scrypt$2')

    const make = (tokenHash: string, at: number) =>
      store.sessions.create({ tokenHash, userAgent: 'Firefox 🦊', createdAt: at, expiresAt: at + 100 })
    const [a, b] = [await make('a'.repeat(64), 1000), await make('b'.repeat(64), 2000)]
    expect(a).toEqual({ id: a.id, userAgent: 'Firefox 🦊', createdAt: 1000, lastSeenAt: 1000, expiresAt: 1100 })
    expect(await store.sessions.list()).toEqual([b, a])
    await store.sessions.touch(a.id, { lastSeenAt: 1500, expiresAt: 9000 })
    expect(await store.sessions.findByTokenHash('a'.repeat(64))).toMatchObject({ lastSeenAt: 1500, expiresAt: 9000 })
    await store.sessions.deleteExpired(2100)
    expect((await store.sessions.list()).map(({ id }) => id)).toEqual([a.id])
    expect([await store.sessions.delete(a.id), await store.sessions.delete(a.id)]).toEqual([true, false])
    await make('c'.repeat(64), 1)
    await store.sessions.deleteAll()
    expect(await store.sessions.list()).toEqual([])
  })

  describe('the picture in memory', () => {
    it('is swapped whole: who began with the old one keeps it', async () => {
      const before = store.current()
      const heard: number[] = []
      const stop = store.onChange((configuration) => heard.push(configuration.revision))
      await store.groups.create(group('g'))
      expect(before.groups.size).toBe(0)
      expect(store.current().groups.size).toBe(1)
      stop()
      await store.groups.create(group('h'))
      expect(heard).toEqual([before.revision + 1])
    })

    it('is not kept from the others by a listener that fails', async () => {
      const heard = vi.fn()
      store.onChange(() => {
        throw new Error('defect')
      })
      store.onChange(heard)
      await store.groups.create(group('g'))
      expect(heard).toHaveBeenCalledOnce()
    })

    it('has every write when many come at once, beside writes of the driver', async () => {
      await Promise.all([
        ...Array.from({ length: 10 }, (_, at) => store.groups.create(group(`g${at}`))),
        ...Array.from({ length: 10 }, (_, at) => store.documents.set(`d${at}`, 'x')),
      ])
      expect(store.current().groups.size).toBe(10)
      expect(store.current().revision).toBe(11)
    })

    it.skipIf(kind === 'sqlite')('follows what another instance writes, within two seconds', async () => {
      const other = await open()
      try {
        const arrived = new Promise<number>((resolve) => other.onChange(({ groups }) => resolve(groups.size)))
        await store.groups.create(group('shared'))
        expect(await arrived).toBe(1)
      } finally {
        await other.close()
      }
    })

    it.skipIf(kind === 'sqlite')('loses nothing when two instances write at the same time', async () => {
      const other = await open()
      try {
        await Promise.all(
          [store, other].flatMap((each, of) =>
            Array.from({ length: 5 }, (_, at) => each.groups.create(group(`g${of}-${at}`))),
          ),
        )
        await Promise.all([store.reload(), other.reload()])
        expect(store.current().groups.size).toBe(10)
        expect(other.current()).toEqual(store.current())
        expect(store.current().revision).toBe(11)
      } finally {
        await other.close()
      }
    })
  })

  it('does not open with another data key, and says so', async () => {
    const wrong = openStore({ database, dataKey: new DataKey(Buffer.alloc(32, 8)), log: silent })
    await expect(wrong).rejects.toThrow(DatabaseRefusal)
    await expect(wrong).rejects.toThrow(/sealed with another data key/)
  })

  it('opens five times at once on an empty database', async () => {
    database = await server.fresh()
    const stores = await Promise.all(Array.from({ length: 5 }, () => open()))
    expect(stores.map((each) => each.current().revision)).toEqual([1, 1, 1, 1, 1])
    await Promise.all(stores.map((each) => each.close()))
  })
})
