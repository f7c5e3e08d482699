import type { SqlValue } from '../store/driver.ts'
import { bucketCount, bucketOf, durationBounds, firstTokenBounds } from '../store/histogram.ts'
import { columnText, type Rows } from '../store/sql.ts'
import { countTries, type AttemptRecord, type FinishedRequest } from './record.ts'

const HOUR_MS = 3_600_000
/** An upstream's error can be a whole page; a log row is to stay small. */
const MESSAGE_CHARS = 1000

const logColumns = [
  'id',
  'at',
  'client_format',
  'upstream_format',
  'group_id',
  'group_name',
  'requested_model',
  'api_key_id',
  'api_key_name',
  'client_software',
  'stream',
  'outcome',
  'http_status',
  'error_kind',
  'error_message',
  'attempts',
  'attempt_count',
  'channel_id',
  'channel_name',
  'upstream_model',
  'input_tokens',
  'cache_read_tokens',
  'cache_write_5m_tokens',
  'cache_write_1h_tokens',
  'output_tokens',
  'reasoning_tokens',
  'usage_estimated',
  'usage_raw',
  'cost_nano_usd',
  'first_token_ms',
  'duration_ms',
  'losses',
  'loss_count',
  'has_body',
] as const

/** The log's rows. Integer columns get integers, texts what their columns hold. */
export function logRows(records: readonly FinishedRequest[]): Rows {
  return { table: 'relay_log', columns: logColumns, rows: records.map(logRow) }
}

function logRow(record: FinishedRequest): readonly SqlValue[] {
  const { usage, error } = record
  return [
    columnText(record.id, 36),
    Math.round(record.at),
    record.clientFormat,
    record.upstreamFormat,
    record.groupId ?? 0,
    columnText(record.groupName, 256),
    columnText(record.requestedModel, 256),
    record.apiKeyId ?? 0,
    columnText(record.apiKeyName, 128),
    columnText(record.clientSoftware, 256),
    record.stream ? 1 : 0,
    record.outcome,
    Math.round(record.httpStatus),
    error?.kind ?? null,
    error === undefined ? null : columnText(error.message, MESSAGE_CHARS),
    JSON.stringify(record.attempts.map(shortened)),
    countTries(record),
    record.channelId ?? 0,
    columnText(record.channelName, 128),
    columnText(record.upstreamModel, 256),
    rounded(usage?.input),
    rounded(usage?.cacheRead),
    rounded(usage?.cacheWrite5m),
    rounded(usage?.cacheWrite1h),
    rounded(usage?.output),
    usage === undefined ? null : Math.round(usage.reasoning ?? 0),
    usage?.estimated === true ? 1 : 0,
    usage?.raw === undefined ? null : JSON.stringify(usage.raw),
    rounded(record.costNanoUsd),
    rounded(record.firstTokenMs),
    Math.round(record.durationMs),
    JSON.stringify(record.losses),
    record.losses.length,
    record.bodies === undefined ? 0 : 1,
  ]
}

function rounded(value: number | null | undefined): number | null {
  return value === null || value === undefined ? null : Math.round(value)
}

function shortened(attempt: AttemptRecord): AttemptRecord {
  const { error } = attempt
  if (error === undefined || error.message.length <= MESSAGE_CHARS) return attempt
  return { ...attempt, error: { ...error, message: columnText(error.message, MESSAGE_CHARS) } }
}

/** A record's bodies, compressed. */
export interface PackedBody {
  readonly id: string
  readonly at: number
  readonly bytes: Buffer
}

export function bodyRows(bodies: readonly PackedBody[]): Rows {
  return {
    table: 'relay_log_body',
    columns: ['log_id', 'at', 'encoding', 'size', 'body'],
    rows: bodies.map(({ id, at, bytes }) => [id, Math.round(at), 'zstd', bytes.length, bytes]),
  }
}

export const statKey = ['hour', 'channel_id', 'api_key_id', 'group_id', 'model'] as const
export const statCounters = [
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
  'estimated',
  'first_token_count',
  'first_token_ms',
  'duration_count',
  'duration_ms',
  ...Array.from({ length: bucketCount }, (_, bucket) => `first_token_b${bucket}`),
  ...Array.from({ length: bucketCount }, (_, bucket) => `duration_b${bucket}`),
]
const FIRST_TOKEN_BUCKETS = statCounters.indexOf('first_token_b0')
const DURATION_BUCKETS = statCounters.indexOf('duration_b0')

/** What the records add to the fact table: one row for each hour × channel × API key × group × model. */
export function statRows(records: readonly FinishedRequest[]): Rows {
  const facts = new Map<string, { readonly key: readonly SqlValue[]; readonly counters: number[] }>()
  for (const record of records) {
    const model = columnText(record.channelId === null ? record.requestedModel : record.upstreamModel, 256)
    const key = [
      Math.floor(record.at / HOUR_MS) * HOUR_MS,
      record.channelId ?? 0,
      record.apiKeyId ?? 0,
      record.groupId ?? 0,
      model,
    ]
    const name = key.join('\n')
    let fact = facts.get(name)
    if (fact === undefined) facts.set(name, (fact = { key, counters: statCounters.map(() => 0) }))
    count(record, fact.counters)
  }
  // always in one order, so that instances that share a database do not wait for each other in a circle
  const rows = [...facts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, { key, counters }]) => [...key, ...counters])
  return { table: 'hour_stat', columns: [...statKey, ...statCounters], rows }
}

/**
 * `duration` is counted for successes alone: how long a failure took says nothing about the channel's speed.
 * `unpriced`: there was usage and no price.
 */
function count({ outcome, usage, costNanoUsd, firstTokenMs, durationMs }: FinishedRequest, counters: number[]): void {
  const add = (index: number, value: number): void => {
    counters[index] = (counters[index] ?? 0) + Math.round(value)
  }
  add(0, 1)
  if (outcome === 'failure') add(1, 1)
  if (outcome === 'cancelled') add(2, 1)
  if (usage !== undefined) {
    add(3, usage.input)
    add(4, usage.cacheRead)
    add(5, usage.cacheWrite5m)
    add(6, usage.cacheWrite1h)
    add(7, usage.output)
    add(8, usage.reasoning ?? 0)
    if (costNanoUsd === null) add(10, 1)
    if (usage.estimated === true) add(11, 1)
  }
  if (costNanoUsd !== null) add(9, costNanoUsd)
  if (firstTokenMs !== null) {
    add(12, 1)
    add(13, firstTokenMs)
    add(FIRST_TOKEN_BUCKETS + bucketOf(firstTokenBounds, firstTokenMs), 1)
  }
  if (outcome === 'success') {
    add(14, 1)
    add(15, durationMs)
    add(DURATION_BUCKETS + bucketOf(durationBounds, durationMs), 1)
  }
}
