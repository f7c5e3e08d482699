import * as mariadb from 'mariadb'
import type { Secret } from '../../secret.ts'
import { DatabaseRefusal } from '../database.ts'
import type { SqlConnection, SqlDriver, SqlRow, SqlValue } from '../driver.ts'
import { retryLocked } from '../retry.ts'
import type { WriteQueue } from '../write-queue.ts'
import { decimal, integer } from './values.ts'

/**
 * What the URL says, for the driver and for Prisma's adapter. `?ssl=true` (or `sslmode=require`, `ssl-mode=REQUIRED`) demands TLS
 * with a certificate that is known; `?ssl=insecure` takes any.
 * Throws DatabaseRefusal when the URL names no database.
 */
export function mysqlOptions(url: Secret): mariadb.ConnectionConfig {
  const text = url.reveal()
  if (!URL.canParse(text))
    throw new DatabaseRefusal('the MySQL address is not a URL: mysql://user:password@host:3306/database')
  const { hostname, port, username, password, pathname, searchParams } = new URL(text)
  const database = decodeURIComponent(pathname.slice(1))
  if (database === '')
    throw new DatabaseRefusal('the MySQL address must end with the name of a database: mysql://…/octopus')
  const ssl = searchParams.get('ssl') ?? searchParams.get('sslmode') ?? searchParams.get('ssl-mode') ?? ''
  return {
    host: decodeURIComponent(hostname).replace(/^\[|\]$/g, ''),
    port: port === '' ? 3306 : Number(port),
    user: decodeURIComponent(username),
    password: decodeURIComponent(password),
    database,
    charset: 'utf8mb4',
    connectTimeout: 10_000,
    // or the values of a failing statement would stand in its error's message, and so in a log
    logParam: false,
    ...(/^(true|1|require|required|verify)/i.test(ssl) && { ssl: true }),
    ...(/^insecure/i.test(ssl) && { ssl: { rejectUnauthorized: false } }),
    // MySQL 8's default login asks for the server's key where there is no TLS; over a network that key could be anybody's
    allowPublicKeyRetrieval:
      /^(localhost|127\.[\d.]+|\[::1\])$/.test(hostname) || searchParams.get('allowPublicKeyRetrieval') === 'true',
  }
}

/** MySQL 8 or MariaDB 10.6 and newer. */
export function openMysql(url: Secret, queue: WriteQueue): Promise<SqlDriver> {
  const pool = mariadb.createPool({
    ...mysqlOptions(url),
    connectionLimit: 4,
    minimumIdle: 1,
    idleTimeout: 60,
  })
  const any = connection(pool)
  return Promise.resolve({
    kind: 'mysql',
    query: (sql, values) => any.query(sql, values),
    execute: (sql, values) => queue.run(() => retryLocked(() => any.execute(sql, values))),
    transaction: (work) => queue.run(() => retryLocked(() => transact(pool, work))),
    close: () => queue.run(() => pool.end()),
  })
}

async function transact<T>(pool: mariadb.Pool, work: (connection: SqlConnection) => Promise<T>): Promise<T> {
  const client = await pool.getConnection()
  try {
    await client.beginTransaction()
    const result = await work(connection(client))
    await client.commit()
    return result
  } catch (error) {
    // a connection that cannot roll back is broken; the pool finds that out by itself
    await client.rollback().catch(() => undefined)
    throw error
  } finally {
    await client.release()
  }
}

interface ColumnType {
  name(): string
  readonly type: string
}

function connection(client: mariadb.Pool | mariadb.PoolConnection): SqlConnection {
  const run = (sql: string, values: readonly SqlValue[]): Promise<unknown> => client.query(sql, values.map(bound))
  return {
    kind: 'mysql',
    query: async (sql, values = []) => rows(await run(sql, values)),
    execute: async (sql, values = []) => {
      await run(sql, values)
    },
  }
}

function bound(value: SqlValue): SqlValue {
  return value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.byteLength) : value
}

function isTyped(result: unknown): result is { readonly meta: readonly ColumnType[] } {
  return typeof result === 'object' && result !== null && 'meta' in result && Array.isArray(result.meta)
}

/** Sums are DECIMAL, which the client gives as text: told apart from other text by the column's type. */
function rows(result: unknown): readonly SqlRow[] {
  if (!Array.isArray(result)) return []
  const decimals = new Set(
    isTyped(result) ? result.meta.filter(({ type }) => type.endsWith('DECIMAL')).map((column) => column.name()) : [],
  )
  return result.map((raw: unknown) => {
    const values: Record<string, unknown> = {}
    for (const [name, value] of Object.entries(raw ?? {})) {
      if (typeof value === 'bigint') values[name] = integer(value)
      else if (decimals.has(name) && typeof value === 'string') values[name] = decimal(value)
      else values[name] = value
    }
    return values
  })
}
