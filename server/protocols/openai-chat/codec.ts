import type { Codec } from '../codec.ts'
import { decodeRequest } from './request-decode.ts'
import { encodeRequest } from './request-encode.ts'
import { decodeResponse, encodeResponse } from './response.ts'
import { ChatStreamDecoder } from './stream-decode.ts'
import { ChatStreamEncoder } from './stream-encode.ts'

/** OpenAI Chat Completions to and from the model. */
export const codec: Codec = {
  decodeRequest,
  encodeRequest,
  decodeResponse,
  encodeResponse,
  decodeStream: (context) => new ChatStreamDecoder(context),
  encodeStream: (request) => new ChatStreamEncoder(request),
}
