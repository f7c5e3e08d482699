import type { RelayError } from '../../errors.ts'
import type { JsonObject } from '../../model/request.ts'
import { asObject, asString } from '../narrow.ts'
import { decodeOpenAiErrorObject, openAiErrorObject } from '../openai-error.ts'
import { encodeFrame } from '../sse.ts'

/**
 * The error that an event or a whole response tells, or undefined. It stands in `response.error` of `response.failed`, flat in an
 * `error` event (`code`, `message`, `param`) or under its `error`, and in a bare `{error}` where a proxy wrote it.
 */
export function errorIn(event: JsonObject, type: string): RelayError | undefined {
  if (type === 'error') {
    const nested = asObject(event.error)
    return decodeOpenAiErrorObject(nested ?? { code: event.code, message: event.message, param: event.param })
  }
  const response = asObject(event.response)
  if (type === 'response.failed' || type === 'response.cancelled' || asString(response?.status) === 'failed')
    return decodeOpenAiErrorObject(response?.error ?? event.error ?? { message: `the upstream sent ${type}` })
  if (type === '' && event.error !== undefined && event.error !== null) return decodeOpenAiErrorObject(event)
  return undefined
}

/**
 * `response.error` of a failed response. Codex decides by `code` (`rate_limit_exceeded` waits as the message says,
 * `context_length_exceeded` and `insufficient_quota` end the turn), so there is always one.
 */
export function failedError(error: RelayError): JsonObject {
  const { code, message, type } = openAiErrorObject(error)
  return { code: code ?? type, message }
}

/**
 * An error in the middle of a stream, in the order of OpenAI's own: the `error` event, at which the SDKs throw, then
 * `response.failed`, which is all that Codex looks at (a bare `error` event makes it send the paid request again).
 */
export function errorFrames(error: RelayError, sequence: number, response: JsonObject): string {
  const told = { type: 'error', sequence_number: sequence, error: openAiErrorObject(error) }
  const failed = {
    type: 'response.failed',
    sequence_number: sequence + 1,
    response: { ...response, status: 'failed', error: failedError(error) },
  }
  return [told, failed].map((event) => encodeFrame({ event: event.type, data: JSON.stringify(event) })).join('')
}
