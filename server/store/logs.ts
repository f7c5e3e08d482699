import { setImmediate as breathe } from 'node:timers/promises'
import { promisify } from 'node:util'
import * as zlib from 'node:zlib'
import { LogDetail, type LogPage, type LogQuery, type LogRow } from '../contract/activity.ts'
import { bytes, int, parsed, text } from './columns.ts'
import type { SqlDriver, SqlRow } from './driver.ts'
import { conditionsOf, notOlderThan, olderThan, where, type Condition, type LogPlace } from './log-filter.ts'
import { logColumns, toLogDetail, toLogRow } from './log-rows.ts'
import { invalidInput, notFound } from './refusals.ts'

/** Rows looked at in one statement when a search has to look at each: SQLite answers on the event loop, which must stay free. */
const scanned = 2000
const deletedAtOnce = 1000

/** The log of relayed requests, for reading and for retention; the accounting's drain writes it. */
export class Logs {
  readonly #driver: SqlDriver

  constructor(driver: SqlDriver) {
    this.#driver = driver
  }

  /** One page, newest first. Throws ContractError invalid_input for a cursor that is not ours. */
  async page(query: LogQuery): Promise<LogPage> {
    const { indexed, others } = conditionsOf(query)
    const all = [...indexed, ...others]
    const time: Condition[] = [
      ...(query.from === undefined ? [] : [{ sql: 'at >= ?', values: [Math.ceil(query.from)] }]),
      ...(query.to === undefined ? [] : [{ sql: 'at < ?', values: [Math.ceil(query.to)] }]),
    ]
    const rows: LogRow[] = []
    // one row more than asked for tells whether there is another page
    const wanted = query.limit + 1
    let place: LogPlace | null = query.cursor === undefined ? null : readCursor(query.cursor)
    while (rows.length < wanted) {
      const range: Condition[] = [...time, ...older(place)]
      // an index by time answers one condition at once; more are looked for window by window
      const end =
        all.length <= indexed.length && all.length <= 1
          ? null
          : await this.#windowEnd([...range, ...indexed.slice(0, 1)])
      const window = end === null ? range : [...range, notOlderThan(end)]
      rows.push(...(await this.#rows([...window, ...all], wanted - rows.length)))
      if (end === null) break
      place = end
      await breathe()
    }
    const page = rows.slice(0, query.limit)
    const last = page.at(-1)
    return { rows: page, next: rows.length > query.limit && last ? `${last.at}_${last.id}` : null }
  }

  /** One row with everything kept about it. Throws ContractError not_found. */
  async get(id: string): Promise<LogDetail> {
    const [row] = await this.#driver.query('SELECT * FROM relay_log WHERE id = ?', [id])
    if (row === undefined) throw notFound('log row', id)
    const [body] = await this.#driver.query('SELECT encoding, body FROM relay_log_body WHERE log_id = ?', [id])
    return toLogDetail(row, body === undefined ? null : await unpack(body))
  }

  /** Deletes rows (and bodies) of requests before that time, Unix ms. */
  async dropBefore(at: number): Promise<void> {
    await this.#dropUpTo('relay_log', { at: at - 1, id: lastId })
    await this.#dropUpTo('relay_log_body', { at: at - 1, id: lastId })
  }

  /** Keeps the newest so many rows. */
  async keepRows(count: number): Promise<void> {
    const [row] = await this.#driver.query('SELECT at, id FROM relay_log ORDER BY at DESC, id DESC LIMIT 1 OFFSET ?', [
      count,
    ])
    if (row === undefined) return
    const place = { at: int(row, 'at'), id: text(row, 'id') }
    await this.#dropUpTo('relay_log_body', place)
    await this.#dropUpTo('relay_log', place)
  }

  /** Keeps the newest bodies that together fit into so many bytes, and the rows of the others without them. */
  async keepBodyBytes(limit: number): Promise<void> {
    const [row] = await this.#driver.query(
      `SELECT at, log_id FROM (
         SELECT at, log_id, SUM(size) OVER (ORDER BY at DESC, log_id DESC) AS total FROM relay_log_body
       ) AS sums WHERE total > ? ORDER BY at DESC, log_id DESC LIMIT 1`,
      [limit],
    )
    if (row === undefined) return
    await this.#dropUpTo('relay_log_body', { at: int(row, 'at'), id: text(row, 'log_id') })
  }

  async #rows(conditions: readonly Condition[], limit: number): Promise<LogRow[]> {
    const { sql, values } = where(conditions)
    const rows = await this.#driver.query(
      `SELECT ${logColumns} FROM relay_log${sql} ORDER BY at DESC, id DESC LIMIT ?`,
      [...values, limit],
    )
    return rows.map(toLogRow)
  }

  /** The oldest row of the next window, or null when the rest is one window. */
  async #windowEnd(conditions: readonly Condition[]): Promise<LogPlace | null> {
    const { sql, values } = where(conditions)
    const [row] = await this.#driver.query(
      `SELECT at, id FROM relay_log${sql} ORDER BY at DESC, id DESC LIMIT 1 OFFSET ?`,
      [...values, scanned - 1],
    )
    return row === undefined ? null : { at: int(row, 'at'), id: text(row, 'id') }
  }

  /** Deletes from the oldest up to and including a place, in pieces between which others may write. */
  async #dropUpTo(table: 'relay_log' | 'relay_log_body', place: LogPlace): Promise<void> {
    const id = table === 'relay_log' ? 'id' : 'log_id'
    const within = `(at < ? OR (at = ? AND ${id} <= ?))`
    for (;;) {
      const [row] = await this.#driver.query(
        `SELECT at, ${id} AS id FROM ${table} WHERE ${within} ORDER BY at, ${id} LIMIT 1 OFFSET ?`,
        [place.at, place.at, place.id, deletedAtOnce - 1],
      )
      const end = row === undefined ? place : { at: int(row, 'at'), id: text(row, 'id') }
      await this.#driver.execute(`DELETE FROM ${table} WHERE ${within}`, [end.at, end.at, end.id])
      if (row === undefined) return
      await breathe()
    }
  }
}

/** Sorts behind every UUID. */
const lastId = 'g'

function older(place: LogPlace | null): readonly Condition[] {
  // the first condition is implied by the second, and lets every database use the index on time
  return place === null ? [] : [{ sql: 'at <= ?', values: [place.at] }, olderThan(place)]
}

function readCursor(cursor: string): LogPlace {
  const [, at, id] = /^(\d{1,15})_([0-9a-zA-Z-]{1,64})$/.exec(cursor) ?? []
  if (at === undefined || id === undefined)
    throw invalidInput([{ path: 'cursor', message: 'must be the `next` of a page before' }])
  return { at: Number(at), id }
}

const decoders: Readonly<Record<string, (packed: Uint8Array) => Promise<Buffer>>> = {
  gzip: promisify<Uint8Array, Buffer>(zlib.gunzip),
  br: promisify<Uint8Array, Buffer>(zlib.brotliDecompress),
  // Node has it from 22.15 on
  zstd: promisify<Uint8Array, Buffer>(zlib.zstdDecompress),
}

async function unpack(row: SqlRow): Promise<LogDetail['bodies']> {
  const decode = decoders[text(row, 'encoding')]
  if (decode === undefined) throw new Error(`bodies are stored as ${text(row, 'encoding')}, which is not known here`)
  const source = (await decode(bytes(row, 'body'))).toString('utf8')
  const bodies = parsed(source, LogDetail.shape.bodies)
  if (bodies === undefined) throw new Error('stored bodies are not what they should be')
  return bodies
}
