import type { PriceRow, TokenPrices } from '../store/configuration.ts'

export type Tier = PriceRow['tiers'][number]

/** What one vendor asks for one model. */
export interface ListedPrice {
  readonly vendor: string
  /** The vendor's own id of the model. */
  readonly model: string
  readonly tokens: TokenPrices
  readonly tiers: readonly Tier[]
}

/**
 * The shape of resources/prices.json and of what a sync stores. A model's row is `[input, output, cacheRead, cacheWrite5m,
 * cacheWrite1h, reasoning, tiers]` in nano-USD per million tokens, cut off behind its last known value; tiers are
 * `[abovePromptTokens, …the first six]`.
 */
export interface CatalogueFile {
  readonly source: string
  /** Day of the source, `2026-09-28`. */
  readonly date: string
  readonly licence: string
  readonly vendors: Readonly<Record<string, Readonly<Record<string, CatalogueRow>>>>
}
export type CatalogueRow = readonly (number | null | readonly (readonly (number | null)[])[])[]

/**
 * Whose price stands for a model when its channel has no vendor of its own: the makers' before the resellers'. Ids as in models.dev.
 */
const makers = [
  'openai',
  'anthropic',
  'google',
  'deepseek',
  'xai',
  'alibaba',
  'moonshotai',
  'zai',
  'minimax',
  'mistral',
  'cohere',
  'llama',
  'xiaomi',
  'stepfun',
  'perplexity',
  'amazon-bedrock',
  'google-vertex',
  'azure',
  'openrouter',
]

type Rows = ReadonlyMap<string, CatalogueRow>

interface Parsed {
  readonly source: string
  readonly asOf: number
  readonly vendors: ReadonlyMap<string, Rows>
}

/** All vendors' list prices. Nothing is read or parsed before the first question. */
export class Catalogue {
  readonly #load: () => string
  #parsed: Parsed | null = null
  /** Vendors in the order of their word. */
  #ranked: readonly string[] = []
  #byName: ReadonlyMap<string, readonly [vendor: string, model: string]> | null = null

  /** `load` gives the JSON text of a CatalogueFile. */
  constructor(load: () => string) {
    this.#load = load
  }

  /** `models.dev, …`: where the prices come from. */
  get source(): string {
    return this.#open().source
  }

  /** Unix ms. */
  get asOf(): number {
    return this.#open().asOf
  }

  /**
   * The vendor's price for exactly this id; else anybody's for exactly this id; else the same by normalised id. Without the vendor's own
   * word a price of 0 is believed only where the id itself says that it is free: somebody else's flat-rate plan makes nothing free.
   */
  find(vendor: string | null, model: string): ListedPrice | null {
    const { vendors } = this.#open()
    const id = model.replace(/^models\//, '')
    if (vendor !== null) {
      const row = vendors.get(vendor)?.get(id)
      if (row !== undefined) return listed(vendor, id, row)
    }
    for (const other of this.#ranked) {
      const row = vendors.get(other)?.get(id)
      if (row !== undefined && isBelievable(id, row)) return listed(other, id, row)
    }
    return this.#findByName(vendor, id)
  }

  #findByName(vendor: string | null, id: string): ListedPrice | null {
    const { vendors } = this.#open()
    for (const name of namesOf(id)) {
      const own = vendor === null ? undefined : this.#names.get(`${vendor}\n${name}`)
      const found = own ?? this.#names.get(name)
      const row = found && vendors.get(found[0])?.get(found[1])
      if (row !== undefined) return listed(found?.[0] ?? '', found?.[1] ?? '', row)
    }
    return null
  }

  /** Normalised name, alone and behind its vendor's, to the entry that is believed most. Made when an exact id first fails. */
  get #names(): ReadonlyMap<string, readonly [vendor: string, model: string]> {
    if (this.#byName !== null) return this.#byName
    const { vendors } = this.#open()
    const byName = new Map<string, readonly [string, string]>()
    const put = (name: string, entry: readonly [string, string]): void => {
      if (!byName.has(name)) byName.set(name, entry)
    }
    for (const vendor of this.#ranked) {
      // newest first: of several dated ids the undated name means the latest
      const models = [...(vendors.get(vendor) ?? [])].sort(([a], [b]) => (a < b ? 1 : -1))
      for (const depth of [0, 1])
        for (const [model, row] of models) {
          const name = namesOf(model)[depth]
          if (name === undefined) continue
          put(`${vendor}\n${name}`, [vendor, model])
          if (isBelievable(model, row)) put(name, [vendor, model])
        }
    }
    return (this.#byName = byName)
  }

  #open(): Parsed {
    if (this.#parsed !== null) return this.#parsed
    const file = parseCatalogue(this.#load())
    const vendors = new Map<string, Rows>()
    for (const [vendor, models] of Object.entries(file.vendors)) vendors.set(vendor, new Map(Object.entries(models)))
    const rank = (vendor: string): number => (makers.includes(vendor) ? makers.indexOf(vendor) : makers.length)
    this.#ranked = [...vendors.keys()].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1))
    return (this.#parsed = { source: file.source, asOf: Date.parse(file.date), vendors })
  }
}

/**
 * The names under which an id is found when it is not listed as it stands, nearest first: in lower case, without what stands before the
 * last `/` and Bedrock's `region.vendor.` prefix, `.` and `-` alike, without tags that change no price; then without its date.
 * Tags that do change the price (`:free`, `:nitro`, Ollama's sizes) stay.
 */
export function namesOf(id: string): readonly string[] {
  const last = id.toLowerCase().slice(id.lastIndexOf('/') + 1)
  const plain = last
    .replace(
      /^(?:(?:us|eu|apac|au|jp|ca|sa|global|us-gov)\.)?(?:anthropic|amazon|meta|mistral|cohere|deepseek|openai|qwen|moonshot|minimax|google|zai)\./,
      '',
    )
    .replace(/-v\d+:\d+$/, '')
    .replace(/:(?:thinking|beta|latest)$/, '')
    .replaceAll('.', '-')
  const undated = plain
    .replace(/[-@](?:20\d{6}|20\d\d-\d\d-\d\d|2[0-9](?:0[1-9]|1[0-2])(?:[0-2]\d|3[01])?)$/, '')
    .replace(/@default$|-latest$/, '')
  return undated === plain ? [plain] : [plain, undated]
}

function isBelievable(id: string, row: CatalogueRow): boolean {
  return row[0] !== 0 || row[1] !== 0 || /[:-]free$/.test(id)
}

function listed(vendor: string, model: string, row: CatalogueRow): ListedPrice {
  const tiers = Array.isArray(row[6]) ? row[6] : []
  return {
    vendor,
    model,
    tokens: tokensOf(row),
    tiers: tiers.map((tier: readonly (number | null)[]) => ({
      abovePromptTokens: tier[0] ?? 0,
      tokens: tokensOf(tier.slice(1)),
    })),
  }
}

function tokensOf(row: CatalogueRow): TokenPrices {
  const at = (index: number): number | null => {
    const value = row[index]
    return typeof value === 'number' ? value : null
  }
  return {
    input: at(0),
    output: at(1),
    cacheRead: at(2),
    cacheWrite5m: at(3),
    cacheWrite1h: at(4),
    reasoning: at(5),
  }
}

/** @throws SyntaxError or TypeError when the text is not of the shape */
function parseCatalogue(text: string): CatalogueFile {
  const value: unknown = JSON.parse(text)
  if (!isCatalogue(value)) throw new TypeError('not a price catalogue: source, date and vendors are missing')
  return value
}

function isCatalogue(value: unknown): value is CatalogueFile {
  if (typeof value !== 'object' || value === null) return false
  if (!('source' in value && 'date' in value && 'vendors' in value)) return false
  const { source, date, vendors } = value
  return typeof source === 'string' && typeof date === 'string' && typeof vendors === 'object' && vendors !== null
}
