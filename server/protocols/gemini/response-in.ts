import type { JsonObject } from '../../model/request.ts'
import type { ChatResponse } from '../../model/response.ts'
import { collect } from '../../model/collect.ts'
import type { DecodeContext } from '../codec.ts'
import { asArray } from '../narrow.ts'
import type { Dialect } from './dialect.ts'
import { GeminiStreamDecoder } from './stream-in.ts'
import { objects } from './wire.ts'

/**
 * A whole answer, or the array of chunks that a stream without `alt=sse` is: read by the stream's decoder, so that both say the same.
 * @throws RelayError the error in the body, or `upstream_failed` where there is no answer in it
 */
export function decodeResponse(body: JsonObject, dialect: Dialect, context: DecodeContext): ChatResponse {
  const decoder = new GeminiStreamDecoder(dialect, context)
  const list: unknown = body
  for (const chunk of asArray(list) === undefined ? [body] : objects(list)) decoder.chunk(chunk)
  return collect(decoder.endWhole())
}
