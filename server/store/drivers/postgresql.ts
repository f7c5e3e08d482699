import pg from 'pg'
import type { Secret } from '../../secret.ts'
import type { StoreLog } from '../database.ts'
import type { SqlConnection, SqlDriver, SqlValue } from '../driver.ts'
import { retryLocked } from '../retry.ts'
import type { WriteQueue } from '../write-queue.ts'
import { decimal, integer } from './values.ts'

const { INT8, NUMERIC, BOOL } = pg.types.builtins
const parsers = new Map<number, (text: string) => unknown>([
  [INT8, (text) => integer(BigInt(text))],
  [NUMERIC, decimal],
  [BOOL, (text) => (text === 't' ? 1 : 0)],
])

/** Set per connection: the global parsers of `pg` belong to Prisma's adapter. Everything arrives as text. */
const types: pg.CustomTypesConfig = {
  getTypeParser: (oid): unknown => parsers.get(oid) ?? pg.types.getTypeParser(oid),
}

export function postgresqlOptions(url: Secret): pg.ClientConfig {
  return {
    connectionString: url.reveal(),
    application_name: 'octopus',
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
  }
}

/** PostgreSQL 13 or newer. */
export function openPostgresql(url: Secret, queue: WriteQueue, log: StoreLog): Promise<SqlDriver> {
  const pool = new pg.Pool({ ...postgresqlOptions(url), types, max: 4, idleTimeoutMillis: 30_000 })
  // an idle connection that breaks is replaced at its next use; without a listener it would end the process
  pool.on('error', (error) => log.warn(`PostgreSQL closed an idle connection: ${error.message}`))
  const any = connection(pool)
  return Promise.resolve({
    kind: 'postgresql',
    query: (sql, values) => any.query(sql, values),
    execute: (sql, values) => queue.run(() => retryLocked(() => any.execute(sql, values))),
    transaction: (work) => queue.run(() => retryLocked(() => transact(pool, work))),
    close: () => queue.run(() => pool.end()),
  })
}

async function transact<T>(pool: pg.Pool, work: (connection: SqlConnection) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  let broken: Error | undefined
  // a connection that breaks between two statements says so here; without a listener it would end the process
  const noteBroken = (error: Error): void => {
    broken = error
  }
  client.on('error', noteBroken)
  try {
    await client.query('BEGIN')
    const result = await work(connection(client))
    await client.query('COMMIT')
    return result
  } catch (error) {
    await client.query('ROLLBACK').catch((failure: unknown) => {
      broken = failure instanceof Error ? failure : new Error('rollback failed')
    })
    throw error
  } finally {
    client.off('error', noteBroken)
    client.release(broken)
  }
}

function connection(client: pg.Pool | pg.PoolClient): SqlConnection {
  return {
    kind: 'postgresql',
    async query(sql, values = []) {
      const { rows } = await client.query<Record<string, unknown>>(numbered(sql), values.map(bound))
      return rows
    },
    async execute(sql, values = []) {
      await client.query(numbered(sql), values.map(bound))
    },
  }
}

function bound(value: SqlValue): SqlValue {
  // a Buffer is taken as bytea; text may hold anything but NUL here
  return typeof value === 'string' ? value.replaceAll('\0', '') : value
}

const translated = new Map<string, string>()

/** `?` → `$1`, `$2` …, outside of quotes. */
export function numbered(sql: string): string {
  const known = translated.get(sql)
  if (known !== undefined) return known
  let count = 0
  const text = sql.replace(/'[^']*'|"[^"]*"|\?/g, (found) => (found === '?' ? `$${++count}` : found))
  if (translated.size >= 500) translated.clear()
  translated.set(sql, text)
  return text
}
