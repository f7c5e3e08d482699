import { z } from 'zod'
import { Name } from './channels.ts'

/** Money is integer nano-USD (1e-9 USD) everywhere. */
export const NanoUsd = z.int().min(0)

/** null: no limit. */
export const Budget = z.object({
  totalNanoUsd: NanoUsd.nullable().default(null),
  dailyNanoUsd: NanoUsd.nullable().default(null),
  weeklyNanoUsd: NanoUsd.nullable().default(null),
  monthlyNanoUsd: NanoUsd.nullable().default(null),
})
export type Budget = z.output<typeof Budget>

export const RateLimits = z.object({
  requestsPerMinute: z.int().min(1).nullable().default(null),
  tokensPerMinute: z.int().min(1).nullable().default(null),
  concurrency: z.int().min(1).nullable().default(null),
})

const noBudget: Budget = { totalNanoUsd: null, dailyNanoUsd: null, weeklyNanoUsd: null, monthlyNanoUsd: null }

const ApiKeyFields = z.object({
  name: Name,
  enabled: z.boolean().default(true),
  /** Unix ms, or null for never. */
  expiresAt: z.number().nullable().default(null),
  /** Names of groups that this key may use; null: all. */
  allowedGroups: z.array(z.string()).nullable().default(null),
  /** Model name that the client sends → group name. */
  modelMapping: z.record(z.string(), z.string()).default({}),
  budget: Budget.default(noBudget),
  limits: RateLimits.default({ requestsPerMinute: null, tokensPerMinute: null, concurrency: null }),
})

export const ApiKeyRow = ApiKeyFields.extend({
  id: z.int(),
  hint: z.string(),
  createdAt: z.number(),
  updatedAt: z.number(),
})
export type ApiKeyRow = z.output<typeof ApiKeyRow>

/** What a client presents. Keys that Octopus makes are `sk-octopus-` and 48 alphanumerics; own ones are accepted from 16 characters on. */
export const ApiKeySecret = z
  .string()
  .regex(/^[\x21-\x7e]+$/, 'must be printable ASCII without spaces')
  .min(16, 'must have at least 16 characters')
  .max(256)

/** Without `key` a new one is made. */
export const ApiKeyCreate = ApiKeyFields.extend({ key: ApiKeySecret.optional() })
export type ApiKeyCreate = z.output<typeof ApiKeyCreate>

export const ApiKeyUpdate = z.object({
  id: z.coerce.number().int(),
  name: Name.optional(),
  enabled: z.boolean().optional(),
  expiresAt: z.number().nullable().optional(),
  allowedGroups: z.array(z.string()).nullable().optional(),
  modelMapping: z.record(z.string(), z.string()).optional(),
  budget: Budget.optional(),
  limits: RateLimits.optional(),
  /** Replaces the key itself; what it has used so far stays counted. */
  key: ApiKeySecret.optional(),
})
export type ApiKeyUpdate = z.output<typeof ApiKeyUpdate>
