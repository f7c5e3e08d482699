import { randomBytes } from 'node:crypto'
import { rename, readdir, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { DatabaseRefusal, type DatabaseConfig } from './database.ts'
import { createPrivate } from './drivers/private-file.ts'
import type { SqlRow } from './driver.ts'
import type { Secret } from '../secret.ts'
import { codeOf, retryLocked } from './retry.ts'

/** What the migration runner asks of a database: one connection that it has for itself. */
export interface MigrationConnection {
  /** False on MySQL, where each statement that changes the schema commits by itself. */
  readonly ddlInTransaction: boolean
  query(sql: string): Promise<readonly SqlRow[]>
  execute(sql: string): Promise<void>
  /** Keeps other start-ups waiting until `close` (on SQLite: from `begin` to `commit`). */
  lock(): Promise<void>
  begin(): Promise<void>
  commit(): Promise<void>
  rollback(): Promise<void>
  /** Copies what stands before the migration of that name, where that is ours to do. */
  backup(migration: string): Promise<void>
  /** Whether a statement failed because what it makes is there (or what it drops is gone). */
  isDoneAlready(error: unknown): boolean
  close(): Promise<void>
}

const lockPatienceMs = 60_000
const backupsKept = 3

export function openMigrationConnection(database: DatabaseConfig): Promise<MigrationConnection> {
  switch (database.kind) {
    case 'sqlite':
      return sqlite(database.file)
    case 'postgresql':
      return postgresql(database)
    case 'mysql':
      return mysql(database)
  }
}

async function sqlite(file: string): Promise<MigrationConnection> {
  const { default: Database } = await import('better-sqlite3')
  createPrivate(file)
  const held = (await stat(file)).size > 0
  const database = new Database(file, { timeout: 20 })
  const execute = (sql: string): Promise<void> =>
    new Promise((resolve) => {
      database.exec(sql)
      resolve()
    })
  return {
    ddlInTransaction: true,
    execute: (sql) => retryLocked(() => execute(sql), lockPatienceMs),
    query: (sql) =>
      new Promise((resolve) => {
        resolve(database.prepare<[], SqlRow>(sql).all())
      }),
    lock: async () => {
      await retryLocked(() => execute('PRAGMA journal_mode = WAL'), lockPatienceMs)
      // off before the transaction (inside one the pragma does nothing): dropping a table that is being rebuilt would cascade
      await execute('PRAGMA foreign_keys = OFF')
    },
    begin: () => retryLocked(() => execute('BEGIN IMMEDIATE'), lockPatienceMs),
    commit: async () => {
      const broken = database.pragma('foreign_key_check')
      if (Array.isArray(broken) && broken.length > 0)
        throw new Error(`the migration leaves ${broken.length} rows that refer to nothing`)
      await execute('COMMIT')
    },
    rollback: () => (database.inTransaction ? execute('ROLLBACK') : Promise.resolve()),
    backup: async (migration) => {
      if (!held) return
      // the write lock is ours by now, and a second connection sees what was committed before it
      const source = new Database(file, { readonly: true })
      const target = `${file}.before-${migration}.bak`
      const unfinished = `${target}.${randomBytes(4).toString('hex')}.part`
      try {
        createPrivate(unfinished)
        await source.backup(unfinished)
        await rename(unfinished, target)
      } finally {
        source.close()
        await rm(unfinished, { force: true })
      }
      await dropOldBackups(file)
    },
    isDoneAlready: () => false,
    close: () => {
      database.close()
      return Promise.resolve()
    },
  }
}

async function dropOldBackups(file: string): Promise<void> {
  const folder = path.dirname(file)
  const prefix = `${path.basename(file)}.before-`
  const names = (await readdir(folder)).filter((name) => name.startsWith(prefix) && name.endsWith('.bak'))
  const aged = await Promise.all(
    names.map(async (name) => ({ name, at: (await stat(path.join(folder, name))).mtimeMs })),
  )
  aged.sort((a, b) => b.at - a.at || b.name.localeCompare(a.name))
  for (const { name } of aged.slice(backupsKept)) await rm(path.join(folder, name), { force: true })
}

/** Says which server, never with which password. */
function unreachable(what: string, url: Secret, cause: unknown): DatabaseRefusal {
  const { host, pathname } = new URL(url.reveal())
  // several addresses of one name fail with one error that has a code but no words
  const why = cause instanceof Error && cause.message !== '' ? cause.message : codeOf(cause)
  return new DatabaseRefusal(`the ${what} database ${host}${pathname} cannot be opened: ${why}`, { cause })
}

async function postgresql({ url }: Extract<DatabaseConfig, { kind: 'postgresql' }>): Promise<MigrationConnection> {
  const [{ default: pg }, { postgresqlOptions }] = await Promise.all([import('pg'), import('./drivers/postgresql.ts')])
  if (!URL.canParse(url.reveal()))
    throw new DatabaseRefusal('the PostgreSQL address is not a URL: postgresql://user:password@host:5432/database')
  const client = new pg.Client(postgresqlOptions(url))
  await client.connect().catch((error: unknown) => {
    throw unreachable('PostgreSQL', url, error)
  })
  const execute = async (sql: string): Promise<void> => {
    await client.query(sql)
  }
  return {
    ddlInTransaction: true,
    execute,
    query: async (sql) => (await client.query<Record<string, unknown>>(sql)).rows,
    // one number per program; the lock is the database's own and ends with the connection
    lock: () => execute('SELECT pg_advisory_lock(6328741)'),
    begin: () => execute('BEGIN'),
    commit: () => execute('COMMIT'),
    rollback: () => execute('ROLLBACK'),
    backup: () => Promise.resolve(),
    isDoneAlready: () => false,
    close: () => client.end(),
  }
}

/**
 * Table, column, key or constraint there; column or key gone; constraint there (as MariaDB says it).
 * https://mariadb.com/kb/en/mariadb-error-code-reference/
 */
const doneAlready = new Set([1050, 1060, 1061, 1091, 1826])

async function mysql({ url }: Extract<DatabaseConfig, { kind: 'mysql' }>): Promise<MigrationConnection> {
  const [mariadb, { mysqlOptions }] = await Promise.all([import('mariadb'), import('./drivers/mysql.ts')])
  const connection = await mariadb.createConnection(mysqlOptions(url)).catch((error: unknown) => {
    throw unreachable('MySQL', url, error)
  })
  const query = async (sql: string): Promise<readonly SqlRow[]> => {
    const rows: unknown = await connection.query(sql)
    return Array.isArray(rows) ? rows.map((row: SqlRow) => row) : []
  }
  const execute = async (sql: string): Promise<void> => {
    await connection.query(sql)
  }
  return {
    ddlInTransaction: false,
    execute,
    query,
    lock: async () => {
      // names of locks are the server's: this one is the database's
      const [row] = await query(`SELECT GET_LOCK(CONCAT('octopus-migrate-', LEFT(SHA1(DATABASE()), 16)), 60) AS held`)
      if (Number(row?.['held']) !== 1)
        throw new DatabaseRefusal(
          'another start-up has been changing this database for a minute: try again when it has ended',
        )
    },
    begin: () => Promise.resolve(),
    commit: () => Promise.resolve(),
    rollback: () => Promise.resolve(),
    backup: () => Promise.resolve(),
    isDoneAlready: (error) =>
      error instanceof Error &&
      'errno' in error &&
      typeof error.errno === 'number' &&
      (doneAlready.has(error.errno) || (error.errno === 1005 && error.message.includes('errno: 121'))),
    close: () => connection.end(),
  }
}
