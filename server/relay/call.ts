import type { IncomingMessage } from 'node:http'
import { promisify } from 'node:util'
import { brotliDecompress, gunzip, inflate, zstdDecompress, type InputType } from 'node:zlib'
import { RelayError } from '../errors.ts'
import type { ChatRequest, JsonObject, Loss } from '../model/request.ts'
import type { HeaderMap, Peek, Protocol, RouteMatch } from '../protocols/codec.ts'
import { parseObject } from '../protocols/narrow.ts'
import type { FetchedMedia } from './media.ts'
import type { ApiKey } from '../store/configuration.ts'

/** One client request, as far as the relay needs it. */
export interface Call {
  /** UUID v7; the client reads it as `x-octopus-request-id`. */
  readonly id: string
  /** Unix ms at arrival, and the monotonic clock at the same moment. */
  readonly at: number
  readonly startedAt: number
  readonly caller: ApiKey
  readonly protocol: Protocol
  readonly route: RouteMatch
  readonly headers: HeaderMap
  /** `?key=` of the address: Gemini's way to send a credential. Never logged. */
  readonly queryKey: string | null
  readonly body: Buffer
  readonly peek: Peek
  /** Set for routes outside the five formats: this path (and query) below the channel's base URL, these bytes, this content type. */
  readonly raw?: { readonly path: string; readonly contentType: string } | undefined
  /** Decoded once, at the first attempt that needs another format. Throws RelayError `invalid_request`. */
  conversation(): Conversation
  /** Fetches a file that the client named by address; each once. */
  readonly fetchMedia: (url: string) => Promise<FetchedMedia>
}

export interface Conversation {
  readonly request: ChatRequest
  readonly losses: readonly Loss[]
}

/** Decodes lazily and remembers: a request that meets three foreign channels is parsed once. */
export function lazyConversation(call: Pick<Call, 'protocol' | 'route' | 'headers' | 'body'>): () => Conversation {
  let conversation: Conversation | undefined
  return () => {
    if (conversation === undefined) {
      const losses: Loss[] = []
      const wire = { headers: call.headers, route: call.route, body: parseBody(call.body) }
      conversation = {
        request: decode(() => call.protocol.codec.decodeRequest(wire, (loss) => losses.push(loss))),
        losses,
      }
    }
    return conversation
  }
}

/** JSON may be nested deeper than the machine's stack; no real request is. */
function decode<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new RelayError('invalid_request', 'the request body is nested too deep', { param: 'body', cause: error })
  }
}

function parseBody(body: Buffer): JsonObject {
  const parsed = parseObject(body.toString('utf8'))
  if (parsed === undefined)
    throw new RelayError('invalid_request', 'the request body is not valid JSON', { param: 'body' })
  return parsed
}

const decoders: Readonly<Record<string, (input: InputType, options: { maxOutputLength: number }) => Promise<Buffer>>> =
  {
    gzip: promisify(gunzip),
    'x-gzip': promisify(gunzip),
    deflate: promisify(inflate),
    br: promisify(brotliDecompress),
    zstd: promisify(zstdDecompress),
  }

/**
 * The whole body, decompressed. `capBytes` holds for what comes over the wire and for what it unpacks to.
 * @throws RelayError `too_large`, `unsupported_media_type`, `invalid_request`; `cancelled` when the client went away meanwhile
 */
export async function readBody(request: IncomingMessage, capBytes: number): Promise<Buffer> {
  const declared = Number(request.headers['content-length'] ?? 0)
  if (declared > capBytes) throw tooLarge(capBytes)
  const encoding = (request.headers['content-encoding'] ?? 'identity').trim().toLowerCase()
  const wire = await collect(request, capBytes)
  if (encoding === 'identity' || encoding === '') return wire
  const decode = decoders[encoding]
  if (decode === undefined)
    throw new RelayError(
      'unsupported_media_type',
      `content-encoding '${encoding}' is not supported: use gzip, deflate, br, zstd or none`,
      { param: 'content-encoding' },
    )
  try {
    return await decode(wire, { maxOutputLength: capBytes })
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(capBytes)
    throw new RelayError('invalid_request', `the body is not valid ${encoding}`, { param: 'body', cause: error })
  }
}

function collect(request: IncomingMessage, capBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    const settle = (): void => {
      request.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose)
    }
    const onData = (chunk: Buffer): void => {
      size += chunk.length
      chunks.push(chunk)
      if (size <= capBytes) return
      settle()
      reject(tooLarge(capBytes))
    }
    const onEnd = (): void => {
      settle()
      const [first] = chunks
      resolve(chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks, size))
    }
    const onClose = (): void => {
      settle()
      reject(new RelayError('cancelled', 'the client went away before its request was complete'))
    }
    request.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose)
  })
}

function tooLarge(capBytes: number): RelayError {
  const cap = capBytes >= 1024 * 1024 ? `${Math.round(capBytes / 1024 / 1024)} MB` : `${capBytes} bytes`
  return new RelayError('too_large', `the request body is larger than ${cap} (setting relay.maxBodyBytes)`, {
    param: 'body',
  })
}
