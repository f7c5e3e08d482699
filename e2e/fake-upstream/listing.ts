import type { WireFormat } from './target.ts'

/** How each provider lists its models. */
export function listing(format: WireFormat, models: readonly string[]): unknown {
  switch (format) {
    case 'openai-chat':
    case 'openai-responses':
      return {
        object: 'list',
        data: models.map((id) => ({ id, object: 'model', created: 1_700_000_000, owned_by: 'fake' })),
      }
    case 'anthropic':
      return {
        data: models.map((id) => ({ type: 'model', id, display_name: id, created_at: '2026-01-01T00:00:00Z' })),
        has_more: false,
        first_id: models[0] ?? null,
        last_id: models.at(-1) ?? null,
      }
    case 'gemini':
      return {
        models: models.map((id) => ({
          name: `models/${id}`,
          displayName: id,
          supportedGenerationMethods: ['generateContent', 'countTokens'],
        })),
      }
    case 'antigravity':
      return {
        models: Object.fromEntries(models.map((id) => [id, { displayName: id, quotaInfo: { remainingFraction: 1 } }])),
      }
  }
}

/** The answer to a question for the number of tokens. */
export function tokenCount(format: WireFormat, tokens: number): unknown {
  return format === 'anthropic' ? { input_tokens: tokens } : { totalTokens: tokens }
}
