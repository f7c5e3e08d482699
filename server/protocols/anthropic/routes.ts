import { RelayError } from '../../errors.ts'
import type { Peek, RouteMatch } from '../codec.ts'
import { fieldValue, scanTopLevel } from '../scan.ts'
import { wrongField } from '../narrow.ts'

const OPERATIONS: Readonly<Record<string, RouteMatch>> = {
  '/messages': { operation: 'generate' },
  '/messages/count_tokens': { operation: 'count-tokens' },
}

/** `/v1/messages` and `/v1/messages/count_tokens`, with and without `/v1`. The query (`beta=true`) says nothing that a header does not. */
export function match(path: string): RouteMatch | null {
  return OPERATIONS[path.startsWith('/v1/') ? path.slice(3) : path] ?? null
}

/** @throws RelayError `invalid_request` */
export function peek(body: Buffer, route: RouteMatch): Peek {
  const fields = scanTopLevel(body, ['model', 'stream'])
  if (fields.model === undefined)
    throw new RelayError('invalid_request', "'model' is missing: send a model name", { param: 'model' })
  const model = fieldValue(body, fields.model)
  if (typeof model !== 'string' || model === '') throw wrongField('model', 'a non-empty string', model)
  const stream = fields.stream === undefined ? false : (fieldValue(body, fields.stream) ?? false)
  if (typeof stream !== 'boolean') throw wrongField('stream', 'true or false', stream)
  return {
    model,
    stream: stream && route.operation === 'generate',
    modelSpan: { start: fields.model.start + 1, end: fields.model.end - 1 },
  }
}
