import type { Secret } from '../secret.ts'

/** Names in lower case; a repeated header's values joined by `, `. */
export type HeaderMap = Readonly<Record<string, string | undefined>>

/** One HTTP request to a provider, ready to be sent. */
export interface UpstreamRequest {
  readonly method: 'GET' | 'POST'
  /** `https://api.openai.com` */
  readonly origin: string
  /** Path and query, `/v1/chat/completions`. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer | null
  readonly proxy: { readonly mode: 'none' | 'system' } | { readonly mode: 'url'; readonly url: Secret }
  /** Milliseconds; 0: off. */
  readonly connectMs: number
  readonly headersMs: number
  readonly idleMs: number
}

/** Gets an answer as it arrives. Exactly one of `onEnd` and `onError` is called, last. */
export interface ExchangeHandler {
  onHead(status: number, headers: HeaderMap): void
  onData(chunk: Buffer): void
  onEnd(): void
  /** Connection, DNS, TLS, reset, time-out: a RelayError of kind `upstream_failed` or `upstream_timeout`. Not called after `abort`. */
  onError(error: Error): void
}

export interface Exchange {
  /** Ends the exchange at once; the handler hears nothing more. */
  abort(): void
  pause(): void
  resume(): void
}

/** Sends a request: over the network (client.ts) or to the demo provider inside this process (demo/). */
export type Send = (request: UpstreamRequest, handler: ExchangeHandler) => Exchange
