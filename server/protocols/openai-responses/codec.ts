import { RelayError } from '../../errors.ts'
import type { JsonObject } from '../../model/request.ts'
import { collect, replay } from '../../model/collect.ts'
import type { ChatResponse } from '../../model/response.ts'
import type { Codec, DecodeContext } from '../codec.ts'
import { asString } from '../narrow.ts'
import { decodeRequest } from './decode-request.ts'
import { ResponsesDecoder } from './decode-stream.ts'
import { encodeRequest } from './encode-request.ts'
import { ResponsesEncoder } from './encode-stream.ts'
import { wholeError } from './reader.ts'

/** The conversion of the Responses format: a whole reply is read and written as the last event of its stream. */
export const codec: Codec = {
  decodeRequest,
  encodeRequest,
  decodeResponse,
  encodeResponse(response, request) {
    const encoder = new ResponsesEncoder(request)
    for (const event of replay(response)) encoder.push(event)
    encoder.end()
    return encoder.final ?? {}
  },
  decodeStream: (context) => new ResponsesDecoder(context),
  encodeStream: (request) => new ResponsesEncoder(request),
}

/** @throws RelayError what the response says when it failed; `upstream_failed` when it is no finished response */
function decodeResponse(body: JsonObject, context: DecodeContext): ChatResponse {
  const status = asString(body.status)
  const error = wholeError(body, status)
  if (error !== undefined) throw error
  if (!Array.isArray(body.output) || status === 'queued' || status === 'in_progress' || status === 'cancelled')
    throw new RelayError('upstream_failed', `the upstream sent no finished response (status ${status ?? 'missing'})`)
  const decoder = new ResponsesDecoder(context)
  decoder.event('response.completed', { response: body })
  return collect(decoder.end())
}
