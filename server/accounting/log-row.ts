import type { LogRow } from '../contract/activity.ts'
import { countTries, type FinishedRequest } from './record.ts'

/** A finished request as a line of the log: what the live tail shows before the database has it. */
export function logRowOf(record: FinishedRequest): LogRow {
  const { usage, error, attempts: _attempts, losses, bodies, ...row } = record
  return {
    ...row,
    errorKind: error?.kind ?? null,
    errorMessage: error?.message ?? null,
    tokens:
      usage === undefined
        ? null
        : {
            input: usage.input,
            cacheRead: usage.cacheRead,
            cacheWrite5m: usage.cacheWrite5m,
            cacheWrite1h: usage.cacheWrite1h,
            output: usage.output,
            reasoning: usage.reasoning ?? 0,
          },
    tokensEstimated: usage?.estimated === true,
    attemptCount: countTries(record),
    lossCount: losses.length,
  }
}
