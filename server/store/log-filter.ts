import type { LogQuery } from '../contract/activity.ts'
import type { SqlValue } from './driver.ts'
import { containing } from './sql.ts'

export interface Condition {
  readonly sql: string
  readonly values: readonly SqlValue[]
}

/** What a query asks for besides its time: `indexed` conditions have an index by time, the `others` are looked for row by row. */
export interface LogConditions {
  readonly indexed: readonly Condition[]
  readonly others: readonly Condition[]
}

const searched = [
  'group_name',
  'requested_model',
  'upstream_model',
  'api_key_name',
  'channel_name',
  'client_software',
  'error_kind',
  'error_message',
]

export function conditionsOf(query: LogQuery): LogConditions {
  const equal = (column: string, value: string | number | undefined): Condition[] =>
    value === undefined ? [] : [{ sql: `${column} = ?`, values: [value] }]
  const atLeast = (column: string, value: number | undefined): Condition[] =>
    value === undefined ? [] : [{ sql: `${column} >= ?`, values: [value] }]
  const pattern = query.text === undefined || query.text === '' ? null : containing(query.text)
  return {
    indexed: [
      ...equal('requested_model', query.requestedModel),
      ...equal('upstream_model', query.upstreamModel),
      ...equal('channel_id', query.channelId),
      ...equal('api_key_id', query.apiKeyId),
      ...equal('group_id', query.groupId),
      ...equal('outcome', query.outcome),
    ],
    others: [
      ...equal('client_format', query.clientFormat),
      ...equal('upstream_format', query.upstreamFormat),
      ...equal('group_name', query.groupName),
      ...equal('client_software', query.clientSoftware),
      ...equal('stream', query.stream === undefined ? undefined : Number(query.stream)),
      ...equal('http_status', query.httpStatus),
      ...equal('error_kind', query.errorKind),
      ...atLeast('cost_nano_usd', query.minCostNanoUsd),
      ...atLeast('duration_ms', query.minDurationMs === undefined ? undefined : Math.ceil(query.minDurationMs)),
      ...(pattern === null
        ? []
        : [
            {
              sql: `(${searched.map((column) => `LOWER(${column}) LIKE ? ESCAPE '!'`).join(' OR ')})`,
              values: searched.map(() => pattern),
            },
          ]),
    ],
  }
}

/** A row's place in the log: newest first, by time and then by id. */
export interface LogPlace {
  readonly at: number
  readonly id: string
}

export const olderThan = ({ at, id }: LogPlace): Condition => ({
  sql: '(at < ? OR (at = ? AND id < ?))',
  values: [at, at, id],
})

export const notOlderThan = ({ at, id }: LogPlace): Condition => ({
  sql: '(at > ? OR (at = ? AND id >= ?))',
  values: [at, at, id],
})

export function where(conditions: readonly Condition[]): Condition {
  return {
    sql: conditions.length === 0 ? '' : ` WHERE ${conditions.map(({ sql }) => sql).join(' AND ')}`,
    values: conditions.flatMap(({ values }) => values),
  }
}
