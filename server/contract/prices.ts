import { z } from 'zod'
import { NanoUsd } from './access.ts'

/** Nano-USD per million tokens of one kind; null: not priced (unknown), 0: free. */
const TokenPrices = z.object({
  input: NanoUsd.nullable().default(null),
  output: NanoUsd.nullable().default(null),
  cacheRead: NanoUsd.nullable().default(null),
  cacheWrite5m: NanoUsd.nullable().default(null),
  cacheWrite1h: NanoUsd.nullable().default(null),
  /** Only where the vendor bills thoughts apart from other output. */
  reasoning: NanoUsd.nullable().default(null),
})

const PriceTier = z.object({
  /** The tier's prices hold for the whole request when its prompt is longer than so many tokens. */
  abovePromptTokens: z.int().min(1),
  tokens: TokenPrices,
})

const PriceFields = z.object({
  /** null: the user's default for the model on every channel. */
  channelId: z.int().nullable().default(null),
  model: z.string().trim().min(1, 'must not be empty').max(256),
  tokens: TokenPrices,
  /** Ascending by `abovePromptTokens`. */
  tiers: z
    .array(PriceTier)
    .max(32)
    .refine(
      (tiers) =>
        tiers.every((tier, at) => at === 0 || tier.abovePromptTokens > (tiers[at - 1]?.abovePromptTokens ?? 0)),
      'must rise by abovePromptTokens',
    )
    .default([]),
  perRequestNanoUsd: NanoUsd.default(0),
})

/** A price that a person entered. */
export const PriceRow = PriceFields.extend({ id: z.int() })
export type PriceRow = z.output<typeof PriceRow>

/** Sets the price of a model (on one channel, or as the default); one that stands is replaced. */
export const PriceSet = PriceFields
export type PriceSet = z.output<typeof PriceSet>

/** What a request would be priced with, and by whose word. `price` is null exactly when the source is `unknown`. */
export const PriceAnswer = z.object({
  source: z.enum(['channel', 'default', 'models.dev', 'unknown']),
  /** The price book's vendor and the name under which it was found. */
  vendor: z.string().nullable(),
  matchedModel: z.string().nullable(),
  /** Unix ms of the price book; null for prices entered by hand. */
  asOf: z.number().nullable(),
  price: PriceFields.pick({ tokens: true, tiers: true, perRequestNanoUsd: true }).nullable(),
})
export type PriceAnswer = z.output<typeof PriceAnswer>
