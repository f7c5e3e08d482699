import { z } from 'zod'
import { ApiKeySecret, ApiKeyUpdate, Budget, RateLimits } from '../contract/access.ts'
import {
  ChannelKeyInput,
  ChannelUpdate,
  EndpointRow,
  HeaderRule,
  Name,
  ProxyChoice,
  Timeouts,
} from '../contract/channels.ts'
import { GroupItemInput, GroupPolicy, GroupUpdate } from '../contract/groups.ts'
import { SettingsPatch } from '../contract/settings.ts'

const KeySecret = ChannelKeyInput.shape.secret.unwrap()

/** A key: its secret alone, or with more said about it. What is left out stays as it is on a key that stands. */
const Key = z.union([
  KeySecret,
  z.strictObject({
    secret: KeySecret,
    enabled: ChannelKeyInput.shape.enabled.unwrap().optional(),
    note: ChannelKeyInput.shape.note.unwrap().optional(),
    models: ChannelKeyInput.shape.models.unwrap().optional(),
  }),
])

const [setHeader, removeHeader] = HeaderRule.options
const [noProxy, systemProxy, globalProxy, ownProxy] = ProxyChoice.options

const ProvisionChannel = z.strictObject({
  ...ChannelUpdate.omit({ id: true }).shape,
  name: Name,
  endpoints: z.array(EndpointRow.strict()).max(32).optional(),
  keys: z.array(Key).max(1000).optional(),
  headers: z
    .array(z.discriminatedUnion('action', [setHeader.strict(), removeHeader.strict()]))
    .max(64)
    .optional(),
  proxy: z
    .discriminatedUnion('mode', [noProxy.strict(), systemProxy.strict(), globalProxy.strict(), ownProxy.strict()])
    .optional(),
  timeouts: Timeouts.strict().optional(),
})
export type ProvisionChannel = z.output<typeof ProvisionChannel>

/** A member of a group; the channel is named. */
const Item = z.strictObject({
  channel: Name,
  model: GroupItemInput.shape.model,
  priority: GroupItemInput.shape.priority.unwrap().optional(),
  weight: GroupItemInput.shape.weight.unwrap().optional(),
  enabled: GroupItemInput.shape.enabled.unwrap().optional(),
})

const ProvisionGroup = z.strictObject({
  ...GroupUpdate.omit({ id: true, pinnedItemId: true }).shape,
  name: Name,
  policy: GroupPolicy.extend({ timeouts: Timeouts.strict().optional() }).strict().optional(),
  items: z.array(Item).max(1000).optional(),
})
export type ProvisionGroup = z.output<typeof ProvisionGroup>

const ProvisionApiKey = z.strictObject({
  ...ApiKeyUpdate.omit({ id: true }).shape,
  name: Name,
  key: ApiKeySecret.optional(),
  budget: Budget.strict().optional(),
  limits: RateLimits.strict().optional(),
})
export type ProvisionApiKey = z.output<typeof ProvisionApiKey>

/** A provision file. Rows are found by name; fields and rows that are not named stay as they are. */
export const ProvisionFile = z.strictObject({
  channels: z.array(ProvisionChannel).max(1000).optional(),
  groups: z.array(ProvisionGroup).max(1000).optional(),
  apiKeys: z.array(ProvisionApiKey).max(1000).optional(),
  settings: SettingsPatch.optional(),
})
export type ProvisionFile = z.output<typeof ProvisionFile>
