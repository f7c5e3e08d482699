import type { JsonObject } from '../../model/request.ts'
import type { Usage } from '../../model/response.ts'
import { asCount } from '../narrow.ts'

/**
 * `usageMetadata` → tokens that never overlap. `promptTokenCount` includes the cached tokens, `candidatesTokenCount` excludes the
 * thoughts and may be absent, `toolUsePromptTokenCount` (results of the provider's own tools) is counted apart from the prompt.
 * Undefined where the object has no count at all: Vertex fills the first chunks with `trafficType` only.
 * https://ai.google.dev/api/generate-content#UsageMetadata
 */
export function decodeUsage(metadata: JsonObject | undefined): Usage | undefined {
  if (metadata === undefined) return undefined
  const names = ['promptTokenCount', 'candidatesTokenCount', 'thoughtsTokenCount', 'totalTokenCount']
  if (names.every((name) => typeof metadata[name] !== 'number')) return undefined
  const prompt = asCount(metadata['promptTokenCount'])
  const cacheRead = Math.min(asCount(metadata['cachedContentTokenCount']), prompt)
  const reasoning = asCount(metadata['thoughtsTokenCount'])
  return {
    input: prompt - cacheRead + asCount(metadata['toolUsePromptTokenCount']),
    cacheRead,
    cacheWrite5m: 0,
    cacheWrite1h: 0,
    output: asCount(metadata['candidatesTokenCount']) + reasoning,
    reasoning,
    raw: metadata,
  }
}

/** The same in Gemini's words; zero counts are left out except the two that clients read without asking. */
export function encodeUsage(usage: Usage, serviceTier?: string): JsonObject {
  const prompt = usage.input + usage.cacheRead + usage.cacheWrite5m + usage.cacheWrite1h
  const reasoning = Math.min(usage.reasoning ?? 0, usage.output)
  return {
    promptTokenCount: prompt,
    candidatesTokenCount: usage.output - reasoning,
    ...(reasoning > 0 && { thoughtsTokenCount: reasoning }),
    totalTokenCount: prompt + usage.output,
    ...(usage.cacheRead > 0 && { cachedContentTokenCount: usage.cacheRead }),
    ...(serviceTier !== undefined && { serviceTier }),
  }
}
