import { RelayError } from '../../errors.ts'
import type { ChatRequest, JsonObject } from '../../model/request.ts'
import type { Codec, EncodeContext, WireRequest } from '../codec.ts'
import type { Dialect } from '../gemini/dialect.ts'
import { Fields } from '../gemini/fields.ts'
import { decodeRequest, type GeminiRequest } from '../gemini/request-in.ts'
import { encodeRequest } from '../gemini/request-out.ts'
import { decodeResponse } from '../gemini/response-in.ts'
import { encodeResponse } from '../gemini/response-out.ts'
import { GeminiStreamDecoder } from '../gemini/stream-in.ts'
import { GeminiStreamEncoder } from '../gemini/stream-out.ts'
import { fitClaude } from './claude.ts'
import { unwrap } from './envelope.ts'

/** Names without `/`, `.` or `:` (Claude takes none of them), schemas without references, constants and defaults. */
const dialect: Dialect = {
  format: 'antigravity',
  unwrap,
  wrap: (answer, id) => `{"response":${answer},"traceId":${JSON.stringify(id)}}`,
  schemas: 'subset',
  nameCharacters: /[a-zA-Z0-9_-]/,
}

/** What the client says of itself in the envelope. */
const USER_AGENT = 'octopus'

export const codec: Codec = {
  decodeRequest: (wire, loss) => decodeRequest(innerRequest(wire), loss),
  encodeRequest: encodeEnvelope,
  decodeResponse: (body, context) => decodeResponse(body, dialect, context),
  encodeResponse: (response) => ({ response: encodeResponse(response, dialect), traceId: response.id }),
  decodeStream: (context) => new GeminiStreamDecoder(dialect, context),
  encodeStream: (request) => new GeminiStreamEncoder(dialect, request.arrayStream === true),
}

function innerRequest({ body, route }: WireRequest): GeminiRequest {
  const envelope = new Fields(body, '')
  const inner = envelope.plain('request')
  if (inner === undefined)
    throw new RelayError('invalid_request', "'request' is missing: send the Gemini request in it", { param: 'request' })
  const model = envelope.string('model') ?? new Fields(inner, 'request').string('model') ?? ''
  return { body: inner, route, path: 'request', model: model.replace(/^models\//, ''), format: 'antigravity' }
}

/** `project` and `requestId` belong to the account and the call: `bindAccount` adds them. */
function encodeEnvelope(request: ChatRequest, context: EncodeContext): JsonObject {
  const inner = encodeRequest(request, dialect, context)
  const fitted = /claude/i.test(request.model) ? fitClaude(inner, context.loss) : inner
  return { model: request.model, userAgent: USER_AGENT, request: fitted }
}
