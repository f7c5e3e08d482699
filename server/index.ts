import { randomUUID } from 'node:crypto'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { lockData } from './accounting/data-lock.ts'
import { countRequestTokens } from './accounting/estimate.ts'
import { logRowOf } from './accounting/log-row.ts'
import { createAntigravityAccounts } from './antigravity-accounts.ts'
import { openBooks } from './books.ts'
import type { Logger, ServerConfig } from './config.ts'
import { demoSend } from './demo/index.ts'
import { prepareFirstRun, type FirstRun } from './first-run.ts'
import type { createApp } from './http/app.ts'
import { createFront } from './http/front.ts'
import { createPolicy, type Policy } from './http/guard.ts'
import type { Running } from './http/relay-routes.ts'
import { stopListening } from './http/stop.ts'
import { answerCatalogue } from './relay/public-models.ts'
import { createEventBus } from './management/events.ts'
import { createHandlers } from './management/index.ts'
import { createSessions, ensureAdminPassword } from './management/session.ts'
import { protocols } from './protocols/index.ts'
import { applyProvision, readProvisionFile } from './provision/provision.ts'
import { authenticate, credentials } from './relay/access.ts'
import { createGateway, type GatewayParts } from './relay/gateway.ts'
import { Secret } from './secret.ts'
import { loadDataKey } from './store/secrets.ts'
import { openSteering } from './steering.ts'
import { openStore } from './store/store.ts'
import type { DatabaseConfig } from './store/database.ts'
import { createDispatch } from './transport/dispatch.ts'
import { channelTypes } from './upstream/channel-types.ts'
import { createUpstreamClient } from './upstream/client.ts'
import type { Send } from './upstream/exchange.ts'
import { TimerWheel } from './upstream/timer-wheel.ts'

/** Replaced by the build with the version of package.json. */
declare const OCTOPUS_VERSION: string | undefined
const version = typeof OCTOPUS_VERSION === 'undefined' ? '0.0.0-source' : OCTOPUS_VERSION

export interface RunningServer {
  /** `http://127.0.0.1:8080` */
  readonly url: string
  /** Set at the very first start: shown once. */
  readonly firstRun: FirstRun | null
  /** Made at the first start: shown once. */
  readonly adminPassword: string | null
  /** After sleep, or when the network or a proxy changed: pooled sockets are dropped, and what failed is tried anew. */
  networkChanged(): void
  /** Stops listening, lets answers end (5 s at most), writes everything down. */
  close(): Promise<void>
}

/**
 * The whole gateway: the only place where its parts meet.
 * Rejects with DataDirectoryInUse, DatabaseRefusal, ContractError (provision file) or the listener's own error.
 */
export async function createServer(config: ServerConfig, log: Logger): Promise<RunningServer> {
  const dataDir = path.resolve(config.data.dir)
  const lock = await lockData(dataDir)
  const undo: (() => Promise<void> | void)[] = [() => lock.release()]
  try {
    return await assemble(config, { log, dataDir, undo })
  } catch (error) {
    for (const step of undo.reverse()) await step()
    throw error
  }
}

interface Base {
  readonly log: Logger
  readonly dataDir: string
  /** What has to be closed again, in the order in which it was opened. */
  readonly undo: (() => Promise<void> | void)[]
}

async function assemble(config: ServerConfig, { log, dataDir, undo }: Base): Promise<RunningServer> {
  const startedAt = Date.now()
  const given = process.env['OCTOPUS_SECRET_KEY']
  const dataKey = await loadDataKey({ given: given === undefined ? undefined : new Secret(given), dataDir })
  const plainLog = { info: (text: string) => log.info({}, text), warn: (text: string) => log.warn({}, text) }
  const store = await openStore({ database: databaseOf(config, dataDir), dataKey, log: plainLog })
  undo.push(() => store.close())

  const listener = { port: config.server.port, hosts: [config.server.host, ...config.server.allowed_hosts] }
  if (config.provision.file !== '') {
    const done = await applyProvision(store, await readProvisionFile(config.provision.file), { listener })
    log.info({ ...done }, 'the provision file has been applied')
  }
  const adminPassword = await ensureAdminPassword(store)
  const firstRun = await prepareFirstRun(store)

  const books = await openBooks(store, { log, dataDir, undo })
  const upstream = createUpstreamClient()
  const outside = createUpstreamClient('public')
  undo.push(
    () => upstream.close(),
    () => outside.close(),
  )
  const wheel = new TimerWheel()
  const instanceId = randomUUID().slice(0, 8)
  const sendFor = (type: string): Send => (channelTypes.get(type)?.inProcess === true ? demoSend : upstream.send)
  const bus = createEventBus()
  const antigravity = createAntigravityAccounts(store, {
    send: upstream.send,
    onDefect: (error) => log.warn({ err: error }, 'a refused Antigravity token could not be forgotten'),
  })
  const accounts: GatewayParts['accounts'] = { antigravity }
  const steering = await openSteering(store, {
    log,
    publish: (state) => bus.publish('channel.health', state),
    costOf: ({ channel, model }) => books.weightOf(channel, model),
    forgetAccount: (member, key) => accounts[member.format]?.forget(member, key),
    undo,
  })
  const gateway = createGateway({
    configuration: store,
    protocols,
    sendFor,
    keyless: new Set([...channelTypes.values()].filter(({ keyRequired }) => !keyRequired).map(({ id }) => id)),
    choice: steering.choice,
    limits: steering.limits,
    latency: steering.latency,
    wheel,
    accounts,
    instanceId,
    userAgent: `octopus/${version}`,
  })

  const address = { url: '' }
  const sessions = createSessions(store)
  const handlers = createHandlers({
    store,
    sessions,
    protocols,
    sendFor,
    listener: () => listener,
    live: () => books.live.snapshot(),
    priceOf: (question) => books.prices().lookup(question),
    resetChannelKey: (id) => steering.resetChannelKey(id),
    resetChannel: (id, model) => steering.resetChannel(id, model),
    channelHealth: () => steering.channelHealth(),
    about: () => ({ version, startedAt, url: address.url, database: store.kind }),
  })
  books.live.onChange((snapshot) => bus.publish('gateway.changed', snapshot))
  books.live.onFinished((record) => {
    if (bus.hears('log.appended')) bus.publish('log.appended', logRowOf(record))
  })
  store.onChange(({ revision }) => bus.publish('configuration.changed', { revision }))

  let policy: Policy | null = null
  const policyNow = (): Policy => {
    const { corsOrigins } = store.current().settings.network
    return (policy ??= createPolicy({ hosts: listener.hosts, port: listener.port, corsOrigins }))
  }
  store.onChange(() => {
    policy = null
  })

  let app: Promise<ReturnType<typeof createApp>> | null = null
  const running = new Set<Running>()
  const leaving = new AbortController()
  const server = createFront({
    relay: {
      gateway,
      wheel,
      instanceId,
      fetch: outside.send,
      countTokens: countRequestTokens,
      books: () => books.bookkeeping(),
      begin: (journal) => books.begin(journal),
      running,
      limits: () => store.current().settings.relay,
      onDefect: (error) => log.error({ err: error }, 'a defect of the gateway'),
    },
    protocols: Object.values(protocols),
    fallback: protocols['openai-chat'],
    policy: policyNow,
    catalogue: ({ protocol, id, headers, queryKey }) => {
      const configuration = store.current()
      const caller = authenticate(configuration, credentials(headers, queryKey), Date.now())
      return answerCatalogue(protocol, { configuration, caller, id })
    },
    app: () =>
      (app ??= import('./http/app.ts').then((module) =>
        module.createApp({
          api: { dispatch: createDispatch(handlers, log), feed: bus, sessions, version, closing: leaving.signal },
          policy: policyNow,
          log,
        }),
      )),
  })
  const port = await listen(server, config)
  listener.port = port
  policy = null
  address.url = `http://${config.server.host.includes(':') ? `[${config.server.host}]` : config.server.host}:${port}`
  undo.push(() => {
    leaving.abort()
    return stopListening(server, running)
  })
  log.info({ url: address.url, version, database: store.kind }, 'the gateway is ready')

  let closing: Promise<void> | null = null
  return {
    url: address.url,
    firstRun,
    adminPassword,
    networkChanged: () => {
      upstream.reset()
      outside.reset()
      steering.networkChanged()
    },
    close: () =>
      (closing ??= (async () => {
        for (const step of undo.reverse()) await step()
        log.info({}, 'the gateway has stopped')
      })()),
  }
}

function databaseOf({ database }: ServerConfig, dataDir: string): DatabaseConfig {
  switch (database.type) {
    case 'sqlite':
      return { kind: 'sqlite', file: path.resolve(dataDir, database.path) }
    case 'postgres':
      return { kind: 'postgresql', url: new Secret(database.path) }
    case 'mysql':
      return { kind: 'mysql', url: new Secret(database.path) }
  }
}

function listen(server: Server, config: ServerConfig): Promise<number> {
  const { host, port } = config.server
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve((server.address() as AddressInfo).port)
    })
  })
}
