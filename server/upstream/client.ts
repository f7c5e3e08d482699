import { EnvHttpProxyAgent, Pool, ProxyAgent, Socks5ProxyAgent, type Dispatcher } from 'undici'
import { RelayError } from '../errors.ts'
import { guardedLookup, requireReach, type Reach } from './address.ts'
import type { Exchange, ExchangeHandler, HeaderMap, Send, UpstreamRequest } from './exchange.ts'
import { TimerWheel, type Deadline } from './timer-wheel.ts'

/**
 * People pause longer than the four seconds that undici keeps a socket by default, and a new TLS connection costs one or two
 * round trips: a minute of keep-alive.
 */
const KEEP_ALIVE_MS = 60_000

export interface UpstreamClient {
  readonly send: Send
  /** Drops pooled sockets (after sleep, a network or proxy change); running exchanges end in peace. */
  reset(): void
  /** Exchanges that are running now. */
  readonly active: number
  close(): Promise<void>
}

/** undici's `dispatch` with a handler object, never fetch: see the README's figures. One pool per origin and proxy. */
export function createUpstreamClient(reach: Reach = 'channel'): UpstreamClient {
  let pools = new Map<string, Dispatcher>()
  const wheel = new TimerWheel()

  const poolOf = (request: UpstreamRequest): Dispatcher => {
    const proxy = request.proxy.mode === 'url' ? request.proxy.url.reveal() : request.proxy.mode
    const key = `${request.origin} ${proxy} ${request.connectMs}`
    let pool = pools.get(key)
    if (pool === undefined) {
      pool = openPool(request, { proxy, reach })
      pools.set(key, pool)
    }
    return pool
  }

  return {
    send: (request, handler) => {
      const running = new RunningExchange(request, handler, wheel)
      try {
        running.dispatch(poolOf(request))
      } catch (error) {
        queueMicrotask(() => running.onResponseError(null, error instanceof Error ? error : new Error(String(error))))
      }
      return running
    },
    reset: () => {
      const old = pools
      pools = new Map()
      // close() lets running requests finish and drops idle sockets; a pool that cannot close properly has nothing to save
      for (const pool of old.values()) pool.close().catch(() => pool.destroy())
    },
    get active() {
      return wheel.size
    },
    close: async () => {
      const old = [...pools.values()]
      pools = new Map()
      await Promise.all(old.map((pool) => pool.destroy()))
    },
  }
}

function openPool(
  request: UpstreamRequest,
  { proxy, reach }: { readonly proxy: string; readonly reach: Reach },
): Dispatcher {
  requireReach(new URL(request.origin).hostname, reach)
  // the project's own timers watch headers and bodies: undici's would be a second opinion
  const shared = {
    pipelining: 1,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MS * 10,
    headersTimeout: 0,
    bodyTimeout: 0,
  }
  const connect = { timeout: request.connectMs, lookup: guardedLookup(reach) }
  if (proxy === 'none') return new Pool(request.origin, { ...shared, connect, connections: null })
  if (proxy === 'system') return new EnvHttpProxyAgent({ ...shared, connect })
  if (proxy.startsWith('socks')) return new Socks5ProxyAgent(proxy.replace(/^socks5h:/, 'socks5:'), shared)
  return new ProxyAgent({ ...shared, uri: proxy, proxyTls: { timeout: request.connectMs } })
}

class RunningExchange implements Exchange, Dispatcher.DispatchHandler, Deadline {
  at = Infinity
  readonly #request: UpstreamRequest
  readonly #handler: ExchangeHandler
  readonly #wheel: TimerWheel
  #controller: Dispatcher.DispatchController | undefined
  #waitsFor: 'headers' | 'data' = 'headers'
  #paused = false
  #over = false

  constructor(request: UpstreamRequest, handler: ExchangeHandler, wheel: TimerWheel) {
    this.#request = request
    this.#handler = handler
    this.#wheel = wheel
  }

  dispatch(pool: Dispatcher): void {
    const request = this.#request
    this.#arm(request.headersMs === 0 ? 0 : request.headersMs + request.connectMs)
    this.#wheel.watch(this)
    pool.dispatch(
      {
        origin: request.origin,
        path: request.path,
        method: request.method,
        headers: request.headers,
        body: request.body,
      },
      this,
    )
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#over) controller.abort(new Error('aborted before it was sent'))
    else this.#arm(this.#request.headersMs)
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: Record<string, unknown>): void {
    if (this.#over || status < 200) return
    this.#waitsFor = 'data'
    this.#arm(this.#request.idleMs)
    this.#handler.onHead(status, headerMap(headers))
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#over) return
    this.#arm(this.#request.idleMs)
    this.#handler.onData(chunk)
  }

  onResponseEnd(): void {
    if (!this.#finish()) return
    this.#handler.onEnd()
  }

  onResponseError(_controller: unknown, error: Error): void {
    if (!this.#finish()) return
    this.#handler.onError(explain(error, this.#request))
  }

  /** Called by the wheel: the upstream was silent for too long. */
  expire(): void {
    if (this.#over) return
    const waited = this.#waitsFor === 'headers' ? this.#request.headersMs : this.#request.idleMs
    const what = this.#waitsFor === 'headers' ? 'did not answer' : 'was silent in the middle of its answer'
    this.#finish()
    this.#controller?.abort(new Error('timed out'))
    this.#handler.onError(
      new RelayError('upstream_timeout', `${this.#request.origin} ${what} for ${Math.round(waited / 100) / 10} s`),
    )
  }

  abort(): void {
    if (this.#finish()) this.#controller?.abort(new Error('no longer wanted'))
  }

  /** While we do not read, the upstream cannot be blamed for silence. */
  pause(): void {
    if (this.#over || this.#paused) return
    this.#paused = true
    this.at = Infinity
    this.#controller?.pause()
  }

  resume(): void {
    if (this.#over || !this.#paused) return
    this.#paused = false
    this.#arm(this.#request.idleMs)
    this.#controller?.resume()
  }

  #arm(ms: number): void {
    this.at = ms === 0 || this.#paused ? Infinity : performance.now() + ms
  }

  #finish(): boolean {
    if (this.#over) return false
    this.#over = true
    this.#wheel.drop(this)
    return true
  }
}

function headerMap(headers: Record<string, unknown>): HeaderMap {
  if (isPlain(headers)) return headers
  const map: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value === 'string') map[name] = value
    else if (Array.isArray(value)) map[name] = value.join(', ')
  }
  return map
}

/** Nothing is repeated, which is nearly always so: then undici's own object will do. */
function isPlain(headers: Record<string, unknown>): headers is Record<string, string> {
  for (const name in headers) if (typeof headers[name] !== 'string') return false
  return true
}

/** Node's and undici's codes in a sentence that a person can act on. */
function explain(error: Error, request: UpstreamRequest): RelayError {
  if (error instanceof RelayError) return error
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  const host = new URL(request.origin).host
  const sentence = sentences[code] ?? (code.startsWith('ERR_TLS') || code.includes('CERT') ? 'TLS failed' : 'failed')
  const detail = error.message === '' ? code : error.message
  const kind = code.includes('TIMEOUT') || code === 'ETIMEDOUT' ? 'upstream_timeout' : 'upstream_failed'
  return new RelayError(kind, `the connection to ${host} ${sentence}${detail === '' ? '' : `: ${detail}`}`, {
    cause: error,
    upstreamCode: code === '' ? undefined : code,
  })
}

const sentences: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'was refused (is the server running?)',
  ENOTFOUND: 'failed: the name is unknown',
  EAI_AGAIN: 'failed: the name could not be looked up (are you offline?)',
  ECONNRESET: 'was reset',
  EPIPE: 'was reset',
  ETIMEDOUT: 'timed out',
  UND_ERR_CONNECT_TIMEOUT: 'timed out',
  UND_ERR_SOCKET: 'broke off',
}
