import { createParser } from 'eventsource-parser'
import { z } from 'zod'
import { apiErrorStatus, ContractError, type Port } from './define.ts'
import {
  contract,
  events,
  type ApiClient,
  type EventName,
  type EventPayload,
  type Input,
  type Name,
  type Output,
} from './index.ts'
import { check } from './issues.ts'

const ErrorBody = z.object({
  code: z.enum(Object.keys(apiErrorStatus) as [keyof typeof apiErrorStatus]),
  message: z.string(),
  issues: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
  retryAfterMs: z.number().optional(),
})

function toError(body: unknown, fallback: string): ContractError {
  const parsed = ErrorBody.safeParse(body)
  if (!parsed.success) return new ContractError('internal', fallback)
  const { code, message, issues, retryAfterMs } = parsed.data
  return new ContractError(code, message, {
    ...(issues === undefined ? {} : { issues }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  })
}

/** An answer in the contract's shape; anything else comes from another version of the gateway. */
function toOutput<N extends Name>(name: N, answer: unknown): Output<N> {
  const checked = check(contract[name].output, answer)
  if (!checked.ok) throw new ContractError('internal', `the answer to ${name} is not what this version expects`)
  return checked.value as Output<N> // checked by this very row
}

/** Subscribers by event; payloads that are not in the contract's shape are dropped. */
class Listeners {
  readonly #all = new Map<EventName, Set<(payload: never) => void>>()

  add<E extends EventName>(event: E, listener: (payload: EventPayload<E>) => void): () => void {
    const some = this.#all.get(event) ?? new Set()
    this.#all.set(event, some)
    some.add(listener)
    return () => {
      some.delete(listener)
      if (some.size === 0) this.#all.delete(event)
    }
  }

  get names(): readonly EventName[] {
    return [...this.#all.keys()]
  }

  tell(event: string, payload: unknown): void {
    if (!Object.hasOwn(events, event)) return
    const name = event as EventName
    const parsed = events[name].safeParse(payload)
    if (!parsed.success) return
    for (const listener of this.#all.get(name) ?? []) listener(parsed.data as never) // checked by this event's row
  }
}

/** The contract over a port: the app's own window. Calls that are open when the port closes are rejected. */
export function portClient(port: Port): ApiClient {
  const waiting = new Map<number, { resolve(output: unknown): void; reject(error: ContractError): void }>()
  const listeners = new Listeners()
  let lastId = 0
  let closed = false

  port.onMessage((message) => {
    if (message.type === 'event') {
      listeners.tell(message.event, message.payload)
      return
    }
    if (message.type !== 'result' && message.type !== 'failure') return
    const call = waiting.get(message.id)
    waiting.delete(message.id)
    if (message.type === 'result') call?.resolve(message.output)
    else call?.reject(toError(message.error, 'the gateway refused the call'))
  })
  port.onClose(() => {
    closed = true
    for (const call of waiting.values()) call.reject(gone())
    waiting.clear()
  })

  return {
    async call(name, input, signal) {
      if (closed) throw gone()
      signal?.throwIfAborted()
      const id = (lastId += 1)
      const answer = await new Promise<unknown>((resolve, reject) => {
        waiting.set(id, { resolve, reject })
        signal?.addEventListener(
          'abort',
          () => {
            if (!waiting.delete(id)) return
            port.post({ type: 'cancel', id })
            reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'))
          },
          { once: true },
        )
        port.post({ type: 'call', id, name, input })
      })
      return toOutput(name, answer)
    },

    subscribe(event, listener) {
      const first = !listeners.names.includes(event)
      const remove = listeners.add(event, listener)
      if (first) port.post({ type: 'subscribe', event })
      return () => {
        remove()
        if (!listeners.names.includes(event)) port.post({ type: 'unsubscribe', event })
      }
    },
  }
}

function gone(): ContractError {
  return new ContractError('unavailable', 'the gateway has stopped')
}

export interface HttpClientConfig {
  /** `http://127.0.0.1:8080`, or '' for the page's own origin. */
  readonly baseUrl: string
  /** A session's token; in a browser the cookie does instead. */
  readonly token?: () => string | null
  readonly fetch?: typeof fetch
  /** Told when the stream of events breaks or stands again: what was missed must be asked for. */
  readonly onConnection?: (connected: boolean) => void
}

const LONGEST_PAUSE_MS = 10_000

/** The contract over HTTP; all subscriptions share one stream of events, which comes back by itself when it breaks. */
export function httpClient(config: HttpClientConfig): ApiClient {
  const send = config.fetch ?? fetch
  const listeners = new Listeners()
  let stream: AbortController | null = null

  const headers = (more: Readonly<Record<string, string>>) => {
    const token = config.token?.() ?? null
    return token === null ? more : { ...more, authorization: `Bearer ${token}` }
  }

  const follow = async (signal: AbortSignal) => {
    let pause = 500
    while (!signal.aborted) {
      const heard = await listen(signal).catch(() => false) // whatever broke it: try again
      if (heard) pause = 500
      config.onConnection?.(false)
      await sleep(pause, signal)
      pause = Math.min(pause * 2, LONGEST_PAUSE_MS)
    }
  }
  /** Resolves when the stream ends; true when it ever stood. */
  const listen = async (signal: AbortSignal): Promise<boolean> => {
    const url = `${config.baseUrl}/api/v1/events`
    const response = await send(url, { headers: headers({ accept: 'text/event-stream' }), signal })
    if (!response.ok || response.body === null) return false
    config.onConnection?.(true)
    const parser = createParser({
      onEvent: ({ event, data }) => {
        if (event !== undefined) listeners.tell(event, JSON.parse(data))
      },
    })
    const decoder = new TextDecoder()
    const reader = response.body.getReader()
    try {
      for (;;) {
        const { done, value } = await reader.read()
        if (done) return true
        parser.feed(decoder.decode(value, { stream: true }))
      }
    } catch {
      return true // the connection broke, or was given up
    }
  }

  return {
    async call(name, input, signal) {
      const { method, url, body } = address(name, input)
      const response = await send(`${config.baseUrl}/api/v1${url}`, {
        method,
        headers: headers(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        ...(signal === undefined ? {} : { signal }),
      })
      const text = await response.text()
      const answer = readJson(text)
      if (response.ok) return toOutput(name, answer)
      const told = typeof answer === 'object' && answer !== null && 'error' in answer ? answer.error : undefined
      throw toError(told, `the gateway answered ${response.status}`)
    },

    subscribe(event, listener) {
      const remove = listeners.add(event, listener)
      if (stream === null) {
        stream = new AbortController()
        void follow(stream.signal)
      }
      return () => {
        remove()
        if (listeners.names.length > 0) return
        stream?.abort()
        stream = null
      }
    },
  }
}

function readJson(text: string): unknown {
  if (text === '') return null // 204
  try {
    return JSON.parse(text)
  } catch {
    return undefined // not the gateway's words: told as such by the caller
  }
}

/** Where a call goes: path parameters out of the input, the rest into the query or the body, as the row says. */
function address<N extends Name>(name: N, input: Input<N>): { method: string; url: string; body: unknown } {
  const [method = '', path = ''] = contract[name].http.split(' ', 2)
  const rest: Record<string, unknown> = { ...input }
  const filled = path.replaceAll(/:(\w+)/g, (_, field: string) => {
    const value = rest[field]
    rest[field] = undefined
    return encodeURIComponent(String(value))
  })
  if (method !== 'GET' && method !== 'DELETE') return { method, url: filled, body: rest }
  const query = new URLSearchParams()
  for (const [field, value] of Object.entries(rest)) {
    if (value !== undefined && value !== null)
      query.set(field, typeof value === 'string' ? value : JSON.stringify(value))
  }
  const search = query.toString()
  return { method, url: search === '' ? filled : `${filled}?${search}`, body: undefined }
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}
