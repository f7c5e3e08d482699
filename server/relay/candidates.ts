import type { Candidate } from '../balance/balancer.ts'
import type { KeyHealth } from '../balance/health.ts'
import { RelayError } from '../errors.ts'
import type { WireFormat } from '../model/request.ts'
import type { Channel, ChannelKey, Configuration, Group } from '../store/configuration.ts'

/** A group item that can serve now: its channel is on, has an address and a key. */
export interface Member extends Candidate {
  readonly channel: Channel
  /** The client's own format where the channel offers it, else the channel's first. */
  readonly format: WireFormat
  readonly baseUrl: string
  /** The same member at each of the channel's addresses for this format; mostly only itself. */
  readonly addresses: readonly Member[]
}

/** Channels of these types need no key. */
export type KeylessTypes = ReadonlySet<string>

/**
 * A group's members that are fit for a call, in the group's own order.
 * @throws RelayError `no_channel`, saying what to mend, when none is left
 */
export function membersOf(configuration: Configuration, group: Group, wanted: Wanted): readonly Member[] {
  let known = cache.get(configuration)
  if (known === undefined) cache.set(configuration, (known = new Map<string, readonly Member[]>()))
  const name = `${group.id} ${group.name} ${wanted.format} ${wanted.purpose}`
  let members = known.get(name)
  if (members === undefined) known.set(name, (members = findMembers(configuration, group, wanted)))
  return members
}

/** What a call needs of a channel. */
export interface Wanted {
  readonly format: WireFormat
  /** Tells calls of one format apart that other channels can serve. */
  readonly purpose: string
  readonly serves: (format: WireFormat) => boolean
  readonly keyless: KeylessTypes
}

/** A picture of the configuration never changes, so neither do the members found in it. */
const cache = new WeakMap<Configuration, Map<string, readonly Member[]>>()

function findMembers(configuration: Configuration, group: Group, wanted: Wanted): readonly Member[] {
  const members: Member[] = []
  const reasons: string[] = []
  for (const item of group.items) {
    const channel = configuration.channels.get(item.channelId)
    if (!item.enabled) reasons.push(`${channel?.name ?? 'a channel'}/${item.model} is switched off in the group`)
    else if (channel === undefined) reasons.push(`the channel of ${item.model} is gone`)
    else if (!channel.enabled) reasons.push(`channel '${channel.name}' is off`)
    else if (!wanted.keyless.has(channel.type) && channel.keys.every((key) => !usable(key, item.model)))
      reasons.push(`channel '${channel.name}' has no enabled key for ${item.model}`)
    else {
      const endpoint =
        channel.endpoints.find(({ format }) => format === wanted.format) ??
        channel.endpoints.find(({ format }) => wanted.serves(format))
      if (endpoint === undefined) reasons.push(`channel '${channel.name}' has no endpoint for ${wanted.format}`)
      else {
        const { format } = endpoint
        const urls = new Set(channel.endpoints.filter((other) => other.format === format).map(({ baseUrl }) => baseUrl))
        const addresses: Member[] = []
        for (const baseUrl of urls)
          addresses.push({
            itemId: item.id,
            groupId: group.id,
            channelId: channel.id,
            model: item.model,
            priority: item.priority,
            weight: item.weight,
            channel,
            format,
            baseUrl,
            addresses,
          })
        members.push(...addresses.slice(0, 1))
      }
    }
  }
  if (members.length > 0) return members
  const why = reasons.length === 0 ? 'it has no members: add a channel and a model to it' : reasons.join('; ')
  throw new RelayError('no_channel', `no channel can serve '${group.name}': ${why}`)
}

const usable = (key: ChannelKey, model: string): boolean =>
  key.enabled && (key.models === null || key.models.has(model))

/**
 * The keys to try at one member, best first: the fit ones in the order of `rotate`, then the resting ones, soonest first. `null`
 * stands for "no key", where the channel's type needs none.
 */
export function keysOf(
  member: Member,
  health: KeyHealth,
  rotate: (keys: readonly ChannelKey[]) => readonly ChannelKey[],
): readonly (ChannelKey | null)[] {
  const keys = member.channel.keys.filter((key) => usable(key, member.model))
  if (keys.length === 0) return NO_KEY
  if (keys.length === 1) return keys
  const until = (key: ChannelKey): number => health.restOf(key.id, member.model)?.until ?? 0
  return [...rotate(keys)].sort((a, b) => until(a) - until(b))
}

const NO_KEY: readonly null[] = [null]

/** Members with a fit key before those whose keys all rest; the balancer's order is kept inside both. */
export function healthyFirst(order: readonly Member[], health: KeyHealth): readonly Member[] {
  if (order.length === 1) return order
  const resting = (member: Member): boolean => {
    const keys = member.channel.keys.filter((key) => usable(key, member.model))
    return keys.length > 0 && keys.every((key) => health.restOf(key.id, member.model) !== null)
  }
  const tired = order.filter(resting)
  return tired.length === 0 ? order : [...order.filter((member) => !tired.includes(member)), ...tired]
}
