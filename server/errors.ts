/** What is worth changing before trying again: nothing, another key, another channel. */
export type FailureScope = 'request' | 'key' | 'channel'

/** One row of the failure table: the HTTP status that a client sees, who may do better, and the word in each vendor's dialect. */
interface Failure {
  readonly status: number
  readonly scope: FailureScope
  readonly openai: readonly [type: string, code: string | null]
  readonly anthropic: string
  readonly google: string
}

/** The only place that says what an error means. An upstream's 401/403 is `key_refused` (502): the client's own key was fine. */
export const failures = {
  invalid_request: {
    status: 400,
    scope: 'request',
    openai: ['invalid_request_error', null],
    anthropic: 'invalid_request_error',
    google: 'INVALID_ARGUMENT',
  },
  context_overflow: {
    status: 400,
    scope: 'request',
    openai: ['invalid_request_error', 'context_length_exceeded'],
    anthropic: 'invalid_request_error',
    google: 'INVALID_ARGUMENT',
  },
  unauthenticated: {
    status: 401,
    scope: 'request',
    openai: ['invalid_request_error', 'invalid_api_key'],
    anthropic: 'authentication_error',
    google: 'UNAUTHENTICATED',
  },
  forbidden: {
    status: 403,
    scope: 'request',
    openai: ['invalid_request_error', 'model_not_allowed'],
    anthropic: 'permission_error',
    google: 'PERMISSION_DENIED',
  },
  model_not_found: {
    status: 404,
    scope: 'request',
    openai: ['invalid_request_error', 'model_not_found'],
    anthropic: 'not_found_error',
    google: 'NOT_FOUND',
  },
  not_found: {
    status: 404,
    scope: 'request',
    openai: ['invalid_request_error', null],
    anthropic: 'not_found_error',
    google: 'NOT_FOUND',
  },
  method_not_allowed: {
    status: 405,
    scope: 'request',
    openai: ['invalid_request_error', null],
    anthropic: 'invalid_request_error',
    google: 'INVALID_ARGUMENT',
  },
  too_large: {
    status: 413,
    scope: 'request',
    openai: ['invalid_request_error', null],
    anthropic: 'request_too_large',
    google: 'INVALID_ARGUMENT',
  },
  headers_too_large: {
    status: 431,
    scope: 'request',
    openai: ['invalid_request_error', null],
    anthropic: 'invalid_request_error',
    google: 'INVALID_ARGUMENT',
  },
  unsupported_media_type: {
    status: 415,
    scope: 'request',
    openai: ['invalid_request_error', null],
    anthropic: 'invalid_request_error',
    google: 'INVALID_ARGUMENT',
  },
  upgrade_refused: {
    status: 426,
    scope: 'request',
    openai: ['invalid_request_error', null],
    anthropic: 'invalid_request_error',
    google: 'INVALID_ARGUMENT',
  },
  budget_exhausted: {
    status: 429,
    scope: 'request',
    openai: ['insufficient_quota', 'insufficient_quota'],
    anthropic: 'rate_limit_error',
    google: 'RESOURCE_EXHAUSTED',
  },
  /** The gateway's own limit (an API key's requests per minute, concurrency): nobody upstream would do better. */
  limit_exceeded: {
    status: 429,
    scope: 'request',
    openai: ['rate_limit_error', 'rate_limit_exceeded'],
    anthropic: 'rate_limit_error',
    google: 'RESOURCE_EXHAUSTED',
  },
  rate_limited: {
    status: 429,
    scope: 'key',
    openai: ['rate_limit_error', 'rate_limit_exceeded'],
    anthropic: 'rate_limit_error',
    google: 'RESOURCE_EXHAUSTED',
  },
  key_refused: {
    status: 502,
    scope: 'key',
    openai: ['server_error', 'upstream_key_refused'],
    anthropic: 'api_error',
    google: 'INTERNAL',
  },
  upstream_rejected: {
    status: 400,
    scope: 'channel',
    openai: ['invalid_request_error', null],
    anthropic: 'invalid_request_error',
    google: 'INVALID_ARGUMENT',
  },
  /** The upstream does not know the model that the group item names. */
  upstream_model_missing: {
    status: 404,
    scope: 'channel',
    openai: ['invalid_request_error', 'model_not_found'],
    anthropic: 'not_found_error',
    google: 'NOT_FOUND',
  },
  upstream_overloaded: {
    status: 503,
    scope: 'channel',
    openai: ['server_error', 'upstream_overloaded'],
    anthropic: 'overloaded_error',
    google: 'UNAVAILABLE',
  },
  upstream_failed: {
    status: 502,
    scope: 'channel',
    openai: ['server_error', 'upstream_failed'],
    anthropic: 'api_error',
    google: 'INTERNAL',
  },
  /** Properly ended, but with nothing in it. Where nobody does better, a client of the same format gets it as it is. */
  empty_answer: {
    status: 502,
    scope: 'channel',
    openai: ['server_error', 'upstream_failed'],
    anthropic: 'api_error',
    google: 'INTERNAL',
  },
  upstream_timeout: {
    status: 504,
    scope: 'channel',
    openai: ['server_error', 'upstream_timeout'],
    anthropic: 'timeout_error',
    google: 'DEADLINE_EXCEEDED',
  },
  no_channel: {
    status: 503,
    scope: 'request',
    openai: ['server_error', 'no_channel'],
    anthropic: 'overloaded_error',
    google: 'UNAVAILABLE',
  },
  loop_detected: {
    status: 508,
    scope: 'request',
    openai: ['server_error', 'loop_detected'],
    anthropic: 'api_error',
    google: 'FAILED_PRECONDITION',
  },
  cancelled: {
    status: 499,
    scope: 'request',
    openai: ['server_error', 'cancelled'],
    anthropic: 'api_error',
    google: 'CANCELLED',
  },
  /** The gateway is being stopped while the answer is under way: nobody's failure. */
  gateway_stopping: {
    status: 503,
    scope: 'request',
    openai: ['server_error', 'gateway_stopping'],
    anthropic: 'overloaded_error',
    google: 'UNAVAILABLE',
  },
  internal: {
    status: 500,
    scope: 'request',
    openai: ['server_error', null],
    anthropic: 'api_error',
    google: 'INTERNAL',
  },
} as const satisfies Record<string, Failure>

export type ErrorKind = keyof typeof failures

export interface RelayErrorDetail {
  /** The status that the upstream answered with, when it answered. */
  readonly upstreamStatus?: number | undefined
  /** How long the upstream (or our own limit) asks to wait. */
  readonly retryAfterMs?: number | undefined
  /** The request's field that is wrong, in the client's own spelling: `messages[2].content`. */
  readonly param?: string | undefined
  /** The upstream's own machine-readable word (`insufficient_quota`, `overloaded_error`), kept for the log and for same-format replies. */
  readonly upstreamCode?: string | undefined
  /** What failed is ours: the program's log gets the cause with its stack. */
  readonly defect?: true
  readonly cause?: unknown
}

/** The only error that travels through the relay: every other exception there is a defect and becomes `internal`. */
export class RelayError extends Error {
  override readonly name = 'RelayError'
  readonly kind: ErrorKind
  readonly detail: RelayErrorDetail
  constructor(kind: ErrorKind, message: string, detail: RelayErrorDetail = {}) {
    super(message, { cause: detail.cause })
    this.kind = kind
    this.detail = detail
  }
  get status(): number {
    return failures[this.kind].status
  }
  get scope(): FailureScope {
    return failures[this.kind].scope
  }
}
