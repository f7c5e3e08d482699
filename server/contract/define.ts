import type { z } from 'zod'

/** One management call: exists once, as this row; HTTP routes, the OpenAPI document and the port derive from it. */
export interface Procedure<I extends z.ZodType, O extends z.ZodType> {
  /** Path below `/api/v1`; `:name` is a parameter and a field of the input. GET and DELETE take the rest from the query, others from the JSON body. */
  readonly http: `${'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE'} /${string}`
  /** One sentence for the OpenAPI document. */
  readonly summary: string
  readonly input: I
  readonly output: O
  /** Callable before login. */
  readonly open?: true
}

export const procedure = <I extends z.ZodType, O extends z.ZodType>(row: Procedure<I, O>): Procedure<I, O> => row

export const apiErrorStatus = {
  invalid_input: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  conflict: 409,
  too_large: 413,
  unsupported_media_type: 415,
  too_many_requests: 429,
  internal: 500,
  unavailable: 503,
} as const

export interface ApiError {
  readonly code: keyof typeof apiErrorStatus
  readonly message: string
  /** One row per wrong field, `path` in dots and brackets: `channels[0].endpoints[1].baseUrl`. */
  readonly issues?: readonly { readonly path: string; readonly message: string }[]
  /** Only with `too_many_requests`. */
  readonly retryAfterMs?: number
}

/** Thrown by handlers; transports turn it into their own shape. */
export class ContractError extends Error {
  override readonly name = 'ContractError'
  readonly code: ApiError['code']
  readonly issues: ApiError['issues']
  readonly retryAfterMs: number | undefined
  constructor(code: ApiError['code'], message: string, more: Pick<ApiError, 'issues' | 'retryAfterMs'> = {}) {
    super(message)
    this.code = code
    this.issues = more.issues
    this.retryAfterMs = more.retryAfterMs
  }
}

/** The least that the DOM's MessagePort and Electron's MessagePortMain share. */
export interface Port {
  post(message: PortMessage): void
  onMessage(listener: (message: PortMessage) => void): void
  onClose(listener: () => void): void
}

export type PortMessage =
  | { readonly type: 'call'; readonly id: number; readonly name: string; readonly input: unknown }
  | { readonly type: 'cancel'; readonly id: number }
  | { readonly type: 'result'; readonly id: number; readonly output: unknown }
  | { readonly type: 'failure'; readonly id: number; readonly error: ApiError }
  | { readonly type: 'subscribe' | 'unsubscribe'; readonly event: string }
  | { readonly type: 'event'; readonly event: string; readonly payload: unknown }
