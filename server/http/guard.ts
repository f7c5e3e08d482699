import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import type { ErrorKind } from '../errors.ts'

/**
 * What a route is for decides who may call it from where:
 * `public` says nothing of worth (health), `relay` is called by tools with an API key, `management` by the UI behind a login,
 * `page` are the UI's own files.
 */
export const routeClasses = ['public', 'relay', 'management', 'page'] as const
export type RouteClass = (typeof routeClasses)[number]

/** Everything that the guard looks at. null: the header is absent. */
export interface Facts {
  readonly class: RouteClass
  readonly method: string
  /** null also when there are several Host headers, or when the request line names a host of its own. */
  readonly host: string | null
  readonly origin: string | null
  readonly secFetchSite: string | null
  readonly secFetchMode: string | null
  readonly secFetchDest: string | null
  readonly contentType: string | null
  readonly hasBody: boolean
  /** A route that passes uploads through (images, audio). */
  readonly multipart: boolean
}

export interface Policy {
  /** Host names and addresses by which we may be called, lower case, without a port: `localhost`, `[::1]`. */
  readonly names: ReadonlySet<string>
  /** The same as they stand in a Host header on our own port: one look-up admits nearly every request. */
  readonly hosts: ReadonlySet<string>
  /** Listening on every address: any IP address may stand in Host, for an address cannot be rebound as a name can. */
  readonly anyAddress: boolean
  /** Origins (`https://chat.example`) that may call relay routes from a browser. */
  readonly corsOrigins: ReadonlySet<string>
}

export interface Refusal {
  readonly status: number
  readonly code: Extract<ErrorKind, 'forbidden' | 'unsupported_media_type'>
  readonly message: string
}

const LOOPBACK = ['localhost', '127.0.0.1', '[::1]']
const WILDCARDS = new Set(['', '0.0.0.0', '::', '[::]'])

/** `hosts`: the address we listen on and further names that the operator gave us; `port`: ours. */
export function createPolicy(config: {
  readonly hosts: readonly string[]
  readonly port: number
  readonly corsOrigins: readonly string[]
}): Policy {
  const own = config.hosts.filter((host) => !WILDCARDS.has(host)).map((host) => bracketed(host.toLowerCase()))
  const names = new Set([...LOOPBACK, ...own])
  return {
    names,
    hosts: new Set([...names, ...[...names].map((name) => `${name}:${config.port}`)]),
    anyAddress: config.hosts.some((host) => WILDCARDS.has(host)),
    corsOrigins: new Set(config.corsOrigins.map((origin) => new URL(origin).origin)),
  }
}

function bracketed(host: string): string {
  return isIP(host) === 6 ? `[${host}]` : host
}

/**
 * Says why a request must not be answered, or null. A page in the user's browser can send requests to this machine; what it
 * cannot do is choose Host (but it can point a name of its own at 127.0.0.1: DNS rebinding), leave out Origin on a POST to
 * another origin, or send JSON to another origin without asking first. Programs send neither Origin nor Sec-Fetch-* and pass.
 */
export function admit(facts: Facts, policy: Policy): Refusal | null {
  if (!isOurHost(facts.host, policy)) {
    return forbidden(
      `Host ${JSON.stringify(facts.host ?? '')} is not an address of this gateway. Use 127.0.0.1 or localhost, or add the name to the allowed hosts.`,
    )
  }
  const { origin } = facts
  const invited = facts.class === 'relay' && origin !== null && policy.corsOrigins.has(origin)
  if (!invited) {
    if (origin !== null && !isSameOrigin(origin, facts.host)) {
      return forbidden(`Origin ${JSON.stringify(origin)} is not allowed to call this gateway.`)
    }
    const site = facts.secFetchSite
    if (site !== null && site !== 'same-origin' && site !== 'none' && !isVisit(facts)) {
      return forbidden(`Requests from other sites (Sec-Fetch-Site: ${site}) are not allowed.`)
    }
  }
  return facts.method === 'GET' || facts.method === 'HEAD' || facts.method === 'OPTIONS' ? null : admitBody(facts)
}

function isOurHost(host: string | null, policy: Policy): boolean {
  if (host === null) return false
  if (policy.hosts.has(host)) return true
  const match = /^(\[[0-9a-f:.]+\]|[^:[\]]+)(?::\d{1,5})?$/.exec(host.toLowerCase())
  const name = match?.[1]
  if (name === undefined) return false
  if (policy.names.has(name)) return true
  return policy.anyAddress && isIP(name.replace(/^\[|\]$/g, '')) !== 0
}

function isSameOrigin(origin: string, host: string | null): boolean {
  return host !== null && (origin === `http://${host}` || origin === `https://${host}`)
}

/** A person follows a link to the UI. It cannot be framed and answers nothing of worth before login. */
function isVisit(facts: Facts): boolean {
  return (
    facts.class === 'page' &&
    facts.method === 'GET' &&
    facts.secFetchMode === 'navigate' &&
    facts.secFetchDest === 'document'
  )
}

function admitBody(facts: Facts): Refusal | null {
  const { contentType } = facts
  if (contentType === null) {
    // curl -d sends a form type and real tools send JSON, but some scripts send none; a browser has told its Origin by now
    return facts.class === 'relay' || !facts.hasBody ? null : unsupported('a Content-Type is missing')
  }
  if (contentType === 'application/json') return null
  const essence = contentType.split(';', 1)[0]?.trim().toLowerCase() ?? ''
  if (essence === 'application/json' || /^application\/[a-z0-9.-]+\+json$/.test(essence)) return null
  if (facts.multipart && facts.class === 'relay' && essence === 'multipart/form-data') return null
  return unsupported(`Content-Type ${JSON.stringify(essence)} is not accepted`)
}

function forbidden(message: string): Refusal {
  return { status: 403, code: 'forbidden', message }
}

function unsupported(what: string): Refusal {
  return { status: 415, code: 'unsupported_media_type', message: `${what}: send application/json.` }
}

/** Reads a request's facts. Cheap: it is on the path of every relayed request. */
export function factsOf(request: IncomingMessage, routeClass: RouteClass, multipart = false): Facts {
  const { headers } = request
  return {
    class: routeClass,
    method: request.method ?? '',
    host: request.url?.startsWith('/') === true && hasOneHost(request.rawHeaders) ? (headers.host ?? null) : null,
    origin: headers.origin ?? null,
    secFetchSite: text(headers['sec-fetch-site']),
    secFetchMode: text(headers['sec-fetch-mode']),
    secFetchDest: text(headers['sec-fetch-dest']),
    contentType: headers['content-type'] ?? null,
    hasBody: headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0',
    multipart,
  }
}

/** Node keeps the first of several Host headers silently; a proxy in front may have looked at another. */
function hasOneHost(rawHeaders: readonly string[]): boolean {
  let hosts = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]
    if (name?.length === 4 && name.toLowerCase() === 'host') hosts += 1
  }
  return hosts === 1
}

function text(header: string | string[] | undefined): string | null {
  return header === undefined ? null : String(header)
}

/**
 * What an invited origin must read in the answer, for its preflight and for the request itself; null when CORS has no part in it.
 * Private-network access is asked for by Chromium when a public page calls a loopback address (WICG, Private Network Access).
 */
export function corsHeaders(facts: Facts, policy: Policy): Readonly<Record<string, string>> | null {
  if (facts.class !== 'relay' || facts.origin === null || !policy.corsOrigins.has(facts.origin)) return null
  const headers = {
    'access-control-allow-origin': facts.origin,
    'access-control-expose-headers': 'x-octopus-request-id, x-octopus-overhead-ms, retry-after',
    vary: 'Origin',
  }
  if (facts.method !== 'OPTIONS') return headers
  return {
    ...headers,
    'access-control-allow-methods': 'GET, POST, OPTIONS',
    // the asterisk stands for every header but this one (Fetch standard, CORS-preflight fetch)
    'access-control-allow-headers': 'authorization, *',
    'access-control-allow-private-network': 'true',
    'access-control-max-age': '600',
  }
}
