import { Affinity } from './balance/affinity.ts'
import { createDice } from './balance/balancer.ts'
import { recalled, rememberBreakers } from './balance/breaker-memory.ts'
import { Breakers } from './balance/breaker.ts'
import { KeyHealth } from './balance/health.ts'
import { Latency } from './balance/latency.ts'
import { Limits } from './balance/limits.ts'
import { KeyUse } from './balance/rotation.ts'
import type { Logger } from './config.ts'
import type { ChannelHealth } from './contract/activity.ts'
import type { Member } from './relay/candidates.ts'
import { createChoice, type Choice } from './relay/choice.ts'
import type { ChannelKey } from './store/configuration.ts'
import type { Store } from './store/store.ts'

/** Everything that steers requests, as the relay and the management side see it. */
export interface Steering {
  readonly choice: Choice
  readonly limits: Limits
  readonly latency: Latency
  /** Circuits that are open and keys that rest. */
  channelHealth(): ChannelHealth[]
  /** Closes a channel's circuits; null: of all its models. */
  resetChannel(id: number, model: string | null): void
  /** Rejects with ContractError `not_found`. */
  resetChannelKey(id: number): Promise<void>
  /** What failed before may work now: open circuits and passed-over addresses are tried at once. */
  networkChanged(): void
}

interface Surroundings {
  readonly log: Logger
  readonly publish: (health: ChannelHealth) => void
  readonly costOf: (member: Member) => number | null
  readonly forgetAccount: (member: Member, key: ChannelKey) => void
  /** What has to be closed again, in the order in which it was opened. */
  readonly undo: (() => Promise<void> | void)[]
}

const BREAKERS = 'balance.breakers'

/** Balancing, health and limits: what they remember outlives a restart where it would hurt to learn it again. */
export async function openSteering(store: Store, around: Surroundings): Promise<Steering> {
  const { log, publish, undo } = around
  const health = await loadHealth(store)
  const latency = new Latency()
  const limits = new Limits(() => {
    const { queueSize, queueMs } = store.current().settings.relay
    return { size: queueSize, waitMs: queueMs }
  })
  const breakers = new Breakers({
    rules: () => {
      const { breakerFailures, breakerPauseMs } = store.current().settings.relay
      return { failures: breakerFailures, pauseMs: breakerPauseMs }
    },
    onChange: (change) => {
      memory.touch()
      publish({ ...change, keyId: null })
    },
  })
  breakers.restore(recalled(await store.documents.get(BREAKERS)))
  const memory = rememberBreakers(breakers, {
    save: (text) => store.documents.set(BREAKERS, text),
    onError: (error) => log.warn({ err: error }, 'the state of the circuits could not be stored'),
  })
  undo.push(() => memory.close())
  store.onChange(({ channels, apiKeys }) => {
    breakers.retain((id) => channels.has(id))
    limits.retain((id) => apiKeys.has(id))
  })

  const choice = createChoice({
    configuration: store,
    dice: createDice(),
    health,
    breakers,
    affinity: new Affinity(),
    latency,
    keyUse: new KeyUse(),
    costOf: around.costOf,
    forgetAccount: around.forgetAccount,
    onKeyRest: (keyId, rest) => {
      const suspendedUntil = rest.kind === 'suspended' ? rest.until : null
      store.channelKeys
        .noteHealth(keyId, { suspendedUntil, lastStatus: rest.status })
        .catch((error: unknown) => log.warn({ err: error }, "a key's state could not be stored"))
      const state = rest.until === null ? 'healthy' : rest.kind
      publish({ ...rest.at, keyId, state, until: rest.until, reason: rest.reason })
    },
  })

  return {
    choice,
    limits,
    latency,
    channelHealth: () => [
      ...breakers.open().map(({ channelId, model, state, until, reason }) => {
        return { channelId, keyId: null, model, state, until, reason }
      }),
      ...restingKeys(store, health),
    ],
    resetChannel: (id, model) => {
      breakers.reset(id, model)
      memory.touch()
    },
    resetChannelKey: async (id) => {
      await store.channelKeys.reset(id)
      health.reset(id)
    },
    networkChanged: () => {
      breakers.wake()
      latency.wake()
    },
  }
}

/** Suspensions outlive a restart. */
async function loadHealth(store: Store): Promise<KeyHealth> {
  const health = new KeyHealth()
  for (const [keyId, { suspendedUntil, lastStatus }] of await store.channelKeys.suspended(Date.now()))
    if (suspendedUntil !== null) health.restore(keyId, { until: suspendedUntil, kind: 'suspended', status: lastStatus })
  return health
}

function restingKeys(store: Store, health: KeyHealth): ChannelHealth[] {
  const owners = new Map<number, number>()
  for (const channel of store.current().channels.values())
    for (const key of channel.keys) owners.set(key.id, channel.id)
  return health.all().flatMap(({ keyId, model, rest }) => {
    const channelId = owners.get(keyId)
    if (channelId === undefined) return []
    const reason = rest.status === null ? '' : `the upstream answered ${rest.status}`
    return [{ channelId, keyId, model, state: rest.kind, until: rest.until, reason }]
  })
}
