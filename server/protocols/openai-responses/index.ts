import type { JsonObject } from '../../model/request.ts'
import type { Protocol } from '../codec.ts'
import { asArray, asObject, asString } from '../narrow.ts'
import { decodeOpenAiError, encodeOpenAiError } from '../openai-error.ts'
import { codec } from './codec.ts'
import { errorFrames } from './errors.ts'
import { ResponsesReader, summarise } from './reader.ts'
import { match, peek } from './routes.ts'

/**
 * Behind bytes that passed unread nobody knows the last number: this one is larger than any before it, and still fits the 32 bits
 * of a strict client.
 */
const LATE_SEQUENCE = 2 ** 31 - 2

/** OpenAI's Responses API, without its server-side state. */
export const openaiResponses: Protocol = {
  format: 'openai-responses',
  family: 'openai',
  codec,
  match,
  peek,
  endpoint: () => ({ path: '/responses' }),
  authorize: (credential) => ({ authorization: `Bearer ${credential}` }),
  forwardedHeaders: [
    'openai-beta',
    // Codex: keeps a session on one machine of the provider, and names the betas that its bodies use
    'originator',
    'session-id',
    'session_id',
    'thread-id',
    'conversation_id',
    'x-codex-beta-features',
    'x-codex-turn-metadata',
    'x-codex-turn-state',
    'x-codex-window-id',
  ],
  reader: () => new ResponsesReader(),
  summarise,
  decodeError: decodeOpenAiError,
  encodeError: encodeOpenAiError,
  encodeStreamError(error) {
    const response = { id: 'resp_failed', object: 'response', created_at: 0, model: '', output: [], usage: null }
    return errorFrames(error, LATE_SEQUENCE, response)
  },
  keepAlive: ': keep-alive\n\n',
  acceptsUrl(part) {
    if (part.source.kind !== 'url') return true
    // images and documents are fetched by OpenAI; it has no field for the address of a sound or a film
    return /^(https?|data):/i.test(part.source.url) && !/^(audio|video)\//.test(part.mediaType)
  },
  listsFor: () => false,
  catalogue: {
    path: '/models',
    decode(body) {
      const rows = asArray(body.data) ?? asArray(body.models) ?? []
      const ids = rows.map((row) => asString(asObject(row)?.id) ?? '')
      return { models: ids.filter((id) => id !== '') }
    },
  },
  encodeCatalogue: (models) => ({ object: 'list', data: models.map(entry) }),
  encodeCatalogueEntry: entry,
}

function entry(model: { readonly id: string; readonly created: number }): JsonObject {
  return { id: model.id, object: 'model', created: model.created, owned_by: 'octopus' }
}
