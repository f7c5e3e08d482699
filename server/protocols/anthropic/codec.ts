import type { Codec } from '../codec.ts'
import { decodeRequest } from './decode-request.ts'
import { MessageDecoder } from './decode-stream.ts'
import { encodeRequest } from './encode-request.ts'
import { MessageEncoder } from './encode-stream.ts'
import { decodeResponse, encodeResponse } from './response.ts'

export const codec: Codec = {
  decodeRequest,
  encodeRequest,
  decodeResponse,
  encodeResponse,
  decodeStream: (context) => new MessageDecoder(context),
  encodeStream: () => new MessageEncoder(),
}
