import { readFileSync } from 'node:fs'
import path from 'node:path'
import { Catalogue } from './accounting/catalogue.ts'
import { startDrain } from './accounting/drain.ts'
import { estimateUsage } from './accounting/estimate.ts'
import { Live } from './accounting/live.ts'
import { cost, PriceBook } from './accounting/pricing.ts'
import { openSpool } from './accounting/spool.ts'
import type { Logger } from './config.ts'
import { MODEL_NAME_CAP } from './relay/access.ts'
import type { Bookkeeping, Journal } from './relay/journal.ts'
import type { Channel } from './store/configuration.ts'
import type { Store } from './store/store.ts'
import { channelTypes } from './upstream/channel-types.ts'

/** Everything that counts, as the relay and the management side see it. */
export interface Books {
  readonly live: Live
  prices(): PriceBook
  /** What a model costs on a channel, as one number to order by: nano-USD for a million tokens, of which a quarter is output; null: unknown. */
  weightOf(channel: Pick<Channel, 'id' | 'type' | 'priceMultiplier'>, model: string): number | null
  bookkeeping(): Bookkeeping
  begin(journal: Journal): void
}

interface Surroundings {
  readonly log: Logger
  readonly dataDir: string
  /** What has to be closed again, in the order in which it was opened. */
  readonly undo: (() => Promise<void> | void)[]
}

/** Spool, drain, prices and live numbers: everything that counts. */
export async function openBooks(store: Store, { log, dataDir, undo }: Surroundings): Promise<Books> {
  const spool = await openSpool({ directory: path.join(dataDir, 'spool'), log })
  const live = new Live({
    restore: async (from, to) => {
      const { requests, failures, cancelled, tokens, costNanoUsd } = await store.stats.overview({ from, to })
      const { input, cacheRead, cacheWrite5m, cacheWrite1h, output } = tokens
      const sum = input + cacheRead + cacheWrite5m + cacheWrite1h + output
      return { requests, failures, cancelled, tokens: sum, costNanoUsd }
    },
  })
  await live.start()
  const drain = startDrain({
    spool,
    driver: store.driver,
    log,
    onRecovered: (record) => live.count(record),
  })
  undo.push(
    () => spool.close(),
    () => drain.close(),
    () => live.close(),
  )
  const list = new Catalogue(() => readFileSync(resource('prices.json'), 'utf8'))
  let prices: PriceBook | null = null
  store.onChange(() => {
    prices = null
  })
  const priceBook = (): PriceBook => (prices ??= new PriceBook(store.current().prices, list))
  const onDefect = (error: unknown): void => log.error({ err: error }, 'a defect of the accounting')
  const fixed = {
    estimate: estimateUsage,
    onDefect,
    cost: (
      { channelId, model }: { readonly channelId: number; readonly model: string },
      usage: Parameters<typeof cost>[0],
    ) => {
      const channel = store.current().channels.get(channelId)
      const type = channelTypes.get(channel?.type ?? '')
      const price = priceBook().lookup({ channelId, vendor: type?.vendor ?? null, model })
      if (price === null) return type?.inProcess === true ? 0 : null
      return cost(usage, price, channel?.priceMultiplier ?? 1)
    },
    finish: (record: Parameters<typeof spool.append>[0]) => {
      spool.append(record)
      live.finish(record)
    },
  }
  /** Made anew when the settings have changed, not for each request. */
  let made: { readonly settings: object; readonly books: Bookkeeping } | null = null
  return {
    live,
    prices: priceBook,
    weightOf: ({ id, type, priceMultiplier }, model) => {
      const known = channelTypes.get(type)
      const price = priceBook().lookup({ channelId: id, vendor: known?.vendor ?? null, model })
      if (price === null) return known?.inProcess === true ? 0 : null
      const { input, output } = price.tokens
      return input === null || output === null ? null : (0.75 * input + 0.25 * output) * priceMultiplier
    },
    bookkeeping: () => {
      const settings = store.current().settings.log
      if (settings !== made?.settings) {
        const { bodies, bodyCapBytes } = settings
        made = { settings, books: { ...fixed, bodies: { mode: bodies, capBytes: bodyCapBytes } } }
      }
      return made.books
    },
    begin: ({ arrival, caller }) =>
      live.begin({
        id: arrival.id,
        model: arrival.model.slice(0, MODEL_NAME_CAP),
        groupName: arrival.model.slice(0, MODEL_NAME_CAP),
        apiKeyName: caller?.name ?? '',
        clientSoftware: arrival.headers['user-agent'] ?? '',
        at: arrival.at,
      }),
  }
}

/** Files beside the program: in `resources/` of the source tree, the bundle's folder, or the packaged app. */
function resource(name: string): URL {
  return new URL(`../resources/${name}`, import.meta.url)
}
