import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Catalogue } from '../../accounting/catalogue.ts'
import { PriceBook } from '../../accounting/pricing.ts'
import { httpClient } from '../../contract/client.ts'
import type { ApiClient } from '../../contract/index.ts'
import { demoSend } from '../../demo/index.ts'
import { createEventBus, type EventBus } from '../../management/events.ts'
import { createHandlers } from '../../management/index.ts'
import { createSessions, ensureAdminPassword } from '../../management/session.ts'
import { protocols } from '../../protocols/index.ts'
import { DataKey } from '../../store/secrets.ts'
import { openStore, type Store } from '../../store/store.ts'
import { createDispatch } from '../../transport/dispatch.ts'
import { createUpstreamClient } from '../../upstream/client.ts'
import { createApp } from '../app.ts'
import { createPolicy } from '../guard.ts'

export interface ManagementSide {
  readonly store: Store
  readonly bus: EventBus
  readonly port: number
  readonly password: string
  readonly token: string
  /** Logged in. */
  readonly client: ApiClient
  /** What was told to the log: defects. */
  readonly logged: readonly unknown[]
  close(): Promise<void>
}

/** The whole management side over real HTTP and a real database, without a relay. `files`: the built UI's, by path; none: no UI. */
export async function startManagementSide(files: Readonly<Record<string, string>> = {}): Promise<ManagementSide> {
  const directory = await mkdtemp(join(tmpdir(), 'octopus-management-'))
  const ui = join(directory, 'ui')
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(ui, path)), { recursive: true })
    await writeFile(join(ui, path), text)
  }
  const quiet = { info: () => undefined, warn: () => undefined }
  const database = { kind: 'sqlite', file: join(directory, 'data.db') } as const
  const store = await openStore({ database, dataKey: new DataKey(randomBytes(32)), log: quiet })
  const password = (await ensureAdminPassword(store)) ?? ''
  const bus = createEventBus()
  const logged: unknown[] = []
  const log = { error: (fields: unknown) => logged.push(fields) }
  const upstream = createUpstreamClient()
  const sessions = createSessions(store)
  const today = { requests: 3, failures: 1, cancelled: 0, tokens: 99, costNanoUsd: 7 }
  const catalogue = new Catalogue(() => '{"source":"models.dev","date":"2026-01-02","licence":"MIT","vendors":{}}')
  let port = 0
  const handlers = createHandlers({
    store,
    sessions,
    protocols,
    sendFor: (type) => (type === 'demo' ? demoSend : upstream.send),
    listener: () => ({ port, hosts: ['127.0.0.1'] }),
    live: () => ({ activeRequests: 2, today }),
    priceOf: (question) => new PriceBook(store.current().prices, catalogue).lookup(question),
    resetChannelKey: async (id) => {
      await store.channelKeys.reset(id)
    },
    channelHealth: () => [],
    resetChannel: () => undefined,
    about: () => ({ version: '1.2.3', startedAt: 5, url: `http://127.0.0.1:${port}`, database: store.kind }),
  })
  const api = { dispatch: createDispatch(handlers, log), feed: bus, sessions, version: '1.2.3', heartbeatMs: 50 }
  const policy = () => createPolicy({ hosts: ['127.0.0.1'], port, corsOrigins: ['https://chat.example'] })
  const server = createServer(createApp({ api, policy, log, ui }))
  port = await listen(server)
  const anonymous = httpClient({ baseUrl: `http://127.0.0.1:${port}` })
  const { token } = await anonymous.call('session.login', { password })

  return {
    store,
    bus,
    port,
    password,
    token,
    client: httpClient({ baseUrl: `http://127.0.0.1:${port}`, token: () => token }),
    logged,
    close: async () => {
      server.closeAllConnections()
      server.close()
      await upstream.close()
      await store.close()
      await rm(directory, { recursive: true })
    },
  }
}

export function listen(server: Server): Promise<number> {
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)))
}
