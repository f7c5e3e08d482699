import type { WireFormat } from '../../fake-upstream/index.ts'
import { parsedInput } from '../answer.ts'
import { list, object, objects, sseEvents, text, type JsonObject } from '../recording/json.ts'

/** What an agent keeps of an answer, and what it sends back for each call. */
export interface Kept {
  /** The conversation as it goes on, in place of the old one. */
  readonly body: JsonObject
  /** Calls that were answered. */
  readonly calls: number
}

export interface Step {
  readonly client: string
  readonly body: JsonObject
  /** The answer's bytes, as an SSE stream. */
  readonly reply: Buffer
}

const done = 'It is done. “ü” 🙂'

/** The next request of the session: the answer as this tool keeps it, each call with its result, or a new question. */
export function nextTurn(format: WireFormat, step: Step): Kept {
  return keepers[format](step, sseEvents(step.reply))
}

type Keeper = (step: Step, events: readonly JsonObject[]) => Kept

const more = 'Thanks. What else is there to do?'

const keepMessages: Keeper = ({ body }, events) => {
  const blocks = new Map<unknown, Record<string, unknown>>()
  for (const event of events) {
    if (event.type === 'content_block_start') blocks.set(event.index, { ...object(event.content_block) })
    const block = blocks.get(event.index)
    const delta = object(event.delta)
    if (event.type !== 'content_block_delta' || block === undefined) continue
    for (const name of ['text', 'thinking', 'signature', 'partial_json'])
      if (typeof delta[name] === 'string') block[name] = text(block[name]) + delta[name]
  }
  const content = [...blocks.values()].map(({ partial_json: json, ...block }) =>
    block['type'] === 'tool_use' ? { ...block, input: parsedInput(text(json)) } : block,
  )
  const results = content
    .filter((block) => block['type'] === 'tool_use')
    .map(({ id }) => ({ type: 'tool_result', tool_use_id: id, content: done }))
  const answer = results.length > 0 ? results : [{ type: 'text', text: more }]
  const messages = [...list(body.messages), { role: 'assistant', content }, { role: 'user', content: answer }]
  return { body: { ...body, messages }, calls: results.length }
}

/** Codex sends items back as they came; the Vercel AI SDK, without a store, leaves out ids of all but thoughts. */
const keepItems: Keeper = ({ client, body }, events) => {
  const items = events.filter(({ type }) => type === 'response.output_item.done').map(({ item }) => object(item))
  const kept = client.startsWith('codex') ? items : items.map(withoutId)
  const results = items.flatMap(({ type, call_id }) => {
    if (type === 'function_call') return [{ type: 'function_call_output', call_id, output: done }]
    return type === 'custom_tool_call' ? [{ type: 'custom_tool_call_output', call_id, output: done }] : []
  })
  const question = { type: 'message', role: 'user', content: [{ type: 'input_text', text: more }] }
  const answer = results.length > 0 ? results : [question]
  return { body: { ...body, input: [...list(body.input), ...kept, ...answer] }, calls: results.length }
}

function withoutId(item: JsonObject): JsonObject {
  if (item.type === 'reasoning') return item
  const { id: _, status: __, ...rest } = item
  if (item.type !== 'message') return rest
  const content = objects(item.content).map(({ text: words }) => ({ type: 'output_text', text: words }))
  return { role: 'assistant', content }
}

/** gemini-cli leaves out thoughts and joins texts; the Vercel AI SDK keeps thoughts and sends no ids. */
const keepContents: Keeper = (step, events) => {
  const envelope = step.body.request === undefined ? undefined : object(step.body.request)
  const inner = envelope ?? step.body
  const isVercel = step.client === 'opencode'
  const parts: JsonObject[] = []
  for (const event of events) {
    const [candidate] = objects(object(event.response ?? event).candidates)
    for (const part of objects(object(candidate?.content).parts)) {
      const last = parts.at(-1)
      if (part.thought === true && !isVercel) continue
      if (isText(part) && isText(last) && last !== undefined && part.thought === last.thought)
        parts.splice(-1, 1, { ...last, ...part, text: text(last.text) + text(part.text) })
      else parts.push(part)
    }
  }
  const full = parts.filter((part) => !isText(part) || part.text !== '' || part.thoughtSignature !== undefined)
  const calls = full.flatMap(({ functionCall }) => (functionCall === undefined ? [] : [object(functionCall)]))
  const kept = isVercel ? full.map(withoutCallId) : full
  const results = calls.map(({ id, name }) => ({
    functionResponse: isVercel
      ? { name, response: { name, content: done } }
      : { ...(id !== undefined && { id }), name, response: { output: done } },
  }))
  const answer = { role: 'user', parts: results.length > 0 ? results : [{ text: more }] }
  const contents = [...list(inner.contents), { role: 'model', parts: kept }, answer]
  const body = envelope === undefined ? { ...inner, contents } : { ...step.body, request: { ...envelope, contents } }
  return { body, calls: calls.length }
}

const isText = (part: JsonObject | undefined): boolean =>
  typeof part?.text === 'string' && part.thoughtSignature === undefined

function withoutCallId(part: JsonObject): JsonObject {
  if (part.functionCall === undefined) return part
  const { id: _, ...call } = object(part.functionCall)
  return { ...part, functionCall: call }
}

/** Qwen Code sends thoughts back as they came, the Vercel AI SDK's OpenAI provider has none. */
const keepChat: Keeper = ({ client, body }, events) => {
  let words = ''
  let thoughts = ''
  const calls: { id: string; name: string; input: string }[] = []
  for (const event of events) {
    const delta = object(objects(event.choices)[0]?.delta)
    words += text(delta.content)
    thoughts += text(delta.reasoning_content)
    for (const piece of objects(delta.tool_calls)) {
      const { name, arguments: input } = object(piece.function)
      const call = (calls[Number(piece.index)] ??= { id: text(piece.id), name: text(name), input: '' })
      call.input += text(input)
    }
  }
  const isQwen = client === 'qwen-code'
  const assistant = {
    role: 'assistant',
    content: words === '' && isQwen ? null : words,
    ...(isQwen && thoughts !== '' && { reasoning_content: thoughts }),
    ...(calls.length > 0 && {
      tool_calls: calls.map(({ id, name, input }) => ({ id, type: 'function', function: { name, arguments: input } })),
    }),
  }
  const results = calls.map(({ id }) => ({ role: 'tool', tool_call_id: id, content: done }))
  const answer = results.length > 0 ? results : [{ role: 'user', content: more }]
  return { body: { ...body, messages: [...list(body.messages), assistant, ...answer] }, calls: calls.length }
}

const keepers: Record<WireFormat, Keeper> = {
  'openai-chat': keepChat,
  'openai-responses': keepItems,
  anthropic: keepMessages,
  gemini: keepContents,
  antigravity: keepContents,
}
