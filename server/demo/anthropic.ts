import type { JsonObject } from '../model/request.ts'
import { asObject, asString } from '../protocols/narrow.ts'
import { frame, token, type Answer, type Beat, type Dialect } from './answer.ts'
import { allText, objects, textOf } from './conversation.ts'

const errorTypes = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  404: 'not_found_error',
  429: 'rate_limit_error',
  500: 'api_error',
  503: 'overloaded_error',
} as const

/** Not a real signature; it only has the shape of one, and the demo accepts it back like any other. */
const signature = (answer: Answer): string => Buffer.from(`demo:${answer.seed}`).toString('base64')

const stopReason = (answer: Answer): string => (answer.toolCall === undefined ? 'end_turn' : 'tool_use')

function usage(answer: Answer, output: number): JsonObject {
  return {
    input_tokens: answer.inputTokens,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 0,
    output_tokens: output,
  }
}

function message(answer: Answer, content: readonly JsonObject[], done: boolean): JsonObject {
  return {
    id: `msg_${answer.seed}`,
    type: 'message',
    role: 'assistant',
    model: answer.model,
    content,
    stop_reason: done ? stopReason(answer) : null,
    stop_sequence: null,
    usage: usage(answer, done ? answer.outputTokens : 0),
  }
}

interface Block {
  readonly start: JsonObject
  readonly whole: JsonObject
  readonly deltas: readonly { readonly kind: Beat['kind']; readonly delta: JsonObject }[]
}

function blocks(answer: Answer): readonly Block[] {
  const found: Block[] = []
  if (answer.reasoning.length > 0)
    found.push({
      start: { type: 'thinking', thinking: '', signature: '' },
      whole: { type: 'thinking', thinking: answer.reasoning.join(''), signature: signature(answer) },
      deltas: [
        ...answer.reasoning.map((thinking) => ({
          kind: 'token' as const,
          delta: { type: 'thinking_delta', thinking },
        })),
        { kind: 'frame', delta: { type: 'signature_delta', signature: signature(answer) } },
      ],
    })
  if (answer.text.length > 0)
    found.push({
      start: { type: 'text', text: '' },
      whole: { type: 'text', text: answer.text.join('') },
      deltas: answer.text.map((text) => ({ kind: 'token', delta: { type: 'text_delta', text } })),
    })
  if (answer.toolCall !== undefined) {
    const head = { type: 'tool_use', id: `toolu_${answer.seed}`, name: answer.toolCall.name }
    const partial = (json: string): JsonObject => ({ type: 'input_json_delta', partial_json: json })
    found.push({
      start: { ...head, input: {} },
      whole: { ...head, input: answer.toolCall.arguments },
      deltas: [
        { kind: 'frame', delta: partial('') },
        { kind: 'token', delta: partial(JSON.stringify(answer.toolCall.arguments)) },
      ],
    })
  }
  return found
}

/** Anthropic Messages. */
export const anthropic: Dialect = {
  streamType: 'text/event-stream',
  match(path, _query, headers) {
    if (path.endsWith('/messages/count_tokens')) return { kind: 'count-tokens' }
    if (path.endsWith('/messages')) return { kind: 'generate' }
    return path.endsWith('/models') && headers['anthropic-version'] !== undefined ? { kind: 'list' } : null
  },
  read(body) {
    const messages = objects(body.messages)
    const tool = objects(body.tools).find((entry) => asObject(entry.input_schema) !== undefined)
    const isUserText = (entry: JsonObject): boolean => entry.role === 'user' && textOf(entry.content) !== ''
    return {
      model: asString(body.model) ?? '',
      stream: body.stream === true,
      lastUserText: textOf(messages.findLast(isUserText)?.content),
      tool: tool && { name: asString(tool.name) ?? '', schema: asObject(tool.input_schema) ?? {} },
      afterToolResult: objects(messages.at(-1)?.content).some((part) => part.type === 'tool_result'),
      text: allText([body.system, body.messages, body.tools]),
      extra: true,
    }
  },
  whole: (answer) =>
    message(
      answer,
      blocks(answer).map((block) => block.whole),
      true,
    ),
  stream(answer) {
    const event = (data: { readonly type: string } & JsonObject, kind: Beat['kind'] = 'frame'): Beat =>
      kind === 'token' ? token(data, data.type) : frame(data, data.type)
    return [
      event({ type: 'message_start', message: message(answer, [], false) }),
      event({ type: 'ping' }),
      ...blocks(answer).flatMap((block, index) => [
        event({ type: 'content_block_start', index, content_block: block.start }),
        ...block.deltas.map(({ kind, delta }) => event({ type: 'content_block_delta', index, delta }, kind)),
        event({ type: 'content_block_stop', index }),
      ]),
      event({
        type: 'message_delta',
        delta: { stop_reason: stopReason(answer), stop_sequence: null },
        usage: usage(answer, answer.outputTokens),
      }),
      event({ type: 'message_stop' }),
    ]
  },
  error: ({ status, message: words }) => ({ type: 'error', error: { type: errorTypes[status], message: words } }),
  countTokens: (tokens) => ({ input_tokens: tokens }),
  list: (models) => ({
    data: models.map((id) => ({ type: 'model', id, display_name: id, created_at: '2026-01-01T00:00:00Z' })),
    has_more: false,
    first_id: models[0] ?? null,
    last_id: models.at(-1) ?? null,
  }),
}
