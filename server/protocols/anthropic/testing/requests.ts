import { readdirSync, readFileSync } from 'node:fs'
import type { ChatRequest, JsonObject, Loss, Message, Tool } from '../../../model/request.ts'
import { asArray, asNumber, asObject, asString } from '../../narrow.ts'
import { codec } from '../codec.ts'

const fixtures = `${import.meta.dirname}/../fixtures/`
export const requests = readdirSync(fixtures).filter((name) => name.endsWith('.request.json'))
export const GENERATE = { operation: 'generate' } as const

export function decode(fields: JsonObject, losses: Loss[] = []): ChatRequest {
  const body = { model: 'claude-sonnet-4-5', max_tokens: 100, messages: [{ role: 'user', content: 'hi' }], ...fields }
  return codec.decodeRequest({ headers: {}, body, route: GENERATE }, (loss) => losses.push(loss))
}

export function encode(fields: Partial<ChatRequest>, losses: Loss[] = []): JsonObject {
  const request: ChatRequest = {
    model: 'claude-sonnet-4-5',
    stream: false,
    messages: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }],
    tools: [],
    sampling: {},
    ...fields,
  }
  const body = codec.encodeRequest(request, { origin: '7', loss: (loss) => losses.push(loss) })
  const wrong = faults(body)
  if (wrong.length > 0) throw new Error(`the service would refuse this: ${wrong.join(', ')}`)
  return body
}

export const fieldsOf = (losses: readonly Loss[]) => losses.map(({ field }) => field)
export const user = (text: string): Message => ({ role: 'user', content: [{ type: 'text', text }] })
export const call = (id: string, args = '{}') => ({ type: 'tool-call', id, name: 'run', arguments: args }) as const
export const result = (callId: string, text = 'ok') =>
  ({ type: 'tool-result', callId, content: [{ type: 'text', text }] }) as const
export const run = { type: 'function', name: 'run', parameters: { type: 'object' } } as const satisfies Tool
export const objects = (value: unknown) => (asArray(value) ?? []).map((entry) => asObject(entry) ?? {})

/** What the service would answer with a 400. */
function faults(body: JsonObject): string[] {
  const found: string[] = []
  const check = (fine: boolean, what: string) => {
    if (!fine) found.push(what)
  }
  const limit = asNumber(body.max_tokens) ?? 0
  check(limit > 0, 'max_tokens')
  const thinking = asObject(body.thinking)
  const budget = asNumber(thinking?.budget_tokens)
  if (thinking?.type === 'enabled') check(budget !== undefined && budget >= 1024 && budget < limit, 'budget_tokens')
  const thinks = thinking?.type === 'enabled' || thinking?.type === 'adaptive'
  const choice = asObject(body.tool_choice)?.type
  if (thinks) {
    check(body.temperature === undefined || body.temperature === 1, 'temperature with thinking')
    check(body.top_k === undefined, 'top_k with thinking')
    check(choice !== 'any' && choice !== 'tool', 'a forced tool with thinking')
  }
  check(choice === undefined || objects(body.tools).length > 0, 'tool_choice without tools')
  const turns = objects(body.messages)
  check(turns[0]?.role === 'user', 'the first turn')
  const ids = new Set<string>()
  let open: string[] = []
  for (const [at, turn] of turns.entries()) {
    const blocks = objects(turn.content)
    check(blocks.length > 0, `empty turn ${at}`)
    const results = blocks
      .filter(({ type }) => type === 'tool_result')
      .map((block) => asString(block.tool_use_id) ?? '')
    check(results.join() === open.join(), `results in turn ${at}`)
    check(
      blocks.slice(0, results.length).every(({ type }) => type === 'tool_result'),
      `results first in turn ${at}`,
    )
    const calls = blocks.filter(({ type }) => type === 'tool_use')
    open = calls.map((block) => asString(block.id) ?? '')
    for (const [number, block] of calls.entries()) {
      const id = open[number] ?? ''
      check(/^[a-zA-Z0-9_-]+$/.test(id) && !ids.has(id), `id '${id}'`)
      check(asObject(block.input) !== undefined, 'input')
      ids.add(id)
    }
    for (const block of blocks) if (block.type === 'text') check(asString(block.text)?.trim() !== '', 'blank text')
  }
  check(open.length === 0, 'calls without results')
  const last = turns.at(-1)
  const end = asString(objects(last?.content).at(-1)?.text) ?? ''
  check(last?.role !== 'assistant' || end === end.trimEnd(), 'trailing white space')
  const marks = JSON.stringify(body).split('"cache_control"').length - 1
  check(marks <= 4, 'cache marks')
  for (const tool of objects(body.tools))
    if (tool.type === undefined) {
      check(/^[a-zA-Z0-9_-]{1,128}$/.test(asString(tool.name) ?? ''), 'tool name')
      check(asObject(tool.input_schema)?.type === 'object', 'input_schema')
    }
  return found
}

export const recordedRequest = (name: string): string => readFileSync(fixtures + name, 'utf8')
