import { RelayError } from '../../errors.ts'
import type { Codec } from '../codec.ts'

const refuse = (): never => {
  throw new RelayError('upstream_rejected', 'the Anthropic format is only passed through in this build')
}

/** Conversion follows; same-format requests never come here. */
export const codec: Codec = {
  decodeRequest: refuse,
  encodeRequest: refuse,
  decodeResponse: refuse,
  encodeResponse: refuse,
  decodeStream: refuse,
  encodeStream: refuse,
}
