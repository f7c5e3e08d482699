import type { CatalogueFile, CatalogueRow } from './catalogue.ts'

/** Turns models.dev's catalogue (https://models.dev/api.json: USD per million tokens) into ours. What has no price is left out. */

type Source = Pick<CatalogueFile, 'source' | 'date' | 'licence'>

/** @throws TypeError when it is no such catalogue: an empty or foreign answer must never replace prices that stand */
export function catalogueFrom(api: unknown, about: Source): CatalogueFile {
  const vendors: Record<string, Record<string, CatalogueRow>> = {}
  for (const [vendor, entry] of fields(api)) {
    const rows: Record<string, CatalogueRow> = {}
    for (const [model, facts] of fields(get(entry, 'models'))) {
      const row = rowOf(model, get(facts, 'cost'))
      if (row !== null) rows[model] = row
    }
    if (Object.keys(rows).length > 0) vendors[vendor] = rows
  }
  if (vendors['openai'] === undefined || vendors['anthropic'] === undefined)
    throw new TypeError('not the catalogue of models.dev: it has no prices of OpenAI and Anthropic')
  return { ...about, vendors }
}

function rowOf(model: string, cost: unknown): CatalogueRow | null {
  const base = pricesOf(model, cost)
  if (base.every((price) => price === null)) return null
  const tiers = list(get(cost, 'tiers'))
    .map((tier) => ({ above: get(get(tier, 'tier'), 'size'), kind: get(get(tier, 'tier'), 'type'), tier }))
    .flatMap(({ above, kind, tier }) =>
      kind === 'context' && typeof above === 'number' ? [[above, ...pricesOf(model, tier)]] : [],
    )
    .sort((a, b) => (a[0] ?? 0) - (b[0] ?? 0))
  return trimmed([...base, ...(tiers.length === 0 ? [] : [tiers.map(trimmed)])])
}

function pricesOf(model: string, cost: unknown): readonly (number | null)[] {
  const input = nanoUsd(get(cost, 'input'))
  const write = nanoUsd(get(cost, 'cache_write'))
  // models.dev lists the write of 5 minutes alone. Claude's writes of an hour cost twice the input:
  // https://docs.claude.com/en/docs/about-claude/pricing#prompt-caching
  const write1h = model.includes('claude') && write !== null && input !== null ? 2 * input : null
  return [
    input,
    nanoUsd(get(cost, 'output')),
    nanoUsd(get(cost, 'cache_read')),
    write,
    write1h,
    nanoUsd(get(cost, 'reasoning')),
  ]
}

/** USD to whole nano-USD; what is no price (negative: OpenRouter's "depends") is unknown. */
function nanoUsd(usd: unknown): number | null {
  return typeof usd === 'number' && Number.isFinite(usd) && usd >= 0 ? Math.round(usd * 1e9) : null
}

function trimmed<T>(row: readonly (T | null)[]): readonly (T | null)[] {
  return row.slice(0, row.findLastIndex((value) => value !== null) + 1)
}

function fields(value: unknown): readonly (readonly [string, unknown])[] {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : []
}

function get(value: unknown, name: string): unknown {
  return fields(value).find(([key]) => key === name)?.[1]
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}
