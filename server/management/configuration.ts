import { ContractError } from '../contract/define.ts'
import type { Handlers } from '../contract/index.ts'
import { summarise, type Issue } from '../contract/issues.ts'
import { Secret } from '../secret.ts'
import { oauthSecretName } from '../store/documents.ts'
import type { Store } from '../store/store.ts'
import { channelTypes } from '../upstream/channel-types.ts'
import {
  channelChangeIssues,
  newChannelIssues,
  withDefaults,
  withTypesEndpoints,
  type ChannelRules,
  type Listener,
} from './channel-rules.ts'

type Crud = 'list' | 'get' | 'create' | 'update' | 'delete'
type ConfigurationHandlers = Pick<
  Handlers,
  | 'channel.types'
  | `channel.${Crud}`
  | `group.${Crud}`
  | `apiKey.${Exclude<Crud, 'get'> | 'reveal'}`
  | `price.${'list' | 'set' | 'delete'}`
  | `settings.${'get' | 'update'}`
  | 'antigravity.setClient'
>

/** Throws `invalid_input` naming every field when there are issues. */
export function refuseIf(issues: readonly Issue[]): void {
  if (issues.length > 0) throw new ContractError('invalid_input', summarise(issues), { issues })
}

/**
 * Channels, groups, API keys, prices and settings. The store itself refuses unknown ids, taken names and members that do not exist;
 * here stand the rules that need more than its tables.
 */
export function configurationHandlers(store: Store, listener: () => Listener): ConfigurationHandlers {
  const rules = (): ChannelRules => ({
    listener: listener(),
    riskAccepted: store.current().settings.antigravity.accepted,
  })

  return {
    'channel.types': () =>
      Promise.resolve([...channelTypes.values()].map((type) => ({ ...type, endpoints: [...type.endpoints] }))),
    'channel.list': () => store.channels.list(),
    'channel.get': ({ id }) => store.channels.get(id),
    'channel.create': async (channel) => {
      refuseIf(newChannelIssues(channel, rules()))
      return store.channels.create(withDefaults(channel))
    },
    'channel.update': async (given) => {
      const standing = await store.channels.get(given.id)
      const change = withTypesEndpoints(given, standing.type)
      refuseIf(channelChangeIssues(change, standing, rules()))
      return store.channels.update(change)
    },
    'channel.delete': ({ id }) => nothing(store.channels.delete(id)),

    'group.list': () => store.groups.list(),
    'group.get': ({ id }) => store.groups.get(id),
    'group.create': (group) => store.groups.create(group),
    'group.update': (change) => store.groups.update(change),
    'group.delete': ({ id }) => nothing(store.groups.delete(id)),

    'apiKey.list': () => store.apiKeys.list(),
    'apiKey.create': async (given) => {
      const { row, key } = await store.apiKeys.create(given)
      return { ...row, key: key.reveal() }
    },
    'apiKey.reveal': async ({ id }) => ({ key: (await store.apiKeys.reveal(id)).reveal() }),
    'apiKey.update': (change) => store.apiKeys.update(change),
    'apiKey.delete': ({ id }) => nothing(store.apiKeys.delete(id)),

    'price.list': ({ channelId }) => store.prices.list(channelId),
    'price.set': (price) => store.prices.set(price),
    'price.delete': ({ id }) => nothing(store.prices.delete(id)),

    'settings.get': () => Promise.resolve(store.settings.get()),
    'settings.update': (patch) => store.settings.patch(patch),
    'antigravity.setClient': async ({ clientId, clientSecret }) => {
      const given = clientId !== '' && clientSecret !== ''
      await store.documents.setSecret(oauthSecretName, given ? new Secret(clientSecret) : null)
      // last, for it makes a new picture of the configuration, and with it new accounts
      await store.settings.patch({ antigravity: { oauthClientId: given ? clientId : '' } })
      return null
    },
  }
}

async function nothing(work: Promise<void>): Promise<null> {
  await work
  return null
}
