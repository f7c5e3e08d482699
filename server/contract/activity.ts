import { z } from 'zod'
import { WireFormatName } from './channels.ts'

/** Query strings carry text only, the port carries numbers: both arrive as numbers. */
const QueryNumber = z.coerce.number()
const Moment = QueryNumber.min(0)
const QueryFlag = z.union([z.boolean(), z.stringbool()])

const TrafficFormat = z.enum([...WireFormatName.options, 'passthrough'])
export const LogOutcome = z.enum(['success', 'failure', 'cancelled'])

/** Tokens by kind; the kinds never overlap, `reasoning` is an "of which" of `output`. */
export const Tokens = z.object({
  input: z.int(),
  cacheRead: z.int(),
  cacheWrite5m: z.int(),
  cacheWrite1h: z.int(),
  output: z.int(),
  reasoning: z.int(),
})
export type Tokens = z.output<typeof Tokens>

/** One client request as a line of the log. Times in Unix ms, durations in ms. */
export const LogRow = z.object({
  id: z.string(),
  at: z.number(),
  clientFormat: TrafficFormat,
  upstreamFormat: TrafficFormat.nullable(),
  groupId: z.int().nullable(),
  groupName: z.string(),
  requestedModel: z.string(),
  apiKeyId: z.int().nullable(),
  apiKeyName: z.string(),
  clientSoftware: z.string(),
  stream: z.boolean(),
  outcome: LogOutcome,
  httpStatus: z.int(),
  errorKind: z.string().nullable(),
  errorMessage: z.string().nullable(),
  channelId: z.int().nullable(),
  channelName: z.string(),
  upstreamModel: z.string(),
  /** null: the upstream named none and none was estimated. */
  tokens: Tokens.nullable(),
  tokensEstimated: z.boolean(),
  /** null: the price is unknown. */
  costNanoUsd: z.int().nullable(),
  firstTokenMs: z.number().nullable(),
  durationMs: z.number(),
  attemptCount: z.int(),
  lossCount: z.int(),
})
export type LogRow = z.output<typeof LogRow>

export const LogAttempt = z.object({
  channelId: z.int(),
  channelName: z.string(),
  model: z.string(),
  format: WireFormatName,
  keyId: z.int().nullable(),
  keyNote: z.string(),
  status: z.int().nullable(),
  outcome: z.enum(['answered', 'failed', 'cancelled', 'skipped']),
  error: z.object({ kind: z.string(), message: z.string() }).optional(),
  startedMs: z.number(),
  durationMs: z.number(),
})
export type LogAttempt = z.output<typeof LogAttempt>

/** A log line with everything that was kept about it. */
export const LogDetail = LogRow.extend({
  attempts: z.array(LogAttempt),
  /** What the conversion had to leave out: the field of the client's request, and why. */
  losses: z.array(z.object({ field: z.string(), reason: z.string() })),
  /** The upstream's own usage object. */
  rawUsage: z.json().nullable(),
  /** As they went over the wire, base64; null when bodies are not kept. */
  bodies: z.object({ request: z.string(), response: z.string(), truncated: z.boolean() }).nullable(),
})
export type LogDetail = z.output<typeof LogDetail>

/** Filters are joined by "and". Newest first. */
export const LogQuery = z.object({
  /** `next` of the page before; absent: the newest. */
  cursor: z.string().max(200).optional(),
  limit: QueryNumber.int().min(1).max(500).default(50),
  /** Unix ms: from inclusive, to exclusive. */
  from: Moment.optional(),
  to: Moment.optional(),
  outcome: LogOutcome.optional(),
  clientFormat: TrafficFormat.optional(),
  upstreamFormat: TrafficFormat.optional(),
  groupId: QueryNumber.int().optional(),
  groupName: z.string().max(256).optional(),
  requestedModel: z.string().max(256).optional(),
  upstreamModel: z.string().max(256).optional(),
  channelId: QueryNumber.int().optional(),
  apiKeyId: QueryNumber.int().optional(),
  clientSoftware: z.string().max(256).optional(),
  stream: QueryFlag.optional(),
  httpStatus: QueryNumber.int().optional(),
  errorKind: z.string().max(64).optional(),
  /** Only what cost at least so much. */
  minCostNanoUsd: QueryNumber.int().min(0).optional(),
  minDurationMs: QueryNumber.min(0).optional(),
  /** Found anywhere in the names, models and the error message; case does not matter. */
  text: z.string().max(256).optional(),
})
export type LogQuery = z.output<typeof LogQuery>

export const LogPage = z.object({ rows: z.array(LogRow), next: z.string().nullable() })
export type LogPage = z.output<typeof LogPage>

/** A moving quantity, in ms; percentiles are read from a histogram and null when nothing was measured. */
const Latency = z.object({
  count: z.int(),
  sumMs: z.number(),
  p50Ms: z.number().nullable(),
  p95Ms: z.number().nullable(),
})

/** Everything that statistics show is a sum of these. */
export const StatsTotals = z.object({
  requests: z.int(),
  failures: z.int(),
  cancelled: z.int(),
  tokens: Tokens,
  /** Of the requests whose price was known. */
  costNanoUsd: z.int(),
  /** Requests with tokens whose price was unknown: never shown as $0. */
  unpricedRequests: z.int(),
  firstToken: Latency,
  duration: Latency,
})
export type StatsTotals = z.output<typeof StatsTotals>

export const StatsFilter = z.object({
  /** Unix ms: from inclusive, to exclusive, both rounded down to the hour. Absent: without bound. */
  from: Moment.optional(),
  to: Moment.optional(),
  channelId: QueryNumber.int().optional(),
  apiKeyId: QueryNumber.int().optional(),
  groupId: QueryNumber.int().optional(),
  model: z.string().max(256).optional(),
})
export type StatsFilter = z.output<typeof StatsFilter>

export const StatsSeriesQuery = StatsFilter.extend({
  step: z.enum(['hour', 'day']).default('day'),
  /** IANA name, for the days' borders. */
  timeZone: z
    .string()
    .max(64)
    .refine(isTimeZone, 'must be the IANA name of a time zone, such as Europe/Berlin')
    .default('UTC'),
})
export type StatsSeriesQuery = z.output<typeof StatsSeriesQuery>

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}

/** `at` is the step's beginning, Unix ms; steps without a request are absent. */
export const StatsPoint = StatsTotals.extend({ at: z.number() })
export type StatsPoint = z.output<typeof StatsPoint>

export const StatsRankingQuery = StatsFilter.extend({
  by: z.enum(['channel', 'model', 'apiKey', 'group']),
  order: z.enum(['cost', 'requests', 'tokens', 'failures']).default('cost'),
  limit: QueryNumber.int().min(1).max(1000).default(20),
})
export type StatsRankingQuery = z.output<typeof StatsRankingQuery>

/** `id` is null for models, and where the requests had none (no API key, no channel). */
export const StatsRank = StatsTotals.extend({ id: z.int().nullable(), name: z.string() })
export type StatsRank = z.output<typeof StatsRank>

/** The numbers of the day, in the gateway's own time zone. */
export const Today = z.object({
  requests: z.int(),
  failures: z.int(),
  cancelled: z.int(),
  tokens: z.int(),
  costNanoUsd: z.int(),
})
export type Today = z.output<typeof Today>

export const GatewayChanged = z.object({ activeRequests: z.int(), today: Today })
export type GatewayChanged = z.output<typeof GatewayChanged>

export const GatewayStatus = GatewayChanged.extend({
  version: z.string(),
  /** Unix ms. */
  startedAt: z.number(),
  /** Where clients reach the relay: `http://127.0.0.1:8080`. */
  url: z.string(),
  /** Counts every change of the configuration. */
  revision: z.int(),
  database: z.enum(['sqlite', 'postgresql', 'mysql']),
})
export type GatewayStatus = z.output<typeof GatewayStatus>

/** A channel's (or one of its keys', or one of its models') ability to answer has changed. */
export const ChannelHealth = z.object({
  channelId: z.int(),
  keyId: z.int().nullable(),
  model: z.string().nullable(),
  state: z.enum(['healthy', 'cooling', 'suspended', 'open', 'probing']),
  /** Unix ms at which it is tried again by itself. */
  until: z.number().nullable(),
  reason: z.string(),
})
export type ChannelHealth = z.output<typeof ChannelHealth>
