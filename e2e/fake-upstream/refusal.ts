import type { WireFormat } from './target.ts'

/** Why the provider would not do it. */
export interface Refusal {
  readonly status: number
  readonly message: string
  /** The field in the provider's own spelling. */
  readonly param?: string
  readonly code?: string
}

const anthropicTypes: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  529: 'overloaded_error',
}
const googleStatuses: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  429: 'RESOURCE_EXHAUSTED',
  500: 'INTERNAL',
  503: 'UNAVAILABLE',
}

/** An error body in the provider's words. */
export function refusalBody(format: WireFormat, { status, message, param, code }: Refusal): unknown {
  switch (format) {
    case 'openai-chat':
    case 'openai-responses': {
      const type = status === 429 ? 'rate_limit_error' : status >= 500 ? 'server_error' : 'invalid_request_error'
      return { error: { message, type, param: param ?? null, code: code ?? null } }
    }
    case 'anthropic':
      return {
        type: 'error',
        error: { type: anthropicTypes[status] ?? 'api_error', message },
        request_id: 'req_fake',
      }
    case 'gemini':
    case 'antigravity':
      return { error: { code: status, message, status: googleStatuses[status] ?? 'UNKNOWN' } }
  }
}
