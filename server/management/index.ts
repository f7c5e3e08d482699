import type { Price, PriceQuestion } from '../accounting/pricing.ts'
import type { ChannelHealth, GatewayChanged, GatewayStatus } from '../contract/activity.ts'
import { ContractError } from '../contract/define.ts'
import type { Handlers } from '../contract/index.ts'
import type { PriceAnswer } from '../contract/prices.ts'
import type { Store } from '../store/store.ts'
import { channelTypes } from '../upstream/channel-types.ts'
import type { Send } from '../upstream/exchange.ts'
import { activityHandlers } from './activity.ts'
import type { CatalogueTools } from './catalogue.ts'
import type { Listener } from './channel-rules.ts'
import { configurationHandlers } from './configuration.ts'
import { listModels } from './model-listing.ts'
import type { Sessions } from './session.ts'

/** What the management side needs of the rest of the gateway. */
export interface Surroundings {
  readonly protocols: CatalogueTools['protocols']
  /** How channels of a type are reached: over the network, or (demo) inside this process. */
  readonly sendFor: (type: string) => Send
  readonly store: Store
  readonly sessions: Sessions
  readonly listener: () => Listener
  /** Today's numbers and the requests under way. */
  readonly live: () => GatewayChanged
  readonly priceOf: (question: PriceQuestion) => Price | null
  /** Lifts a key's suspension, in memory and in the database. Throws ContractError `not_found`. */
  readonly resetChannelKey: (id: number) => Promise<void>
  /** Circuits that are open and keys that rest. */
  readonly channelHealth: () => ChannelHealth[]
  /** Closes a channel's circuits; null: of all its models. */
  readonly resetChannel: (id: number, model: string | null) => void
  readonly about: () => Pick<GatewayStatus, 'version' | 'startedAt' | 'url' | 'database'>
}

/** The handlers of the whole contract. */
export function createHandlers(around: Surroundings): Handlers {
  const { store, sessions } = around
  const configuration = () => store.current()
  return {
    ...configurationHandlers(store, around.listener),
    ...activityHandlers(store),
    ...sessions.handlers,

    'channel.fetchModels': async (input, { signal }) => {
      const { protocols, sendFor, listener } = around
      const context = { protocols, sendFor, configuration, listener }
      return { models: await listModels(input, context, signal) }
    },
    'channel.health': () => Promise.resolve(around.channelHealth()),
    'channel.reset': ({ id, model }) => {
      if (!configuration().channels.has(id)) throw new ContractError('not_found', `there is no channel ${id}`)
      around.resetChannel(id, model ?? null)
      return Promise.resolve(null)
    },
    'channelKey.reset': async ({ id }) => {
      await around.resetChannelKey(id)
      return null
    },
    'price.lookup': ({ channelId, model }) => {
      const channel = channelId === undefined ? undefined : configuration().channels.get(channelId)
      if (channelId !== undefined && channel === undefined) {
        throw new ContractError('not_found', `there is no channel ${channelId}`)
      }
      const vendor = channelTypes.get(channel?.type ?? '')?.vendor ?? null
      return Promise.resolve(toAnswer(around.priceOf({ channelId: channelId ?? null, vendor, model })))
    },
    'gateway.status': () =>
      Promise.resolve({ ...around.live(), ...around.about(), revision: configuration().revision }),
  }
}

function toAnswer(price: Price | null): PriceAnswer {
  if (price === null) return { source: 'unknown', vendor: null, matchedModel: null, asOf: null, price: null }
  const { tokens, tiers, perRequestNanoUsd, ...found } = price
  return { ...found, price: { tokens, tiers: tiers.map((tier) => ({ ...tier })), perRequestNanoUsd } }
}
