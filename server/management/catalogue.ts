import { ContractError } from '../contract/define.ts'
import { RelayError } from '../errors.ts'
import type { WireFormat } from '../model/request.ts'
import type { Protocol } from '../protocols/codec.ts'
import { parseObject } from '../protocols/narrow.ts'
import type { Exchange, HeaderMap, Send, UpstreamRequest } from '../upstream/exchange.ts'
import { completeUrl, upstreamHeaders, type TargetChannel } from '../upstream/target.ts'
import type { Secret } from '../secret.ts'

const MAX_PAGES = 50
const MAX_MODELS = 5000
const MAX_PAGE_BYTES = 32 * 1024 * 1024

export interface CatalogueSource {
  readonly format: WireFormat
  readonly baseUrl: string
  readonly key: Secret | null
  readonly headers: TargetChannel['headers']
  readonly proxy: UpstreamRequest['proxy']
}

export interface CatalogueTools {
  readonly protocols: Readonly<Record<WireFormat, Protocol>>
  readonly send: Send
}

/** Asks a provider for its models, page by page, each name once. Throws ContractError `unavailable` with the provider's own words. */
export async function fetchModels(
  source: CatalogueSource,
  tools: CatalogueTools,
  signal: AbortSignal,
): Promise<string[]> {
  const protocol = tools.protocols[source.format]
  const models = new Set<string>()
  let path: string | undefined = protocol.catalogue.path
  for (let page = 0; path !== undefined && page < MAX_PAGES && models.size < MAX_MODELS; page += 1) {
    const request = requestFor(source, protocol, path)
    const { status, headers, body } = await exchange(request, tools.send, signal)
    if (status < 200 || status > 299) throw refused(protocol.decodeError(status, headers, body), status)
    const answer = parseObject(body)
    if (answer === undefined)
      throw new ContractError('unavailable', 'The provider answered with something that is not JSON.')
    const { models: found, next } = protocol.catalogue.decode(answer)
    for (const model of found.slice(0, MAX_MODELS - models.size)) models.add(model)
    path = next === undefined ? undefined : withQuery(protocol.catalogue.path, next)
  }
  return [...models]
}

function requestFor(source: CatalogueSource, protocol: Protocol, path: string): UpstreamRequest {
  const { origin, path: whole } = completeUrl(source.baseUrl, path)
  const own = {
    accept: 'application/json',
    'accept-encoding': 'identity',
    ...(source.key === null ? {} : protocol.authorize(source.key.reveal())),
  }
  return {
    method: 'GET',
    origin,
    path: whole,
    headers: upstreamHeaders({ client: {}, forwarded: [], own, rules: source.headers }),
    body: null,
    proxy: source.proxy,
    connectMs: 10_000,
    headersMs: 30_000,
    idleMs: 30_000,
  }
}

/** The next page's query over the first page's: `?limit=1000` stays. */
function withQuery(path: string, next: string): string {
  const [bare = '', query = ''] = path.split('?', 2)
  const merged = new URLSearchParams(query)
  for (const [name, value] of new URLSearchParams(next)) merged.set(name, value)
  return `${bare}?${merged.toString()}`
}

interface Answer {
  readonly status: number
  readonly headers: HeaderMap
  readonly body: string
}

function exchange(request: UpstreamRequest, send: Send, signal: AbortSignal): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let running: Exchange | null = null
    let status = 0
    let head: HeaderMap = {}
    const chunks: Buffer[] = []
    let bytes = 0
    const giveUp = (message: string) => {
      running?.abort()
      signal.removeEventListener('abort', onAbort)
      reject(new ContractError('unavailable', message))
    }
    const onAbort = () => giveUp('The call was given up.')
    signal.addEventListener('abort', onAbort, { once: true })

    running = send(request, {
      onHead(code, headers) {
        status = code
        head = headers
      },
      onData(chunk) {
        bytes += chunk.length
        if (bytes <= MAX_PAGE_BYTES) chunks.push(chunk)
        else giveUp('The provider listed more than could be meant: over 32 MB.')
      },
      onEnd() {
        signal.removeEventListener('abort', onAbort)
        resolve({ status, headers: head, body: Buffer.concat(chunks).toString('utf8') })
      },
      onError(error) {
        signal.removeEventListener('abort', onAbort)
        reject(error instanceof RelayError ? refused(error, null) : error)
      },
    })
    if (signal.aborted) onAbort()
  })
}

function refused(error: RelayError, status: number | null): ContractError {
  const said = status === null ? 'could not be asked' : `answered ${status}`
  return new ContractError('unavailable', `The provider ${said}: ${error.message}`)
}
