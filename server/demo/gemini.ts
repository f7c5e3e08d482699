import type { JsonObject } from '../model/request.ts'
import { asObject, asString } from '../protocols/narrow.ts'
import type { Answer, Beat, DemoError, Dialect, Operation, Question } from './answer.ts'
import { allText, objects, textOf } from './conversation.ts'

const statusWords = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  404: 'NOT_FOUND',
  429: 'RESOURCE_EXHAUSTED',
  500: 'INTERNAL',
  503: 'UNAVAILABLE',
} as const

function usage(answer: Answer): JsonObject {
  return {
    promptTokenCount: answer.inputTokens,
    candidatesTokenCount: answer.outputTokens - answer.reasoningTokens,
    totalTokenCount: answer.inputTokens + answer.outputTokens,
    ...(answer.reasoningTokens > 0 && { thoughtsTokenCount: answer.reasoningTokens }),
  }
}

/** One `GenerateContentResponse`; the last of a stream, and a whole reply, have the reason why it ended. */
function reply(answer: Answer, parts: readonly JsonObject[], last: boolean): JsonObject {
  return {
    candidates: [
      {
        // A real empty answer has a content object without parts.
        content: { ...(parts.length > 0 && { parts }), role: 'model' },
        ...(last && { finishReason: 'STOP' }),
        index: 0,
      },
    ],
    usageMetadata: usage(answer),
    modelVersion: answer.model,
    responseId: answer.seed,
  }
}

const callPart = (answer: Answer): JsonObject | undefined =>
  answer.toolCall && { functionCall: { name: answer.toolCall.name, args: answer.toolCall.arguments } }

/** Reads a `GenerateContentRequest`, also the one inside Antigravity's envelope. */
export function readGemini(body: JsonObject, operation: Operation): Question {
  const contents = objects(body.contents)
  const declaration = objects(body.tools)
    .flatMap((tool) => objects(tool.functionDeclarations ?? tool.function_declarations))
    .at(0)
  const isUserText = (content: JsonObject): boolean => content.role !== 'model' && textOf(content.parts) !== ''
  const isResult = (part: JsonObject): boolean => (part.functionResponse ?? part.function_response) !== undefined
  return {
    model: operation.model ?? '',
    stream: operation.stream === true,
    lastUserText: textOf(contents.findLast(isUserText)?.parts),
    tool: declaration && {
      name: asString(declaration.name) ?? '',
      schema: asObject(declaration.parametersJsonSchema) ?? asObject(declaration.parameters) ?? {},
    },
    afterToolResult: objects(contents.at(-1)?.parts).some(isResult),
    text: allText([body.systemInstruction ?? body.system_instruction, body.contents, body.tools]),
    extra: operation.sse === true,
  }
}

export function wholeGemini(answer: Answer): JsonObject {
  const call = callPart(answer)
  return reply(
    answer,
    [
      ...(answer.reasoning.length > 0 ? [{ text: answer.reasoning.join(''), thought: true }] : []),
      ...(answer.text.length > 0 ? [{ text: answer.text.join('') }] : []),
      ...(call === undefined ? [] : [call]),
    ],
    true,
  )
}

/** The replies of a stream, each with the kind of beat it makes. The last has a finish reason. */
export function streamGemini(answer: Answer): readonly { readonly kind: Beat['kind']; readonly data: JsonObject }[] {
  const call = callPart(answer)
  const parts = [
    ...answer.reasoning.map((text) => ({ text, thought: true })),
    ...answer.text.map((text) => ({ text })),
    ...(call === undefined ? [] : [call]),
  ]
  return [
    ...parts.map((part) => ({ kind: 'token' as const, data: reply(answer, [part], false) })),
    { kind: 'frame', data: reply(answer, [], true) },
  ]
}

/** SSE with CRLF as Google sends it, or the JSON array that it sends without `alt=sse`. */
export function geminiBeats(
  events: readonly { readonly kind: Beat['kind']; readonly data: JsonObject }[],
  sse: boolean,
): readonly Beat[] {
  return events.map(({ kind, data }, index) => {
    const json = JSON.stringify(data)
    if (sse) return { kind, text: `data: ${json}\r\n\r\n` }
    return { kind, text: `${index === 0 ? '[' : ',\r\n'}${json}${index === events.length - 1 ? ']' : ''}` }
  })
}

export function googleError({ status, message, retryAfterSeconds }: DemoError): JsonObject {
  const details =
    retryAfterSeconds === undefined
      ? undefined
      : [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: `${retryAfterSeconds}s` }]
  return { error: { code: status, message, status: statusWords[status], ...(details && { details }) } }
}

/** Gemini's generateContent family. */
export const gemini: Dialect = {
  streamType: 'text/event-stream',
  match(path, query, headers) {
    const call = /\/models\/([^/:]+(?:\/[^/:]+)*):(generateContent|streamGenerateContent|countTokens)$/.exec(path)
    if (call !== null) {
      const model = decodeURIComponent(call[1] ?? '')
      if (call[2] === 'countTokens') return { kind: 'count-tokens', model }
      return {
        kind: 'generate',
        model,
        stream: call[2] === 'streamGenerateContent',
        sse: query.get('alt') === 'sse',
      }
    }
    const google = headers['x-goog-api-key'] !== undefined || path.includes('/v1beta')
    return google && path.endsWith('/models') ? { kind: 'list' } : null
  },
  read: readGemini,
  whole: wholeGemini,
  stream: (answer, question) => geminiBeats(streamGemini(answer), question.extra),
  error: googleError,
  countTokens: (tokens) => ({ totalTokens: tokens }),
  list: (models) => ({
    models: models.map((id) => ({
      name: `models/${id}`,
      version: '1',
      displayName: id,
      inputTokenLimit: 1_048_576,
      outputTokenLimit: 65_536,
      supportedGenerationMethods: ['generateContent', 'streamGenerateContent', 'countTokens'],
    })),
  }),
}
