import { z } from 'zod'
import { Name, Timeouts } from './channels.ts'

export const balanceModes = ['round_robin', 'random', 'failover', 'weighted'] as const
export const BalanceModeName = z.enum(balanceModes)

export const GroupItemRow = z.object({
  id: z.int(),
  channelId: z.int(),
  /** The model's name at the upstream. */
  model: z.string(),
  /** 1 is tried first; equal numbers form a tier that is balanced inside. */
  priority: z.int(),
  weight: z.number(),
  enabled: z.boolean(),
})

export const GroupItemInput = z.object({
  channelId: z.int(),
  model: z.string().trim().min(1, 'must not be empty').max(256),
  priority: z.int().min(1).max(10_000).default(1),
  weight: z.number().min(0).max(1_000_000).default(1),
  enabled: z.boolean().default(true),
})
export type GroupItemInput = z.output<typeof GroupItemInput>

/** How hard one request may try. Absent fields take the setting's default. */
export const GroupPolicy = z.object({
  /** Distinct members tried in one request. */
  maxAttempts: z.int().min(1).max(100).optional(),
  /** Before the first byte, over all attempts, in milliseconds; 0: none. */
  deadlineMs: z.int().min(0).optional(),
  timeouts: Timeouts.optional(),
  /** Inside a tier: the fastest or the cheapest first. Absent: only the mode decides. */
  order: z.enum(['latency', 'cost']).optional(),
  /** Goes on until the client leaves: round after round, with back-off; the deadline then holds for each attempt alone. */
  neverGiveUp: z.boolean().optional(),
})
export type GroupPolicy = z.output<typeof GroupPolicy>

const GroupFields = z.object({
  /** The public model name. */
  name: Name,
  mode: BalanceModeName.default('round_robin'),
  /** Other names under which the group answers; `*` stands for any text. */
  aliases: z.array(Name).max(100).default([]),
  policy: GroupPolicy.default({}),
  /** How long a conversation prefers the member that answered it last, in seconds; 0: off. */
  affinitySeconds: z.int().min(0).max(86_400).default(0),
})

export const GroupRow = GroupFields.extend({
  id: z.int(),
  items: z.array(GroupItemRow),
  pinnedItemId: z.int().nullable(),
  createdAt: z.number(),
  updatedAt: z.number(),
})
export type GroupRow = z.output<typeof GroupRow>

export const GroupCreate = GroupFields.extend({ items: z.array(GroupItemInput).max(1000).default([]) })
export type GroupCreate = z.output<typeof GroupCreate>

/** An absent field stays. `items` is the whole new list; rows equal in channel and model keep their id. */
export const GroupUpdate = z.object({
  id: z.coerce.number().int(),
  name: Name.optional(),
  mode: BalanceModeName.optional(),
  aliases: z.array(Name).max(100).optional(),
  policy: GroupPolicy.optional(),
  affinitySeconds: z.int().min(0).max(86_400).optional(),
  items: z.array(GroupItemInput).max(1000).optional(),
  pinnedItemId: z.int().nullable().optional(),
})
export type GroupUpdate = z.output<typeof GroupUpdate>
