import { z } from 'zod'
import { ApiKeyCreate, ApiKeyRow, ApiKeyUpdate } from './access.ts'
import {
  ChannelHealth,
  GatewayChanged,
  GatewayStatus,
  LogDetail,
  LogPage,
  LogQuery,
  LogRow,
  StatsFilter,
  StatsPoint,
  StatsRank,
  StatsRankingQuery,
  StatsSeriesQuery,
  StatsTotals,
} from './activity.ts'
import { ChannelCreate, ChannelRow, ChannelTypeRow, ChannelUpdate, FetchModels } from './channels.ts'
import { procedure } from './define.ts'
import { GroupCreate, GroupRow, GroupUpdate } from './groups.ts'
import { PriceAnswer, PriceRow, PriceSet } from './prices.ts'
import { Login, LoginResult, PasswordChange, SessionRow, SessionStatus } from './session.ts'
import { AntigravityClient, Settings, SettingsPatch } from './settings.ts'

const Nothing = z.object({})
const ById = z.object({ id: z.coerce.number().int() })

/** Every management call. HTTP routes, the OpenAPI document and the port are made from this table and from nothing else. */
export const contract = {
  'channel.types': procedure({
    http: 'GET /channel-types',
    summary: 'Lists the kinds of channel that can be made, with their default addresses.',
    input: Nothing,
    output: z.array(ChannelTypeRow),
  }),
  'channel.list': procedure({
    http: 'GET /channels',
    summary: 'Lists all channels; keys are shown by their last characters only.',
    input: Nothing,
    output: z.array(ChannelRow),
  }),
  'channel.get': procedure({
    http: 'GET /channels/:id',
    summary: 'Returns one channel.',
    input: ById,
    output: ChannelRow,
  }),
  'channel.create': procedure({
    http: 'POST /channels',
    summary: 'Makes a channel; endpoints left out are those of its type.',
    input: ChannelCreate,
    output: ChannelRow,
  }),
  'channel.update': procedure({
    http: 'PATCH /channels/:id',
    summary: 'Changes the given fields of a channel.',
    input: ChannelUpdate,
    output: ChannelRow,
  }),
  'channel.delete': procedure({
    http: 'DELETE /channels/:id',
    summary: 'Deletes a channel, its keys and its places in groups.',
    input: ById,
    output: z.null(),
  }),
  'channel.fetchModels': procedure({
    http: 'POST /channels/fetch-models',
    summary: 'Asks the provider which models it offers and saves nothing.',
    input: FetchModels,
    output: z.object({ models: z.array(z.string()) }),
  }),
  'channel.health': procedure({
    http: 'GET /channel-health',
    summary: 'Lists the circuits that are open and the keys that rest, as the live event tells them.',
    input: Nothing,
    output: z.array(ChannelHealth),
  }),
  'channel.reset': procedure({
    http: 'POST /channels/:id/reset',
    summary: 'Closes the circuits of a channel, or of one of its models, at once.',
    input: ById.extend({ model: z.string().max(256).optional() }),
    output: z.null(),
  }),
  'channelKey.reset': procedure({
    http: 'POST /channel-keys/:id/reset',
    summary: 'Lifts the suspension of a channel key at once.',
    input: ById,
    output: z.null(),
  }),
  'group.list': procedure({
    http: 'GET /groups',
    summary: 'Lists all groups with their members.',
    input: Nothing,
    output: z.array(GroupRow),
  }),
  'group.get': procedure({ http: 'GET /groups/:id', summary: 'Returns one group.', input: ById, output: GroupRow }),
  'group.create': procedure({
    http: 'POST /groups',
    summary: 'Makes a group: a public model name and its members.',
    input: GroupCreate,
    output: GroupRow,
  }),
  'group.update': procedure({
    http: 'PATCH /groups/:id',
    summary: 'Changes the given fields of a group.',
    input: GroupUpdate,
    output: GroupRow,
  }),
  'group.delete': procedure({
    http: 'DELETE /groups/:id',
    summary: 'Deletes a group.',
    input: ById,
    output: z.null(),
  }),
  'apiKey.list': procedure({
    http: 'GET /api-keys',
    summary: 'Lists the keys that clients present, by their last characters.',
    input: Nothing,
    output: z.array(ApiKeyRow),
  }),
  'apiKey.create': procedure({
    http: 'POST /api-keys',
    summary: 'Makes an API key and returns it whole.',
    input: ApiKeyCreate,
    output: ApiKeyRow.extend({ key: z.string() }),
  }),
  'apiKey.reveal': procedure({
    http: 'POST /api-keys/:id/reveal',
    summary: 'Returns an API key whole, for copying.',
    input: ById,
    output: z.object({ key: z.string() }),
  }),
  'apiKey.update': procedure({
    http: 'PATCH /api-keys/:id',
    summary: 'Changes the given fields of an API key.',
    input: ApiKeyUpdate,
    output: ApiKeyRow,
  }),
  'apiKey.delete': procedure({
    http: 'DELETE /api-keys/:id',
    summary: 'Deletes an API key; clients that present it are refused from then on.',
    input: ById,
    output: z.null(),
  }),
  'price.list': procedure({
    http: 'GET /prices',
    summary: 'Lists the prices that were entered by hand.',
    input: z.object({ channelId: z.coerce.number().int().optional() }),
    output: z.array(PriceRow),
  }),
  'price.set': procedure({
    http: 'PUT /prices',
    summary: 'Sets the price of a model on one channel, or on all.',
    input: PriceSet,
    output: PriceRow,
  }),
  'price.delete': procedure({
    http: 'DELETE /prices/:id',
    summary: 'Deletes a price that was entered by hand.',
    input: ById,
    output: z.null(),
  }),
  'price.lookup': procedure({
    http: 'GET /prices/lookup',
    summary: 'Says with which price a model is charged, and where that price comes from.',
    input: z.object({ channelId: z.coerce.number().int().optional(), model: z.string().min(1).max(256) }),
    output: PriceAnswer,
  }),
  'settings.get': procedure({
    http: 'GET /settings',
    summary: 'Returns all settings that can be changed while the gateway runs.',
    input: Nothing,
    output: Settings,
  }),
  'settings.update': procedure({
    http: 'PATCH /settings',
    summary: 'Changes the given settings and returns all.',
    input: SettingsPatch,
    output: Settings,
  }),
  'antigravity.setClient': procedure({
    http: 'PUT /antigravity/client',
    summary: 'Keeps the OAuth client with which refresh tokens of Antigravity channels are exchanged.',
    input: AntigravityClient,
    output: z.null(),
  }),
  'log.list': procedure({
    http: 'GET /logs',
    summary: 'Lists finished requests, newest first, page by page.',
    input: LogQuery,
    output: LogPage,
  }),
  'log.get': procedure({
    http: 'GET /logs/:id',
    summary: 'Returns one finished request with its attempts, losses and kept bodies.',
    input: z.object({ id: z.string().min(1).max(64) }),
    output: LogDetail,
  }),
  'stats.overview': procedure({
    http: 'GET /stats/overview',
    summary: 'Sums a range of time.',
    input: StatsFilter,
    output: StatsTotals,
  }),
  'stats.series': procedure({
    http: 'GET /stats/series',
    summary: 'Sums a range of time by hour or day.',
    input: StatsSeriesQuery,
    output: z.array(StatsPoint),
  }),
  'stats.ranking': procedure({
    http: 'GET /stats/ranking',
    summary: 'Sums a range of time by channel, model, API key or group.',
    input: StatsRankingQuery,
    output: z.array(StatsRank),
  }),
  'gateway.status': procedure({
    http: 'GET /gateway/status',
    summary: 'Returns the version, the address and the numbers of the day.',
    input: Nothing,
    output: GatewayStatus,
  }),
  'session.login': procedure({
    http: 'POST /session/login',
    summary: 'Exchanges the admin password for a session.',
    input: Login,
    output: LoginResult,
    open: true,
  }),
  'session.logout': procedure({
    http: 'POST /session/logout',
    summary: 'Ends the session that asks.',
    input: Nothing,
    output: z.null(),
  }),
  'session.status': procedure({
    http: 'GET /session/status',
    summary: 'Says whether a login is needed and whether the caller has one.',
    input: Nothing,
    output: SessionStatus,
    open: true,
  }),
  'session.list': procedure({
    http: 'GET /sessions',
    summary: 'Lists the sessions that are logged in.',
    input: Nothing,
    output: z.array(SessionRow),
  }),
  'session.revoke': procedure({
    http: 'DELETE /sessions/:id',
    summary: 'Ends a session.',
    input: ById,
    output: z.null(),
  }),
  'admin.changePassword': procedure({
    http: 'POST /admin/password',
    summary: 'Changes the admin password and ends all other sessions.',
    input: PasswordChange,
    output: z.null(),
  }),
} as const

/** What the gateway tells by itself. */
export const events = {
  'gateway.changed': GatewayChanged,
  'log.appended': LogRow,
  'configuration.changed': z.object({ revision: z.int() }),
  'channel.health': ChannelHealth,
} as const

export type Name = keyof typeof contract
export type Input<N extends Name> = z.input<(typeof contract)[N]['input']>
type Parsed<N extends Name> = z.output<(typeof contract)[N]['input']>
export type Output<N extends Name> = z.output<(typeof contract)[N]['output']>

export type EventName = keyof typeof events
export type EventPayload<E extends EventName> = z.output<(typeof events)[E]>

/** Where a call comes from. */
export interface CallContext {
  readonly via: 'ipc' | 'http'
  /** Aborted when the caller went away. */
  readonly signal: AbortSignal
  /** The socket's own address; `''` over a port. Never a forwarding header's word. */
  readonly remoteAddress: string
  readonly userAgent: string
  /** The session that asks; null over a port, and before login. */
  readonly sessionId: number | null
  /** Hands a new session to the caller (a cookie over HTTP), or takes it back (null). */
  grant(session: { readonly token: string; readonly expiresAt: number } | null): void
}

export type Handlers = {
  readonly [N in Name]: (input: Parsed<N>, context: CallContext) => Promise<Output<N>>
}

/** Events as a consumer sees them. */
export interface EventFeed {
  /** Returns the unsubscribe function. */
  subscribe<E extends EventName>(event: E, listener: (payload: EventPayload<E>) => void): () => void
}

export interface ApiClient extends EventFeed {
  /** Rejects with ContractError. */
  call<N extends Name>(name: N, input: Input<N>, signal?: AbortSignal): Promise<Output<N>>
}
