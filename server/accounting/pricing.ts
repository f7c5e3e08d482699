import type { Usage } from '../model/response.ts'
import type { PriceRow, TokenPrices } from '../store/configuration.ts'
import type { Catalogue, Tier } from './catalogue.ts'

/** What a request is priced with, and by whose word. */
export interface Price {
  readonly source: 'channel' | 'default' | 'models.dev'
  /** The list's vendor; null for prices entered by hand. */
  readonly vendor: string | null
  /** The name under which it was found. */
  readonly matchedModel: string
  /** Unix ms of the list; null for prices entered by hand. */
  readonly asOf: number | null
  readonly tokens: TokenPrices
  /** Ascending. */
  readonly tiers: readonly Tier[]
  readonly perRequestNanoUsd: number
}

export interface PriceQuestion {
  readonly channelId: number | null
  /** The vendor (models.dev's id) of the channel's type; null where the type has none. */
  readonly vendor: string | null
  /** Upstream model. */
  readonly model: string
}

const REMEMBERED = 10_000

/**
 * Finds prices in the order: the person's price for the channel's model, the person's default for the model, the catalogue. Made anew for
 * each configuration; the catalogue is shared.
 */
export class PriceBook {
  readonly #own = new Map<string, PriceRow>()
  readonly #catalogue: Catalogue
  readonly #known = new Map<string, Price | null>()

  constructor(prices: readonly PriceRow[], catalogue: Catalogue) {
    this.#catalogue = catalogue
    for (const row of prices) this.#own.set(keyOf(row.channelId, row.model), row)
  }

  /** null: unknown, which is not the same as free. */
  lookup(question: PriceQuestion): Price | null {
    const key = `${question.vendor ?? ''}\n${keyOf(question.channelId, question.model)}`
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const price = this.#find(question)
    if (this.#known.size >= REMEMBERED) this.#known.clear()
    this.#known.set(key, price)
    return price
  }

  #find({ channelId, vendor, model }: PriceQuestion): Price | null {
    const forChannel = channelId === null ? undefined : this.#own.get(keyOf(channelId, model))
    if (forChannel !== undefined) return entered('channel', forChannel)
    const byDefault = this.#own.get(keyOf(null, model))
    if (byDefault !== undefined) return entered('default', byDefault)
    const found = this.#catalogue.find(vendor, model)
    if (found === null) return null
    return {
      source: 'models.dev',
      vendor: found.vendor,
      matchedModel: found.model,
      asOf: this.#catalogue.asOf,
      tokens: found.tokens,
      tiers: found.tiers,
      perRequestNanoUsd: 0,
    }
  }
}

function keyOf(channelId: number | null, model: string): string {
  return `${channelId ?? ''}\n${model}`
}

function entered(source: 'channel' | 'default', row: PriceRow): Price {
  const { tokens, tiers, perRequestNanoUsd } = row
  return { source, vendor: null, matchedModel: row.model, asOf: null, tokens, tiers, perRequestNanoUsd }
}

/**
 * What the usage costs, in whole nano-USD, rounded once at the end; null when it is unknown.
 *
 * - A kind without tokens needs no price. A kind with tokens and no price:
 *   cache read → the input price; cache write of an hour → the one of 5 minutes → the input price; cache write of 5 minutes → the input
 *   price (what vendors bill that list none); reasoning → the output price; input or output → the cost is unknown.
 * - 0 is a price.
 * - The prompt's length (input, cache reads and cache writes) chooses the tier: the last one that it exceeds, for all tokens. What a tier
 *   leaves out is as in the base price.
 * - `multiplier` is the channel's, on tokens and the price per request alike.
 */
export function cost(usage: Usage, price: Price, multiplier: number): number | null {
  const prices = pricesAt(price, usage.input + usage.cacheRead + usage.cacheWrite5m + usage.cacheWrite1h)
  const { input, output } = prices
  const write5m = prices.cacheWrite5m ?? input
  const thoughts = prices.reasoning === null ? 0 : Math.min(usage.reasoning ?? 0, usage.output)
  const millionths =
    times(usage.input, input) +
    times(usage.cacheRead, prices.cacheRead ?? input) +
    times(usage.cacheWrite5m, write5m) +
    times(usage.cacheWrite1h, prices.cacheWrite1h ?? write5m) +
    times(usage.output - thoughts, output) +
    times(thoughts, prices.reasoning)
  if (Number.isNaN(millionths)) return null
  return Math.round((millionths / 1e6 + price.perRequestNanoUsd) * multiplier)
}

/** NaN where there are tokens and no price: it stays NaN in any sum. */
function times(tokens: number, price: number | null): number {
  if (tokens === 0) return 0
  return price === null ? NaN : tokens * price
}

function pricesAt({ tokens, tiers }: Price, promptTokens: number): TokenPrices {
  const tier = tiers.findLast(({ abovePromptTokens }) => promptTokens > abovePromptTokens)
  if (tier === undefined) return tokens
  const of = (kind: keyof TokenPrices): number | null => tier.tokens[kind] ?? tokens[kind]
  return {
    input: of('input'),
    output: of('output'),
    cacheRead: of('cacheRead'),
    cacheWrite5m: of('cacheWrite5m'),
    cacheWrite1h: of('cacheWrite1h'),
    reasoning: of('reasoning'),
  }
}
