import type { GroupCreate, GroupItemInput, GroupRow, GroupUpdate } from '../contract/groups.ts'
import type { Issue } from '../contract/issues.ts'
import { renameGroupInApiKeys } from './access.ts'
import { groupedBy } from './channel-rows.ts'
import { int } from './columns.ts'
import type { StoreContext } from './context.ts'
import type { GroupItemCreateManyInput } from './generated/sqlite/models.ts'
import { groupQueries, toGroupRow } from './group-rows.ts'
import type { Tx } from './prisma.ts'
import { invalidInput, isDuplicate, nameTaken, notFound, requireNone } from './refusals.ts'

/** Groups and their members. Methods throw ContractError: not_found, conflict (name), invalid_input (unknown channel, double member). */
export class Groups {
  readonly #context: StoreContext

  constructor(context: StoreContext) {
    this.#context = context
  }

  async list(): Promise<GroupRow[]> {
    const { driver } = this.#context
    const [groups, items] = await Promise.all([driver.query(groupQueries.groups), driver.query(groupQueries.items)])
    const itemsOf = groupedBy(items, 'group_id')
    return groups.map((row) => toGroupRow(row, itemsOf.get(int(row, 'id')) ?? []))
  }

  async get(id: number): Promise<GroupRow> {
    const { driver } = this.#context
    const [groups, items] = await Promise.all([
      driver.query('SELECT * FROM model_group WHERE id = ?', [id]),
      driver.query('SELECT * FROM group_item WHERE group_id = ? ORDER BY position, id', [id]),
    ])
    const row = groups[0]
    if (row === undefined) throw notFound('group', id)
    return toGroupRow(row, items)
  }

  async create(input: GroupCreate): Promise<GroupRow> {
    const now = BigInt(Date.now())
    const id = await this.#write(input.name, async (tx) => {
      await requireFreeName(tx, input.name, 0)
      const group = await tx.modelGroup.create({
        data: {
          name: input.name,
          mode: input.mode,
          aliases: JSON.stringify(input.aliases),
          policy: JSON.stringify(input.policy),
          affinity_seconds: input.affinitySeconds,
          created_at: now,
          updated_at: now,
        },
        select: { id: true },
      })
      await replaceItems(tx, group.id, input.items)
      return group.id
    })
    return this.get(id)
  }

  /**
   * Changes what is given. Members equal in channel and model keep their id; a pinned member that goes takes the pin with it.
   * A new name is taken over by the API keys that name the group.
   */
  async update(input: GroupUpdate): Promise<GroupRow> {
    const { id, name, items, pinnedItemId } = input
    await this.#write(name ?? '', async (tx) => {
      const stored = await tx.modelGroup.findUnique({ where: { id }, select: { name: true } })
      if (stored === null) throw notFound('group', id)
      if (name !== undefined && name !== stored.name) {
        await requireFreeName(tx, name, id)
        await renameGroupInApiKeys(tx, stored.name, name)
      }
      if (items !== undefined) await replaceItems(tx, id, items)
      const pins = await tx.groupItem.findMany({ where: { group_id: id }, select: { id: true } })
      const pinned = await this.#pin(tx, { id, wanted: pinnedItemId, members: new Set(pins.map((item) => item.id)) })
      await tx.modelGroup.updateMany({
        where: { id },
        data: {
          ...(name !== undefined && { name }),
          ...(input.mode && { mode: input.mode }),
          ...(input.aliases && { aliases: JSON.stringify(input.aliases) }),
          ...(input.policy && { policy: JSON.stringify(input.policy) }),
          ...(input.affinitySeconds !== undefined && { affinity_seconds: input.affinitySeconds }),
          pinned_item_id: pinned,
          updated_at: BigInt(Date.now()),
        },
      })
    })
    return this.get(id)
  }

  /** API keys that were allowed to use it lose it; one that could use nothing else can then use nothing. */
  async delete(id: number): Promise<void> {
    await this.#context.change(async (tx) => {
      const stored = await tx.modelGroup.findUnique({ where: { id }, select: { name: true } })
      if (stored === null) throw notFound('group', id)
      await renameGroupInApiKeys(tx, stored.name, null)
      await tx.modelGroup.deleteMany({ where: { id } })
    })
  }

  async #pin(
    tx: Tx,
    {
      id,
      wanted,
      members,
    }: { readonly id: number; readonly wanted: number | null | undefined; readonly members: ReadonlySet<number> },
  ): Promise<number | null> {
    if (wanted === null) return null
    if (wanted !== undefined) {
      if (!members.has(wanted)) throw invalidInput([{ path: 'pinnedItemId', message: 'is not a member of this group' }])
      return wanted
    }
    const standing = await tx.modelGroup.findUnique({ where: { id }, select: { pinned_item_id: true } })
    const pinned = standing?.pinned_item_id ?? null
    return pinned !== null && members.has(pinned) ? pinned : null
  }

  #write<T>(name: string, work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#context.change(work).catch((error: unknown) => {
      throw isDuplicate(error) ? nameTaken('group', name) : error
    })
  }
}

async function requireFreeName(tx: Tx, name: string, ownId: number): Promise<void> {
  if ((await tx.modelGroup.count({ where: { name, id: { not: ownId } } })) > 0) throw nameTaken('group', name)
}

const identity = (channelId: number, model: string): string => `${channelId} ${model}`

async function replaceItems(tx: Tx, groupId: number, items: readonly GroupItemInput[]): Promise<void> {
  await requireValid(tx, items)
  const stored = await tx.groupItem.findMany({ where: { group_id: groupId } })
  const standing = new Map(stored.map((row) => [identity(row.channel_id, row.model), row]))
  const added: GroupItemCreateManyInput[] = []
  for (const [position, { channelId, model, priority, weight, enabled }] of items.entries()) {
    const columns = { position, priority, weight, enabled }
    const row = standing.get(identity(channelId, model))
    standing.delete(identity(channelId, model))
    if (row === undefined) added.push({ ...columns, group_id: groupId, channel_id: channelId, model })
    else if (row.position !== position || row.priority !== priority || row.weight !== weight || row.enabled !== enabled)
      await tx.groupItem.updateMany({ where: { id: row.id }, data: columns })
  }
  const gone = [...standing.values()].map((row) => row.id)
  if (gone.length > 0) await tx.groupItem.deleteMany({ where: { id: { in: gone } } })
  if (added.length > 0) await tx.groupItem.createMany({ data: added })
}

/** Throws invalid_input for members of channels that do not exist, and for members that stand twice. */
async function requireValid(tx: Tx, items: readonly GroupItemInput[]): Promise<void> {
  const wanted = [...new Set(items.map((item) => item.channelId))]
  const found = await tx.channel.findMany({ where: { id: { in: wanted } }, select: { id: true } })
  const channels = new Set(found.map((channel) => channel.id))
  const first = new Map<string, number>()
  requireNone(
    items.flatMap(({ channelId, model }, at): Issue[] => {
      if (!channels.has(channelId))
        return [{ path: `items[${at}].channelId`, message: `must be a channel's id; there is no channel ${channelId}` }]
      const earlier = first.get(identity(channelId, model))
      if (earlier !== undefined)
        return [{ path: `items[${at}]`, message: `is the same channel and model as items[${earlier}]` }]
      first.set(identity(channelId, model), at)
      return []
    }),
  )
}
