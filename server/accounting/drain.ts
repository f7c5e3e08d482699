import { appendFileSync } from 'node:fs'
import path from 'node:path'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { zstdCompress } from 'node:zlib'
import type { SqlConnection, SqlDriver } from '../store/driver.ts'
import { insert, insertStatements, type Rows } from '../store/sql.ts'
import { bodyRows, logRows, statCounters, statKey, statRows, type PackedBody } from './drain-rows.ts'
import type { FinishedRequest } from './record.ts'
import { isRefusedData } from './refused-data.ts'
import type { AccountingLog, Spool } from './spool.ts'
import type { SpoolPosition } from './spool-segment.ts'

export interface DrainOptions {
  readonly spool: Spool
  readonly driver: SqlDriver
  readonly log: AccountingLog
  /** Told of each write that failed and will be tried again. */
  readonly onError?: (error: unknown) => void
  /** Told of each record that an earlier process had left in the spool, once it is in the database. */
  readonly onRecovered?: (record: FinishedRequest) => void
}

export interface Drain {
  /** Resolves when everything that was appended is in the database: for ever pending while that is down. */
  flush(): Promise<void>
  /** Flushes, but waits for a database that is down or slow no longer than `patienceMs` (default 5 s): the rest stays in the spool. */
  close(patienceMs?: number): Promise<void>
  /** `ok`: the last write succeeded. */
  state(): { readonly ok: boolean; readonly reason: string }
}

const LINGER_MS = 500
const BATCH_BYTES = 4 * 1024 * 1024
const FIRST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 30_000
const REMIND_MS = 60_000
/** SQLite works on this process's own event loop: a slice of some 5 ms. */
const BATCH_RECORDS = 250
/**
 * Lines of so many bytes, some 200 records, are worth a transaction at once; fewer wait for company, because a commit costs as much CPU
 * as ten rows (measured: 80 µs a request when each turn of the event loop wrote what it found, 20 µs so).
 */
const ENOUGH_BYTES = 192 * 1024
/** Rows of one statement where each statement is a round trip. */
const statementRows = [50, 1]

const compress = promisify<Buffer, Buffer>(zstdCompress)

/**
 * Brings the spool into the database, forever: log rows, bodies, counters and the spool's position, some records a transaction, so that
 * each record is counted exactly once wherever the process or the database dies.
 */
export function startDrain(options: DrainOptions): Drain {
  return new Drainer(options)
}

class Drainer implements Drain {
  readonly #options: DrainOptions
  readonly #ended: Promise<void>
  readonly #unsubscribe: () => void
  /** null: the database must be asked, at the start and whenever it is unknown whether a commit went through. */
  #position: SpoolPosition | null = null
  /** Records are looked up before they are written: they may be in the database already. */
  #careful = true
  /** So many records are written one by one: one of them was refused. */
  #singles = 0
  #closing = false
  #failures = 0
  #reason = ''
  #remindedAt = 0
  #flushing: (() => void)[] = []
  #wake: (() => void) | null = null
  #timer: NodeJS.Timeout | null = null
  readonly #statements = new Map<string, string>()

  constructor(options: DrainOptions) {
    this.#options = options
    this.#unsubscribe = options.spool.onAppend(() => this.#noticeAppend())
    this.#ended = this.#run()
  }

  flush(): Promise<void> {
    return new Promise((resolve) => {
      this.#flushing.push(resolve)
      this.#wakeUp()
    })
  }

  async close(patienceMs = 5000): Promise<void> {
    if (!this.#closing) {
      const patience = new AbortController()
      // a database that is known to be down gets one more try
      const longest = this.#reason === '' ? patienceMs : Math.min(patienceMs, 500)
      const enough = sleep(longest, undefined, { signal: patience.signal }).catch(() => undefined)
      await Promise.race([this.flush(), enough])
      patience.abort()
      this.#closing = true
    }
    this.#unsubscribe()
    clearTimeout(this.#timer ?? undefined)
    this.#wakeUp()
    await this.#ended
  }

  state(): { readonly ok: boolean; readonly reason: string } {
    return { ok: this.#reason === '', reason: this.#reason }
  }

  async #run(): Promise<void> {
    while (!this.#closing) {
      const waiting = this.#flushing
      this.#flushing = []
      try {
        const done = await this.#step()
        this.#recover()
        if (done === 'all') for (const resolve of waiting) resolve()
        else {
          this.#flushing.unshift(...waiting)
          await nextTurn() // the relay comes first
        }
        if (done !== 'none' && this.#flushing.length === 0 && !this.#hasEnough()) await this.#sleep(null)
      } catch (error) {
        this.#flushing.unshift(...waiting)
        this.#fail(error)
        await this.#sleep(pauseAfter(this.#failures))
      }
    }
  }

  /** Writes the next records. `all`: there were none; `none`: they are to be tried in another way. */
  async #step(): Promise<'all' | 'some' | 'none'> {
    const { spool } = this.#options
    this.#position ??= spool.resume(await this.#stored())
    const at = this.#position
    const limit = { records: this.#singles > 0 ? 1 : BATCH_RECORDS, bytes: BATCH_BYTES }
    const { records, next } = await spool.read(at, limit)
    if (next.segment === at.segment && next.offset === at.offset) return 'all'
    const written =
      records.length === 0 ||
      (await this.#write(
        records.map(({ record }) => record),
        next,
      ))
    if (!written) return 'none'
    this.#position = next
    if (this.#singles > 0) this.#singles--
    // what an earlier process appended may have been committed by it; our own appends come once
    this.#careful = next.segment < spool.begin.segment || this.#singles > 0
    spool.release(next)
    return 'some'
  }

  /** False when the same records are to be tried in another way. Throws when the database cannot be written. */
  async #write(records: readonly FinishedRequest[], next: SpoolPosition): Promise<boolean> {
    try {
      await this.#commit(records, next)
      return true
    } catch (error) {
      if (!isRefusedData(error)) throw error
      if (!this.#careful) this.#careful = true
      else if (records.length > 1) this.#singles = records.length
      else {
        await this.#reject(records, { next, error })
        return true
      }
      return false
    }
  }

  async #commit(records: readonly FinishedRequest[], next: SpoolPosition): Promise<void> {
    const unique = [...new Map(records.map((record) => [record.id, record])).values()]
    const bodies = await packed(unique)
    const careful = this.#careful
    const written = await this.#options.driver.transaction(async (connection) => {
      const known = careful ? await knownIds(connection, unique) : none
      const fresh = known.size === 0 ? unique : unique.filter(({ id }) => !known.has(id))
      await this.#insert(connection, logRows(fresh))
      await this.#insert(connection, bodyRows(bodies.filter(({ id }) => !known.has(id))))
      await insert(connection, statRows(fresh), { key: statKey, add: statCounters })
      await this.#move(connection, next)
      return fresh
    })
    const { onRecovered, spool } = this.#options
    const recovered = this.#position !== null && this.#position.segment < spool.begin.segment
    if (recovered && onRecovered !== undefined) for (const record of written) onRecovered(record)
  }

  async #insert(connection: SqlConnection, { table, columns, rows }: Rows): Promise<void> {
    if (connection.executeEach !== undefined) {
      await connection.executeEach(this.#statement(connection.kind, { table, columns, size: 1 }), rows)
      return
    }
    let from = 0
    for (const size of statementRows)
      for (; from + size <= rows.length; from += size) {
        const values = rows.slice(from, from + size).flat()
        await connection.execute(this.#statement(connection.kind, { table, columns, size }), values)
      }
  }

  /** Always the same text for a number of rows, so that drivers find what they have prepared. */
  #statement(
    kind: SqlConnection['kind'],
    { table, columns, size }: { readonly table: string; readonly columns: readonly string[]; readonly size: number },
  ): string {
    const key = `${table} ${size}`
    const known = this.#statements.get(key)
    if (known !== undefined) return known
    const rows = Array.from({ length: size }, () => columns.map(() => null))
    const [statement] = insertStatements(kind, { table, columns, rows })
    if (statement === undefined) throw new TypeError(`no columns for ${table}`)
    this.#statements.set(key, statement.sql)
    return statement.sql
  }

  async #move(connection: SqlConnection, { segment, offset }: SpoolPosition): Promise<void> {
    const columns = ['instance', 'segment', 'byte_offset', 'updated_at']
    const rows = [[this.#options.spool.id, segment, offset, Date.now()]]
    await insert(connection, { table: 'spool_position', columns, rows }, { key: ['instance'], set: columns.slice(1) })
  }

  /** The database refuses this record even alone: without its bodies perhaps it does not; else it goes where a person can look at it. */
  async #reject(
    records: readonly FinishedRequest[],
    { next, error }: { readonly next: SpoolPosition; readonly error: unknown },
  ): Promise<void> {
    const { driver, log, spool } = this.#options
    const [record] = records
    if (record?.bodies !== undefined) {
      const rest: { -readonly [K in keyof FinishedRequest]: FinishedRequest[K] } = { ...record }
      delete rest.bodies
      log.warn(
        { id: record.id, error: wordsOf(error) },
        'the database refuses a request’s bodies: it is logged without',
      )
      if (await this.#write([rest], next)) return
    }
    const file = path.join(spool.directory, 'rejected.jsonl')
    appendFileSync(file, `${JSON.stringify({ at: Date.now(), reason: wordsOf(error), record })}\n`, { mode: 0o600 })
    log.error(
      { id: record?.id, file, error: wordsOf(error) },
      'the database refuses a request’s record: it is kept aside',
    )
    await driver.transaction((connection) => this.#move(connection, next))
  }

  async #stored(): Promise<SpoolPosition | null> {
    const [row] = await this.#options.driver.query(
      'SELECT segment, byte_offset FROM spool_position WHERE instance = ?',
      [this.#options.spool.id],
    )
    return row === undefined ? null : { segment: Number(row['segment']), offset: Number(row['byte_offset']) }
  }

  #noticeAppend(): void {
    if (this.#failures > 0) return // the pause decides
    if (this.#hasEnough()) this.#wakeUp()
    else this.#wakeSoon()
  }

  /** Whether what waits is worth a transaction of its own. */
  #hasEnough(): boolean {
    const at = this.#position
    const { end } = this.#options.spool
    if (at === null || this.#singles > 0 || at.segment !== end.segment) return true
    return end.offset - at.offset >= ENOUGH_BYTES
  }

  #wakeSoon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = null
      if (this.#failures === 0) this.#wakeUp()
    }, LINGER_MS).unref()
  }

  /** Until woken, and no longer than `ms`. While the database is down only a flush, the end and the clock wake. */
  #sleep(ms: number | null): Promise<void> {
    if (this.#closing) return Promise.resolve()
    const { end } = this.#options.spool
    if (ms === null && (end.segment !== this.#position?.segment || end.offset !== this.#position.offset)) {
      this.#wakeSoon()
    }
    return new Promise((resolve) => {
      const timer = ms === null ? null : setTimeout(() => this.#wake?.(), ms).unref()
      this.#wake = () => {
        this.#wake = null
        clearTimeout(timer ?? undefined)
        resolve()
      }
    })
  }

  #wakeUp(): void {
    this.#wake?.()
  }

  #fail(error: unknown): void {
    const { log, onError } = this.#options
    this.#failures++
    this.#position = null
    this.#careful = true
    const reason = wordsOf(error)
    if (this.#reason === '' || Date.now() - this.#remindedAt > REMIND_MS) {
      log.error({ error: reason }, 'the database takes no records: they wait in the spool')
      this.#remindedAt = Date.now()
    }
    this.#reason = reason
    onError?.(error)
  }

  #recover(): void {
    if (this.#reason === '') return
    this.#reason = ''
    this.#failures = 0
    this.#options.log.info({}, 'the database takes records again')
  }
}

const none: ReadonlySet<string> = new Set()

async function knownIds(connection: SqlConnection, records: readonly FinishedRequest[]): Promise<ReadonlySet<string>> {
  if (records.length === 0) return none
  const marks = records.map(() => '?').join(', ')
  const ids = records.map(({ id }) => id)
  const rows = await connection.query(`SELECT id FROM relay_log WHERE id IN (${marks})`, ids)
  return new Set(rows.map((row) => String(row['id'])))
}

async function packed(records: readonly FinishedRequest[]): Promise<readonly PackedBody[]> {
  const bodies: PackedBody[] = []
  for (const { id, at, bodies: body } of records)
    if (body !== undefined) bodies.push({ id, at, bytes: await compress(Buffer.from(JSON.stringify(body))) })
  return bodies
}

/** Doubles, and is spread so that many gateways do not come back to a database all at once. */
function pauseAfter(failures: number): number {
  const longest = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (failures - 1))
  return longest / 2 + (Math.random() * longest) / 2
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
