import { existsSync } from 'node:fs'
import { join } from 'node:path'
import express, { type Express, type NextFunction, type Request, type RequestHandler, type Response } from 'express'
import type { ApiError } from '../contract/define.ts'
import type { FaultLog } from '../transport/dispatch.ts'
import { managementRouter, sendError, type ManagementApi } from '../transport/http.ts'
import { admit, factsOf, type Policy, type RouteClass } from './guard.ts'

export interface AppConfig {
  readonly api: ManagementApi
  /** Asked for each request: settings and addresses may change while we run. */
  readonly policy: () => Policy
  readonly log: FaultLog
  /** The built UI's directory; without one a plain page says what this is. */
  readonly ui?: string
}

/** One place of the app. A route without a class does not compile, for the guard goes by it. */
interface Route {
  readonly class: RouteClass
  readonly path: string
  readonly handler: RequestHandler
}

/** Everything that is not on the relay's path: the management API under `/api/v1`, the UI, and clear answers for the rest. */
export function createApp(config: AppConfig): Express {
  const routes: readonly Route[] = [
    { class: 'public', path: '/healthz', handler: health },
    { class: 'management', path: '/api/v1', handler: managementRouter(config.api) },
    { class: 'management', path: '/api', handler: unknownApi },
    ...(config.ui === undefined || !existsSync(join(config.ui, 'index.html'))
      ? [{ class: 'page', path: '/', handler: plainPage } as const]
      : userInterface(config.ui)),
  ]
  const app = express()
  app.disable('x-powered-by')
  app.enable('case sensitive routing')
  app.use(securityHeaders)
  for (const route of routes) app.use(route.path, guardFor(route.class, config.policy), route.handler)
  app.use((request, response) => {
    response.status(404).type('text/plain').send(`There is nothing at ${request.path}.\n`)
  })
  app.use(fault(config.log))
  return app
}

function guardFor(routeClass: RouteClass, policy: () => Policy): RequestHandler {
  return (request, response, next) => {
    // Express shortens `url` below a mount point; the guard reads the request line as it came
    const facts = factsOf(request, routeClass)
    const host = request.originalUrl.startsWith('/') ? facts.host : null
    const refusal = admit({ ...facts, host }, policy())
    if (refusal === null) next()
    else sendError(response, { code: refusal.code, message: refusal.message })
  }
}

const POLICY = [
  "default-src 'self'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'", // the component library sets style attributes
  "img-src 'self' data: blob:",
  "connect-src 'self'",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ')

function securityHeaders(_request: Request, response: Response, next: NextFunction): void {
  response.set({
    'content-security-policy': POLICY,
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'permissions-policy': 'camera=(), microphone=(), geolocation=()',
  })
  next()
}

const health: RequestHandler = (request, response, next) => {
  if (request.path !== '/') {
    next()
    return
  }
  response.set('cache-control', 'no-store').json({ status: 'ok' })
}

const unknownApi: RequestHandler = (request, response) => {
  sendError(response, {
    code: 'not_found',
    message: `there is no ${request.method} ${request.originalUrl.split('?', 1)[0] ?? ''}`,
  })
}

const plainPage: RequestHandler = (request, response, next) => {
  if (request.path !== '/' || (request.method !== 'GET' && request.method !== 'HEAD')) {
    next()
    return
  }
  response.type('html').send(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Octopus</title>
<h1>Octopus</h1>
<p>This is an LLM gateway. Tools reach it at <code>/v1</code> with an API key.</p>
<p>The user interface is not built here. The management API is at <code>/api/v1</code>;
<a href="/api/v1/openapi.json">openapi.json</a> describes it.</p>
</html>
`)
}

/** Hashed files for a year, the page itself never: a new version must show at once. Unknown paths are the page's own routes. */
function userInterface(directory: string): readonly Route[] {
  const files = express.static(directory, {
    index: false,
    redirect: false,
    setHeaders: (response, path) => {
      const hashed = path.includes(join(directory, 'assets'))
      response.setHeader('cache-control', hashed ? 'public, max-age=31536000, immutable' : 'no-cache')
    },
  })
  const page: RequestHandler = (request, response, next) => {
    if ((request.method !== 'GET' && request.method !== 'HEAD') || /\.\w+$/.test(request.path)) {
      next()
      return
    }
    response.set('cache-control', 'no-cache').sendFile('index.html', { root: directory })
  }
  return [
    { class: 'page', path: '/', handler: files },
    { class: 'page', path: '/', handler: page },
  ]
}

/** What nobody expected: told in the log, not to the caller. Express knows an error handler by its four parameters. */
function fault(log: FaultLog) {
  // eslint-disable-next-line max-params -- Express counts them
  return (error: unknown, request: Request, response: Response, next: NextFunction): void => {
    const status = typeof error === 'object' && error !== null && 'status' in error ? error.status : 500
    if (response.headersSent) {
      next(error)
      return
    }
    if (typeof status === 'number' && status >= 400 && status < 500) {
      const known: ApiError = {
        code: status === 404 ? 'not_found' : 'invalid_input',
        message: 'the request cannot be read',
      }
      sendError(response, known)
      return
    }
    log.error({ err: error, method: request.method, path: request.path }, 'a request failed')
    sendError(response, { code: 'internal', message: 'Something failed inside the gateway. Its log says what.' })
  }
}
