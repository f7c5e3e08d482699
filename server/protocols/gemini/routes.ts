import { RelayError } from '../../errors.ts'
import type { JsonObject } from '../../model/request.ts'
import type { Endpoint, Peek, Protocol, RouteMatch } from '../codec.ts'
import { asString } from '../narrow.ts'
import { fieldValue, scanTopLevel, type ScannedField } from '../scan.ts'
import { objects } from './wire.ts'

const METHODS: Readonly<Record<string, Pick<RouteMatch, 'operation' | 'stream'>>> = {
  generateContent: { operation: 'generate', stream: false },
  streamGenerateContent: { operation: 'generate', stream: true },
  countTokens: { operation: 'count-tokens', stream: false },
}

/** The Gemini API, and Vertex AI with and without its project (the second is what Amp asks for). */
const PATH =
  /^(?:\/v\d+(?:alpha|beta)?\d*)?(?:\/projects\/[^/]+\/locations\/[^/]+)?(?:\/publishers\/[^/]+)?\/models\/(.+):([A-Za-z]+)$/

/** `/v1beta/models/{model}:{method}`; the model may hold `/` and `:` and be percent-encoded. */
export function match(path: string, query: URLSearchParams): RouteMatch | null {
  const [, model, method] = PATH.exec(path) ?? []
  if (model === undefined || method === undefined) return null
  const what = methodOf(method, query)
  return what === null ? null : { ...what, model: decodePath(model) }
}

/** The operation behind the word after the colon; `sse` is said for streams only. */
export function methodOf(method: string, query: URLSearchParams): RouteMatch | null {
  if (!Object.hasOwn(METHODS, method)) return null
  const found = METHODS[method]
  if (found === undefined) return null
  if (found.stream !== true) return found
  return { ...found, sse: (query.get('alt') ?? query.get('$alt')) === 'sse' }
}

export function peek(body: Buffer, route: RouteMatch): Peek {
  const { generateContentRequest: nested } = scanTopLevel(body, ['generateContentRequest'])
  const model = route.model
  if (model === undefined || model === '')
    throw new RelayError('invalid_request', 'the path names no model: send /v1beta/models/{model}:generateContent', {
      param: 'model',
    })
  const head = { model, stream: route.stream ?? false }
  const span = nested === undefined || route.operation !== 'count-tokens' ? undefined : nestedModel(body, nested)
  return span === undefined ? head : { ...head, modelSpan: span }
}

/** countTokens may wrap a whole request that names the model again; Google refuses another name than the path's. */
function nestedModel(body: Buffer, nested: ScannedField): Peek['modelSpan'] {
  if (body[nested.start] !== 0x7b) return undefined
  const { model } = scanTopLevel(body.subarray(nested.start, nested.end), ['model'])
  if (model === undefined) return undefined
  const start = nested.start + model.start
  const end = nested.start + model.end
  const name = asString(fieldValue(body, { start, end }))
  if (name === undefined) return undefined
  return { start: start + 1 + (name.startsWith('models/') ? 'models/'.length : 0), end: end - 1 }
}

/** A stream is always asked for as SSE: it is what the relay can cut, whatever form the client wants. */
export const endpoint: Protocol['endpoint'] = ({ model, stream, operation }): Endpoint => {
  const name = model.startsWith('models/') ? model.slice('models/'.length) : model
  const path = name.startsWith('tunedModels/') ? `/${name}` : `/models/${encodeURIComponent(name)}`
  return { path: `${path}:${methodName(operation, stream)}` }
}

/** `generateContent` and its kin, with the query that the method needs. */
export function methodName(operation: RouteMatch['operation'], stream: boolean): string {
  if (operation === 'count-tokens') return 'countTokens'
  return stream ? 'streamGenerateContent?alt=sse' : 'generateContent'
}

const PAGE = 'pageSize=1000'

/** https://ai.google.dev/api/models#method:-models.list; models that cannot generate (embeddings, Imagen) are left out. */
export const catalogue: Protocol['catalogue'] = {
  path: `/models?${PAGE}`,
  decode(body) {
    const models = [...objects(body['models']), ...objects(body['publisherModels'])].flatMap((model) => {
      const name = asString(model['name'])
      const methods = model['supportedGenerationMethods']
      const generates = !Array.isArray(methods) || methods.includes('generateContent')
      return name === undefined || !generates ? [] : name.replace(/^.*?\bmodels\//, '')
    })
    const token = asString(body['nextPageToken'])
    if (token === undefined || token === '') return { models }
    return { models, next: `${PAGE}&pageToken=${encodeURIComponent(token)}` }
  },
}

export function encodeCatalogueEntry(model: { readonly id: string }): JsonObject {
  return {
    name: `models/${model.id}`,
    displayName: model.id,
    supportedGenerationMethods: ['generateContent', 'streamGenerateContent', 'countTokens'],
  }
}

export function encodeCatalogue(models: readonly { readonly id: string }[]): JsonObject {
  return { models: models.map(encodeCatalogueEntry) }
}

/**
 * Addresses that Google opens itself: its own file stores and YouTube. Others are fetched by the relay, because not every Gemini
 * model and no compatible server reads them.
 */
export function acceptsUrl(url: string): boolean {
  return (
    url.startsWith('gs://') ||
    /^https:\/\/(?:[a-z-]+-)?generativelanguage\.googleapis\.com\/(?:[^/]+\/)?files\//.test(url) ||
    /^https?:\/\/(?:www\.|m\.)?(?:youtube\.com|youtu\.be)\//.test(url)
  )
}

function decodePath(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
