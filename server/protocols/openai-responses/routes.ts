import { RelayError } from '../../errors.ts'
import type { Peek, RouteMatch } from '../codec.ts'
import { asBoolean, asString, optional, required } from '../narrow.ts'
import { fieldValue, scanTopLevel } from '../scan.ts'

/** `/responses/compact` and `/responses/{id}` ask for stored state or another operation: they are not ours. */
export function match(path: string): RouteMatch | null {
  return path === '/v1/responses' || path === '/responses' ? { operation: 'generate' } : null
}

/** @throws RelayError `invalid_request` naming the field */
export function peek(body: Buffer): Peek {
  const fields = scanTopLevel(body, ['model', 'stream', 'previous_response_id'])
  if (fields.previous_response_id !== undefined) refusePrevious(fieldValue(body, fields.previous_response_id))
  const model = required(asString, fields.model && fieldValue(body, fields.model), {
    param: 'model',
    wanted: 'a string',
  })
  if (model === '' || fields.model === undefined)
    throw new RelayError('invalid_request', `'model' is empty: name a model`, { param: 'model' })
  const stream = optional(asBoolean, fields.stream && fieldValue(body, fields.stream), {
    param: 'stream',
    wanted: 'true or false',
  })
  return { model, stream: stream ?? false, modelSpan: { start: fields.model.start + 1, end: fields.model.end - 1 } }
}

/** Answers are kept nowhere here, and the channel that gave the earlier one may not be the one that gives the next. */
export function refusePrevious(value: unknown): void {
  if (value === undefined || value === null) return
  throw new RelayError(
    'invalid_request',
    `'previous_response_id' is not supported: this gateway is stateless and stores no responses. Send the whole conversation in 'input' (with store: false).`,
    { param: 'previous_response_id' },
  )
}
