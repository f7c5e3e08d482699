import type { JsonObject } from '../model/request.ts'
import { asObject, asString } from '../protocols/narrow.ts'
import { frame, token, type Answer, type Beat, type Dialect } from './answer.ts'
import { allText, objects, textOf } from './conversation.ts'
import { openAiError, openAiList } from './openai-words.ts'

const finishReason = (answer: Answer): string => (answer.toolCall === undefined ? 'stop' : 'tool_calls')

const usage = (answer: Answer): JsonObject => ({
  prompt_tokens: answer.inputTokens,
  completion_tokens: answer.outputTokens,
  total_tokens: answer.inputTokens + answer.outputTokens,
  prompt_tokens_details: { cached_tokens: 0 },
  completion_tokens_details: { reasoning_tokens: answer.reasoningTokens },
})

const toolCall = (answer: Answer): JsonObject | undefined =>
  answer.toolCall && {
    id: `call_${answer.seed}`,
    type: 'function',
    function: { name: answer.toolCall.name, arguments: JSON.stringify(answer.toolCall.arguments) },
  }

/** OpenAI Chat Completions; thoughts as `reasoning_content`, the way DeepSeek and its kin send them. */
export const openAiChat: Dialect = {
  streamType: 'text/event-stream',
  match: (path) => (path.endsWith('/chat/completions') ? { kind: 'generate' } : null),
  read(body) {
    const messages = objects(body.messages)
    const tool = objects(body.tools)
      .map((entry) => asObject(entry.function))
      .find((offer) => offer !== undefined)
    return {
      model: asString(body.model) ?? '',
      stream: body.stream === true,
      lastUserText: textOf(messages.findLast((message) => message.role === 'user')?.content),
      tool: tool && { name: asString(tool.name) ?? '', schema: asObject(tool.parameters) ?? {} },
      afterToolResult: messages.at(-1)?.role === 'tool',
      text: allText([body.messages, body.tools]),
      extra: asObject(body.stream_options)?.include_usage === true,
    }
  },
  whole(answer) {
    const call = toolCall(answer)
    const text = answer.text.join('')
    return {
      id: `chatcmpl-${answer.seed}`,
      object: 'chat.completion',
      created: answer.createdAt,
      model: answer.model,
      choices: [
        {
          index: 0,
          message: {
            role: 'assistant',
            content: call !== undefined && text === '' ? null : text,
            ...(answer.reasoning.length > 0 && { reasoning_content: answer.reasoning.join('') }),
            refusal: null,
            ...(call && { tool_calls: [call] }),
          },
          logprobs: null,
          finish_reason: finishReason(answer),
        },
      ],
      usage: usage(answer),
    }
  },
  stream(answer, question) {
    const chunk = (choices: readonly JsonObject[], rest: JsonObject = {}): JsonObject => ({
      id: `chatcmpl-${answer.seed}`,
      object: 'chat.completion.chunk',
      created: answer.createdAt,
      model: answer.model,
      choices,
      ...(question.extra && { usage: null }),
      ...rest,
    })
    const delta = (fields: JsonObject, reason: string | null = null): JsonObject =>
      chunk([{ index: 0, delta: fields, logprobs: null, finish_reason: reason }])
    const beats: Beat[] = [frame(delta({ role: 'assistant', content: '' }))]
    for (const piece of answer.reasoning) beats.push(token(delta({ reasoning_content: piece })))
    for (const piece of answer.text) beats.push(token(delta({ content: piece })))
    if (answer.toolCall !== undefined) {
      const { name, arguments: input } = answer.toolCall
      const call = (fields: JsonObject): JsonObject => delta({ tool_calls: [{ index: 0, ...fields }] })
      beats.push(token(call({ id: `call_${answer.seed}`, type: 'function', function: { name, arguments: '' } })))
      beats.push(token(call({ function: { arguments: JSON.stringify(input) } })))
    }
    beats.push(frame(delta({}, finishReason(answer))))
    if (question.extra) beats.push(frame(chunk([], { usage: usage(answer) })))
    beats.push(frame('[DONE]'))
    return beats
  },
  error: openAiError,
  countTokens: (tokens) => ({ object: 'token_count', input_tokens: tokens }),
  list: openAiList,
}
