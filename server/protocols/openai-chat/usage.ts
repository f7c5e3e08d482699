import type { JsonObject } from '../../model/request.ts'
import type { Usage } from '../../model/response.ts'
import { asCount, asNumber, asObject } from '../narrow.ts'

/**
 * A `usage` object → the partition. `prompt_tokens` includes what was read from and written to the cache. Where the counts stand:
 * - read: `prompt_tokens_details.cached_tokens` (OpenAI, xAI, OpenRouter …), `prompt_cache_hit_tokens` (DeepSeek),
 *   `cached_tokens` (Moonshot), `cache_read_input_tokens` (proxies in front of Anthropic);
 * - written: `prompt_tokens_details.cache_write_tokens` (OpenRouter), `cache_creation_input_tokens` (proxies);
 * - reasoning: `completion_tokens_details.reasoning_tokens`, an "of which" of `completion_tokens`. xAI leaves it out of
 *   `completion_tokens`, and Gemini's OpenAI endpoint leaves its thoughts out too: both show in `total_tokens` only.
 * Undefined where the object counts nothing.
 */
function decodeUsage(value: unknown): Usage | undefined {
  const raw = asObject(value)
  if (raw === undefined) return undefined
  if (asNumber(raw.prompt_tokens) === undefined && asNumber(raw.completion_tokens) === undefined) return undefined
  const inDetails = asObject(raw.prompt_tokens_details)
  const outDetails = asObject(raw.completion_tokens_details)
  const prompt = asCount(raw.prompt_tokens)
  const cacheRead = Math.min(
    prompt,
    asCount(
      inDetails?.cached_tokens ?? raw.prompt_cache_hit_tokens ?? raw.cached_tokens ?? raw.cache_read_input_tokens,
    ),
  )
  const cacheWrite = Math.min(
    prompt - cacheRead,
    asCount(inDetails?.cache_write_tokens ?? raw.cache_creation_input_tokens),
  )
  const completion = asCount(raw.completion_tokens)
  const reasoning = asNumber(outDetails?.reasoning_tokens ?? raw.reasoning_tokens)
  const unnamed = asCount(raw.total_tokens) - prompt - completion
  const output = unnamed > 0 && (reasoning === undefined || reasoning === unnamed) ? completion + unnamed : completion
  return {
    input: prompt - cacheRead - cacheWrite,
    cacheRead,
    cacheWrite5m: cacheWrite,
    cacheWrite1h: 0,
    output,
    ...(reasoning === undefined ? {} : { reasoning: Math.min(asCount(reasoning), output) }),
    raw,
  }
}

/**
 * The usage of a chunk or a whole reply, wherever it stands: at the top, in the choice (Moonshot), in `x_groq` (Groq's older models).
 */
export function findUsage(body: JsonObject, choice: JsonObject | undefined): Usage | undefined {
  return decodeUsage(body.usage) ?? decodeUsage(choice?.usage) ?? decodeUsage(asObject(body.x_groq)?.usage)
}

/** True for counts that say nothing: several providers send zeros in every chunk and the truth once. */
export function isZero(usage: Usage): boolean {
  return usage.input + usage.cacheRead + usage.cacheWrite5m + usage.cacheWrite1h + usage.output === 0
}

/** The partition in OpenAI's words; what the upstream named beyond them (audio, predictions) is not invented. */
export function encodeUsage(usage: Usage): JsonObject {
  const prompt = usage.input + usage.cacheRead + usage.cacheWrite5m + usage.cacheWrite1h
  const written = usage.cacheWrite5m + usage.cacheWrite1h
  return {
    prompt_tokens: prompt,
    completion_tokens: usage.output,
    total_tokens: prompt + usage.output,
    prompt_tokens_details: {
      cached_tokens: usage.cacheRead,
      ...(written === 0 ? {} : { cache_write_tokens: written }),
    },
    ...(usage.reasoning === undefined ? {} : { completion_tokens_details: { reasoning_tokens: usage.reasoning } }),
  }
}
