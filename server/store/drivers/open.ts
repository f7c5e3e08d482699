import type { DatabaseConfig, StoreLog } from '../database.ts'
import type { SqlDriver } from '../driver.ts'
import type { WriteQueue } from '../write-queue.ts'

/** The driver of the chosen database; the modules of the others are not even loaded. */
export async function openDriver(database: DatabaseConfig, queue: WriteQueue, log: StoreLog): Promise<SqlDriver> {
  switch (database.kind) {
    case 'sqlite': {
      const { openSqlite } = await import('./sqlite.ts')
      return openSqlite(database.file, queue)
    }
    case 'postgresql': {
      const { openPostgresql } = await import('./postgresql.ts')
      return openPostgresql(database.url, queue, log)
    }
    case 'mysql': {
      const { openMysql } = await import('./mysql.ts')
      return openMysql(database.url, queue)
    }
  }
}
