import type { Secret } from '../secret.ts'
import { apiKeyQuery, toApiKey } from './access-rows.ts'
import { channelQueries, groupedBy, toChannel, type Open } from './channel-rows.ts'
import { int } from './columns.ts'
import type { Configuration } from './configuration.ts'
import type { StoreLog } from './database.ts'
import type { SqlDriver } from './driver.ts'
import { groupQueries, toGroup } from './group-rows.ts'
import { priceQuery, toPriceRow } from './prices.ts'
import { settingsQuery, toSettings } from './settings.ts'
import type { DataKey } from './secrets.ts'

export async function readRevision(driver: SqlDriver): Promise<number> {
  const [row] = await driver.query('SELECT revision FROM config_revision WHERE id = 1')
  return row === undefined ? 0 : int(row, 'revision')
}

/** Reads the whole configuration, opened. Secrets that it has opened before it does not open again. */
export class Loader {
  readonly #driver: SqlDriver
  readonly #dataKey: DataKey
  readonly #log: StoreLog
  #opened: ReadonlyMap<string, Secret> = new Map()

  constructor({ driver, dataKey, log }: { driver: SqlDriver; dataKey: DataKey; log: StoreLog }) {
    this.#driver = driver
    this.#dataKey = dataKey
    this.#log = log
  }

  async load(): Promise<Configuration> {
    // The tables are read one after the other, without a transaction: when another instance changed something meanwhile, again.
    for (let tries = 1; ; tries++) {
      const revision = await readRevision(this.#driver)
      const configuration = await this.#read(revision)
      if ((await readRevision(this.#driver)) === revision || tries >= 5) return configuration
    }
  }

  async #read(revision: number): Promise<Configuration> {
    const driver = this.#driver
    const [channelRows, keyRows, modelRows] = [
      await driver.query(channelQueries.channels),
      groupedBy(await driver.query(channelQueries.keys), 'channel_id'),
      groupedBy(await driver.query(channelQueries.models), 'channel_id'),
    ]
    const groupRows = await driver.query(groupQueries.groups)
    const itemRows = groupedBy(await driver.query(groupQueries.items), 'group_id')
    const apiKeys = (await driver.query(apiKeyQuery)).map(toApiKey)
    const prices = (await driver.query(priceQuery)).map(toPriceRow)
    const settings = toSettings(await driver.query(settingsQuery), this.#dataKey, this.#log)

    const opened = new Map<string, Secret>()
    const open: Open = (sealed, place) => {
      const secret = this.#opened.get(sealed) ?? this.#dataKey.open(sealed, place)
      opened.set(sealed, secret)
      return secret
    }
    const channels = channelRows.map((row) => {
      const id = int(row, 'id')
      return toChannel(row, { keys: keyRows.get(id) ?? [], models: modelRows.get(id) ?? [] }, open)
    })
    this.#opened = opened
    const groups = groupRows.map((row) => toGroup(row, itemRows.get(int(row, 'id')) ?? []))
    return {
      revision,
      channels: new Map(channels.map((channel) => [channel.id, channel])),
      groups: new Map(groups.map((group) => [group.id, group])),
      groupsByName: new Map(groups.map((group) => [group.name, group])),
      apiKeys: new Map(apiKeys.map(({ apiKey }) => [apiKey.id, apiKey])),
      apiKeysByHash: new Map(apiKeys.map(({ hash, apiKey }) => [hash, apiKey])),
      prices,
      settings,
    }
  }
}
