import type { Secret } from '../secret.ts'
import type { HeaderMap, UpstreamRequest } from './exchange.ts'

/** What `target` needs to know of a channel; the store's Channel has it. */
export interface TargetChannel {
  readonly headers: readonly (
    | { readonly action: 'set'; readonly name: string; readonly value: string }
    | { readonly action: 'remove'; readonly name: string }
  )[]
  readonly proxy: { readonly mode: 'none' | 'system' | 'global' } | { readonly mode: 'own'; readonly url: Secret }
}

/**
 * A base URL and the format's path below it. The user types the base with its version segment (`https://api.openai.com/v1`);
 * one that ends in `##` is the whole address already. Query parameters of the base (Azure's `api-version`) are kept.
 */
export function completeUrl(baseUrl: string, path: string): { readonly origin: string; readonly path: string } {
  const base = parseBase(baseUrl)
  if (base.verbatim) return { origin: base.origin, path: base.pathname + base.search }
  const mark = path.indexOf('?')
  const tail = mark < 0 ? path : path.slice(0, mark)
  const query = mark < 0 ? '' : path.slice(mark + 1)
  const search =
    base.search === '' ? (query === '' ? '' : `?${query}`) : query === '' ? base.search : `${base.search}&${query}`
  return { origin: base.origin, path: base.pathname + tail + search }
}

interface Base {
  readonly verbatim: boolean
  readonly origin: string
  readonly pathname: string
  readonly search: string
}

/** Parsing an address costs more than everything else about it; a person has few of them. */
const bases = new Map<string, Base>()
const BASES_CAP = 1000

function parseBase(baseUrl: string): Base {
  let base = bases.get(baseUrl)
  if (base === undefined) {
    const verbatim = baseUrl.endsWith('##')
    const url = new URL(verbatim ? baseUrl.slice(0, -2) : baseUrl)
    const pathname = verbatim ? url.pathname : url.pathname.replace(/\/+$/, '')
    base = { verbatim, origin: url.origin, pathname, search: url.search }
    if (bases.size >= BASES_CAP) bases.clear()
    bases.set(baseUrl, base)
  }
  return base
}

/** Never leaves the gateway: credentials, cookies, who the client is and how it reached us, and what belongs to one connection. */
const NEVER_FORWARDED = new Set([
  'authorization',
  'x-api-key',
  'x-goog-api-key',
  'api-key',
  'cookie',
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
  'proxy-authorization',
  'forwarded',
  'x-forwarded-for',
  'x-real-ip',
])

export interface HeaderSources {
  readonly client: HeaderMap
  /** Client headers that mean something to this upstream. */
  readonly forwarded: readonly string[]
  /** Content type, credential and vendor headers: ours, never the client's. */
  readonly own: Readonly<Record<string, string>>
  readonly rules: TargetChannel['headers']
}

/**
 * Headers of the request to the upstream: ours, with what the client chose among those that the format knows (a version, trial
 * features), then the operator's rules over all. Credentials are never the client's.
 */
export function upstreamHeaders({ client, forwarded, own, rules }: HeaderSources): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const name of forwarded) {
    const value = client[name]
    if (value !== undefined && !NEVER_FORWARDED.has(name)) headers[name] = value
  }
  // no Object.entries here or below: its pairs are garbage that a request can do without
  for (const given in own) {
    const value = own[given]
    if (value === undefined) continue
    const name = given.toLowerCase()
    const theirs = headers[name]
    headers[name] = theirs === undefined ? value : name.endsWith('-beta') ? joined(theirs, value) : theirs
  }
  for (const rule of rules) {
    const name = rule.name.toLowerCase()
    if (rule.action === 'set') headers[name] = rule.value
    // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- a plain header record, built just above
    else delete headers[name]
  }
  return headers
}

/** Switches for trial features are lists, and ours stand beside the client's. */
function joined(theirs: string, ours: string): string {
  const values = `${theirs},${ours}`.split(',').map((value) => value.trim())
  return [...new Set(values.filter((value) => value !== ''))].join(',')
}

/** Of one connection, or about bytes that we send differently. */
const NEVER_RETURNED = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'set-cookie',
  'alt-svc',
  'strict-transport-security',
  'access-control-allow-origin',
  'access-control-allow-credentials',
  'content-security-policy',
  'content-length',
])

/** What of an upstream's answer headers the client sees: all but what belongs to one connection or would set state in a browser. */
export function clientHeaders(upstream: HeaderMap): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const name in upstream) {
    const value = upstream[name]
    if (value !== undefined && !NEVER_RETURNED.has(name)) headers[name] = value
  }
  return headers
}

export function proxyOf(channel: TargetChannel, globalProxy: Secret | null): UpstreamRequest['proxy'] {
  switch (channel.proxy.mode) {
    case 'none':
      return { mode: 'none' }
    case 'system':
      return { mode: 'system' }
    case 'global':
      return globalProxy === null ? { mode: 'none' } : { mode: 'url', url: globalProxy }
    case 'own':
      return { mode: 'url', url: channel.proxy.url }
  }
}
