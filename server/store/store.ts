import { ApiKeys } from './access.ts'
import { ChannelKeys } from './channel-keys.ts'
import { Channels } from './channels.ts'
import { text } from './columns.ts'
import type { Configuration, ConfigurationSource } from './configuration.ts'
import type { StoreContext } from './context.ts'
import type { DatabaseConfig, StoreLog } from './database.ts'
import { Documents } from './documents.ts'
import type { SqlDriver } from './driver.ts'
import { openDriver } from './drivers/open.ts'
import { Groups } from './groups.ts'
import { Loader, readRevision } from './load.ts'
import { Logs } from './logs.ts'
import { migrate } from './migrate.ts'
import { Prices } from './prices.ts'
import { Prisma } from './prisma.ts'
import type { DataKey } from './secrets.ts'
import { Admin, Sessions } from './sessions.ts'
import { SettingsStore } from './settings.ts'
import { insert } from './sql.ts'
import { Stats } from './stats.ts'
import { watch, type Watch } from './watch.ts'
import { WriteQueue } from './write-queue.ts'

export interface StoreOptions {
  readonly database: DatabaseConfig
  readonly dataKey: DataKey
  readonly log: StoreLog
}

/**
 * All that is kept: the configuration in memory (`current`), its writers, and the way to logs and statistics. Writers validate what
 * refers to something else, write in one transaction, and return when the new picture is in place.
 */
export interface Store extends ConfigurationSource {
  readonly kind: DatabaseConfig['kind']
  /** For the accounting's drain. */
  readonly driver: SqlDriver
  readonly channels: Channels
  readonly channelKeys: ChannelKeys
  readonly groups: Groups
  readonly apiKeys: ApiKeys
  readonly prices: Prices
  readonly settings: SettingsStore
  readonly documents: Documents
  readonly admin: Admin
  readonly sessions: Sessions
  readonly logs: Logs
  readonly stats: Stats
  /** Reads the configuration anew, for changes that another process made. */
  reload(): Promise<void>
  /** Waits for writes that have begun. */
  close(): Promise<void>
}

/**
 * Opens the database: migrates it, proves that the data key fits, loads the configuration.
 * Throws DatabaseRefusal (a sentence for a person) for a newer database or another key, and the driver's error when it cannot connect.
 */
export async function openStore({ database, dataKey, log }: StoreOptions): Promise<Store> {
  await migrate(database, log)
  const queue = new WriteQueue()
  const driver = await openDriver(database, queue, log)
  try {
    await prepare(driver, dataKey)
    const loader = new Loader({ driver, dataKey, log })
    const holder = new Holder(await loader.load(), log)
    return assemble({ database, driver, queue, loader, holder, dataKey, log })
  } catch (error) {
    await driver.close()
    throw error
  }
}

/** The current picture and who wants to hear of the next. */
class Holder implements ConfigurationSource {
  #configuration: Configuration
  readonly #log: StoreLog
  readonly #listeners = new Set<(configuration: Configuration) => void>()

  constructor(configuration: Configuration, log: StoreLog) {
    this.#configuration = configuration
    this.#log = log
  }

  current(): Configuration {
    return this.#configuration
  }

  onChange(listener: (configuration: Configuration) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  swap(configuration: Configuration): void {
    this.#configuration = configuration
    for (const listener of this.#listeners) {
      try {
        listener(configuration)
      } catch (error) {
        // what was written is written: one listener's defect is not the writer's failure
        this.#log.warn(
          `a listener failed on the new configuration: ${error instanceof Error ? error.message : 'unknown'}`,
        )
      }
    }
  }
}

const canary = 'octopus'

/** Rows that must be there, and the proof that the data key is the one that sealed this database. */
async function prepare(driver: SqlDriver, dataKey: DataKey): Promise<void> {
  const held = await driver.query(`SELECT name FROM setting WHERE name = 'canary'`)
  const revisions = await driver.query('SELECT id FROM config_revision')
  if (held.length === 0 || revisions.length === 0)
    await driver.transaction(async (connection) => {
      const now = Date.now()
      const revision = { table: 'config_revision', columns: ['id', 'revision', 'updated_at'], rows: [[1, 1, now]] }
      const seal = [['canary', dataKey.seal(canary, 'setting.canary'), now]]
      await insert(connection, revision, 'ignore')
      await insert(connection, { table: 'setting', columns: ['name', 'value', 'updated_at'], rows: seal }, 'ignore')
    })
  const [row] = await driver.query(`SELECT value FROM setting WHERE name = 'canary'`)
  if (row === undefined) throw new Error('the database lost what was just written to it')
  dataKey.open(text(row, 'value'), 'setting.canary')
}

interface Parts {
  readonly database: DatabaseConfig
  readonly driver: SqlDriver
  readonly queue: WriteQueue
  readonly loader: Loader
  readonly holder: Holder
  readonly dataKey: DataKey
  readonly log: StoreLog
}

function assemble({ database, driver, queue, loader, holder, dataKey, log }: Parts): Store {
  const prisma = new Prisma(database, queue)
  const swap = async (): Promise<void> => holder.swap(await loader.load())
  const reload = (): Promise<void> => queue.run(swap)
  const context: StoreContext = {
    driver,
    dataKey,
    current: () => holder.current(),
    change: (work) =>
      prisma.transaction(async (tx) => {
        await tx.configRevision.updateMany({
          where: { id: 1 },
          data: { revision: { increment: 1 }, updated_at: BigInt(Date.now()) },
        })
        return work(tx)
      }, swap),
  }
  // one file, one process: nobody else writes a SQLite database
  const watching: Watch | undefined =
    database.kind === 'sqlite'
      ? undefined
      : watch({ readRevision: () => readRevision(driver), current: () => holder.current().revision, reload }, log)
  return {
    kind: database.kind,
    driver,
    channels: new Channels(context),
    channelKeys: new ChannelKeys(context),
    groups: new Groups(context),
    apiKeys: new ApiKeys(context),
    prices: new Prices(context),
    settings: new SettingsStore(context),
    documents: new Documents(context),
    admin: new Admin(context),
    sessions: new Sessions(context),
    logs: new Logs(driver),
    stats: new Stats(context),
    current: () => holder.current(),
    onChange: (listener) => holder.onChange(listener),
    reload,
    close: async () => {
      watching?.stop()
      await prisma.close()
      await driver.close()
    },
  }
}
