import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ApiClient } from '../contract/index.ts'
import { demoModels } from '../demo/index.ts'
import { listen, startManagementSide, type ManagementSide } from '../http/testing/management-side.ts'
import type { Store } from '../store/store.ts'

let side: ManagementSide
let client: ApiClient
let store: Store
let port = 0

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

beforeAll(async () => {
  side = await startManagementSide()
  ;({ client, store, port } = side)
  await listen(provider)
})
afterAll(async () => {
  provider.closeAllConnections()
  provider.close()
  await side.close()
  expect(side.logged).toEqual([])
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
