import { asObject, asString } from '../protocols/narrow.ts'
import type { Dialect } from './answer.ts'
import { geminiBeats, googleError, readGemini, streamGemini, wholeGemini } from './gemini.ts'

/** Gemini's words inside `{project, model, request}` and `{response, traceId}`. */
export const antigravity: Dialect = {
  streamType: 'text/event-stream',
  match(path, query) {
    const method =
      /\/v1internal:(generateContent|streamGenerateContent|countTokens|fetchAvailableModels)$/.exec(path)?.[1] ?? null
    switch (method) {
      case 'fetchAvailableModels':
        return { kind: 'list' }
      case 'countTokens':
        return { kind: 'count-tokens' }
      case 'generateContent':
        return { kind: 'generate', stream: false }
      case 'streamGenerateContent':
        return { kind: 'generate', stream: true, sse: query.get('alt') === 'sse' }
      default:
        return null
    }
  },
  read(body, operation) {
    const request = asObject(body.request) ?? {}
    // countTokens has its model inside the request, with `models/` before it.
    const model = asString(body.model) ?? asString(request.model)?.replace(/^models\//, '') ?? ''
    return readGemini(request, { ...operation, model })
  },
  whole: (answer) => ({ response: wholeGemini(answer), traceId: answer.seed }),
  stream: (answer, question) =>
    geminiBeats(
      streamGemini(answer).map(({ kind, data }) => ({ kind, data: { response: data, traceId: answer.seed } })),
      question.extra,
    ),
  error: googleError,
  countTokens: (tokens) => ({ totalTokens: tokens }),
  list: (models) => ({
    models: Object.fromEntries(models.map((id) => [id, { displayName: id, quotaInfo: { remainingFraction: 1 } }])),
  }),
}
