import type { ApiKeyRow } from '../contract/access.ts'
import type { EndpointRow, HeaderRule, Timeouts } from '../contract/channels.ts'
import type { GroupPolicy, balanceModes } from '../contract/groups.ts'
import type { Settings } from '../contract/settings.ts'
import type { JsonObject } from '../model/request.ts'
import type { Secret } from '../secret.ts'

/** One key of a channel, opened. */
export interface ChannelKey {
  readonly id: number
  readonly channelId: number
  readonly secret: Secret
  readonly enabled: boolean
  readonly note: string
  /** Upstream models it may be used for; null: all. */
  readonly models: ReadonlySet<string> | null
}

export interface Channel {
  readonly id: number
  readonly name: string
  readonly type: string
  readonly enabled: boolean
  readonly endpoints: readonly EndpointRow[]
  readonly keys: readonly ChannelKey[]
  /** Synced models and custom ones together, each once. */
  readonly models: readonly string[]
  readonly headers: readonly HeaderRule[]
  readonly paramOverride: JsonObject | null
  readonly proxy: { readonly mode: 'none' | 'system' | 'global' } | { readonly mode: 'own'; readonly url: Secret }
  readonly priceMultiplier: number
  readonly timeouts: Timeouts
}

export interface GroupItem {
  readonly id: number
  readonly groupId: number
  readonly channelId: number
  readonly model: string
  readonly priority: number
  readonly weight: number
  readonly enabled: boolean
}

export interface Group {
  readonly id: number
  readonly name: string
  readonly mode: (typeof balanceModes)[number]
  readonly aliases: readonly string[]
  readonly items: readonly GroupItem[]
  readonly pinnedItemId: number | null
  readonly policy: GroupPolicy
  readonly affinitySeconds: number
  /** Unix ms. */
  readonly createdAt: number
}

/** An API key as the relay needs it; the secret itself stays sealed in the database. */
export interface ApiKey extends Omit<ApiKeyRow, 'allowedGroups'> {
  readonly allowedGroups: ReadonlySet<string> | null
}

/**
 * Everything that steers the relay, as one immutable picture in memory. The store loads it at start and after every change and
 * swaps it whole: a request that has begun keeps the picture it began with. Nothing on the request's path asks the database.
 */
export interface Configuration {
  readonly revision: number
  readonly channels: ReadonlyMap<number, Channel>
  readonly groups: ReadonlyMap<number, Group>
  readonly groupsByName: ReadonlyMap<string, Group>
  readonly apiKeys: ReadonlyMap<number, ApiKey>
  /** By `hashApiKey(key)` (secrets.ts). */
  readonly apiKeysByHash: ReadonlyMap<string, ApiKey>
  readonly prices: readonly PriceRow[]
  readonly settings: Settings
}

/** Nano-USD per million tokens of one kind; null: this kind is not priced (unknown), 0: it is free. */
export interface TokenPrices {
  readonly input: number | null
  readonly output: number | null
  readonly cacheRead: number | null
  readonly cacheWrite5m: number | null
  readonly cacheWrite1h: number | null
  /** Only where the vendor bills thoughts apart from other output. */
  readonly reasoning: number | null
}

/** A price that a person entered. `channelId` null: the user's default for the model on every channel. */
export interface PriceRow {
  readonly id: number
  readonly channelId: number | null
  readonly model: string
  readonly tokens: TokenPrices
  /** Dearer prices from so many prompt tokens on, ascending. */
  readonly tiers: readonly { readonly abovePromptTokens: number; readonly tokens: TokenPrices }[]
  readonly perRequestNanoUsd: number
}

/** The one holder of the current picture. */
export interface ConfigurationSource {
  current(): Configuration
  /** Called after each swap. Returns the unsubscribe function. */
  onChange(listener: (configuration: Configuration) => void): () => void
}
