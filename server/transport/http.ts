import { parseCookie } from 'cookie'
import express, { Router, type NextFunction, type Request, type Response } from 'express'
import { apiErrorStatus, type ApiError } from '../contract/define.ts'
import { events, type CallContext, type EventFeed, type EventName } from '../contract/index.ts'
import { procedures, type AnyProcedure, type Dispatch } from './dispatch.ts'
import { streamEvents } from './event-stream.ts'
import { openApiDocument } from './openapi.ts'
import { isEvent } from './port.ts'

interface AuthenticatedSession {
  readonly id: number
  readonly expiresAt: number
  /** It was prolonged just now: a browser's cookie must be, too. */
  readonly renewed: boolean
}

/** Whoever knows which sessions are valid. */
interface SessionGate {
  authenticate(token: string): Promise<AuthenticatedSession | null>
  /** Called with the id of a session that ended before its time. Returns the unsubscribe function. */
  onEnd(listener: (sessionId: number) => void): () => void
}

export interface ManagementApi {
  readonly dispatch: Dispatch
  readonly feed: EventFeed
  readonly sessions: SessionGate
  readonly version: string
  readonly heartbeatMs?: number
  /** Aborted when the gateway is being stopped: streams of events, which never end by themselves, end then. */
  readonly closing?: AbortSignal
}

const MAX_BODY = 20 * 1024 * 1024

/** The management API, to be mounted under `/api/v1`: one route for each row of the contract, live events, and the OpenAPI document. */
export function managementRouter(api: ManagementApi): Router {
  const router = Router({ caseSensitive: true })
  router.use((_request, response, next) => {
    response.set('cache-control', 'no-store')
    next()
  })
  router.use(express.json({ limit: MAX_BODY, type: isJson, strict: true }))
  router.use(badBody)

  const document = openApiDocument(api.version)
  router.get('/openapi.json', (_request, response) => void response.json(document))
  router.get('/events', async (request, response) => eventRoute(api, request, response))

  for (const [name, row] of literalFirst([...procedures])) {
    const [method = '', path = ''] = row.http.split(' ', 2)
    router[methodOf(method)](path, async (request, response) => callRoute({ api, name, row }, request, response))
  }
  router.use((request, response) => {
    sendError(response, {
      code: 'not_found',
      message: `there is no ${request.method} ${request.baseUrl}${request.path}`,
    })
  })
  return router
}

/** `/prices/lookup` must be asked before `/prices/:id`. */
function literalFirst(rows: [string, AnyProcedure][]): [string, AnyProcedure][] {
  const parameters = (row: AnyProcedure) => row.http.split(':').length
  return rows.sort(([, a], [, b]) => parameters(a) - parameters(b))
}

function methodOf(method: string): 'get' | 'post' | 'patch' | 'put' | 'delete' {
  const known = { GET: 'get', POST: 'post', PATCH: 'patch', PUT: 'put', DELETE: 'delete' } as const
  return known[method as keyof typeof known]
}

function isJson(request: { readonly headers: { readonly 'content-type'?: string | undefined } }): boolean {
  return /^application\/([a-z0-9.-]+\+)?json\s*(;|$)/i.test(request.headers['content-type'] ?? '')
}

interface Target {
  readonly api: ManagementApi
  readonly name: string
  readonly row: AnyProcedure
}

async function callRoute({ api, name, row }: Target, request: Request, response: Response): Promise<void> {
  const session = await sessionOf(api, request, response)
  if (session === null && row.open !== true) {
    sendError(response, notLoggedIn)
    return
  }

  const given: unknown = request.method === 'GET' || request.method === 'DELETE' ? request.query : (request.body ?? {})
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    sendError(response, { code: 'invalid_input', message: 'the body must be a JSON object' })
    return
  }
  const gone = new AbortController()
  response.on('close', () => {
    if (!response.writableFinished) gone.abort()
  })
  const context: CallContext = {
    via: 'http',
    signal: gone.signal,
    remoteAddress: request.socket.remoteAddress ?? '',
    userAgent: request.headers['user-agent'] ?? '',
    sessionId: session?.id ?? null,
    grant: (granted) => setCookie(request, response, granted),
  }
  const result = await api.dispatch(name, { ...given, ...request.params }, context)
  if (!result.ok) {
    sendError(response, result.error)
    return
  }
  if (result.output === null) response.status(204).end()
  else response.json(result.output)
}

async function eventRoute(api: ManagementApi, request: Request, response: Response): Promise<void> {
  const session = await sessionOf(api, request, response)
  if (session === null) {
    sendError(response, notLoggedIn)
    return
  }
  const only = typeof request.query.only === 'string' ? request.query.only.split(',') : Object.keys(events)
  const unknown = only.filter((name) => !isEvent(name))
  if (unknown.length > 0) {
    const message = `only names no event: ${unknown.join(', ')}`
    sendError(response, { code: 'invalid_input', message, issues: [{ path: 'only', message }] })
    return
  }
  // a client that left while its session was looked up closes nothing any more: what began now would never stop
  if (response.destroyed) return
  response.set({ 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' })
  response.flushHeaders()
  const { closing } = api
  if (closing?.aborted === true) {
    response.end()
    return
  }
  const names: EventName[] = only.filter(isEvent)
  streamEvents(response, { feed: api.feed, names, heartbeatMs: api.heartbeatMs ?? 15_000 })
  const stopWatching = api.sessions.onEnd((id) => {
    if (id === session.id) response.end()
  })
  const expiry = setInterval(() => {
    if (Date.now() > session.expiresAt) response.end()
  }, 60_000)
  const end = (): void => void response.end()
  closing?.addEventListener('abort', end)
  response.on('close', () => {
    stopWatching()
    clearInterval(expiry)
    closing?.removeEventListener('abort', end)
  })
}

const notLoggedIn: ApiError = {
  code: 'unauthorized',
  message: 'Log in first: POST /api/v1/session/login with the admin password.',
}

async function sessionOf(
  api: ManagementApi,
  request: Request,
  response: Response,
): Promise<AuthenticatedSession | null> {
  const bearer = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1]
  const token = bearer ?? parseCookie(request.headers.cookie ?? '')[cookieName(request)]
  if (token === undefined) return null
  const session = await api.sessions.authenticate(token)
  if (session?.renewed === true && bearer === undefined) {
    setCookie(request, response, { token, expiresAt: session.expiresAt })
  }
  return session
}

/** Cookies do not tell ports apart, so the name does: two gateways on one machine would log each other out. */
function cookieName(request: Request): string {
  return `octopus_session_${request.socket.localPort ?? 0}`
}

function setCookie(
  request: Request,
  response: Response,
  session: { readonly token: string; readonly expiresAt: number } | null,
): void {
  const options = { httpOnly: true, sameSite: 'strict', path: '/api', secure: request.secure } as const
  if (session === null) response.clearCookie(cookieName(request), options)
  else response.cookie(cookieName(request), session.token, { ...options, expires: new Date(session.expiresAt) })
}

/** Sends an error in the API's one shape. */
export function sendError(response: Response, error: ApiError): void {
  if (error.retryAfterMs !== undefined) response.set('retry-after', String(Math.ceil(error.retryAfterMs / 1000)))
  response.status(apiErrorStatus[error.code]).json({ error })
}

/** What body-parser throws (http-errors with a `type`), in our words. */
// eslint-disable-next-line max-params -- Express knows an error handler by its four parameters
function badBody(error: unknown, _request: Request, response: Response, next: NextFunction): void {
  const type = typeof error === 'object' && error !== null && 'type' in error ? error.type : undefined
  const reason = error instanceof Error ? error.message : ''
  switch (type) {
    case 'entity.parse.failed': {
      sendError(response, { code: 'invalid_input', message: `the body is not JSON: ${reason}` })
      return
    }
    case 'entity.too.large': {
      sendError(response, { code: 'too_large', message: `the body is larger than ${MAX_BODY / 1024 / 1024} MB` })
      return
    }
    case 'encoding.unsupported':
    case 'charset.unsupported': {
      sendError(response, { code: 'unsupported_media_type', message: reason })
      return
    }
    case 'request.aborted':
    case 'request.size.invalid': {
      sendError(response, { code: 'invalid_input', message: 'the body ended early' })
      return
    }
    default:
      next(error)
  }
}
