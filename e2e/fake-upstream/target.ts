import { object, text, type JsonObject } from './json.ts'

export const wireFormats = ['openai-chat', 'openai-responses', 'anthropic', 'gemini', 'antigravity'] as const
export type WireFormat = (typeof wireFormats)[number]

/** What a request asks of which provider, as its path says it. */
export interface Target {
  readonly format: WireFormat
  readonly operation: 'generate' | 'count-tokens' | 'list' | 'other'
  readonly stream: boolean
  readonly model: string
  /** Streams of Gemini and Antigravity: SSE, or a JSON array. */
  readonly sse: boolean
}

const OPENAI_OTHER = /\/(embeddings|completions|rerank|moderations|images\/[a-z]+|audio\/[a-z]+)$/

/** Reads a path (below `/at/<name>`, which only tells channels apart) as the provider that it belongs to would. */
export function targetOf(url: URL, headers: Readonly<Record<string, string>>, body: JsonObject): Target | null {
  const path = url.pathname
  const model = text(body.model)
  const stream = body.stream === true
  const sse = url.searchParams.get('alt') === 'sse'
  const target = (format: WireFormat, rest: Partial<Target> = {}): Target => ({
    format,
    operation: 'generate',
    stream,
    model,
    sse: true,
    ...rest,
  })
  if (path.endsWith('/chat/completions')) return target('openai-chat')
  if (path.endsWith('/responses')) return target('openai-responses')
  if (path.endsWith('/messages')) return target('anthropic')
  if (path.endsWith('/messages/count_tokens')) return target('anthropic', { operation: 'count-tokens', stream: false })

  const gemini = /\/models\/(.+):(generateContent|streamGenerateContent|countTokens)$/.exec(path)
  if (gemini !== null) {
    const [, name = '', method] = gemini
    return target('gemini', { ...googleMethod(method), model: decodeURIComponent(name), sse })
  }
  const internal = /\/v1internal:([A-Za-z]+)$/.exec(path)
  if (internal !== null) {
    const inner = text(object(body.request).model).replace(/^models\//, '')
    return target('antigravity', { ...googleMethod(internal[1]), model: model === '' ? inner : model, sse })
  }
  if (path.endsWith('/models')) return target(listingFormat(path, headers), { operation: 'list', stream: false })
  if (OPENAI_OTHER.test(path)) return target('openai-chat', { operation: 'other', stream: false })
  return null
}

function googleMethod(method: string | undefined): Pick<Target, 'operation' | 'stream'> {
  switch (method) {
    case 'generateContent':
      return { operation: 'generate', stream: false }
    case 'streamGenerateContent':
      return { operation: 'generate', stream: true }
    case 'countTokens':
      return { operation: 'count-tokens', stream: false }
    case 'fetchAvailableModels':
      return { operation: 'list', stream: false }
    default:
      return { operation: 'other', stream: false }
  }
}

function listingFormat(path: string, headers: Readonly<Record<string, string>>): WireFormat {
  if (headers['anthropic-version'] !== undefined) return 'anthropic'
  return path.includes('/v1beta') ? 'gemini' : 'openai-chat'
}
