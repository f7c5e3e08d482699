import { RelayError } from '../../errors.ts'
import type { JsonObject } from '../../model/request.ts'
import type { Peek, Protocol, RouteMatch } from '../codec.ts'
import { asArray, asObject, asString } from '../narrow.ts'
import { decodeOpenAiError, encodeOpenAiError, openAiErrorObject } from '../openai-error.ts'
import { fieldValue, scanTopLevel } from '../scan.ts'
import { ChatReader, summarise } from './reader.ts'
import { codec } from './codec.ts'
import { withoutForeignThoughts } from './foreign-thoughts.ts'

const ROUTE: RouteMatch = { operation: 'generate' }
const PATHS = new Set(['/v1/chat/completions', '/chat/completions'])

/** OpenAI Chat Completions, and the many providers that speak it. https://platform.openai.com/docs/api-reference/chat */
export const openaiChat: Protocol = {
  format: 'openai-chat',
  family: 'openai',
  codec,
  match: (path) => (PATHS.has(path) ? ROUTE : null),
  peek,
  endpoint: () => ({ path: '/chat/completions' }),
  authorize: (credential) => ({ authorization: `Bearer ${credential}` }),
  forwardedHeaders: [
    'openai-organization',
    'openai-project',
    'openai-beta',
    // OpenRouter's attribution: https://openrouter.ai/docs/app-attribution
    'http-referer',
    'x-title',
    'x-openrouter-title',
    'x-openrouter-categories',
    // xAI keeps a conversation on the server that has its cache: https://docs.x.ai/docs/guides/prompt-caching
    'x-grok-conv-id',
    // Qwen Code asks Alibaba's endpoint for prompt caching by header.
    'x-dashscope-cachecontrol',
  ],
  reader: () => new ChatReader(),
  summarise,
  withoutForeignThoughts,
  decodeError: decodeOpenAiError,
  encodeError: encodeOpenAiError,
  /** No `[DONE]` after an error, as the providers do; SDKs throw at the `error` member. */
  encodeStreamError: (error) => `data: ${JSON.stringify({ error: openAiErrorObject(error) })}\n\n`,
  keepAlive: ': keep-alive\n\n',
  /** `image_url` takes addresses, and so does `video_url` where there is one; files and audio are sent as base64. */
  acceptsUrl: (part) => part.mediaType === '' || /^(image|video)\//.test(part.mediaType),
  listsFor: () => false,
  catalogue: { path: '/models', decode: decodeCatalogue },
  encodeCatalogue: (models) => ({ object: 'list', data: models.map(encodeEntry) }),
  encodeCatalogueEntry: encodeEntry,
}

function peek(body: Buffer): Peek {
  const { model, stream } = scanTopLevel(body, ['model', 'stream'])
  if (model === undefined)
    throw new RelayError('invalid_request', "'model' is missing: send the name of a model", { param: 'model' })
  const name = fieldValue(body, model)
  if (typeof name !== 'string' || name === '')
    throw new RelayError('invalid_request', "'model' must be a non-empty string", { param: 'model' })
  const streamed = stream === undefined ? false : (fieldValue(body, stream) ?? false)
  if (typeof streamed !== 'boolean')
    throw new RelayError('invalid_request', "'stream' must be true or false", { param: 'stream' })
  return { model: name, stream: streamed, modelSpan: { start: model.start + 1, end: model.end - 1 } }
}

/** `{data: [{id}]}`, a bare array (Together), `{models: [{name}]}` (Ollama); entries may be plain strings. */
function decodeCatalogue(body: JsonObject): { readonly models: readonly string[]; readonly next?: string } {
  const entries: readonly unknown[] = asArray(body) ?? asArray(body.data) ?? asArray(body.models) ?? []
  const models: string[] = []
  for (const entry of entries) {
    const fields = asObject(entry)
    const id = asString(entry) ?? asString(fields?.id) ?? asString(fields?.name)
    if (id !== undefined && id !== '' && !models.includes(id)) models.push(id)
  }
  const last = asString(body.last_id) ?? models.at(-1)
  return body.has_more === true && last !== undefined
    ? { models, next: `after=${encodeURIComponent(last)}` }
    : { models }
}

function encodeEntry(model: { readonly id: string; readonly created: number }): JsonObject {
  return { id: model.id, object: 'model', created: model.created, owned_by: 'octopus' }
}
