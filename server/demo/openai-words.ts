import type { JsonObject } from '../model/request.ts'
import type { DemoError } from './answer.ts'

const words = {
  400: ['invalid_request_error', null],
  401: ['invalid_request_error', 'invalid_api_key'],
  404: ['invalid_request_error', null],
  429: ['requests', 'rate_limit_exceeded'],
  500: ['server_error', null],
  503: ['server_error', null],
} as const

/** OpenAI's error object, the same for Chat and Responses. */
export function openAiError({ status, message }: DemoError): JsonObject {
  const [type, code] = words[status]
  return { error: { message, type, param: null, code } }
}

/** `GET /v1/models` of OpenAI. */
export function openAiList(models: readonly string[]): JsonObject {
  return {
    object: 'list',
    data: models.map((id) => ({ id, object: 'model', created: 1_767_225_600, owned_by: 'octopus' })),
  }
}
