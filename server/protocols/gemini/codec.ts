import { RelayError } from '../../errors.ts'
import type { Codec } from '../codec.ts'

function notYet(): never {
  throw new RelayError('upstream_rejected', 'requests are not converted to or from the Gemini format yet')
}

export const codec: Codec = {
  decodeRequest: notYet,
  encodeRequest: notYet,
  decodeResponse: notYet,
  encodeResponse: notYet,
  decodeStream: notYet,
  encodeStream: notYet,
}
