import { parsedInput, withCalls, type Answer, type Call, type Choice, type Counts, type FinishWord } from '../answer.ts'
import { count, list, object, objects, text, type JsonObject } from './json.ts'

interface Gathered {
  text: string
  refusal: string
  reasoning: string
  readonly calls: { id: string; name: string; input: string }[]
  readonly places: Map<unknown, { id: string; name: string; input: string }>
  finish: string
}

/** One completion, or the chunks of a stream: a message is read like a delta that holds everything. */
export function readChat(bodies: readonly JsonObject[]): Answer {
  const choices = new Map<number, Gathered>()
  let usage: Counts | undefined
  let broken: string | undefined
  for (const body of bodies) {
    if (body.error !== undefined && body.error !== null) broken ??= text(object(body.error).message) || 'error'
    for (const [position, choice] of objects(body.choices).entries()) {
      const index = count(choice.index) ?? position
      const gathered = choices.get(index) ?? {
        text: '',
        refusal: '',
        reasoning: '',
        calls: [],
        places: new Map(),
        finish: '',
      }
      choices.set(index, gathered)
      gather(gathered, object(choice.delta ?? choice.message))
      gathered.finish = text(choice.finish_reason) || gathered.finish
      usage = counts(object(choice.usage)) ?? usage
    }
    usage = counts(object(body.usage)) ?? counts(object(object(body.x_groq).usage)) ?? usage
  }
  const found = [...choices].sort(([a], [b]) => a - b).map(([, gathered]) => gathered)
  if (found.length === 0 || found.some(({ finish }) => finish === '')) broken ??= 'no finish reason'
  return { choices: found.map(close), ...(usage && { usage }), ...(broken !== undefined && { broken }) }
}

function gather(into: Gathered, message: JsonObject): void {
  for (const part of typeof message.content === 'string' ? [message.content] : list(message.content)) {
    if (typeof part === 'string') into.text += part
    else if (object(part).type === 'thinking')
      into.reasoning += objects(object(part).thinking)
        .map((piece) => text(piece.text))
        .join('')
    else into.text += text(object(part).text)
  }
  into.refusal += text(message.refusal)
  const told = text(message.reasoning_content) || text(message.reasoning)
  const details = objects(message.reasoning_details).map((detail) => text(detail.text) || text(detail.summary))
  into.reasoning += told || details.join('')
  for (const call of objects(message.tool_calls)) gatherCall(into, call)
}

function gatherCall(into: Gathered, call: JsonObject): void {
  const { name, arguments: given } = object(call.function)
  const custom = object(call.custom)
  const id = text(call.id)
  const key = call.index ?? (id || undefined)
  let known = key === undefined && text(name) === '' ? into.calls.at(-1) : into.places.get(key)
  if (known === undefined || (id !== '' && known.id !== '' && id !== known.id)) {
    known = { id, name: '', input: '' }
    into.calls.push(known)
    into.places.set(key, known)
  }
  if (known.name === '') known.name = text(name) || text(custom.name)
  known.input += text(given) || text(custom.input)
}

function close({ text, refusal, reasoning, calls, finish }: Gathered): Choice {
  const parsed: Call[] = calls.map(({ name, input }) => ({ name, input: parsedInput(input) }))
  const word = WORDS[finish] ?? 'other'
  return {
    text,
    refusal,
    reasoning,
    calls: parsed,
    pictures: [],
    finish: word === 'stop' && refusal !== '' ? 'refusal' : withCalls(word, parsed),
  }
}

const WORDS: Readonly<Record<string, FinishWord>> = {
  stop: 'stop',
  length: 'length',
  tool_calls: 'tool-calls',
  function_call: 'tool-calls',
  content_filter: 'content-filter',
}

function counts(usage: JsonObject): Counts | undefined {
  const input = count(usage.prompt_tokens)
  const output = count(usage.completion_tokens)
  if (input === undefined || output === undefined) return undefined
  const reasoning = count(object(usage.completion_tokens_details).reasoning_tokens)
  // xAI leaves its reasoning out of completion_tokens: it shows in the total
  const apart = (count(usage.total_tokens) ?? 0) - input - output
  return {
    input,
    cached: count(object(usage.prompt_tokens_details).cached_tokens) ?? count(usage.cached_tokens) ?? 0,
    output: apart > 0 && apart === reasoning ? output + apart : output,
    ...(reasoning !== undefined && { reasoning }),
  }
}
