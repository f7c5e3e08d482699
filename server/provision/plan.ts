import { isDeepStrictEqual } from 'node:util'
import { ApiKeyCreate, type ApiKeyRow, type ApiKeyUpdate } from '../contract/access.ts'
import { ChannelCreate, type ChannelRow, type ChannelUpdate } from '../contract/channels.ts'
import { GroupCreate, type GroupRow, type GroupUpdate } from '../contract/groups.ts'
import { withTypesEndpoints } from '../management/channel-rules.ts'
import type { Channel } from '../store/configuration.ts'
import type { ProvisionApiKey, ProvisionChannel, ProvisionGroup } from './schema.ts'

type Keys = NonNullable<ProvisionChannel['keys']>

export function newChannel({ keys = [], ...fields }: ProvisionChannel): ChannelCreate {
  return ChannelCreate.parse({ ...fields, keys: keys.map((key) => (typeof key === 'string' ? { secret: key } : key)) })
}

/** `opened` is the same channel with its secrets, to compare with. */
export function channelChange(given: ProvisionChannel, standing: ChannelRow, opened: Channel): ChannelUpdate | null {
  const { keys, proxy, ...fields } = withTypesEndpoints(given, standing.type)
  const models = fields.models === undefined ? undefined : [...new Set(fields.models)]
  delete fields.models
  const change: ChannelUpdate = { id: standing.id, ...differing(fields, standing) }
  const names = standing.models.map(({ name }) => name)
  if (models !== undefined && !isDeepStrictEqual(models, names)) change.models = models
  if (proxy !== undefined && !isSameProxy(proxy, opened.proxy)) change.proxy = proxy
  const newKeys = keys === undefined ? null : keyChange(keys, standing, opened)
  if (newKeys !== null) change.keys = newKeys
  return Object.keys(change).length > 1 ? change : null
}

function isSameProxy(given: NonNullable<ProvisionChannel['proxy']>, standing: Channel['proxy']): boolean {
  if (given.mode !== 'own' || standing.mode !== 'own') return given.mode === standing.mode
  return given.url === standing.url.reveal()
}

type KeyInputs = NonNullable<ChannelUpdate['keys']>

/** The whole new list, or null when it is the old one. A key with an equal secret keeps its row, and what is not said of it. */
function keyChange(given: Keys, standing: ChannelRow, opened: Channel): KeyInputs | null {
  const free = [...opened.keys]
  const list = given.map((key): KeyInputs[number] => {
    const said = typeof key === 'string' ? { secret: key } : key
    const at = free.findIndex((candidate) => candidate.secret.reveal() === said.secret)
    const [kept] = at === -1 ? [] : free.splice(at, 1)
    const row = standing.keys.find(({ id }) => id === kept?.id)
    return {
      ...(row === undefined ? { secret: said.secret } : { id: row.id }),
      enabled: said.enabled ?? row?.enabled ?? true,
      note: said.note ?? row?.note ?? '',
      models: said.models === undefined ? (row?.models ?? null) : said.models,
    }
  })
  const old = standing.keys.map(({ id, enabled, note, models }) => ({ id, enabled, note, models }))
  return isDeepStrictEqual(list, old) ? null : list
}

/** By the names of channels, after the channels stand. */
export type ChannelIds = ReadonlyMap<string, number>

export function newGroup({ items = [], ...fields }: ProvisionGroup, channels: ChannelIds): GroupCreate {
  return GroupCreate.parse({ ...fields, items: toItems(items, channels, []) })
}

export function groupChange(given: ProvisionGroup, standing: GroupRow, channels: ChannelIds): GroupUpdate | null {
  const { items, ...fields } = given
  const change: GroupUpdate = { id: standing.id, ...differing(fields, standing) }
  if (items !== undefined) {
    const list = toItems(items, channels, standing.items)
    const old = standing.items.map(({ channelId, model, priority, weight, enabled }) => {
      return { channelId, model, priority, weight, enabled }
    })
    if (!isDeepStrictEqual(list, old)) change.items = list
  }
  return Object.keys(change).length > 1 ? change : null
}

function toItems(items: NonNullable<ProvisionGroup['items']>, channels: ChannelIds, standing: GroupRow['items']) {
  return items.map(({ channel, ...said }) => {
    const channelId = channels.get(channel) ?? 0 // every name was looked up before anything was written
    const kept = standing.find((item) => item.channelId === channelId && item.model === said.model)
    return {
      channelId,
      model: said.model,
      priority: said.priority ?? kept?.priority ?? 1,
      weight: said.weight ?? kept?.weight ?? 1,
      enabled: said.enabled ?? kept?.enabled ?? true,
    }
  })
}

export function newApiKey(given: ProvisionApiKey): ApiKeyCreate {
  return ApiKeyCreate.parse(given)
}

/** `isItsKey`: whether the given key is the one that stands. */
export function apiKeyChange(given: ProvisionApiKey, standing: ApiKeyRow, isItsKey: boolean): ApiKeyUpdate | null {
  const { key, ...fields } = given
  const change: ApiKeyUpdate = { id: standing.id, ...differing(fields, standing) }
  if (key !== undefined && !isItsKey) change.key = key
  return Object.keys(change).length > 1 ? change : null
}

/** The fields that are given and differ. */
export function differing<T extends object>(given: T, standing: Readonly<Record<string, unknown>>): Partial<T> {
  const fields = Object.entries(given).filter(
    ([name, value]) => value !== undefined && !isDeepStrictEqual(value, standing[name]),
  )
  return Object.fromEntries(fields) as Partial<T> // a selection of its own fields
}
