import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ContractError } from '../contract/define.ts'
import { DataKey } from '../store/secrets.ts'
import { openStore, type Store } from '../store/store.ts'
import { applyProvision, readProvisionFile } from './provision.ts'

let directory = ''
let store: Store

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'octopus-provision-'))
  const log = { info: () => undefined, warn: () => undefined }
  const database = { kind: 'sqlite', file: join(directory, 'data.db') } as const
  store = await openStore({ database, dataKey: new DataKey(randomBytes(32)), log })
})
afterEach(async () => {
  await store.close()
  await rm(directory, { recursive: true })
})

const apply = (json: unknown) => applyProvision(store, json, { listener: { port: 8080, hosts: ['127.0.0.1'] } })

/** Fails unless it is refused; gives the issues as text. */
async function refusal(json: unknown): Promise<readonly string[]> {
  const error: unknown = await apply(json).then(
    () => null,
    (reason: unknown) => reason,
  )
  if (!(error instanceof ContractError)) throw new Error('the file was not refused', { cause: error })
  expect(error.code).toBe('invalid_input')
  return (error.issues ?? []).map(({ path, message }) => `${path} ${message}`)
}

const whole = {
  settings: { relay: { maxAttempts: 5 }, network: { proxyUrl: 'http://me:secret@proxy.example:3128' } },
  channels: [
    {
      name: 'up',
      type: 'openai-chat',
      endpoints: [
        { format: 'openai-chat', baseUrl: 'http://127.0.0.1:9001/v1' },
        { format: 'anthropic', baseUrl: 'http://127.0.0.1:9001/v1' },
      ],
      keys: ['sk-upstream-1', { secret: 'sk-upstream-2', note: 'spare', models: ['m1'], enabled: false }],
      models: ['m1', 'm2', 'm1'],
      customModels: ['mine'],
      headers: [{ action: 'set', name: 'x-team', value: 'a' }],
      paramOverride: { temperature: 0, metadata: { tags: ['a'] } },
      proxy: { mode: 'own', url: 'http://me:secret@proxy.example:3128' },
      timeouts: { connectMs: 5 },
      priceMultiplier: 0.5,
    },
    { name: 'shop', type: 'deepseek', keys: ['sk-shop'] },
    { name: 'play', type: 'demo' },
  ],
  groups: [
    {
      name: 'fast',
      mode: 'failover',
      aliases: ['fast-*'],
      policy: { maxAttempts: 2, timeouts: { idleMs: 9 } },
      items: [
        { channel: 'up', model: 'm1' },
        { channel: 'play', model: 'demo-normal', priority: 2, weight: 3 },
      ],
    },
  ],
  apiKeys: [
    {
      name: 'tests',
      key: 'sk-octopus-for-tests-0001',
      allowedGroups: ['fast'],
      modelMapping: { 'gpt-5': 'fast' },
      budget: { dailyNanoUsd: 1000 },
      limits: { concurrency: 2 },
    },
  ],
}

describe('a provision file', () => {
  it('makes what it names', async () => {
    const done = await apply(whole)
    expect(done).toEqual({
      created: ['channel "up"', 'channel "shop"', 'channel "play"', 'group "fast"', 'API key "tests"'],
      updated: ['settings'],
      unchanged: [],
    })
    const { channels, groupsByName, apiKeys, settings } = store.current()
    const [up, shop, play] = [...channels.values()]
    expect(up).toMatchObject({ name: 'up', enabled: true, models: ['m1', 'm2', 'mine'], timeouts: { connectMs: 5 } })
    expect(up?.keys.map(({ secret, note, enabled }) => [secret.reveal(), note, enabled])).toEqual([
      ['sk-upstream-1', '', true],
      ['sk-upstream-2', 'spare', false],
    ])
    expect(shop?.endpoints.map(({ baseUrl }) => baseUrl)).toContain('https://api.deepseek.com/anthropic/v1')
    expect(play?.endpoints).toHaveLength(5)
    expect(groupsByName.get('fast')?.items).toMatchObject([
      { channelId: up?.id, model: 'm1', priority: 1, weight: 1 },
      { channelId: play?.id, model: 'demo-normal', priority: 2, weight: 3 },
    ])
    expect([...apiKeys.values()]).toMatchObject([
      { name: 'tests', budget: { dailyNanoUsd: 1000 }, limits: { concurrency: 2 } },
    ])
    expect(settings.relay.maxAttempts).toBe(5)
  })

  it('changes nothing the second time', async () => {
    await apply(whole)
    const before = store.current().revision
    const done = await apply(whole)
    expect(done).toEqual({
      created: [],
      updated: [],
      unchanged: ['settings', 'channel "up"', 'channel "shop"', 'channel "play"', 'group "fast"', 'API key "tests"'],
    })
    expect(store.current().revision).toBe(before)
  })

  it('leaves alone what it does not name', async () => {
    await apply(whole)
    const before = {
      channels: await store.channels.list(),
      groups: await store.groups.list(),
      keys: await store.apiKeys.list(),
    }
    const done = await apply({
      channels: [{ name: 'up', notes: 'new' }],
      groups: [{ name: 'fast', affinitySeconds: 60 }],
      apiKeys: [{ name: 'tests', enabled: false }],
    })
    expect(done).toEqual({ created: [], updated: ['channel "up"', 'group "fast"', 'API key "tests"'], unchanged: [] })
    const [up, shop, play] = await store.channels.list()
    const [oldUp, oldShop, oldPlay] = before.channels
    expect(up).toEqual({ ...oldUp, notes: 'new', updatedAt: up?.updatedAt })
    expect([shop, play]).toEqual([oldShop, oldPlay])
    const [group] = await store.groups.list()
    expect(group).toEqual({ ...before.groups[0], affinitySeconds: 60, updatedAt: group?.updatedAt })
    const [key] = await store.apiKeys.list()
    expect(key).toEqual({ ...before.keys[0], enabled: false, updatedAt: key?.updatedAt })
  })

  it('replaces the list of keys, and keeps the rows of equal secrets with what was said of them', async () => {
    await apply(whole)
    const [first, second] = (await store.channels.list())[0]!.keys
    await apply({
      channels: [{ name: 'up', keys: ['sk-upstream-2', 'sk-new', { secret: 'sk-upstream-1', note: 'old' }] }],
    })
    const { keys } = (await store.channels.list())[0]!
    expect(keys.map(({ id, note, enabled, models }) => ({ id, note, enabled, models }))).toEqual([
      { id: second!.id, note: 'spare', enabled: false, models: ['m1'] },
      { id: keys[1]!.id, note: '', enabled: true, models: null },
      { id: first!.id, note: 'old', enabled: true, models: null },
    ])
    await apply({ channels: [{ name: 'up', keys: ['sk-new'] }] })
    expect((await store.channels.list())[0]!.keys.map(({ id }) => id)).toEqual([keys[1]!.id])
  })

  it('replaces the members of a group, and keeps what was said of those that stay', async () => {
    await apply(whole)
    const [, play] = (await store.groups.list())[0]!.items
    await apply({
      channels: [{ name: 'late', type: 'demo' }],
      groups: [
        {
          name: 'fast',
          items: [
            { channel: 'play', model: 'demo-normal' },
            { channel: 'late', model: 'demo-slow' },
          ],
        },
      ],
    })
    const [group] = await store.groups.list()
    expect(group?.items).toMatchObject([
      { id: play!.id, priority: 2, weight: 3 },
      { model: 'demo-slow', priority: 1 },
    ])
  })

  it('can give a standing API key a new text', async () => {
    await apply(whole)
    const [before] = await store.apiKeys.list()
    await apply({ apiKeys: [{ name: 'tests', key: 'sk-octopus-for-tests-0002' }] })
    const [after] = await store.apiKeys.list()
    expect(after?.id).toBe(before?.id)
    expect((await store.apiKeys.reveal(after!.id)).reveal()).toBe('sk-octopus-for-tests-0002')
  })

  it('can be empty', async () => {
    expect(await apply({})).toEqual({ created: [], updated: [], unchanged: [] })
  })
})

const up = { name: 'up', type: 'openai-chat', keys: ['sk-1'] }
const channel = (fields: object) => ({ channels: [{ ...up, ...fields }] })
const group = (fields: object) => ({ channels: [up], groups: [{ name: 'g', ...fields }] })
const apiKey = (fields: object) => ({ apiKeys: [{ name: 'k', key: 'sk-octopus-0123456789', ...fields }] })

describe('a refused file names the field, and changes nothing', () => {
  it.each<[string, unknown, string]>([
    ['no object', [], ' must be an object, not an array'],
    ['an unknown section', { chanels: [] }, 'chanels is not a known field'],
    ['no list', { channels: {} }, 'channels must be an array, not an object'],
    ['an unknown field', channel({ baseUrl: 'x' }), 'channels[0].baseUrl is not a known field'],
    ['an id', channel({ id: 4 }), 'channels[0].id is not a known field'],
    ['no name', { channels: [{ type: 'demo' }] }, 'channels[0].name is required'],
    ['an empty name', channel({ name: ' ' }), 'channels[0].name must not be empty'],
    ['a name twice', { channels: [up, up] }, 'channels[1].name stands twice in the file: "up"'],
    ['no type', { channels: [{ name: 'a' }] }, 'channels[0].type is required for a new channel'],
    ['an unknown type', channel({ type: 'openai-chatt' }), 'channels[0].type must be one of openai-chat,'],
    ['no keys', { channels: [{ name: 'a', type: 'anthropic' }] }, 'channels[0].keys must have at least one key'],
    ['a key that is a number', channel({ keys: ['ok', 7] }), 'channels[0].keys[1] has none of the shapes allowed here'],
    ['an empty key', channel({ keys: [''] }), 'channels[0].keys[0]'],
    ['a key without secret', channel({ keys: [{ note: 'n' }] }), 'channels[0].keys[0].secret is required'],
    [
      'a key with an unknown field',
      channel({ keys: [{ secret: 's', notes: 'n' }] }),
      'channels[0].keys[0].notes is not a known field',
    ],
    ['a key twice', channel({ keys: ['a', 'b', 'a'] }), 'channels[0].keys[2] stands in the list already'],
    [
      'an unknown format',
      channel({ endpoints: [{ format: 'x', baseUrl: 'http://a' }] }),
      'channels[0].endpoints[0].format must be "openai-chat" or',
    ],
    [
      'no address',
      channel({ endpoints: [{ format: 'gemini', baseUrl: 'a b' }] }),
      'channels[0].endpoints[0].baseUrl must be an http:// or https:// address',
    ],
    [
      'an endpoint with an unknown field',
      channel({ endpoints: [{ format: 'gemini', baseUrl: 'http://a', url: '' }] }),
      'channels[0].endpoints[0].url is not a known field',
    ],
    [
      'our own address',
      channel({ endpoints: [{ format: 'gemini', baseUrl: 'http://localhost:8080' }] }),
      'channels[0].endpoints[0].baseUrl must not be the address of this gateway',
    ],
    [
      'a metadata address',
      channel({ endpoints: [{ format: 'gemini', baseUrl: 'http://169.254.169.254' }] }),
      'channels[0].endpoints[0].baseUrl must not be a cloud metadata',
    ],
    [
      'a header of ours',
      channel({ headers: [{ action: 'set', name: 'Host', value: 'x' }] }),
      'channels[0].headers[0].name must not be host',
    ],
    [
      'a header with a field too many',
      channel({ headers: [{ action: 'remove', name: 'x', value: 'y' }] }),
      'channels[0].headers[0].value is not a known field',
    ],
    [
      'a timer that is no number',
      channel({ timeouts: { idleMs: '5s' } }),
      'channels[0].timeouts.idleMs must be a number, not a string',
    ],
    ['an unknown timer', channel({ timeouts: { idle: 5 } }), 'channels[0].timeouts.idle is not a known field'],
    ['a proxy without address', channel({ proxy: { mode: 'own' } }), 'channels[0].proxy.url is required'],
    ['an unknown mode', group({ mode: 'best' }), 'groups[0].mode must be "round_robin" or'],
    [
      'an unknown channel',
      group({ items: [{ channel: 'upp', model: 'm' }] }),
      'groups[0].items[0].channel names no channel: "upp"',
    ],
    ['a member without model', group({ items: [{ channel: 'up' }] }), 'groups[0].items[0].model is required'],
    [
      'a member twice',
      group({
        items: [
          { channel: 'up', model: 'm' },
          { channel: 'up', model: 'm', weight: 2 },
        ],
      }),
      'groups[0].items[1] names a channel and model that stand',
    ],
    [
      'a weight below zero',
      group({ items: [{ channel: 'up', model: 'm', weight: -1 }] }),
      'groups[0].items[0].weight must be at least 0',
    ],
    [
      'a policy with an unknown field',
      group({ policy: { retries: 3 } }),
      'groups[0].policy.retries is not a known field',
    ],
    ['an API key without key', { apiKeys: [{ name: 'k' }] }, 'apiKeys[0].key is required for a new API key'],
    ['a short API key', apiKey({ key: 'short' }), 'apiKeys[0].key must have at least 16 characters'],
    [
      'an API key twice',
      {
        apiKeys: [
          { name: 'a', key: 'sk-octopus-0123456789' },
          { name: 'b', key: 'sk-octopus-0123456789' },
        ],
      },
      'apiKeys[1].key is the key of "a" already',
    ],
    ['an unknown group', apiKey({ allowedGroups: ['g'] }), 'apiKeys[0].allowedGroups[0] names no group: "g"'],
    [
      'a budget with an unknown field',
      apiKey({ budget: { dailyUsd: 1 } }),
      'apiKeys[0].budget.dailyUsd is not a known field',
    ],
    ['an unknown setting', { settings: { relay: { maxTries: 1 } } }, 'settings.relay.maxTries is not a known field'],
    [
      'a warning not accepted',
      { channels: [{ name: 'a', type: 'antigravity', keys: ['1//x'] }] },
      'channels[0].enabled must wait until the warning is accepted',
    ],
  ])('%s', async (...[, file, said]) => {
    const before = store.current().revision
    expect((await refusal(file)).some((issue) => issue.startsWith(said))).toBe(true)
    expect(store.current().revision).toBe(before)
  })

  it('writes nothing of the good rows before the bad one', async () => {
    await refusal({ ...whole, apiKeys: [{ name: 'k', key: 'sk-octopus-0123456789', allowedGroups: ['none'] }] })
    expect(await store.channels.list()).toEqual([])
    expect(store.current().settings.relay.maxAttempts).not.toBe(5)
  })

  it('tells all that is wrong at once', async () => {
    const issues = await refusal({ ...channel({ type: 'x' }), ...apiKey({ allowedGroups: ['a', 'b'] }) })
    expect(issues).toHaveLength(3)
  })

  it('keeps secrets out of what it says', async () => {
    const issues = await refusal(channel({ type: 'x', keys: ['sk-very-secret', 'sk-very-secret'] }))
    expect(JSON.stringify(issues)).not.toContain('very-secret')
  })

  it('accepts the warning in the same file', async () => {
    const file = {
      settings: { antigravity: { accepted: true } },
      channels: [{ name: 'a', type: 'antigravity', keys: ['1//x'] }],
    }
    expect(await apply(file)).toMatchObject({ created: ['channel "a"'] })
  })
})

describe('reading the file', () => {
  const write = async (text: string) => {
    const file = join(directory, 'provision.json')
    await writeFile(file, text)
    return file
  }
  it('takes a byte order mark as nothing', async () => {
    expect(await readProvisionFile(await write('\uFEFF{"channels":[]}'))).toEqual({ channels: [] })
  })
  it('explains what is not JSON, and what is not there', async () => {
    const broken = await write('{"channels": [\n{"keys": ["sk-very-secret"}]}')
    await expect(readProvisionFile(broken)).rejects.toThrow(/provision\.json is not JSON: look at position 41 \(line 2/)
    await expect(readProvisionFile(broken)).rejects.not.toThrow(/very-secret/)
    await expect(readProvisionFile(join(directory, 'gone.json'))).rejects.toThrow(/cannot be read.*ENOENT/)
  })
})
