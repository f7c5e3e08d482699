import OpenAI from 'openai'
import { isDeepStrictEqual } from 'node:util'
import type { Answer } from '../answer.ts'
import { object } from '../recording/json.ts'
import { readChat } from '../recording/openai-chat.ts'
import { readResponse, readResponseEvents } from '../recording/openai-responses.ts'
import { anyArguments, describeTool, gather, words, type Ask } from './ask.ts'

const clientOf = ({ baseUrl, key }: Ask): OpenAI => new OpenAI({ baseURL: `${baseUrl}/v1`, apiKey: key, maxRetries: 0 })

/** Chat completions. Streams go through the SDK's own accumulator as well: it must find the same text and calls. */
export async function askOpenAiChat(ask: Ask): Promise<Answer> {
  const { completions } = clientOf(ask).chat
  const request = {
    model: ask.model,
    messages: [
      { role: 'system' as const, content: words.system },
      { role: 'user' as const, content: words.user },
    ],
    ...(ask.choices > 1 && { n: ask.choices }),
    ...(ask.tools.length > 0 && {
      tools: ask.tools.map((name) => ({
        type: 'function' as const,
        function: { name, description: describeTool(name), parameters: anyArguments },
      })),
    }),
  }
  if (!ask.stream) return readChat([object(await completions.create(request))])
  const streamed = { ...request, stream_options: { include_usage: true } }
  if (ask.verbatim) return readChat((await gather(await completions.create({ ...streamed, stream: true }))).map(object))
  const runner = completions.stream(streamed)
  const chunks: unknown[] = []
  runner.on('chunk', (chunk) => chunks.push(structuredClone(chunk)))
  const final = readChat([object(await runner.finalChatCompletion())])
  const gathered = readChat(chunks.map(object))
  const essence = ({ choices }: Answer): unknown =>
    choices.map(({ text, refusal, calls }) => ({ text, refusal, calls }))
  return isDeepStrictEqual(essence(final), essence(gathered))
    ? gathered
    : { choices: [], broken: 'the accumulated completion differs from its deltas' }
}

/** Responses. What the SDK accumulates from the deltas must be what the terminal event holds. */
export async function askOpenAiResponses(ask: Ask): Promise<Answer> {
  const { responses } = clientOf(ask)
  const request = {
    model: ask.model,
    instructions: words.system,
    input: words.user,
    tools: ask.tools.map((name) => ({
      type: 'function' as const,
      name,
      description: describeTool(name),
      parameters: anyArguments,
      strict: false,
    })),
  }
  if (!ask.stream) return readResponse(object(await responses.create(request)))
  if (ask.verbatim)
    return readResponseEvents((await gather(await responses.create({ ...request, stream: true }))).map(object))
  const runner = responses.stream(request)
  const events: unknown[] = []
  runner.on('event', (event) => events.push(structuredClone(event)))
  const final = readResponse(object(await runner.finalResponse()))
  const told = readResponseEvents(events.map(object))
  const gap = gapIn(events.map(object))
  if (gap !== undefined) return { choices: [], broken: gap }
  return isDeepStrictEqual(final.choices, told.choices)
    ? told
    : { choices: [], broken: 'the accumulated response differs from the terminal event' }
}

/** `sequence_number` counts from 0; deltas add up to the text that `done` tells. */
function gapIn(events: readonly ReturnType<typeof object>[]): string | undefined {
  const sums = new Map<string, string>()
  for (const [at, event] of events.entries()) {
    if (event.sequence_number !== at) return `event ${at} has the number ${String(event.sequence_number)}`
    const [, kind = '', state] = /^response\.(\w+)\.(delta|done)$/.exec(String(event.type)) ?? []
    const place = `${kind} ${String(event.output_index)} ${String(event.content_index ?? event.summary_index)}`
    if (state === 'delta') sums.set(place, (sums.get(place) ?? '') + String(event.delta))
    const whole = event.text ?? event.arguments ?? event.input ?? event.refusal
    if (state === 'done' && typeof whole === 'string' && whole !== (sums.get(place) ?? ''))
      return `the deltas of ${place} do not add up`
  }
  return undefined
}
