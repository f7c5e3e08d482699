import type {
  StatsFilter,
  StatsPoint,
  StatsRank,
  StatsRankingQuery,
  StatsSeriesQuery,
  StatsTotals,
} from '../contract/activity.ts'
import { int, text } from './columns.ts'
import type { Configuration } from './configuration.ts'
import { Days } from './days.ts'
import type { SqlDriver, SqlRow } from './driver.ts'
import { bucketCount, durationBounds, firstTokenBounds, percentile } from './histogram.ts'
import { where, type Condition } from './log-filter.ts'

const hourMs = 3_600_000
const buckets = Array.from({ length: bucketCount }, (_, number) => number)
const summed = [
  'requests',
  'failures',
  'cancelled',
  'input_tokens',
  'cache_read_tokens',
  'cache_write_5m_tokens',
  'cache_write_1h_tokens',
  'output_tokens',
  'reasoning_tokens',
  'cost_nano_usd',
  'unpriced',
  'first_token_count',
  'first_token_ms',
  'duration_count',
  'duration_ms',
  ...buckets.map((number) => `first_token_b${number}`),
  ...buckets.map((number) => `duration_b${number}`),
] as const
const sums = summed.map((column) => `COALESCE(SUM(${column}), 0) AS ${column}`).join(', ')

const dimensions = {
  channel: { column: 'channel_id', name: 'channel_name' },
  apiKey: { column: 'api_key_id', name: 'api_key_name' },
  group: { column: 'group_id', name: 'group_name' },
} as const
const orders = {
  cost: 'SUM(cost_nano_usd)',
  requests: 'SUM(requests)',
  failures: 'SUM(failures)',
  tokens:
    'SUM(input_tokens) + SUM(cache_read_tokens) + SUM(cache_write_5m_tokens) + SUM(cache_write_1h_tokens) + SUM(output_tokens)',
} as const

/** Aggregates of the one fact table. An hour belongs whole to the range, and to the day, in which its middle lies. */
export class Stats {
  readonly #driver: SqlDriver
  readonly #current: () => Configuration

  constructor({ driver, current }: { readonly driver: SqlDriver; readonly current: () => Configuration }) {
    this.#driver = driver
    this.#current = current
  }

  async overview(filter: StatsFilter): Promise<StatsTotals> {
    const { sql, values } = where(conditions(filter))
    const [row] = await this.#driver.query(`SELECT ${sums} FROM hour_stat${sql}`, values)
    return toTotals(row ?? {})
  }

  /** By hour, or by day in the query's time zone; ascending, without the steps in which nothing happened. */
  async series(query: StatsSeriesQuery): Promise<StatsPoint[]> {
    const { sql, values } = where(conditions(query))
    const rows = await this.#driver.query(
      `SELECT hour, ${sums} FROM hour_stat${sql} GROUP BY hour ORDER BY hour`,
      values,
    )
    const days = new Days(query.timeZone)
    const points = new Map<number, Record<string, number>>()
    for (const row of rows) {
      const hour = int(row, 'hour')
      const at = query.step === 'hour' ? hour : days.startOf(hour + hourMs / 2)
      const point = points.get(at) ?? {}
      for (const column of summed) point[column] = (point[column] ?? 0) + Number(row[column])
      points.set(at, point)
    }
    return [...points].map(([at, point]) => ({ at, ...toTotals(point) }))
  }

  /** The greatest first; equal ones by id or name. */
  async ranking(query: StatsRankingQuery): Promise<StatsRank[]> {
    const column = query.by === 'model' ? 'model' : dimensions[query.by].column
    const { sql, values } = where(conditions(query))
    const rows = await this.#driver.query(
      `SELECT ${column} AS subject, ${sums} FROM hour_stat${sql}
       GROUP BY ${column} ORDER BY ${orders[query.order]} DESC, ${column} LIMIT ?`,
      [...values, query.limit],
    )
    return Promise.all(
      rows.map(async (row) => {
        if (query.by === 'model') return { id: null, name: text(row, 'subject'), ...toTotals(row) }
        const id = int(row, 'subject')
        return { id: id === 0 ? null : id, name: await this.#nameOf(query.by, id), ...toTotals(row) }
      }),
    )
  }

  /** Today's name; of what is gone, the one that it had in its last request; '' when that is gone too. */
  async #nameOf(by: keyof typeof dimensions, id: number): Promise<string> {
    if (id === 0) return ''
    const { channels, apiKeys, groups } = this.#current()
    const standing = { channel: channels, apiKey: apiKeys, group: groups }[by].get(id)
    if (standing) return standing.name
    const { column, name } = dimensions[by]
    const [row] = await this.#driver.query(
      `SELECT ${name} AS name FROM relay_log WHERE ${column} = ? ORDER BY at DESC LIMIT 1`,
      [id],
    )
    return row === undefined ? '' : text(row, 'name')
  }
}

function conditions(filter: StatsFilter): Condition[] {
  const floor = (at: number): number => Math.floor(at / hourMs) * hourMs
  return [
    ...(filter.from === undefined ? [] : [{ sql: 'hour >= ?', values: [floor(filter.from)] }]),
    ...(filter.to === undefined ? [] : [{ sql: 'hour < ?', values: [floor(filter.to)] }]),
    ...(filter.channelId === undefined ? [] : [{ sql: 'channel_id = ?', values: [filter.channelId] }]),
    ...(filter.apiKeyId === undefined ? [] : [{ sql: 'api_key_id = ?', values: [filter.apiKeyId] }]),
    ...(filter.groupId === undefined ? [] : [{ sql: 'group_id = ?', values: [filter.groupId] }]),
    ...(filter.model === undefined ? [] : [{ sql: 'model = ?', values: [filter.model] }]),
  ]
}

function toTotals(row: SqlRow): StatsTotals {
  const sum = (column: (typeof summed)[number]): number => Number(row[column] ?? 0)
  const latency = (what: 'first_token' | 'duration', bounds: readonly number[]): StatsTotals['duration'] => {
    const counts = buckets.map((number) => Number(row[`${what}_b${number}`] ?? 0))
    return {
      count: sum(`${what}_count`),
      sumMs: sum(`${what}_ms`),
      p50Ms: percentile(bounds, counts, 0.5),
      p95Ms: percentile(bounds, counts, 0.95),
    }
  }
  return {
    requests: sum('requests'),
    failures: sum('failures'),
    cancelled: sum('cancelled'),
    tokens: {
      input: sum('input_tokens'),
      cacheRead: sum('cache_read_tokens'),
      cacheWrite5m: sum('cache_write_5m_tokens'),
      cacheWrite1h: sum('cache_write_1h_tokens'),
      output: sum('output_tokens'),
      reasoning: sum('reasoning_tokens'),
    },
    costNanoUsd: sum('cost_nano_usd'),
    unpricedRequests: sum('unpriced'),
    firstToken: latency('first_token', firstTokenBounds),
    duration: latency('duration', durationBounds),
  }
}
