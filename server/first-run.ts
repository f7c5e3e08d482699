import { ChannelCreate } from './contract/channels.ts'
import { GroupCreate } from './contract/groups.ts'
import { demoModels } from './demo/index.ts'
import type { Secret } from './secret.ts'
import type { Store } from './store/store.ts'
import { channelTypes } from './upstream/channel-types.ts'

/** What a newcomer is given, to be shown once. */
export interface FirstRun {
  readonly apiKey: Secret
  /** The group that answers without any account; null where the person brought a configuration along. */
  readonly demoModel: string | null
}

/**
 * Fills an empty gateway: a demo channel with a group on it, unless channels are there already (from a provision file), and an API
 * key, unless one is. Null when this is not the first start.
 */
export async function prepareFirstRun(store: Store): Promise<FirstRun | null> {
  const { channels, groups, apiKeys } = store.current()
  if (apiKeys.size > 0) return null
  const empty = channels.size === 0 && groups.size === 0
  if (empty) await createDemo(store)
  const { key } = await store.apiKeys.create({
    name: 'default',
    enabled: true,
    expiresAt: null,
    allowedGroups: null,
    modelMapping: {},
    budget: { totalNanoUsd: null, dailyNanoUsd: null, weeklyNanoUsd: null, monthlyNanoUsd: null },
    limits: { requestsPerMinute: null, tokensPerMinute: null, concurrency: null },
  })
  return { apiKey: key, demoModel: empty ? 'demo' : null }
}

async function createDemo(store: Store): Promise<void> {
  const type = channelTypes.get('demo')
  if (type === undefined) throw new Error('the registry of channel types has no demo')
  const channel = await store.channels.create(
    ChannelCreate.parse({ name: 'demo', type: type.id, endpoints: type.endpoints, models: demoModels }),
  )
  await store.groups.create(
    GroupCreate.parse({
      name: 'demo',
      mode: 'failover',
      items: [{ channelId: channel.id, model: 'demo-normal', priority: 1, weight: 1 }],
    }),
  )
}
