import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createAntigravityAccounts } from './antigravity-accounts.ts'
import { Secret } from './secret.ts'
import type { Channel, ChannelKey } from './store/configuration.ts'
import { DataKey } from './store/secrets.ts'
import { openStore, type Store } from './store/store.ts'
import { createUpstreamClient } from './upstream/client.ts'

const closers: (() => unknown)[] = []
let store: Store

beforeEach(async () => {
  const directory = await mkdtemp(join(tmpdir(), 'octopus-accounts-'))
  const log = { info: () => undefined, warn: () => undefined }
  const database = { kind: 'sqlite', file: join(directory, 'data.db') } as const
  store = await openStore({ database, dataKey: new DataKey(randomBytes(32)), log })
  closers.push(
    () => rm(directory, { recursive: true }),
    () => store.close(),
  )
})
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

async function google(answer: RequestListener): Promise<string> {
  const server = createServer(answer)
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  closers.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const key: ChannelKey = {
  id: 1,
  channelId: 1,
  secret: new Secret('ya29.token-of-a-test'),
  enabled: true,
  note: '',
  models: null,
}

function memberAt(baseUrl: string) {
  const channel: Channel = {
    id: 1,
    name: 'c',
    type: 'antigravity',
    enabled: true,
    endpoints: [{ format: 'antigravity', baseUrl }],
    keys: [key],
    models: ['m'],
    headers: [],
    paramOverride: null,
    proxy: { mode: 'none' },
    priceMultiplier: 1,
    timeouts: { connectMs: 1000, firstTokenMs: 0, idleMs: 0, totalMs: 0 },
  }
  const item = { itemId: 1, groupId: 1, channelId: 1, model: 'm', priority: 1, weight: 1 }
  return { ...item, channel, format: 'antigravity' as const, baseUrl, addresses: [] }
}

/** The store, whose secrets cannot be read as long as `away` says so. */
function flaky(away: () => boolean) {
  const getSecret: Store['documents']['getSecret'] = (name) =>
    away() ? Promise.reject(new Error('the database is away')) : store.documents.getSecret(name)
  return {
    current: () => store.current(),
    documents: { getSecret, setSecret: store.documents.setSecret.bind(store.documents) },
  }
}

function accountsOver(from: Parameters<typeof createAntigravityAccounts>[0], onDefect = vi.fn()) {
  const client = createUpstreamClient()
  closers.push(() => client.close())
  return createAntigravityAccounts(from, { send: client.send, onDefect })
}

test('a database that was away for a moment does not cost the channel until the next start', async () => {
  const url = await google((_, response) => response.end('{"cloudaicompanionProject":"p-1"}'))
  let away = true
  const accounts = accountsOver(flaky(() => away))
  const member = memberAt(url)
  await expect(accounts.find(member, key, true)).rejects.toThrow('the database is away')
  away = false
  expect(await accounts.find(member, key, true)).toEqual({ credential: 'ya29.token-of-a-test', project: 'p-1' })
})

test('a token that cannot be forgotten is told, and the process lives', async () => {
  const onDefect = vi.fn()
  const accounts = accountsOver(
    flaky(() => true),
    onDefect,
  )
  accounts.forget(memberAt('https://daily-cloudcode-pa.googleapis.com'), key)
  await vi.waitFor(() => expect(onDefect).toHaveBeenCalledWith(new Error('the database is away')))
})

test('of an answer without end no more than a megabyte is kept', async () => {
  let left = false
  const url = await google((_, response) => {
    const more = (): void => {
      while (!left && response.write(Buffer.alloc(64 * 1024, 'x')));
    }
    response.on('drain', more).on('close', () => (left = true))
    more()
  })
  const accounts = accountsOver(flaky(() => false))
  expect(await accounts.find(memberAt(url), key, true)).toBeNull()
  await vi.waitUntil(() => left)
})
