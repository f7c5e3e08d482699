import { RelayError } from '../errors.ts'
import type { ChatRequest, MediaPart, Message } from '../model/request.ts'
import type { Send } from '../upstream/exchange.ts'

/** One fetched file. */
export interface FetchedMedia {
  readonly mediaType: string
  readonly data: Buffer
}

interface MediaLimits {
  /** Different addresses in one request. */
  readonly files: number
  /** Of one file: more than providers accept inline. */
  readonly fileBytes: number
  /** Of all files of one request together. */
  readonly bytes: number
  /** For one file, with its redirects. */
  readonly totalMs: number
}

const MB = 1024 * 1024
const mediaLimits: MediaLimits = { files: 20, fileBytes: 20 * MB, bytes: 50 * MB, totalMs: 60_000 }
const MAX_REDIRECTS = 3
const WAIT_MS = 30_000

/**
 * The request with the bytes of every media part whose address the target cannot take. The same object when nothing had to be
 * fetched. `fetched` remembers files between the attempts of one request.
 * @throws RelayError `invalid_request` naming the part
 */
export async function withMediaBytes(
  request: ChatRequest,
  acceptsUrl: (part: MediaPart) => boolean,
  fetched: (url: string) => Promise<FetchedMedia>,
): Promise<ChatRequest> {
  const inline = async (part: MediaPart, param: string): Promise<MediaPart> => {
    if (part.source.kind !== 'url' || acceptsUrl(part)) return part
    const { url } = part.source
    try {
      const { mediaType, data } = await fetched(url)
      const known = part.mediaType === '' ? mediaType : part.mediaType
      return { ...part, mediaType: known, source: { kind: 'base64', data: data.toString('base64') } }
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      throw new RelayError('invalid_request', `${param} could not be fetched (${why}): send its bytes as base64`, {
        param,
        cause: error,
      })
    }
  }
  const wants = (part: { readonly type: string }): boolean =>
    isMedia(part) && part.source.kind === 'url' && !acceptsUrl(part)
  if (!request.messages.some((message) => partsOf(message).some(wants))) return request
  const messages = await Promise.all(
    request.messages.map(async (message, at): Promise<Message> => {
      const name = `messages[${at}].content`
      switch (message.role) {
        case 'system':
          return message
        case 'user':
          return { ...message, content: await each(message.content, (part, i) => inline(part, `${name}[${i}]`)) }
        case 'assistant':
          return { ...message, content: await each(message.content, (part, i) => inline(part, `${name}[${i}]`)) }
        case 'tool':
          return {
            ...message,
            content: await Promise.all(
              message.content.map(async (result, i) => ({
                ...result,
                content: await each(result.content, (part, j) => inline(part, `${name}[${i}].content[${j}]`)),
              })),
            ),
          }
      }
    }),
  )
  return { ...request, messages }
}

function partsOf(message: Message): readonly { readonly type: string }[] {
  return message.role === 'tool' ? message.content.flatMap(({ content }) => content) : message.content
}

const isMedia = (part: { readonly type: string }): part is MediaPart => part.type === 'media'

function each<P extends { readonly type: string }>(
  parts: readonly P[],
  inline: (part: MediaPart, at: number) => Promise<MediaPart>,
): Promise<(P | MediaPart)[]> {
  return Promise.all(parts.map((part, at) => (isMedia(part) ? inline(part, at) : Promise.resolve(part))))
}

/**
 * For one request: fetches each address once, and so many files and bytes at most, lest a few words of a client's make the gateway
 * load gigabytes. `send` must reach the public internet only.
 */
export function createMediaFetch(send: Send, limits = mediaLimits): (url: string) => Promise<FetchedMedia> {
  const known = new Map<string, Promise<FetchedMedia>>()
  const fetching: Fetching = { send, limits, bytes: 0 }
  return (url) => {
    const media = known.get(url)
    if (media !== undefined) return media
    if (known.size >= limits.files)
      return Promise.reject(new Error(`a request may name ${limits.files} files by their addresses, and no more`))
    const fetched = fetchMedia(url, fetching)
    known.set(url, fetched)
    return fetched
  }
}

/** The files of one request. */
interface Fetching {
  readonly send: Send
  readonly limits: MediaLimits
  /** Of all files so far. */
  bytes: number
}

async function fetchMedia(address: string, fetching: Fetching): Promise<FetchedMedia> {
  const { totalMs } = fetching.limits
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(new Error(`it was not there within ${totalMs / 1000} s`)), totalMs)
  try {
    return await follow(address, fetching, late.signal)
  } finally {
    clearTimeout(timer)
  }
}

async function follow(address: string, fetching: Fetching, late: AbortSignal): Promise<FetchedMedia> {
  let url = address
  for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
    late.throwIfAborted()
    const answer = await get(url, fetching, late)
    if ('data' in answer) return answer
    url = new URL(answer.location, url).href
  }
  throw new Error('too many redirects')
}

function get(
  url: string,
  fetching: Fetching,
  late: AbortSignal,
): Promise<FetchedMedia | { readonly location: string }> {
  if (!URL.canParse(url)) return Promise.reject(new Error('not an address'))
  const { protocol, origin, pathname, search } = new URL(url)
  if (protocol !== 'http:' && protocol !== 'https:') return Promise.reject(new Error(`${protocol} is not fetched`))
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    let mediaType = ''
    let status = 0
    let location: string | undefined
    const giveUp = (error: Error): void => {
      exchange.abort()
      reject(error)
    }
    const { limits } = fetching
    const exchange = fetching.send(
      {
        method: 'GET',
        origin,
        path: pathname + search,
        headers: { accept: '*/*', 'accept-encoding': 'identity' },
        body: null,
        proxy: { mode: 'none' },
        connectMs: WAIT_MS,
        headersMs: WAIT_MS,
        idleMs: WAIT_MS,
      },
      {
        onHead: (code, headers) => {
          status = code
          location = headers['location']
          mediaType = (headers['content-type'] ?? 'application/octet-stream').split(';', 1)[0]?.trim() ?? ''
        },
        onData: (chunk) => {
          size += chunk.length
          fetching.bytes += chunk.length
          chunks.push(chunk)
          if (size > limits.fileBytes) giveUp(new Error(`it is larger than ${limits.fileBytes / MB} MB`))
          else if (fetching.bytes > limits.bytes)
            giveUp(new Error(`the request's files are larger than ${limits.bytes / MB} MB together`))
        },
        onEnd: () => {
          if (status >= 300 && status < 400 && location !== undefined) resolve({ location })
          else if (status === 200) resolve({ mediaType, data: Buffer.concat(chunks, size) })
          else reject(new Error(`its server answered ${status}`))
        },
        onError: reject,
      },
    )
    late.addEventListener('abort', () => giveUp(late.reason instanceof Error ? late.reason : new Error('too late')))
  })
}
