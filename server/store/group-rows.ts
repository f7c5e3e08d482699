import { BalanceModeName, GroupPolicy, type GroupRow } from '../contract/groups.ts'
import { Names } from './channel-rows.ts'
import { bool, int, json, nullableInt, text } from './columns.ts'
import type { Group, GroupItem } from './configuration.ts'
import type { SqlRow } from './driver.ts'

export const groupQueries = {
  groups: 'SELECT * FROM model_group ORDER BY id',
  items: 'SELECT * FROM group_item ORDER BY group_id, position, id',
} as const

/** The group as the relay needs it. */
export function toGroup(row: SqlRow, items: readonly SqlRow[]): Group {
  const { id, name, mode, aliases, policy, affinitySeconds, pinnedItemId, createdAt, ...shown } = toGroupRow(row, items)
  const members = shown.items.map((item): GroupItem => ({ ...item, groupId: id }))
  return { id, name, mode, aliases, policy, affinitySeconds, pinnedItemId, createdAt, items: members }
}

/** The group as it is shown, members in the order in which they were given. */
export function toGroupRow(row: SqlRow, items: readonly SqlRow[]): GroupRow {
  const pinned = nullableInt(row, 'pinned_item_id')
  return {
    id: int(row, 'id'),
    name: text(row, 'name'),
    mode: BalanceModeName.parse(text(row, 'mode')),
    aliases: json(row, 'aliases', Names),
    policy: json(row, 'policy', GroupPolicy),
    affinitySeconds: int(row, 'affinity_seconds'),
    items: items.map((item) => ({
      id: int(item, 'id'),
      channelId: int(item, 'channel_id'),
      model: text(item, 'model'),
      priority: int(item, 'priority'),
      weight: Number(item['weight']),
      enabled: bool(item, 'enabled'),
    })),
    pinnedItemId: items.some((item) => int(item, 'id') === pinned) ? pinned : null,
    createdAt: int(row, 'created_at'),
    updatedAt: int(row, 'updated_at'),
  }
}
