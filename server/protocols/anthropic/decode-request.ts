import { RelayError } from '../../errors.ts'
import type {
  ChatRequest,
  JsonObject,
  Message,
  OutputShape,
  Reasoning,
  ReportLoss,
  TextPart,
  Tool,
} from '../../model/request.ts'
import type { WireRequest } from '../codec.ts'
import { asArray, asBoolean, asNumber, asObject, asString, optional, required, wrongField } from '../narrow.ts'
import { cacheOf, decodeAssistant, decodeSystem, decodeUser } from './decode-content.ts'
import { given, onceEach } from './wire.ts'

/** What has a counterpart in the model; every other field is Anthropic's own and rides in `native`. */
const MODELLED = new Set([
  'model',
  'messages',
  'system',
  'max_tokens',
  'stream',
  'tools',
  'tool_choice',
  'temperature',
  'top_p',
  'top_k',
  'stop_sequences',
  'metadata',
  'thinking',
  'output_config',
  'output_format',
  'service_tier',
])

/** Claude Code's first system block: it differs with every release and every start. */
const BILLING = 'x-anthropic-billing-header:'

const EFFORTS = ['minimal', 'low', 'medium', 'high', 'xhigh', 'max'] as const

/** @throws RelayError `invalid_request` naming the field in the client's own spelling */
export function decodeRequest(wire: WireRequest, report: ReportLoss): ChatRequest {
  const { body, route } = wire
  const loss = onceEach(report)
  const text = (name: string) => optional(asString, body[name], { param: name, wanted: 'a string' })
  const number = (name: string) => optional(asNumber, body[name], { param: name, wanted: 'a number' })
  const maxTokens = number('max_tokens')
  if (maxTokens !== undefined && maxTokens < 1) throw wrongField('max_tokens', 'a number above 0', undefined)
  const tier = text('service_tier')
  const userId = asString(asObject(body.metadata)?.user_id)
  const stop = stopSequences(body.stop_sequences)
  const choice = toolChoice(body.tool_choice)
  return given({
    model: required(asString, body.model, { param: 'model', wanted: 'a model name' }),
    stream:
      route.operation === 'generate' &&
      (optional(asBoolean, body.stream, { param: 'stream', wanted: 'true or false' }) ?? false),
    messages: [...systemMessages(body.system, loss), ...conversation(body.messages, loss)],
    tools: tools(body.tools, loss),
    toolChoice: choice.toolChoice,
    sampling: given({
      maxTokens,
      temperature: number('temperature'),
      topP: number('top_p'),
      topK: number('top_k'),
      stop: stop.length === 0 ? undefined : stop,
      parallelToolCalls: choice.parallel,
    }),
    reasoning: reasoning(body),
    output: outputShape(body),
    metadata: userId === undefined ? undefined : { userId },
    serviceTier: tier === 'standard_only' ? 'default' : tier,
    native: nativeFields(body),
  })
}

function systemMessages(system: unknown, loss: ReportLoss): Message[] {
  const content = decodeSystem(system, { path: 'system', loss })
  const [first] = content
  if (first?.text.startsWith(BILLING) === true) {
    content.shift()
    loss({ field: 'system[0]', reason: "a billing text for Anthropic; it would spoil another provider's prompt cache" })
  }
  return content.length === 0 ? [] : [{ role: 'system', content }]
}

function conversation(value: unknown, loss: ReportLoss): Message[] {
  const rows = required(asArray, value, { param: 'messages', wanted: 'a list of messages' })
  if (rows.length === 0)
    throw new RelayError('invalid_request', "'messages' is empty: send at least one message", { param: 'messages' })
  const messages: Message[] = []
  for (const [at, row] of rows.entries()) {
    const param = `messages[${at}]`
    const message = asObject(row)
    if (message === undefined) throw wrongField(param, 'an object with role and content', row)
    const place = { path: `${param}.content`, loss }
    if (message.content === undefined) throw wrongField(place.path, 'a string or a list of content blocks', undefined)
    for (const name of Object.keys(message))
      if (name !== 'role' && name !== 'content')
        loss({ field: `messages[].${name}`, reason: 'a setting of one message has no counterpart elsewhere' })
    switch (message.role) {
      case 'system': {
        const content: readonly TextPart[] = decodeSystem(message.content, place)
        if (content.length > 0) messages.push({ role: 'system', content })
        break
      }
      case 'user': {
        const { results, parts } = decodeUser(message.content, place)
        if (results.length > 0) messages.push({ role: 'tool', content: results })
        if (parts.length > 0) messages.push({ role: 'user', content: parts })
        break
      }
      case 'assistant': {
        const content = decodeAssistant(message.content, place)
        if (content.length > 0) messages.push({ role: 'assistant', content })
        break
      }
      default:
        throw wrongField(`${param}.role`, "'user', 'assistant' or 'system'", undefined)
    }
  }
  return messages
}

function tools(value: unknown, loss: ReportLoss): Tool[] {
  const rows = optional(asArray, value, { param: 'tools', wanted: 'a list of tools' }) ?? []
  return rows.map((row, at): Tool => {
    const param = `tools[${at}]`
    const tool = asObject(row)
    if (tool === undefined) throw wrongField(param, 'a tool', row)
    const type = optional(asString, tool.type, { param: `${param}.type`, wanted: 'a string' })
    const name = required(asString, tool.name ?? type, { param: `${param}.name`, wanted: 'a name' })
    if (type !== undefined && type !== 'custom') return { type: 'native', format: 'anthropic', name, definition: tool }
    for (const field of ['defer_loading', 'eager_input_streaming', 'input_examples', 'allowed_callers'] as const)
      if (tool[field] !== undefined)
        loss({ field: `tools[].${field}`, reason: 'other formats have no such setting of a tool' })
    return given({
      type: 'function' as const,
      name,
      description: optional(asString, tool.description, { param: `${param}.description`, wanted: 'a string' }),
      parameters: required(asObject, tool.input_schema, { param: `${param}.input_schema`, wanted: 'a JSON Schema' }),
      strict: asBoolean(tool.strict),
      cache: cacheOf(tool),
    })
  })
}

function toolChoice(value: unknown): { toolChoice: ChatRequest['toolChoice']; parallel: boolean | undefined } {
  const choice = optional(asObject, value, { param: 'tool_choice', wanted: 'an object' })
  if (choice === undefined) return { toolChoice: undefined, parallel: undefined }
  const parallel = choice.disable_parallel_tool_use === true ? false : undefined
  switch (choice.type) {
    case 'auto':
    case 'none':
      return { toolChoice: choice.type, parallel }
    case 'any':
      return { toolChoice: 'required', parallel }
    case 'tool': {
      const name = required(asString, choice.name, { param: 'tool_choice.name', wanted: 'the name of a tool' })
      return { toolChoice: { name }, parallel }
    }
    default:
      throw wrongField('tool_choice.type', "'auto', 'any', 'tool' or 'none'", undefined)
  }
}

/** `thinking` says whether, `output_config.effort` how much. Switched off, no effort counts (Claude Code sends both). */
function reasoning(body: JsonObject): Reasoning | undefined {
  const config = optional(asObject, body.output_config, { param: 'output_config', wanted: 'an object' })
  const word = optional(asString, config?.effort, { param: 'output_config.effort', wanted: 'a string' })
  const effort = EFFORTS.find((known) => known === word)
  if (word !== undefined && effort === undefined)
    throw wrongField('output_config.effort', "'low', 'medium', 'high', 'xhigh' or 'max'", undefined)
  const thinking = optional(asObject, body.thinking, { param: 'thinking', wanted: 'an object' })
  const visible = thinking?.display === undefined ? undefined : thinking.display !== 'omitted'
  switch (thinking?.type) {
    case undefined:
      return effort === undefined ? undefined : { effort }
    case 'disabled':
      return { effort: 'none' }
    case 'enabled': {
      const wanted = { param: 'thinking.budget_tokens', wanted: 'a number of tokens' }
      return given({ effort, budgetTokens: required(asNumber, thinking.budget_tokens, wanted), visible })
    }
    default:
      // `adaptive`, and newer ways to let the model choose (`between_tools`)
      return given({ effort, adaptive: true, visible })
  }
}

function outputShape(body: JsonObject): OutputShape | undefined {
  const format = asObject(asObject(body.output_config)?.format) ?? asObject(body.output_format)
  if (format === undefined) return undefined
  const wanted = { param: 'output_config.format.schema', wanted: 'a JSON Schema' }
  return { type: 'json-schema', name: 'output', schema: required(asObject, format.schema, wanted), strict: true }
}

function stopSequences(value: unknown): string[] {
  const rows = optional(asArray, value, { param: 'stop_sequences', wanted: 'a list of strings' }) ?? []
  return rows.map((row, at) => required(asString, row, { param: `stop_sequences[${at}]`, wanted: 'a string' }))
}

function nativeFields(body: JsonObject): ChatRequest['native'] {
  const fields = Object.entries(body).filter(([name, value]) => !MODELLED.has(name) && value !== undefined)
  return fields.length === 0 ? undefined : { format: 'anthropic', fields: Object.fromEntries(fields) }
}
