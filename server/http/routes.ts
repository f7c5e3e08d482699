import type { IncomingMessage } from 'node:http'
import type { Peek, Protocol, RouteMatch } from '../protocols/codec.ts'
import { peekPassthrough } from '../relay/passthrough.ts'
import { headerMap, type RelayRequest } from './relay-routes.ts'

/** What a request line asks of the relay side; null (not here): it is the app's. */
export type Matched = { readonly query: URLSearchParams; readonly protocol: Protocol | null } & (
  | { readonly kind: 'relay'; readonly route: RouteMatch }
  | { readonly kind: 'passthrough'; readonly route: RouteMatch; readonly raw: NonNullable<RelayRequest['raw']> }
  | { readonly kind: 'catalogue'; readonly id: string | null }
  | { readonly kind: 'health' }
  | { readonly kind: 'alive' }
  | { readonly kind: 'wrong-method'; readonly allow: string }
)

/** Routes outside the five formats, passed through unread. */
const PASSTHROUGH = /^\/(?:v1\/)?(embeddings|completions|moderations|rerank|images\/[a-z]+|audio\/[a-z]+)$/

const CATALOGUE = /^\/(v1|v1beta)\/models(?:\/(.+))?$/

const noQuery = new URLSearchParams()

/**
 * Clients get base URLs wrong in known ways, and all of them are meant: a doubled `/v1`, a `/v1` before Gemini's `/v1beta`, Amp's
 * `/api/provider/{name}` before any of it, slashes too many at either end.
 */
function normalise(path: string): string {
  let clean = path.startsWith('//') ? path.replace(/^\/+/, '/') : path
  if (clean.startsWith('/api/provider/')) clean = clean.slice(Math.max(clean.indexOf('/', 14), 0))
  while (/^\/(v1|v1beta)\/v1(beta|beta1|internal)?[/:]/.test(clean)) clean = clean.slice(clean.indexOf('/', 1))
  return clean.length > 1 && clean.endsWith('/') ? clean.slice(0, -1) : clean
}

export function matchRoute(
  request: Pick<IncomingMessage, 'method' | 'url' | 'headers'>,
  protocols: readonly Protocol[],
): Matched | null {
  const url = request.url ?? '/'
  const mark = url.indexOf('?')
  if (mark < 0 && request.method === 'POST') {
    const known = plainRoutes.get(url)
    if (known !== undefined) return known
  }
  const path = normalise(mark < 0 ? url : url.slice(0, mark))
  const query = mark < 0 ? noQuery : new URLSearchParams(url.slice(mark + 1))
  const matched = matchPath({ path, query, request, protocols })
  if (mark < 0 && request.method === 'POST' && matched?.kind === 'relay') {
    if (plainRoutes.size >= PLAIN_ROUTES_CAP) plainRoutes.clear()
    plainRoutes.set(url, matched)
  }
  return matched
}

/** The few addresses that tools really use, matched once. */
const plainRoutes = new Map<string, Matched>()
const PLAIN_ROUTES_CAP = 200

function matchPath(at: {
  readonly path: string
  readonly query: URLSearchParams
  readonly request: Pick<IncomingMessage, 'method' | 'headers'>
  readonly protocols: readonly Protocol[]
}): Matched | null {
  const { path, query, request, protocols } = at
  for (const protocol of protocols) {
    const route = protocol.match(path, query)
    if (route === null) continue
    return request.method === 'POST' || request.method === 'OPTIONS'
      ? { kind: 'relay', query, protocol, route }
      : { kind: 'wrong-method', query, protocol, allow: 'POST' }
  }
  if (path === '/healthz') return { kind: 'health', query, protocol: null }
  if (path === '/' && request.method === 'HEAD') return { kind: 'alive', query, protocol: null }
  const listing = CATALOGUE.exec(path)
  if (listing !== null) {
    const protocol = listingProtocol(protocols, { version: listing[1] ?? '', headers: headerMap(request) })
    const id = listing[2] === undefined ? null : decode(listing[2])
    if (request.method !== 'GET' && request.method !== 'HEAD' && request.method !== 'OPTIONS')
      return { kind: 'wrong-method', query, protocol, allow: 'GET' }
    return { kind: 'catalogue', query, protocol, id }
  }
  return matchPassthrough(at)
}

/** The dialect in which a caller wants the list of models: OpenAI's, unless another knows the caller for its own. */
function listingProtocol(protocols: readonly Protocol[], asked: Parameters<Protocol['listsFor']>[0]): Protocol | null {
  return (
    protocols.find((protocol) => protocol.listsFor(asked)) ??
    protocols.find(({ family }) => family === 'openai') ??
    null
  )
}

function matchPassthrough(at: {
  readonly path: string
  readonly query: URLSearchParams
  readonly request: Pick<IncomingMessage, 'method' | 'headers'>
  readonly protocols: readonly Protocol[]
}): Matched | null {
  const { path, query, request, protocols } = at
  const tail = PASSTHROUGH.exec(path)?.[1]
  if (tail === undefined) return null
  const protocol = protocols.find(({ family }) => family === 'openai') ?? null
  if (request.method !== 'POST' && request.method !== 'OPTIONS')
    return { kind: 'wrong-method', query, protocol, allow: 'POST' }
  const contentType = request.headers['content-type'] ?? 'application/json'
  const rest = new URLSearchParams(query)
  rest.delete('key')
  const search = rest.size === 0 ? '' : `?${rest.toString()}`
  return {
    kind: 'passthrough',
    query,
    protocol,
    route: { operation: 'generate' },
    raw: { path: `/${tail}${search}`, contentType, peek: (body: Buffer): Peek => peekPassthrough(body, contentType) },
  }
}

/** A path that is no valid escape stands for itself: it names nothing, and is answered so. */
function decode(id: string): string {
  try {
    return decodeURIComponent(id)
  } catch {
    return id
  }
}
