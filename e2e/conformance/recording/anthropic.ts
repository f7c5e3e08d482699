import { parsedInput, type Answer, type FinishWord } from '../answer.ts'
import { count, object, objects, text, type JsonObject } from './json.ts'

/** A message. */
export function readMessage(message: JsonObject): Answer {
  const blocks = objects(message.content)
  const of = (type: string): readonly JsonObject[] => blocks.filter((block) => block.type === type)
  const usage = object(message.usage)
  const [input, output] = [count(usage.input_tokens), count(usage.output_tokens)]
  const reasoning = count(object(usage.output_tokens_details).thinking_tokens)
  const cached = count(usage.cache_read_input_tokens) ?? 0
  // the provider bills a compaction run but leaves it out of the totals
  const runs = objects(usage.iterations).filter(({ type }) => type === 'compaction')
  const sum = (name: string): number => runs.reduce((total, run) => total + (count(run[name]) ?? 0), 0)
  return {
    choices: [
      {
        text: of('text')
          .map((block) => text(block.text))
          .join(''),
        refusal: '',
        pictures: [],
        reasoning: of('thinking')
          .map((block) => text(block.thinking))
          .join(''),
        calls: of('tool_use').map((block) => ({ name: text(block.name), input: block.input ?? {} })),
        finish: WORDS[text(message.stop_reason)] ?? 'other',
      },
    ],
    ...(input !== undefined &&
      output !== undefined && {
        usage: {
          input: input + cached + (count(usage.cache_creation_input_tokens) ?? 0) + sum('input_tokens'),
          cached,
          output: output + sum('output_tokens'),
          ...(reasoning !== undefined && { reasoning }),
        },
      }),
    ...(message.type === 'error' && { broken: text(object(message.error).message) }),
  }
}

const WORDS: Readonly<Record<string, FinishWord>> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  tool_use: 'tool-calls',
  refusal: 'refusal',
}

/** A stream's events, put together to the message that they tell. */
export function readMessageEvents(events: readonly JsonObject[]): Answer {
  const error = events.find(({ type }) => type === 'error')
  if (error !== undefined) return { choices: [], broken: text(object(error.error).message) }
  if (!events.some(({ type }) => type === 'message_stop')) return { choices: [], broken: 'no message_stop' }
  const message = object(events.find(({ type }) => type === 'message_start')?.message)
  const blocks = new Map<unknown, JsonObject>()
  let last: JsonObject = {}
  let usage = object(message.usage)
  for (const event of events) {
    if (event.type === 'content_block_start') blocks.set(event.index, object(event.content_block))
    else if (event.type === 'content_block_delta') grow(blocks, event)
    else if (event.type === 'message_delta') {
      last = { ...last, ...object(event.delta) }
      const told = Object.entries(object(event.usage)).filter(([, value]) => value !== null)
      usage = { ...usage, ...Object.fromEntries(told) }
    }
  }
  const content = [...objects(message.content), ...[...blocks.values()].map(closed)]
  return readMessage({ ...message, ...last, usage, content })
}

function grow(blocks: Map<unknown, JsonObject>, { index, delta }: JsonObject): void {
  const block = blocks.get(index) ?? {}
  const { type, text: more, thinking, partial_json: json } = object(delta)
  if (type === 'text_delta') blocks.set(index, { ...block, text: text(block.text) + text(more) })
  if (type === 'thinking_delta') blocks.set(index, { ...block, thinking: text(block.thinking) + text(thinking) })
  if (type === 'input_json_delta') blocks.set(index, { ...block, json: text(block.json) + text(json) })
}

const closed = (block: JsonObject): JsonObject =>
  text(block.json) === '' ? block : { ...block, input: parsedInput(text(block.json)) }
