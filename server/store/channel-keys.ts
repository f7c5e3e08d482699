import type { ChannelCreate, ChannelUpdate } from '../contract/channels.ts'
import type { Issue } from '../contract/issues.ts'
import { Secret } from '../secret.ts'
import { int, nullableInt } from './columns.ts'
import type { StoreContext } from './context.ts'
import type { ChannelKeyCreateManyInput } from './generated/sqlite/models.ts'
import type { Tx } from './prisma.ts'
import { notFound, requireNone } from './refusals.ts'

type KeyInput = ChannelCreate['keys'][number]

/** What has happened to a key at its provider. Not configuration: it raises no revision. */
export interface KeyHealth {
  /** Unix ms, or null: not suspended. */
  readonly suspendedUntil: number | null
  /** The upstream's HTTP status, or null. */
  readonly lastStatus: number | null
}

/** Health of channel keys, kept so that a suspension survives a restart. */
export class ChannelKeys {
  readonly #context: StoreContext

  constructor(context: StoreContext) {
    this.#context = context
  }

  /** A key that is gone meanwhile is passed over. */
  async noteHealth(id: number, { suspendedUntil, lastStatus }: KeyHealth): Promise<void> {
    await this.#context.driver.execute('UPDATE channel_key SET suspended_until = ?, last_status = ? WHERE id = ?', [
      suspendedUntil,
      lastStatus,
      id,
    ])
  }

  /** Lifts a suspension and returns the key's channel. Throws ContractError not_found. */
  async reset(id: number): Promise<{ readonly channelId: number }> {
    const [row] = await this.#context.driver.query('SELECT channel_id FROM channel_key WHERE id = ?', [id])
    if (row === undefined) throw notFound('channel key', id)
    await this.noteHealth(id, { suspendedUntil: null, lastStatus: null })
    return { channelId: int(row, 'channel_id') }
  }

  /** The keys that are suspended beyond `now` (Unix ms), by id: what the relay must know when it starts. */
  async suspended(now: number): Promise<ReadonlyMap<number, KeyHealth>> {
    const rows = await this.#context.driver.query(
      'SELECT id, suspended_until, last_status FROM channel_key WHERE suspended_until > ?',
      [now],
    )
    return new Map(
      rows.map((row) => [
        int(row, 'id'),
        { suspendedUntil: nullableInt(row, 'suspended_until'), lastStatus: nullableInt(row, 'last_status') },
      ]),
    )
  }
}

/** What is wrong with a list of keys, given the ids that the channel has. */
export function keyIssues(keys: readonly KeyInput[], known: ReadonlySet<number>): Issue[] {
  const seen = new Set<number>()
  return keys.flatMap((key, at): Issue[] => {
    if (key.id === undefined)
      return key.secret === undefined ? [{ path: `keys[${at}].secret`, message: 'is required' }] : []
    if (!known.has(key.id)) return [{ path: `keys[${at}].id`, message: 'is not a key of this channel' }]
    if (seen.has(key.id)) return [{ path: `keys[${at}].id`, message: 'stands twice in the list' }]
    seen.add(key.id)
    return []
  })
}

/** Makes the channel's keys the given list: rows with an id stay (with their secret when none is given), others are added or go. */
export async function replaceKeys(
  { dataKey }: StoreContext,
  tx: Tx,
  { channelId, keys }: { readonly channelId: number; readonly keys: NonNullable<ChannelUpdate['keys']> },
): Promise<void> {
  const stored = await tx.channelKey.findMany({ where: { channel_id: channelId } })
  const byId = new Map(stored.map((row) => [row.id, row]))
  requireNone(keyIssues(keys, new Set(byId.keys())))
  const kept = keys.flatMap(({ id }) => (id === undefined ? [] : [id]))
  if (kept.length < stored.length)
    await tx.channelKey.deleteMany({ where: { channel_id: channelId, id: { notIn: kept } } })
  const added: ChannelKeyCreateManyInput[] = []
  for (const [position, key] of keys.entries()) {
    const columns = {
      position,
      enabled: key.enabled,
      note: key.note,
      models: key.models && JSON.stringify(key.models),
    }
    const sealed = key.secret === undefined ? undefined : sealedColumns(dataKey, key.secret)
    const row = key.id === undefined ? undefined : byId.get(key.id)
    if (row === undefined) {
      if (sealed !== undefined) added.push({ ...columns, ...sealed, channel_id: channelId })
      continue
    }
    const another = key.secret !== undefined && dataKey.open(row.secret, 'channel_key.secret').reveal() !== key.secret
    const asBefore =
      row.position === position && row.enabled === key.enabled && row.note === key.note && row.models === columns.models
    if (asBefore && !another) continue
    // another secret is another key: what happened to the old one says nothing about it
    const replaced = another ? { ...sealed, suspended_until: null, last_status: null } : {}
    await tx.channelKey.updateMany({ where: { id: row.id }, data: { ...columns, ...replaced } })
  }
  if (added.length > 0) await tx.channelKey.createMany({ data: added })
}

function sealedColumns(dataKey: StoreContext['dataKey'], secret: string): { secret: string; hint: string } {
  return { secret: dataKey.seal(secret, 'channel_key.secret'), hint: new Secret(secret).hint() }
}
