import type { Codec } from '../codec.ts'
import { geminiDialect } from './dialect.ts'
import { decodeRequest } from './request-in.ts'
import { encodeRequest } from './request-out.ts'
import { decodeResponse } from './response-in.ts'
import { encodeResponse } from './response-out.ts'
import { GeminiStreamDecoder } from './stream-in.ts'
import { GeminiStreamEncoder } from './stream-out.ts'

export const codec: Codec = {
  decodeRequest: ({ body, route }, loss) =>
    decodeRequest({ body, route, path: '', model: route.model ?? '', format: 'gemini' }, loss),
  encodeRequest: (request, context) => encodeRequest(request, geminiDialect, context),
  decodeResponse: (body, context) => decodeResponse(body, geminiDialect, context),
  encodeResponse: (response) => encodeResponse(response, geminiDialect),
  decodeStream: (context) => new GeminiStreamDecoder(geminiDialect, context),
  encodeStream: (request) => new GeminiStreamEncoder(geminiDialect, request.arrayStream === true),
}
