import type { RelayError } from '../errors.ts'
import type { Usage } from '../model/response.ts'
import type { HeaderMap, Protocol } from '../protocols/codec.ts'
import { parseObject } from '../protocols/narrow.ts'
import type { Pump } from './pump.ts'

/** Embeddings name their usage behind the vectors; more than this is not kept for it. */
const COPY_CAP_BYTES = 8 * 1024 * 1024

/** Replies of routes outside the five formats: whatever comes is passed on, and only a JSON reply's usage is read from a copy. */
export class RawPump implements Pump {
  committed = false
  readonly final = false
  readonly held = null
  failure: RelayError | null = null
  readonly failureTold = false
  usage: Usage | undefined
  readonly sample = { text: '', share: 1 }
  readonly #protocol: Protocol
  #copy: Buffer[] | null
  #copied = 0

  constructor(protocol: Protocol, headers: HeaderMap) {
    this.#protocol = protocol
    const isJson = (headers['content-type'] ?? '').toLowerCase().startsWith('application/json')
    this.#copy = isJson && headers['content-encoding'] === undefined ? [] : null
  }

  push(chunk: Buffer): Buffer {
    this.committed = true
    this.#copied += chunk.length
    if (this.#copied > COPY_CAP_BYTES) this.#copy = null
    this.#copy?.push(chunk)
    return chunk
  }

  end(): null {
    // an empty reply is a reply here: deleting and starting things answer so
    this.committed = true
    if (this.#copy !== null) {
      const body = parseObject(Buffer.concat(this.#copy).toString('utf8'))
      this.usage = body === undefined ? undefined : this.#protocol.summarise(body).usage
    }
    return null
  }

  break(error: RelayError): null {
    this.failure ??= error
    return null
  }
}
