import type { JsonObject } from '../../model/request.ts'
import type { Usage } from '../../model/response.ts'
import { asCount, asNumber, asObject } from '../narrow.ts'

/**
 * `response.usage` → counts that do not overlap. OpenAI's `input_tokens` includes what was read from and written to the cache, its
 * `output_tokens` includes reasoning. Undefined where the upstream gave no counts (`usage: null` until the reply is over).
 */
export function decodeUsage(value: unknown): Usage | undefined {
  const raw = asObject(value)
  if (raw === undefined || (asNumber(raw.input_tokens) === undefined && asNumber(raw.output_tokens) === undefined))
    return undefined
  const input = asObject(raw.input_tokens_details)
  const output = asObject(raw.output_tokens_details)
  const all = asCount(raw.input_tokens)
  const cacheRead = Math.min(all, asCount(input?.cached_tokens))
  const cacheWrite5m = Math.min(all - cacheRead, asCount(input?.cache_write_tokens))
  return {
    input: all - cacheRead - cacheWrite5m,
    cacheRead,
    cacheWrite5m,
    cacheWrite1h: 0,
    output: asCount(raw.output_tokens),
    ...(asNumber(output?.reasoning_tokens) === undefined ? {} : { reasoning: asCount(output?.reasoning_tokens) }),
    raw,
  }
}

/** Counts as a Responses client reads them. Both details objects are always there: the SDKs' types do not know them absent. */
export function encodeUsage(usage: Usage): JsonObject {
  const written = usage.cacheWrite5m + usage.cacheWrite1h
  const input = usage.input + usage.cacheRead + written
  return {
    input_tokens: input,
    input_tokens_details: {
      cached_tokens: usage.cacheRead,
      ...(written === 0 ? {} : { cache_write_tokens: written }),
    },
    output_tokens: usage.output,
    output_tokens_details: { reasoning_tokens: usage.reasoning ?? 0 },
    total_tokens: input + usage.output,
  }
}
