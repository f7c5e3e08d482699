import Database from 'better-sqlite3'
import type { SqlConnection, SqlDriver, SqlRow, SqlValue } from '../driver.ts'
import { retryLocked } from '../retry.ts'
import type { WriteQueue } from '../write-queue.ts'
import { createPrivate } from './private-file.ts'
import { integer } from './values.ts'

/** How long a lock held by another process may stop this one's event loop, in ms; beyond that it is asked for again later. */
const busyMs = 20
const cachedStatements = 200

/**
 * SQLite, embedded. Reads and writes have a connection each, so that a reader never sees what a transaction has not committed
 * while it waits between two statements. Statements run synchronously: keep them short.
 */
export async function openSqlite(file: string, queue: WriteQueue): Promise<SqlDriver> {
  createPrivate(file)
  const writing = new Database(file, { timeout: busyMs })
  // switching to WAL needs the file for itself for a moment
  await retryLocked(() => Promise.resolve(writing.pragma('journal_mode = WAL')))
  writing.pragma('synchronous = NORMAL')
  writing.pragma('foreign_keys = ON')
  const reading = new Database(file, { timeout: busyMs, readonly: true })
  const writer = connection(writing)
  const reader = connection(reading)

  return {
    kind: 'sqlite',
    query: (sql, values) => retryLocked(() => reader.query(sql, values)),
    execute: (sql, values) => queue.run(() => retryLocked(() => writer.execute(sql, values))),
    transaction: (work) =>
      queue.run(async () => {
        await retryLocked(() => writer.execute('BEGIN IMMEDIATE'))
        try {
          const result = await work(writer)
          await retryLocked(() => writer.execute('COMMIT'))
          return result
        } catch (error) {
          if (writing.inTransaction) await writer.execute('ROLLBACK')
          throw error
        }
      }),
    close: () =>
      queue.run(() => {
        reading.close()
        writing.close()
        return Promise.resolve()
      }),
  }
}

function connection(database: Database.Database): SqlConnection {
  const statements = new Map<string, Database.Statement>()
  const prepare = (sql: string): Database.Statement => {
    const known = statements.get(sql)
    if (known) return known
    if (statements.size >= cachedStatements) statements.clear()
    const statement = database.prepare(sql)
    if (statement.reader) statement.safeIntegers(true)
    statements.set(sql, statement)
    return statement
  }
  return {
    kind: 'sqlite',
    // better-sqlite3 throws where a promise should reject
    query: (sql, values = []) =>
      new Promise((resolve) => {
        resolve(
          prepare(sql)
            .all(...values.map(bound))
            .map(row),
        )
      }),
    execute: (sql, values = []) =>
      new Promise((resolve) => {
        const statement = prepare(sql)
        if (statement.reader) statement.all(...values.map(bound))
        else statement.run(...values.map(bound))
        resolve()
      }),
    executeEach: (sql, rows) =>
      new Promise((resolve) => {
        const statement = prepare(sql)
        for (const values of rows) statement.run(...values.map(bound))
        resolve()
      }),
  }
}

/** better-sqlite3 binds numbers beyond 32 bits as REAL, which would make `/` divide with a fraction. */
function bound(value: SqlValue): SqlValue {
  return typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value
}

function row(raw: unknown): SqlRow {
  const values: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(raw ?? {}))
    values[name] = typeof value === 'bigint' ? integer(value) : value
  return values
}
