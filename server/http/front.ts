import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { RelayError } from '../errors.ts'
import type { Protocol } from '../protocols/codec.ts'
import { admit, corsHeaders, factsOf, type Policy, type RouteClass } from './guard.ts'
import { newRequestId } from '../relay/request-id.ts'
import { headerMap, sendError, serveRelay, type RelayEnvironment } from './relay-routes.ts'
import { matchRoute, type Matched } from './routes.ts'

/** Longer than any tool keeps its idle sockets (Codex: 90 s), so that the gateway is never the one that hangs up first. */
const KEEP_ALIVE_MS = 120_000
/** Node's default of 16 KB is short for long cookies and custom headers; a megabyte is an attack. */
const MAX_HEADER_BYTES = 64 * 1024
/** Up to here Node reads them all the same, so that the caller can be told in its own dialect. */
const PARSED_HEADER_BYTES = 2 * 1024 * 1024

export interface FrontParts {
  readonly relay: RelayEnvironment
  readonly protocols: readonly Protocol[]
  /** The dialect of answers to callers whose dialect cannot be known. */
  readonly fallback: Protocol
  policy(): Policy
  /** Lists of public models, in the caller's words. */
  readonly catalogue: (request: CatalogueRequest) => unknown
  /** Everything that is no relay route: management, UI. Loaded when it is first wanted. */
  readonly app: () => Promise<(request: IncomingMessage, response: ServerResponse) => void>
}

export interface CatalogueRequest {
  readonly protocol: Protocol
  /** null: the whole list. */
  readonly id: string | null
  readonly headers: ReturnType<typeof headerMap>
  readonly queryKey: string | null
}

/** The one listener: relay routes are answered here at once, everything else by the Express app behind it. */
export function createFront(parts: FrontParts): Server {
  const server = createServer(
    {
      keepAliveTimeout: KEEP_ALIVE_MS,
      requestTimeout: 0,
      maxHeaderSize: PARSED_HEADER_BYTES,
      noDelay: true,
      shouldUpgradeCallback: isWebSocket,
    },
    (request, response) => {
      serve(parts, request, response)
    },
  )
  server.headersTimeout = 60_000
  server.on('upgrade', (request: IncomingMessage, socket: Socket) => refuseUpgrade(parts, request, socket))
  server.on('clientError', (error: ClientError, socket: Socket) => refuseGarbage(parts, error, socket))
  return server
}

/** Other upgrades are offers that a server may pass over (`h2c`: the JDK's client and curl make it with every request). */
const isWebSocket = (request: IncomingMessage): boolean => /\bwebsocket\b/i.test(request.headers.upgrade ?? '')

function serve(parts: FrontParts, request: IncomingMessage, response: ServerResponse): void {
  const matched = matchRoute(request, parts.protocols)
  if (matched === null) {
    parts
      .app()
      .then((app) => {
        app(request, response)
      })
      .catch((error: unknown) => {
        parts.relay.onDefect(error)
        response.writeHead(500).end()
      })
    return
  }
  const protocol = matched.protocol ?? parts.fallback
  const facts = factsOf(request, classOf(matched), matched.kind === 'passthrough')
  const policy = parts.policy()
  const refusal = admit(facts, policy)
  const refuse = (error: RelayError): void =>
    sendError(error, { response, protocol, journal: null, id: newRequestId(Date.now()) })
  if (refusal !== null) {
    refuse(new RelayError(refusal.code, refusal.message))
    return
  }
  if (headerBytes(request) > MAX_HEADER_BYTES) {
    refuse(headersTooLarge())
    return
  }
  if (facts.origin !== null)
    for (const [name, value] of Object.entries(corsHeaders(facts, policy) ?? {})) response.setHeader(name, value)
  if (request.method === 'OPTIONS') {
    response.writeHead(204).end()
    return
  }
  const queryKey = matched.query.get('key')
  switch (matched.kind) {
    case 'health':
      answerJson(response, { status: 'ok' })
      return
    case 'alive':
      response.writeHead(200).end()
      return
    case 'wrong-method':
      response.setHeader('allow', matched.allow)
      refuse(
        new RelayError(
          'method_not_allowed',
          `${request.method ?? ''} is not possible on this path: use ${matched.allow}`,
        ),
      )
      return
    case 'catalogue':
      try {
        const body = parts.catalogue({ protocol, id: matched.id, headers: headerMap(request), queryKey })
        answerJson(response, body)
      } catch (error) {
        if (!(error instanceof RelayError)) parts.relay.onDefect(error)
        refuse(error instanceof RelayError ? error : new RelayError('internal', 'the list of models failed'))
      }
      return
    case 'relay':
    case 'passthrough': {
      const raw = matched.kind === 'passthrough' ? { raw: matched.raw } : {}
      void serveRelay(parts.relay, { request, response, protocol, route: matched.route, queryKey, ...raw })
    }
  }
}

function headerBytes({ rawHeaders }: IncomingMessage): number {
  let bytes = 0
  for (const text of rawHeaders) bytes += text.length
  return bytes
}

const headersTooLarge = (): RelayError =>
  new RelayError('headers_too_large', `the request's headers are larger than ${MAX_HEADER_BYTES / 1024} KB`)

const classOf = (matched: Matched): RouteClass =>
  matched.kind === 'health' || matched.kind === 'alive' ? 'public' : 'relay'

function answerJson(response: ServerResponse, body: unknown): void {
  const bytes = Buffer.from(JSON.stringify(body), 'utf8')
  response.writeHead(200, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': String(bytes.length),
  })
  response.end(response.req.method === 'HEAD' ? undefined : bytes)
}

/**
 * Codex tries a WebSocket first and falls back at once on 426; on 404 or 405 it loses seven seconds with repeats.
 * No route of ours upgrades.
 */
function refuseUpgrade(parts: FrontParts, request: IncomingMessage, socket: Socket): void {
  const matched = matchRoute(request, parts.protocols)
  const protocol = matched?.protocol ?? parts.fallback
  const refusal = matched === null ? null : admit(factsOf(request, classOf(matched)), parts.policy())
  const error =
    refusal === null
      ? new RelayError('upgrade_refused', 'WebSockets are not served here: use HTTP with server-sent events')
      : new RelayError(refusal.code, refusal.message)
  writeRaw(socket, error, protocol)
}

type ClientError = Error & { readonly code?: string; readonly rawPacket?: Buffer }

/** What Node's parser refuses never becomes a request; the caller is told in its own dialect as far as the first line shows it. */
function refuseGarbage(parts: FrontParts, error: ClientError, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const path = /^[A-Z]+ (\/\S*)/.exec(error.rawPacket?.toString('latin1', 0, 2048) ?? '')?.[1]
  const matched = path === undefined ? null : matchRoute({ method: 'POST', url: path, headers: {} }, parts.protocols)
  const told =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? headersTooLarge()
      : new RelayError('invalid_request', 'this is not a valid HTTP request')
  writeRaw(socket, told, matched?.protocol ?? parts.fallback)
}

function writeRaw(socket: Socket, error: RelayError, protocol: Protocol): void {
  const body = JSON.stringify(protocol.encodeError(error).body)
  const head = [
    `HTTP/1.1 ${error.status} ${reasons[error.status] ?? 'Error'}`,
    'Connection: close',
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...(error.status === 426 ? ['Upgrade: HTTP/1.1'] : []),
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
}

const reasons: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  403: 'Forbidden',
  426: 'Upgrade Required',
  431: 'Request Header Fields Too Large',
}
