import type { Issue } from '../contract/issues.ts'
import type { ChannelCreate, ChannelRow, ChannelUpdate, EndpointRow, HeaderRule } from '../contract/channels.ts'
import { isForbiddenAddress } from '../upstream/address.ts'
import { channelTypes, PLACEHOLDER, type ChannelType } from '../upstream/channel-types.ts'

/** Where we listen ourselves. */
export interface Listener {
  readonly port: number
  /** The bind address and every other name under which we answer; brackets around IPv6 do not matter. */
  readonly hosts: readonly string[]
}

export interface ChannelRules {
  readonly listener: Listener
  /** The user has read the warning of types that have one. */
  readonly riskAccepted: boolean
}

/** Everything of a channel that the rules look at; absent: unchanged, and looked at when it was set. */
type Fields = Pick<ChannelUpdate, 'type' | 'enabled' | 'endpoints' | 'headers' | 'keys'>

/** What is wrong with a channel beyond the shapes of its fields. Endpoints left out are those of its type. */
export function newChannelIssues(channel: ChannelCreate, rules: ChannelRules): readonly Issue[] {
  const type = channelTypes.get(channel.type)
  if (type === undefined) return [unknownType(channel.type)]
  const { enabled, endpoints } = withDefaults(channel)
  return [
    ...fieldIssues({ ...channel, endpoints }, rules),
    ...riskIssues({ type, enabled, endpoints }, rules),
    ...missingKeyIssues(type, channel.keys.length),
  ]
}

/** The same for a change of a channel that stands. */
export function channelChangeIssues(change: Fields, standing: ChannelRow, rules: ChannelRules): readonly Issue[] {
  const type = channelTypes.get(change.type ?? standing.type)
  // a type that a newer version knew: its channel can still be renamed or switched off
  if (type === undefined)
    return change.type === undefined ? fieldIssues(change, rules, standing) : [unknownType(change.type)]
  const endpoints = change.endpoints ?? standing.endpoints
  const enabled = change.enabled ?? standing.enabled
  const turnedRisky = change.enabled !== undefined || change.endpoints !== undefined || change.type !== undefined
  return [
    ...fieldIssues(change, rules, standing),
    ...(turnedRisky ? riskIssues({ type, enabled, endpoints }, rules) : []),
    ...(change.keys !== undefined || change.type !== undefined
      ? missingKeyIssues(type, (change.keys ?? standing.keys).length)
      : []),
  ]
}

/** Endpoints left out are those of the type. */
export function withDefaults(channel: ChannelCreate): ChannelCreate {
  return channel.endpoints.length > 0 ? channel : { ...channel, endpoints: endpointsOf(channel.type) }
}

/** Emptied endpoints are those of the type again; endpoints that are not spoken of stay as they are. */
export function withTypesEndpoints<C extends Pick<ChannelUpdate, 'type' | 'endpoints'>>(change: C, type: string): C {
  return change.endpoints?.length === 0 ? { ...change, endpoints: endpointsOf(change.type ?? type) } : change
}

function endpointsOf(type: string): EndpointRow[] {
  return [...(channelTypes.get(type)?.endpoints ?? [])]
}

function unknownType(given: string): Issue {
  const known = [...channelTypes.keys()].join(', ')
  return { path: 'type', message: `must be one of ${known}; there is no ${JSON.stringify(given)}` }
}

function fieldIssues(fields: Fields, rules: ChannelRules, standing?: ChannelRow): Issue[] {
  return [
    ...(fields.endpoints ?? []).flatMap((endpoint, at) => {
      const message = addressProblem(endpoint.baseUrl, rules.listener)
      return message === null ? [] : [{ path: `endpoints[${at}].baseUrl`, message }]
    }),
    ...(fields.headers ?? []).flatMap((rule, at) => {
      const message = headerProblem(rule)
      return message === null ? [] : [{ path: `headers[${at}].name`, message }]
    }),
    ...(fields.keys ?? []).flatMap((key, at): Issue[] => {
      if (key.id === undefined) {
        return key.secret === undefined ? [{ path: `keys[${at}].secret`, message: 'is required' }] : []
      }
      const known = standing?.keys.some(({ id }) => id === key.id) ?? false
      return known ? [] : [{ path: `keys[${at}].id`, message: `is not a key of this channel` }]
    }),
  ]
}

function missingKeyIssues(type: ChannelType, keys: number): Issue[] {
  if (!type.keyRequired || keys > 0) return []
  return [{ path: 'keys', message: `must have at least one key: ${type.label} answers nobody without` }]
}

function riskIssues(
  channel: { readonly type: ChannelType; readonly enabled: boolean; readonly endpoints: readonly EndpointRow[] },
  rules: ChannelRules,
): Issue[] {
  const { type, enabled, endpoints } = channel
  if (type.warning === null || !enabled || rules.riskAccepted) return []
  const theirs = new Set(type.endpoints.map(({ baseUrl }) => hostOf(baseUrl)))
  const meant = endpoints.length === 0 ? type.endpoints : endpoints
  if (!meant.some(({ baseUrl }) => theirs.has(hostOf(baseUrl)))) return []
  return [
    {
      path: 'enabled',
      message: `must wait until the warning is accepted (setting ${type.id}.accepted): ${type.warning}`,
    },
  ]
}

function hostOf(baseUrl: string): string {
  return new URL(baseUrl.replace(/##$/, '')).hostname.toLowerCase()
}

/** Names under which clouds serve a machine its own credentials; addresses are looked at in address.ts, also when we connect. */
const METADATA_HOSTS = new Set([
  'metadata',
  'metadata.google.internal',
  'metadata.goog',
  'instance-data',
  'instance-data.ec2.internal',
  'metadata.tencentyun.com',
  'metadata.platformequinix.com',
])

/** Says why no channel may point to an address, or null. Another port of this machine is legitimate: Ollama, LM Studio. */
export function addressProblem(baseUrl: string, listener: Listener): string | null {
  const url = new URL(baseUrl.replace(/##$/, ''))
  const host = url.hostname.toLowerCase().replace(/\.$/, '')
  if (host.startsWith(PLACEHOLDER)) return `still names ${PLACEHOLDER}: put the name of your own resource there`
  if (METADATA_HOSTS.has(host) || isForbiddenAddress(host)) return `must not be a cloud metadata or link-local address`
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port)
  if (port === listener.port && isThisMachine(host, listener)) {
    return 'must not be the address of this gateway itself: requests would run in circles'
  }
  return null
}

function isThisMachine(host: string, listener: Listener): boolean {
  const bare = unbracketed(host)
  if (bare === 'localhost' || bare.endsWith('.localhost')) return true
  if (/^127\./.test(bare) || bare === '::1' || bare === '0.0.0.0' || bare === '::') return true
  if (/^::ffff:7f/.test(bare)) return true // 127.x in IPv6 clothing, as URL writes it
  return listener.hosts.some((own) => unbracketed(own.toLowerCase()) === bare)
}

function unbracketed(host: string): string {
  return host.replace(/^\[|\]$/g, '')
}

/** Of one connection (RFC 9110, 7.6.1), about our own framing of the body, or naming another host: never the operator's to set. */
const FIXED_HEADERS = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'x-octopus-hop',
])

function headerProblem(rule: HeaderRule): string | null {
  const name = rule.name.toLowerCase()
  return FIXED_HEADERS.has(name) ? `must not be ${name}: the gateway itself sets or leaves out that header` : null
}
