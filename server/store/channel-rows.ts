import { z } from 'zod'
import {
  AutoGroupMode,
  EndpointRow,
  HeaderRule,
  ParamOverride,
  ProxyChoice,
  Timeouts,
  type ChannelRow,
} from '../contract/channels.ts'
import type { Secret } from '../secret.ts'
import { bool, int, json, nullableInt, nullableJson, nullableText, parsed, text } from './columns.ts'
import type { Channel, ChannelKey } from './configuration.ts'
import type { SqlRow } from './driver.ts'
import { maskAddress } from './masking.ts'
import type { SealedPlace } from './secrets.ts'

export const Names = z.array(z.string())
const Headers = z.array(HeaderRule)
const Endpoints = z.array(EndpointRow)
const ProxyMode = z.enum(ProxyChoice.options.map((option) => option.shape.mode.value))

/** Opens what was sealed for a column. */
export type Open = (sealed: string, place: SealedPlace) => Secret

/** Rows of channel_key and channel_model that belong to one row of channel, in their order. */
export interface ChannelParts {
  readonly keys: readonly SqlRow[]
  readonly models: readonly SqlRow[]
}

export const channelQueries = {
  channels: 'SELECT * FROM channel ORDER BY id',
  keys: 'SELECT * FROM channel_key ORDER BY channel_id, position, id',
  models: 'SELECT * FROM channel_model ORDER BY channel_id, position, name',
} as const

/** The channel as the relay needs it, secrets opened. */
export function toChannel(row: SqlRow, { keys, models }: ChannelParts, open: Open): Channel {
  const synced = models.map((model) => text(model, 'name'))
  return {
    id: int(row, 'id'),
    name: text(row, 'name'),
    type: text(row, 'type'),
    enabled: bool(row, 'enabled'),
    endpoints: json(row, 'endpoints', Endpoints),
    keys: keys.map((key) => toChannelKey(key, open)),
    models: [...new Set([...synced, ...json(row, 'custom_models', Names)])],
    headers: headersOf(row, open),
    paramOverride: nullableJson(row, 'param_override', ParamOverride),
    proxy: proxyOf(row, open),
    priceMultiplier: Number(row['price_multiplier']),
    timeouts: json(row, 'timeouts', Timeouts),
  }
}

function toChannelKey(row: SqlRow, open: Open): ChannelKey {
  const models = nullableJson(row, 'models', Names)
  return {
    id: int(row, 'id'),
    channelId: int(row, 'channel_id'),
    secret: open(text(row, 'secret'), 'channel_key.secret'),
    enabled: bool(row, 'enabled'),
    note: text(row, 'note'),
    models: models === null ? null : new Set(models),
  }
}

function headersOf(row: SqlRow, open: Open): HeaderRule[] {
  const headers = parsed(open(text(row, 'headers'), 'channel.headers').reveal(), Headers)
  if (headers === undefined) throw new Error(`channel ${int(row, 'id')} has headers that cannot be read`)
  return headers
}

function proxyOf(row: SqlRow, open: Open): Channel['proxy'] {
  const mode = ProxyMode.parse(text(row, 'proxy_mode'))
  return mode === 'own' ? { mode, url: open(text(row, 'proxy_url'), 'channel.proxy_url') } : { mode }
}

/** The channel as it is shown: no secret, only hints. */
export function toChannelRow(row: SqlRow, { keys, models }: ChannelParts, open: Open): ChannelRow {
  const proxy = proxyOf(row, open)
  return {
    id: int(row, 'id'),
    name: text(row, 'name'),
    type: text(row, 'type'),
    enabled: bool(row, 'enabled'),
    endpoints: json(row, 'endpoints', Endpoints),
    customModels: json(row, 'custom_models', Names),
    modelFilter: text(row, 'model_filter'),
    autoSync: bool(row, 'auto_sync'),
    autoGroup: AutoGroupMode.parse(text(row, 'auto_group')),
    headers: headersOf(row, open),
    paramOverride: nullableJson(row, 'param_override', ParamOverride),
    proxy: proxy.mode === 'own' ? { mode: 'own', url: maskAddress(proxy.url.reveal()) } : proxy,
    priceMultiplier: Number(row['price_multiplier']),
    notes: text(row, 'notes'),
    timeouts: json(row, 'timeouts', Timeouts),
    keys: keys.map((key) => ({
      id: int(key, 'id'),
      hint: text(key, 'hint'),
      enabled: bool(key, 'enabled'),
      note: text(key, 'note'),
      models: nullableJson(key, 'models', Names),
      suspendedUntil: nullableInt(key, 'suspended_until'),
      lastStatus: nullableInt(key, 'last_status'),
    })),
    models: models.map((model) => ({ name: text(model, 'name'), missedSyncs: int(model, 'missed_syncs') })),
    createdAt: int(row, 'created_at'),
    updatedAt: int(row, 'updated_at'),
  }
}

/** Rows by the integer in one of their columns, each list in the given order. */
export function groupedBy(rows: readonly SqlRow[], column: string): ReadonlyMap<number, readonly SqlRow[]> {
  const lists = new Map<number, SqlRow[]>()
  for (const row of rows) {
    const id = int(row, column)
    const list = lists.get(id)
    if (list) list.push(row)
    else lists.set(id, [row])
  }
  return lists
}

/** Where a stored proxy address stands now, opened; null when there is none. */
export function storedProxyUrl(row: { readonly proxy_url: string | null }, open: Open): string | null {
  const sealed = nullableText(row, 'proxy_url')
  return sealed === null ? null : open(sealed, 'channel.proxy_url').reveal()
}
