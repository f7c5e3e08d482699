import { RelayError } from '../../errors.ts'
import type { JsonObject } from '../../model/request.ts'
import type { Endpoint, Peek, Protocol, RouteMatch } from '../codec.ts'
import { methodName, methodOf } from '../gemini/routes.ts'
import type { Unwrap } from '../gemini/wire.ts'
import { asObject, asString } from '../narrow.ts'
import { fieldValue, scanTopLevel, splice } from '../scan.ts'

/** `{response, traceId}` → the Gemini answer inside; a bare answer is taken as it is. */
export const unwrap: Unwrap = (body) => asObject(body['response']) ?? body

const PATH = /^\/v1internal:([A-Za-z]+)$/

export function match(path: string, query: URLSearchParams): RouteMatch | null {
  const method = PATH.exec(path)?.[1]
  return method === undefined ? null : methodOf(method, query)
}

/** The envelope names the model, except in countTokens, where it stands in `request` and has the prefix `models/`. */
export function peek(body: Buffer, route: RouteMatch): Peek {
  const { model, request } = scanTopLevel(body, ['model', 'request'])
  const inner =
    model === undefined && request !== undefined && body[request.start] === 0x7b
      ? scanTopLevel(body.subarray(request.start, request.end), ['model']).model
      : undefined
  const offset = inner === undefined ? 0 : (request?.start ?? 0)
  const field = model ?? inner
  if (field === undefined)
    throw new RelayError('invalid_request', "'model' is missing: send the model's name", { param: 'model' })
  const [start, end] = [offset + field.start, offset + field.end]
  const name = asString(fieldValue(body, { start, end }))?.replace(/^models\//, '')
  if (name === undefined || name === '')
    throw new RelayError('invalid_request', "'model' must be the model's name, a string", { param: 'model' })
  const prefix = inner !== undefined && body.toString('latin1', start + 1, start + 8) === 'models/' ? 7 : 0
  return { model: name, stream: route.stream ?? false, modelSpan: { start: start + 1 + prefix, end: end - 1 } }
}

export const endpoint: Protocol['endpoint'] = ({ stream, operation }): Endpoint => ({
  path: `/v1internal:${methodName(operation, stream)}`,
})

/** The project is the channel's, whatever the client wrote; the request id stays the client's where it has one. */
export function bindAccount(body: Buffer, account: { readonly project: string; readonly requestId: string }): Buffer {
  return setField(setField(body, 'project', account.project), 'requestId', account.requestId)
}

function setField(body: Buffer, name: 'project' | 'requestId', value: string): Buffer {
  const text = JSON.stringify(value)
  const field = scanTopLevel(body, [name])[name]
  if (field !== undefined) return name === 'project' ? splice(body, field, text) : body
  const open = body.indexOf(0x7b)
  const empty = /^\s*\}/.test(body.toString('latin1', open + 1, open + 64))
  return splice(body, { start: open + 1, end: open + 1 }, `${JSON.stringify(name)}:${text}${empty ? '' : ','}`)
}

/** `fetchAvailableModels` → `{models: {<id>: {displayName, quotaInfo}}}`; ids that only the editor uses inside are left out. */
export const catalogue: Protocol['catalogue'] = {
  path: '/v1internal:fetchAvailableModels',
  post: {},
  decode(body) {
    const models = asObject(body['models']) ?? {}
    return { models: Object.keys(models).filter((id) => asObject(models[id])?.['isInternal'] !== true) }
  },
}

export function encodeCatalogueEntry(model: { readonly id: string }): JsonObject {
  return { displayName: model.id }
}

/** The same shape as the upstream's. */
export function encodeCatalogue(models: readonly { readonly id: string }[]): JsonObject {
  return { models: Object.fromEntries(models.map((model) => [model.id, encodeCatalogueEntry(model)])) }
}
