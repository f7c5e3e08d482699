import type { JsonObject } from '../model/request.ts'
import { asObject, asString } from '../protocols/narrow.ts'
import { frame, token, type Answer, type Beat, type Dialect } from './answer.ts'
import { allText, objects, textOf } from './conversation.ts'
import { openAiError, openAiList } from './openai-words.ts'

const usage = (answer: Answer): JsonObject => ({
  input_tokens: answer.inputTokens,
  input_tokens_details: { cached_tokens: 0 },
  output_tokens: answer.outputTokens,
  output_tokens_details: { reasoning_tokens: answer.reasoningTokens },
  total_tokens: answer.inputTokens + answer.outputTokens,
})

const textPart = (text: string): JsonObject => ({ type: 'output_text', text, annotations: [], logprobs: [] })
const summaryPart = (text: string): JsonObject => ({ type: 'summary_text', text })

const reasoningItem = (answer: Answer, text: string | null): JsonObject => ({
  id: `rs_${answer.seed}`,
  type: 'reasoning',
  summary: text === null ? [] : [summaryPart(text)],
})
const messageItem = (answer: Answer, text: string | null): JsonObject => ({
  id: `msg_${answer.seed}`,
  type: 'message',
  status: text === null ? 'in_progress' : 'completed',
  role: 'assistant',
  content: text === null ? [] : [textPart(text)],
})
const callItem = (answer: Answer, input: string | null): JsonObject => ({
  id: `fc_${answer.seed}`,
  type: 'function_call',
  status: input === null ? 'in_progress' : 'completed',
  call_id: `call_${answer.seed}`,
  name: answer.toolCall?.name ?? '',
  arguments: input ?? '',
})

function output(answer: Answer): readonly JsonObject[] {
  return [
    ...(answer.reasoning.length > 0 ? [reasoningItem(answer, answer.reasoning.join(''))] : []),
    ...(answer.text.length > 0 ? [messageItem(answer, answer.text.join(''))] : []),
    ...(answer.toolCall === undefined ? [] : [callItem(answer, JSON.stringify(answer.toolCall.arguments))]),
  ]
}

function response(answer: Answer, done: boolean): JsonObject {
  return {
    id: `resp_${answer.seed}`,
    object: 'response',
    created_at: answer.createdAt,
    status: done ? 'completed' : 'in_progress',
    background: false,
    error: null,
    incomplete_details: null,
    instructions: null,
    max_output_tokens: null,
    metadata: {},
    model: answer.model,
    output: done ? output(answer) : [],
    parallel_tool_calls: true,
    previous_response_id: null,
    reasoning: { effort: null, summary: null },
    store: false,
    temperature: 1,
    text: { format: { type: 'text' } },
    tool_choice: 'auto',
    tools: [],
    top_p: 1,
    truncation: 'disabled',
    usage: done ? usage(answer) : null,
    user: null,
  }
}

interface StreamPart {
  readonly added: JsonObject
  readonly done: JsonObject
  /** Events between the item's first and last, without `output_index`. */
  readonly inner: readonly { readonly kind: Beat['kind']; readonly type: string; readonly fields: JsonObject }[]
}

function messageStream(answer: Answer): StreamPart {
  const text = answer.text.join('')
  const at = { item_id: `msg_${answer.seed}`, content_index: 0 }
  return {
    added: messageItem(answer, null),
    done: messageItem(answer, text),
    inner: [
      { kind: 'frame', type: 'response.content_part.added', fields: { ...at, part: textPart('') } },
      ...answer.text.map((delta) => ({
        kind: 'token' as const,
        type: 'response.output_text.delta',
        fields: { ...at, delta, logprobs: [] },
      })),
      { kind: 'frame', type: 'response.output_text.done', fields: { ...at, text, logprobs: [] } },
      { kind: 'frame', type: 'response.content_part.done', fields: { ...at, part: textPart(text) } },
    ],
  }
}

function reasoningStream(answer: Answer): StreamPart {
  const text = answer.reasoning.join('')
  const at = { item_id: `rs_${answer.seed}`, summary_index: 0 }
  return {
    added: reasoningItem(answer, null),
    done: reasoningItem(answer, text),
    inner: [
      { kind: 'frame', type: 'response.reasoning_summary_part.added', fields: { ...at, part: summaryPart('') } },
      ...answer.reasoning.map((delta) => ({
        kind: 'token' as const,
        type: 'response.reasoning_summary_text.delta',
        fields: { ...at, delta },
      })),
      { kind: 'frame', type: 'response.reasoning_summary_text.done', fields: { ...at, text } },
      { kind: 'frame', type: 'response.reasoning_summary_part.done', fields: { ...at, part: summaryPart(text) } },
    ],
  }
}

function callStream(answer: Answer): StreamPart {
  const input = JSON.stringify(answer.toolCall?.arguments ?? {})
  const at = { item_id: `fc_${answer.seed}` }
  return {
    added: callItem(answer, null),
    done: callItem(answer, input),
    inner: [
      { kind: 'token', type: 'response.function_call_arguments.delta', fields: { ...at, delta: input } },
      { kind: 'frame', type: 'response.function_call_arguments.done', fields: { ...at, arguments: input } },
    ],
  }
}

/** OpenAI Responses, stateless. */
export const openAiResponses: Dialect = {
  streamType: 'text/event-stream',
  match(path) {
    if (path.endsWith('/responses/input_tokens')) return { kind: 'count-tokens' }
    return path.endsWith('/responses') ? { kind: 'generate' } : null
  },
  read(body) {
    const items = objects(body.input)
    const last = items.at(-1)?.type
    const tool = objects(body.tools).find((entry) => entry.type === 'function')
    return {
      model: asString(body.model) ?? '',
      stream: body.stream === true,
      lastUserText: asString(body.input) ?? textOf(items.findLast((item) => item.role === 'user')?.content),
      tool: tool && { name: asString(tool.name) ?? '', schema: asObject(tool.parameters) ?? {} },
      afterToolResult: last === 'function_call_output' || last === 'custom_tool_call_output',
      text: allText([body.instructions, body.input, body.tools]),
      extra: true,
    }
  },
  whole: (answer) => response(answer, true),
  stream(answer) {
    const beats: Beat[] = []
    const add = (kind: Beat['kind'], type: string, fields: JsonObject): void => {
      const data = { type, sequence_number: beats.length, ...fields }
      beats.push(kind === 'token' ? token(data, type) : frame(data, type))
    }
    add('frame', 'response.created', { response: response(answer, false) })
    add('frame', 'response.in_progress', { response: response(answer, false) })
    const parts = [
      ...(answer.reasoning.length > 0 ? [reasoningStream(answer)] : []),
      ...(answer.text.length > 0 ? [messageStream(answer)] : []),
      ...(answer.toolCall === undefined ? [] : [callStream(answer)]),
    ]
    for (const [index, part] of parts.entries()) {
      add('frame', 'response.output_item.added', { output_index: index, item: part.added })
      for (const { kind, type, fields } of part.inner) add(kind, type, { output_index: index, ...fields })
      add('frame', 'response.output_item.done', { output_index: index, item: part.done })
    }
    add('frame', 'response.completed', { response: response(answer, true) })
    return beats
  },
  error: openAiError,
  countTokens: (tokens) => ({ object: 'response.input_tokens', input_tokens: tokens }),
  list: openAiList,
}
