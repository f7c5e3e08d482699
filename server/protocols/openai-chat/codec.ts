import { RelayError } from '../../errors.ts'
import type { Codec } from '../codec.ts'

const notYet = (): never => {
  throw new RelayError('internal', 'conversion to and from OpenAI Chat is being built')
}

/** Replaced by the conversion itself. */
export const codec: Codec = {
  decodeRequest: notYet,
  encodeRequest: notYet,
  decodeResponse: notYet,
  encodeResponse: notYet,
  decodeStream: notYet,
  encodeStream: notYet,
}
