import type { DatabaseConfig } from './database.ts'
import type { PrismaClient as MysqlClient } from './generated/mysql/client.ts'
import type { PrismaClient as PostgresqlClient } from './generated/postgresql/client.ts'
import type { PrismaClient as SqliteClient } from './generated/sqlite/client.ts'
import type { WhenAgreed } from './prisma-agreement.ts'
import { retryLocked } from './retry.ts'
import type { WriteQueue } from './write-queue.ts'

/** The models that are written with Prisma; facts, logs and state go through the driver. */
type Models =
  | 'channel'
  | 'channelKey'
  | 'syncedModel'
  | 'modelGroup'
  | 'groupItem'
  | 'apiKey'
  | 'price'
  | 'setting'
  | 'configRevision'

/** What exists on every database: SQLite's client without what MySQL lacks. */
type Shared<Client extends Record<Models, unknown>> = {
  [M in Models]: Omit<Client[M], 'createManyAndReturn' | 'updateManyAndReturn'>
}

/** A Prisma transaction, the same on the three databases. */
export type Tx = Shared<SqliteClient> & Pick<SqliteClient, '$executeRawUnsafe'>

interface Client {
  $transaction<T>(work: (tx: Tx) => Promise<T>, options: { maxWait: number; timeout: number }): Promise<T>
  $disconnect(): Promise<void>
}

/**
 * Prisma, opened by the first transaction: its client costs 0.4 s and 50 MB, which a gateway that only relays never pays.
 * Every transaction is a turn of the process's write queue.
 */
export class Prisma {
  readonly #database: DatabaseConfig
  readonly #queue: WriteQueue
  #client: Promise<Client> | undefined

  constructor(database: DatabaseConfig, queue: WriteQueue) {
    this.#database = database
    this.#queue = queue
  }

  /**
   * Runs `work` in one transaction, and `after` (which sees it committed) before any other write. `work` may be run again after a
   * deadlock with another instance, so it must change nothing but the database.
   */
  transaction<T>(work: (tx: Tx) => Promise<T>, after: () => Promise<void>): Promise<T> {
    return this.#queue.run(async () => {
      const client = await this.#open()
      const result = await retryLocked(() => client.$transaction(work, { maxWait: 10_000, timeout: 60_000 }))
      await after()
      return result
    })
  }

  async close(): Promise<void> {
    await this.#queue.run(async () => {
      await (await this.#client)?.$disconnect()
    })
  }

  #open(): Promise<Client> {
    this.#client ??= open(this.#database).catch((error: unknown) => {
      this.#client = undefined // the next write tries again
      throw error
    })
    return this.#client
  }
}

async function open(database: DatabaseConfig): Promise<Client> {
  switch (database.kind) {
    case 'sqlite': {
      const [{ PrismaClient }, { PrismaBetterSqlite3 }] = await Promise.all([
        import('./generated/sqlite/client.ts'),
        import('@prisma/adapter-better-sqlite3'),
      ])
      // One connection, on which other queries would run inside an open transaction: harmless here, because every use of this client
      // is a transaction, and the queue lets in one at a time.
      return new PrismaClient({ adapter: new PrismaBetterSqlite3({ url: database.file, timeout: 20 }) })
    }
    case 'postgresql': {
      const [{ PrismaClient }, { PrismaPg }, { postgresqlOptions }] = await Promise.all([
        import('./generated/postgresql/client.ts'),
        import('@prisma/adapter-pg'),
        import('./drivers/postgresql.ts'),
      ])
      const options = { ...postgresqlOptions(database.url), max: 2, idleTimeoutMillis: 30_000 }
      return shared(new PrismaClient({ adapter: new PrismaPg(options) }))
    }
    case 'mysql': {
      const [{ PrismaClient }, { PrismaMariaDb }, { mysqlOptions }] = await Promise.all([
        import('./generated/mysql/client.ts'),
        import('@prisma/adapter-mariadb'),
        import('./drivers/mysql.ts'),
      ])
      // with `minimumIdle: 0` the pool of mariadb 3.4 never opens its first connection
      const options = { ...mysqlOptions(database.url), connectionLimit: 2, minimumIdle: 1, idleTimeout: 60 }
      return shared(new PrismaClient({ adapter: new PrismaMariaDb(options) }))
    }
  }
}

/** The one place where another database's client is taken for SQLite's; it does not compile where they differ. */
function shared(client: WhenAgreed<PostgresqlClient | MysqlClient>): Client {
  return client as unknown as Client
}
