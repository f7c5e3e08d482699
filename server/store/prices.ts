import { PriceRow, type PriceSet } from '../contract/prices.ts'
import { int, json, nullableInt, text } from './columns.ts'
import type { StoreContext } from './context.ts'
import type { SqlRow } from './driver.ts'
import { invalidInput, notFound } from './refusals.ts'

const Tiers = PriceRow.shape.tiers

export const priceQuery = 'SELECT * FROM price ORDER BY model, channel_id'

/** A price, for showing and for the relay alike. */
export function toPriceRow(row: SqlRow): PriceRow {
  const channelId = int(row, 'channel_id')
  return {
    id: int(row, 'id'),
    channelId: channelId === 0 ? null : channelId,
    model: text(row, 'model'),
    tokens: {
      input: nullableInt(row, 'input'),
      output: nullableInt(row, 'output'),
      cacheRead: nullableInt(row, 'cache_read'),
      cacheWrite5m: nullableInt(row, 'cache_write_5m'),
      cacheWrite1h: nullableInt(row, 'cache_write_1h'),
      reasoning: nullableInt(row, 'reasoning'),
    },
    tiers: json(row, 'tiers', Tiers),
    perRequestNanoUsd: int(row, 'per_request_nano_usd'),
  }
}

/** Prices that a person entered, for one channel or (channelId null) for all. Methods throw ContractError: not_found, invalid_input. */
export class Prices {
  readonly #context: StoreContext

  constructor(context: StoreContext) {
    this.#context = context
  }

  /** All, or those of one channel. */
  async list(channelId?: number): Promise<PriceRow[]> {
    const rows = (await this.#context.driver.query(priceQuery)).map(toPriceRow)
    return channelId === undefined ? rows : rows.filter((row) => row.channelId === channelId)
  }

  /** Sets the price of a model; the one that stands for the same channel and model is replaced and keeps its id. */
  async set(input: PriceSet): Promise<PriceRow> {
    const key = { channel_id: input.channelId ?? 0, model: input.model }
    const columns = {
      input: money(input.tokens.input),
      output: money(input.tokens.output),
      cache_read: money(input.tokens.cacheRead),
      cache_write_5m: money(input.tokens.cacheWrite5m),
      cache_write_1h: money(input.tokens.cacheWrite1h),
      reasoning: money(input.tokens.reasoning),
      tiers: JSON.stringify(input.tiers),
      per_request_nano_usd: BigInt(input.perRequestNanoUsd),
      updated_at: BigInt(Date.now()),
    }
    await this.#context.change(async (tx) => {
      if (input.channelId !== null && (await tx.channel.count({ where: { id: input.channelId } })) === 0)
        throw invalidInput([
          { path: 'channelId', message: `must be a channel's id; there is no channel ${input.channelId}` },
        ])
      const { count } = await tx.price.updateMany({ where: key, data: columns })
      if (count === 0) await tx.price.create({ data: { ...key, ...columns } })
    })
    const [row] = await this.#context.driver.query('SELECT * FROM price WHERE channel_id = ? AND model = ?', [
      key.channel_id,
      key.model,
    ])
    if (row === undefined) throw notFound('price for', input.model)
    return toPriceRow(row)
  }

  async delete(id: number): Promise<void> {
    await this.#context.change(async (tx) => {
      const { count } = await tx.price.deleteMany({ where: { id } })
      if (count === 0) throw notFound('price', id)
    })
  }
}

function money(value: number | null): bigint | null {
  return value === null ? null : BigInt(value)
}
