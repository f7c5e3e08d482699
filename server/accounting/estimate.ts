import type { Usage } from '../model/response.ts'
import { countTokens } from './tokens.ts'

export interface EstimateTexts {
  /** The request's JSON as the client sent it, or plain text. */
  readonly request: string
  /** What the model wrote: the whole, or a sample of it. */
  readonly response: string
  /** How much of the answer `response` is, above 0 to 1. Default: all. */
  readonly share?: number
}

/**
 * The usage of a reply whose upstream named none, flagged `estimated`. Works in bounded time however long the texts are (some 20 ms for
 * megabytes), and never throws.
 */
export function estimateUsage({ request, response, share = 1 }: EstimateTexts): Usage {
  const output = countTokens(response)
  return {
    input: countRequestTokens(request),
    cacheRead: 0,
    cacheWrite5m: 0,
    cacheWrite1h: 0,
    output: share > 0 && share < 1 ? Math.round(output / share) : output,
    estimated: true,
  }
}

/** Tokens of a request in any of the formats: of all its texts and names, without the signs of JSON around them. Also for count_tokens. */
export function countRequestTokens(request: string): number {
  const body = parsed(request)
  if (body === undefined) return countTokens(request)
  const texts: string[] = []
  const attachments = collect(body, texts)
  return countTokens(texts.join('\n')) + attachments * ATTACHMENT_TOKENS
}

/** An image, a page, some seconds of sound: what vendors bill for one lies between 85 and 1,600 tokens. */
const ATTACHMENT_TOKENS = 800
const attachment = /^data:|^[A-Za-z0-9+/_-]{1000,}={0,2}$/
/** What vendors read and do not bill. */
const unbilled = new Set([
  'model',
  'signature',
  'thoughtSignature',
  'thought_signature',
  'encrypted_content',
  'metadata',
])

/** Puts every name and text into `texts`; gives the number of attachments. */
function collect(value: unknown, texts: string[]): number {
  if (typeof value === 'string') {
    if (value.length > 1000 && attachment.test(value)) return 1
    texts.push(value)
    return 0
  }
  if (typeof value !== 'object' || value === null) return 0
  if (Array.isArray(value)) return value.reduce((sum: number, item: unknown) => sum + collect(item, texts), 0)
  let attachments = 0
  for (const [name, field] of Object.entries(value)) {
    if (unbilled.has(name)) continue
    texts.push(name)
    attachments += collect(field, texts)
  }
  return attachments
}

function parsed(text: string): unknown {
  if (!/^\s*[[{]/.test(text)) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined // cut off, or no JSON at all: counted as it stands
  }
}
