import { isDeepStrictEqual } from 'node:util'
import type { ChannelCreate, ChannelRow, ChannelUpdate } from '../contract/channels.ts'
import type { Issue } from '../contract/issues.ts'
import { channelQueries, groupedBy, storedProxyUrl, toChannelRow } from './channel-rows.ts'
import { keyIssues, replaceKeys } from './channel-keys.ts'
import { int } from './columns.ts'
import type { StoreContext } from './context.ts'
import { isMasked, maskAddress } from './masking.ts'
import type { Tx } from './prisma.ts'
import { invalidInput, isDuplicate, nameTaken, notFound, requireNone } from './refusals.ts'
import { insertWithin } from './write-rows.ts'

/** A model that sync found, and for how many listings in a row it has been absent. */
export interface SyncedModel {
  readonly name: string
  readonly missedSyncs: number
}

/** Channels with their keys and synced models. Methods throw ContractError: not_found, conflict (name), invalid_input. */
export class Channels {
  readonly #context: StoreContext

  constructor(context: StoreContext) {
    this.#context = context
  }

  async list(): Promise<ChannelRow[]> {
    const { driver, dataKey } = this.#context
    const [channels, keys, models] = await Promise.all([
      driver.query(channelQueries.channels),
      driver.query(channelQueries.keys),
      driver.query(channelQueries.models),
    ])
    const keysOf = groupedBy(keys, 'channel_id')
    const modelsOf = groupedBy(models, 'channel_id')
    return channels.map((row) => {
      const id = int(row, 'id')
      const parts = { keys: keysOf.get(id) ?? [], models: modelsOf.get(id) ?? [] }
      return toChannelRow(row, parts, (sealed, place) => dataKey.open(sealed, place))
    })
  }

  async get(id: number): Promise<ChannelRow> {
    const { driver, dataKey } = this.#context
    const [channels, keys, models] = await Promise.all([
      driver.query('SELECT * FROM channel WHERE id = ?', [id]),
      driver.query('SELECT * FROM channel_key WHERE channel_id = ? ORDER BY position, id', [id]),
      driver.query('SELECT * FROM channel_model WHERE channel_id = ? ORDER BY position, name', [id]),
    ])
    const row = channels[0]
    if (row === undefined) throw notFound('channel', id)
    return toChannelRow(row, { keys, models }, (sealed, place) => dataKey.open(sealed, place))
  }

  async create(input: ChannelCreate): Promise<ChannelRow> {
    const now = BigInt(Date.now())
    requireNone(keyIssues(input.keys, new Set()))
    const id = await this.#write(input.name, async (tx) => {
      await requireFreeName(tx, input.name, 0)
      const channel = await tx.channel.create({
        data: {
          ...this.#plainColumns(input),
          ...this.#proxyColumns(input.proxy, null),
          name: input.name,
          type: input.type,
          enabled: input.enabled,
          endpoints: JSON.stringify(input.endpoints),
          custom_models: JSON.stringify(input.customModels),
          model_filter: input.modelFilter,
          auto_sync: input.autoSync,
          auto_group: input.autoGroup,
          headers: this.#sealedHeaders(input.headers),
          price_multiplier: input.priceMultiplier,
          notes: input.notes,
          timeouts: JSON.stringify(input.timeouts),
          created_at: now,
          updated_at: now,
        },
        select: { id: true },
      })
      await replaceKeys(this.#context, tx, { channelId: channel.id, keys: input.keys })
      await this.#replaceModels(tx, channel.id, fresh(input.models))
      return channel.id
    })
    return this.get(id)
  }

  /** Changes what is given. A key without a secret keeps its own; the masked proxy address keeps the stored one. */
  async update(input: ChannelUpdate): Promise<ChannelRow> {
    const { id, keys, models } = input
    await this.#write(input.name ?? '', async (tx) => {
      const stored = await tx.channel.findUnique({ where: { id }, select: { proxy_url: true } })
      if (stored === null) throw notFound('channel', id)
      if (input.name !== undefined) await requireFreeName(tx, input.name, id)
      const data = {
        ...this.#plainColumns(input),
        ...(input.proxy && this.#proxyColumns(input.proxy, this.#openProxy(stored))),
        updated_at: BigInt(Date.now()),
      }
      await tx.channel.updateMany({ where: { id }, data })
      if (keys !== undefined) await replaceKeys(this.#context, tx, { channelId: id, keys })
      if (models !== undefined) {
        const known = await tx.syncedModel.findMany({ where: { channel_id: id } })
        const missed = new Map(known.map((model) => [model.name, model.missed_syncs]))
        await this.#replaceModels(
          tx,
          id,
          fresh(models).map(({ name }) => ({ name, missedSyncs: missed.get(name) ?? 0 })),
        )
      }
    })
    return this.get(id)
  }

  /** What a synchronisation found: the whole new list. Does nothing (no new revision) when it is the old one. */
  async setModels(id: number, models: readonly SyncedModel[]): Promise<void> {
    const { models: standing } = await this.get(id)
    if (isDeepStrictEqual(standing, [...models])) return
    await this.#write('', async (tx) => {
      if ((await tx.channel.count({ where: { id } })) === 0) throw notFound('channel', id)
      await this.#replaceModels(tx, id, models)
    })
  }

  /** Its keys, its models, its places in groups and its prices go with it; logs and statistics stay. */
  async delete(id: number): Promise<void> {
    await this.#context.change(async (tx) => {
      const items = await tx.groupItem.findMany({ where: { channel_id: id }, select: { id: true } })
      await tx.modelGroup.updateMany({
        where: { pinned_item_id: { in: items.map((item) => item.id) } },
        data: { pinned_item_id: null },
      })
      await tx.price.deleteMany({ where: { channel_id: id } })
      const { count } = await tx.channel.deleteMany({ where: { id } })
      if (count === 0) throw notFound('channel', id)
    })
  }

  #write<T>(name: string, work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#context.change(work).catch((error: unknown) => {
      throw isDuplicate(error) ? nameTaken('channel', name) : error
    })
  }

  /** Columns that are the same in a creation and a change; absent fields give no column. */
  #plainColumns(input: { readonly [K in keyof ChannelCreate]?: ChannelCreate[K] | undefined }) {
    return {
      ...(input.name !== undefined && { name: input.name }),
      ...(input.type !== undefined && { type: input.type }),
      ...(input.enabled !== undefined && { enabled: input.enabled }),
      ...(input.endpoints && { endpoints: JSON.stringify(input.endpoints) }),
      ...(input.customModels && { custom_models: JSON.stringify(input.customModels) }),
      ...(input.modelFilter !== undefined && { model_filter: input.modelFilter }),
      ...(input.autoSync !== undefined && { auto_sync: input.autoSync }),
      ...(input.autoGroup !== undefined && { auto_group: input.autoGroup }),
      ...(input.headers && { headers: this.#sealedHeaders(input.headers) }),
      ...(input.paramOverride !== undefined && {
        param_override: input.paramOverride && JSON.stringify(input.paramOverride),
      }),
      ...(input.priceMultiplier !== undefined && { price_multiplier: input.priceMultiplier }),
      ...(input.notes !== undefined && { notes: input.notes }),
      ...(input.timeouts && { timeouts: JSON.stringify(input.timeouts) }),
    }
  }

  #sealedHeaders(headers: ChannelCreate['headers']): string {
    return this.#context.dataKey.seal(JSON.stringify(headers), 'channel.headers')
  }

  #openProxy(stored: { readonly proxy_url: string | null }): string | null {
    return storedProxyUrl(stored, (sealed, place) => this.#context.dataKey.open(sealed, place))
  }

  #proxyColumns(proxy: ChannelCreate['proxy'], stored: string | null) {
    if (proxy.mode !== 'own') return { proxy_mode: proxy.mode, proxy_url: null }
    const url = stored !== null && proxy.url === maskAddress(stored) ? stored : proxy.url
    if (isMasked(url)) throw invalidInput([maskedProxy('proxy.url')])
    return { proxy_mode: 'own', proxy_url: this.#context.dataKey.seal(url, 'channel.proxy_url') }
  }

  async #replaceModels(tx: Tx, id: number, models: readonly SyncedModel[]): Promise<void> {
    await tx.syncedModel.deleteMany({ where: { channel_id: id } })
    await insertWithin(tx, this.#context.driver.kind, {
      table: 'channel_model',
      columns: ['channel_id', 'name', 'position', 'missed_syncs'],
      rows: models.map(({ name, missedSyncs }, position) => [id, name, position, missedSyncs]),
    })
  }
}

/** Each name once, never missed. */
function fresh(names: readonly string[]): readonly SyncedModel[] {
  return [...new Set(names)].map((name) => ({ name, missedSyncs: 0 }))
}

export function maskedProxy(path: string): Issue {
  return { path, message: 'holds masked credentials of another address: enter user name and password again' }
}

async function requireFreeName(tx: Tx, name: string, ownId: number): Promise<void> {
  if ((await tx.channel.count({ where: { name, id: { not: ownId } } })) > 0) throw nameTaken('channel', name)
}
