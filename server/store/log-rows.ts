import { z } from 'zod'
import { LogAttempt, LogOutcome, LogDetail, LogRow, type Tokens } from '../contract/activity.ts'
import { bool, int, json, nullableInt, nullableJson, nullableText, text } from './columns.ts'
import type { SqlRow } from './driver.ts'

const Format = LogRow.shape.clientFormat
const Attempts = z.array(LogAttempt)
const Losses = LogDetail.shape.losses
const RawUsage = z.json()

/** What a line of the log shows; the long columns are left in the database. */
export const logColumns = [
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
  'cost_nano_usd',
  'first_token_ms',
  'duration_ms',
  'attempt_count',
  'loss_count',
].join(', ')

/** 0 stands for none in the log's plain columns. */
function reference(row: SqlRow, column: string): number | null {
  const id = int(row, column)
  return id === 0 ? null : id
}

function tokens(row: SqlRow): Tokens | null {
  const input = nullableInt(row, 'input_tokens')
  if (input === null) return null
  const kind = (column: string): number => nullableInt(row, column) ?? 0
  return {
    input,
    cacheRead: kind('cache_read_tokens'),
    cacheWrite5m: kind('cache_write_5m_tokens'),
    cacheWrite1h: kind('cache_write_1h_tokens'),
    output: kind('output_tokens'),
    reasoning: kind('reasoning_tokens'),
  }
}

export function toLogRow(row: SqlRow): LogRow {
  const upstreamFormat = nullableText(row, 'upstream_format')
  return {
    id: text(row, 'id'),
    at: int(row, 'at'),
    clientFormat: Format.parse(text(row, 'client_format')),
    upstreamFormat: upstreamFormat === null ? null : Format.parse(upstreamFormat),
    groupId: reference(row, 'group_id'),
    groupName: text(row, 'group_name'),
    requestedModel: text(row, 'requested_model'),
    apiKeyId: reference(row, 'api_key_id'),
    apiKeyName: text(row, 'api_key_name'),
    clientSoftware: text(row, 'client_software'),
    stream: bool(row, 'stream'),
    outcome: LogOutcome.parse(text(row, 'outcome')),
    httpStatus: int(row, 'http_status'),
    errorKind: nullableText(row, 'error_kind'),
    errorMessage: nullableText(row, 'error_message'),
    channelId: reference(row, 'channel_id'),
    channelName: text(row, 'channel_name'),
    upstreamModel: text(row, 'upstream_model'),
    tokens: tokens(row),
    tokensEstimated: bool(row, 'usage_estimated'),
    costNanoUsd: nullableInt(row, 'cost_nano_usd'),
    firstTokenMs: nullableInt(row, 'first_token_ms'),
    durationMs: int(row, 'duration_ms'),
    attemptCount: int(row, 'attempt_count'),
    lossCount: int(row, 'loss_count'),
  }
}

/** `row` has all columns; bodies stand apart. */
export function toLogDetail(row: SqlRow, bodies: LogDetail['bodies']): LogDetail {
  return {
    ...toLogRow(row),
    attempts: json(row, 'attempts', Attempts),
    losses: json(row, 'losses', Losses),
    rawUsage: nullableJson(row, 'usage_raw', RawUsage),
    bodies,
  }
}
