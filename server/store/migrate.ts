import { openMigrationConnection, type MigrationConnection } from './migration-connection.ts'
import { DatabaseRefusal, type DatabaseConfig, type StoreLog } from './database.ts'
import { migrations as embedded, type Migration, type Script } from './migrations.ts'

interface Applied {
  readonly checksum: string
  readonly stepsDone: number
  readonly finished: boolean
}

/**
 * Brings the database to this program's schema and returns the names of the migrations that ran.
 * On SQLite and PostgreSQL each migration is one transaction. MySQL commits every statement by itself, so the number of the last one
 * that was done is kept, and an interrupted migration goes on behind it. Start-ups at the same time wait for each other.
 * A SQLite file that holds data is copied first (`<file>.before-<migration>.bak`).
 * Throws DatabaseRefusal for a database that a newer program has changed, or whose migrations are not this program's.
 */
export async function migrate(
  database: DatabaseConfig,
  log: StoreLog,
  migrations: readonly Migration[] = embedded,
): Promise<readonly string[]> {
  const connection = await openMigrationConnection(database)
  const ran: string[] = []
  try {
    await connection.lock()
    await createVersionTable(connection)
    const pending = check(await readApplied(connection), migrations, database.kind)
    for (const [at, migration] of pending.entries()) {
      const done = await apply(connection, migration, { script: migration[database.kind], backup: at === 0 })
      if (!done) continue
      ran.push(migration.name)
      log.info(`database: migration ${migration.name} applied`)
    }
  } finally {
    await connection.close()
  }
  return ran
}

async function createVersionTable(connection: MigrationConnection): Promise<void> {
  await connection.execute(
    `CREATE TABLE IF NOT EXISTS schema_migration (
      name VARCHAR(128) NOT NULL PRIMARY KEY, checksum VARCHAR(64) NOT NULL,
      steps_done INTEGER NOT NULL, finished INTEGER NOT NULL, applied_at VARCHAR(32) NOT NULL)`,
  )
}

async function readApplied(connection: MigrationConnection): Promise<ReadonlyMap<string, Applied>> {
  const rows = await connection.query('SELECT name, checksum, steps_done, finished FROM schema_migration')
  return new Map(
    rows.map((row) => [
      String(row['name']),
      {
        checksum: String(row['checksum']),
        stepsDone: Number(row['steps_done']),
        finished: Number(row['finished']) === 1,
      },
    ]),
  )
}

/** The migrations that are still to run. */
function check(
  applied: ReadonlyMap<string, Applied>,
  migrations: readonly Migration[],
  kind: DatabaseConfig['kind'],
): readonly Migration[] {
  const unknown = [...applied.keys()].filter((name) => !migrations.some((migration) => migration.name === name))
  if (unknown.length > 0)
    throw new DatabaseRefusal(
      `this database was changed by a newer version of Octopus (${unknown.sort().join(', ')}): ` +
        'start that version, or restore a backup made before its first start',
    )
  for (const migration of migrations) {
    const done = applied.get(migration.name)
    if (done && done.checksum !== migration[kind].checksum)
      throw new DatabaseRefusal(
        `the migration ${migration.name} in this database is not the one that this program knows ` +
          `(checksum ${done.checksum}, here ${migration[kind].checksum}): the database belongs to another build`,
      )
  }
  return migrations.filter((migration) => applied.get(migration.name)?.finished !== true)
}

/** False when another start-up was faster. */
async function apply(
  connection: MigrationConnection,
  migration: Migration,
  { script, backup }: { readonly script: Script; readonly backup: boolean },
): Promise<boolean> {
  await connection.begin()
  try {
    // asked again: on SQLite the lock is held only since `begin`
    const before = (await readApplied(connection)).get(migration.name)
    if (before?.finished === true) {
      await connection.commit()
      return false
    }
    if (backup) await connection.backup(migration.name)
    if (!before) await connection.execute(insertMark(migration.name, script))
    await run(connection, {
      name: migration.name,
      script,
      first: before?.stepsDone ?? 0,
      resumed: before !== undefined,
    })
    await connection.execute(updateMark(migration.name, script.statements.length, 1))
    await connection.commit()
    return true
  } catch (error) {
    await connection.rollback()
    throw error
  }
}

interface Run {
  readonly name: string
  readonly script: Script
  readonly first: number
  readonly resumed: boolean
}

async function run(connection: MigrationConnection, { name, script, first, resumed }: Run): Promise<void> {
  for (const [at, statement] of script.statements.entries()) {
    if (at < first) continue
    try {
      await connection.execute(statement)
    } catch (error) {
      // the program may have died after the statement and before the mark: then the statement finds its own work
      if (!(resumed && at === first && connection.isDoneAlready(error))) throw error
    }
    if (!connection.ddlInTransaction) await connection.execute(updateMark(name, at + 1, 0))
  }
}

// Names and checksums are ours (letters, digits, underscores), so they stand in the text.
const insertMark = (name: string, script: Script): string =>
  `INSERT INTO schema_migration (name, checksum, steps_done, finished, applied_at)
   VALUES ('${name}', '${script.checksum}', 0, 0, '${new Date().toISOString()}')`

const updateMark = (name: string, steps: number, finished: 0 | 1): string =>
  `UPDATE schema_migration SET steps_done = ${steps}, finished = ${finished} WHERE name = '${name}'`
