import type { Affinity, Session } from '../balance/affinity.ts'
import { balancers, preferring, type Dice } from '../balance/balancer.ts'
import { withoutOpen, type Breakers } from '../balance/breaker.ts'
import type { KeyHealth } from '../balance/health.ts'
import { byLatency, ranked, type Latency } from '../balance/latency.ts'
import { rotated, type KeyUse } from '../balance/rotation.ts'
import type { RelayError } from '../errors.ts'
import type { ChannelKey, ConfigurationSource, Group } from '../store/configuration.ts'
import type { Call } from './call.ts'
import { healthyFirst, keysOf, type Member } from './candidates.ts'
import type { Journal } from './journal.ts'
import type { Outcome } from './outcome.ts'
import { sessionOf } from './session.ts'
import type { Try } from './try.ts'

/** What is known of channels, keys and conversations, and decides who is asked next. */
export interface ChoiceParts {
  readonly configuration: ConfigurationSource
  readonly dice: Dice
  readonly health: KeyHealth
  readonly breakers: Breakers
  readonly affinity: Affinity
  /** Waiting times of members (by channel and model) and of addresses. */
  readonly latency: Latency
  readonly keyUse: KeyUse
  /** What a member costs, in any unit that is the same for all; null: unknown. */
  readonly costOf: (member: Member) => number | null
  /** A key was refused: what had been looked up for it is not to be used again. */
  readonly forgetAccount: (member: Member, key: ChannelKey) => void
  /** Told when a key's state changed, so that it can be stored and shown. */
  readonly onKeyRest: (keyId: number, rest: KeyRest) => void
}

/** How a key fares after a try. `until` null: it is fit again. */
export interface KeyRest {
  readonly at: { readonly channelId: number; readonly model: string | null }
  readonly kind: 'cooling' | 'suspended'
  readonly until: number | null
  readonly status: number | null
  readonly reason: string
}

/** One request's wish: whose conversation it continues, whether it wants a stream, and whether its fate tells of the channel. */
export interface Wish extends Pick<Try, 'session' | 'judged'> {
  readonly stream: boolean
}

/** Who is asked next, and what is learnt from the answer: the only place where balancing, health and memory meet. */
export interface Choice {
  session(group: Group, call: Call): Session | null
  /** Those worth asking, best first. */
  order(group: Group, members: readonly Member[], wish: Wish): readonly Member[]
  keys(member: Member, wish: Wish): readonly (ChannelKey | null)[]
  /** The member at each of its addresses, best first. */
  addresses(member: Member): readonly Member[]
  /** Writes down which members are passed over at first, and why. */
  noteSkipped(members: readonly Member[], journal: Journal): void
  /** Whether a member is not known to be broken. */
  isFit(member: Member): boolean
  /** Right before a try. false: leave this member to the request that probes it. `last`: nobody else is left, so it may not be. */
  enter(try_: Try, last: boolean): boolean
  /** After each try that `enter` let in. */
  noteOutcome(try_: Try, outcome: Outcome): void
  /** After the last byte of an answer that came as a stream. */
  noteEnd(try_: Try, error: RelayError | null): void
}

export function createChoice(parts: ChoiceParts): Choice {
  const { configuration, dice, health, breakers, affinity, latency, keyUse } = parts
  // latencies of members are measured only while a group wants to know them
  const measuring = (): boolean =>
    [...configuration.current().groups.values()].some(({ policy }) => policy.order === 'latency')
  let measures = measuring()
  configuration.onChange(() => {
    measures = measuring()
  })

  const byPolicy = (group: Group, order: readonly Member[], stream: boolean): readonly Member[] => {
    switch (group.policy.order) {
      case undefined:
        return order
      case 'latency':
        return ranked(order, {
          rank: (member) => latency.of(speedName(member, stream)),
          unknown: 'first',
          chance: () => dice.random(),
        })
      case 'cost':
        return ranked(order, { rank: parts.costOf, unknown: 'last' })
    }
  }

  const noteKey = ({ key, member }: Try, error: RelayError | null): void => {
    if (key === null) return
    if (error === null) {
      const rested = health.restOf(key.id, member.model)
      if (rested === null) return
      health.noteSuccess(key.id, member.model)
      const at = { channelId: member.channelId, model: rested.kind === 'cooling' ? member.model : null }
      parts.onKeyRest(key.id, { at, kind: rested.kind, until: null, status: 200, reason: '' })
      return
    }
    if (error.kind === 'key_refused') parts.forgetAccount(member, key)
    const rest = health.noteFailure(key.id, member.model, error)
    if (rest === null) return
    const at = { channelId: member.channelId, model: rest.kind === 'cooling' ? member.model : null }
    parts.onKeyRest(key.id, { at, ...rest, reason: error.message })
  }

  const fail = (try_: Try, error: RelayError): void => {
    if (!try_.judged) return
    if (blamesChannel(try_, error)) breakers.failed(try_.member, try_, error.message)
    else breakers.left(try_.member, try_)
  }

  return {
    session: (group, call) => {
      if (group.affinitySeconds === 0) return null
      const name = sessionOf(call, group)
      return name === null ? null : affinity.find(name)
    },

    order: (group, members, { session, stream }) => {
      const ordered = byPolicy(group, balancers[group.mode](members, dice), stream)
      const seated = preferring(ordered, session?.seat?.itemId)
      return withoutOpen(preferring(healthyFirst(seated, health), group.pinnedItemId), breakers)
    },

    keys: (member, { session }) => {
      const rotation = configuration.current().settings.relay.keyRotation
      const name = `keys of ${member.channelId}`
      const keys = keysOf(member, health, (fit) => rotated(fit, { rotation, name, dice, use: keyUse }))
      if (keys.length < 2 || session?.seat?.itemId !== member.itemId) return keys
      const { keyId } = session.seat
      const known = keys.find((key) => key?.id === keyId) ?? null
      if (known === null || health.restOf(known.id, member.model) !== null) return keys
      return [known, ...keys.filter((key) => key !== known)]
    },

    addresses: ({ addresses }) => {
      if (addresses.length < 2) return addresses
      const best = byLatency(addresses.map(addressName), latency)
      return [...addresses].sort((a, b) => best.indexOf(addressName(a)) - best.indexOf(addressName(b)))
    },

    noteSkipped: (members, journal) => {
      if (breakers.quiet) return
      for (const member of members) if (breakers.shuns(member)) journal.noteSkipped(member, breakers.reasonOf(member))
    },

    isFit: (member) => !breakers.shuns(member),

    enter: (try_, last) => {
      if (try_.judged && !breakers.quiet && !breakers.enter(try_.member, try_) && !last) return false
      if (try_.key !== null && configuration.current().settings.relay.keyRotation === 'least_used')
        keyUse.begin(try_.key.id)
      return true
    },

    noteOutcome: (try_, outcome) => {
      const { member, key, group, session } = try_
      if (outcome.kind === 'failed') {
        if (key !== null) keyUse.end(key.id)
        noteKey(try_, outcome.error)
        if (member.addresses.length > 1 && blamesAddress(outcome.error)) latency.failed(addressName(member))
        fail(try_, outcome.error)
        return
      }
      noteKey(try_, null)
      if (measures) latency.note(speedName(member, outcome.kind === 'stream'), performance.now() - try_.startedAt)
      if (session !== null)
        affinity.remember(session.name, { itemId: member.itemId, keyId: key?.id ?? null }, group.affinitySeconds)
      if (outcome.kind === 'stream') {
        if (try_.judged && !breakers.quiet) breakers.began(member, try_)
        return
      }
      if (key !== null) keyUse.end(key.id)
      if (try_.judged && !breakers.quiet) breakers.succeeded(member, try_)
    },

    noteEnd: (try_, error) => {
      if (try_.key !== null) keyUse.end(try_.key.id)
      if (error !== null) fail(try_, error)
      else if (try_.judged && !breakers.quiet) breakers.succeeded(try_.member, try_)
    },
  }
}

const speedName = ({ channelId, model }: Member, stream: boolean): string =>
  `${channelId}/${model}/${stream ? 'stream' : 'whole'}`

/** Names an address in the table of latencies. */
export const addressName = ({ channelId, baseUrl }: Pick<Member, 'channelId' | 'baseUrl'>): string =>
  `${channelId} ${baseUrl}`

/**
 * Whether a failure says something about the channel (and not about the request, the key or the client). A refusal of the request's
 * own words does not: any client could switch a channel off for all others with it.
 */
function blamesChannel({ key }: Try, { kind, scope }: RelayError): boolean {
  if (kind === 'rate_limited') return key === null // no key can rest, so the channel does
  return scope === 'channel' && kind !== 'upstream_rejected'
}

/** Whether another address of the same channel may do better: this one could not be reached, broke or was overloaded. */
export const blamesAddress = ({ kind }: RelayError): boolean =>
  kind === 'upstream_failed' || kind === 'upstream_timeout' || kind === 'upstream_overloaded'
