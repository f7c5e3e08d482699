import { RelayError } from '../../errors.ts'
import type {
  ChatRequest,
  Json,
  JsonObject,
  OutputShape,
  Reasoning,
  ReportLoss,
  Sampling,
  Tool,
} from '../../model/request.ts'
import type { WireRequest } from '../codec.ts'
import { asArray, asBoolean, asNumber, asObject, asString, optional, required, wrongField } from '../narrow.ts'
import { cacheOf, decodeMessages } from './message-decode.ts'
import { present } from './present.ts'

/** A client's request. @throws RelayError `invalid_request` naming the field */
export function decodeRequest(wire: WireRequest, loss: ReportLoss): ChatRequest {
  const { body } = wire
  const messages = required(asArray, body.messages, { param: 'messages', wanted: 'an array of messages' })
  if (messages.length === 0)
    throw new RelayError('invalid_request', "'messages' must not be empty", { param: 'messages' })
  const declared = decodeTools(body)
  const choice = decodeToolChoice(body, declared)
  const native = nativeFields(body)
  return present<ChatRequest>({
    model: required(asString, body.model, { param: 'model', wanted: 'the name of a model' }),
    stream: optional(asBoolean, body.stream, { param: 'stream', wanted: 'true or false' }) ?? false,
    messages: decodeMessages(messages, loss),
    tools: choice.tools ?? declared,
    toolChoice: choice.toolChoice,
    sampling: decodeSampling(body),
    reasoning: decodeReasoning(body),
    output: decodeOutput(body.response_format),
    metadata: decodeMetadata(body),
    serviceTier: optional(asString, body.service_tier, { param: 'service_tier', wanted: 'a string' }),
    cacheKey: optional(asString, body.prompt_cache_key, { param: 'prompt_cache_key', wanted: 'a string' }),
    includeUsage: asBoolean(asObject(body.stream_options)?.include_usage),
    legacyFunctions: body.tools === undefined && asArray(body.functions) !== undefined ? true : undefined,
    native: Object.keys(native).length === 0 ? undefined : { format: 'openai-chat', fields: native },
  })
}

/** Fields that the model carries; all others ride in `native`. */
const CARRIED: ReadonlySet<string> = new Set([
  'model',
  'stream',
  'stream_options',
  'messages',
  'tools',
  'tool_choice',
  'functions',
  'function_call',
  'parallel_tool_calls',
  'max_tokens',
  'max_completion_tokens',
  'temperature',
  'top_p',
  'top_k',
  'stop',
  'seed',
  'frequency_penalty',
  'presence_penalty',
  'n',
  'logprobs',
  'top_logprobs',
  'reasoning_effort',
  'reasoning',
  'thinking',
  'enable_thinking',
  'thinking_budget',
  'response_format',
  'user',
  'metadata',
  'service_tier',
  'prompt_cache_key',
])

function nativeFields(body: JsonObject): JsonObject {
  const fields: Record<string, Json> = {}
  for (const [name, value] of Object.entries(body))
    if (!CARRIED.has(name) && value !== null && value !== undefined) fields[name] = value
  const streamOptions = Object.entries(asObject(body.stream_options) ?? {}).filter(([name]) => name !== 'include_usage')
  if (streamOptions.length > 0) fields.stream_options = Object.fromEntries(streamOptions)
  return fields
}

function decodeSampling(body: JsonObject): Sampling {
  const number = (param: string): number | undefined => optional(asNumber, body[param], { param, wanted: 'a number' })
  const flag = (param: string): boolean | undefined =>
    optional(asBoolean, body[param], { param, wanted: 'true or false' })
  return present<Sampling>({
    maxTokens: number('max_completion_tokens') ?? number('max_tokens'),
    temperature: number('temperature'),
    topP: number('top_p'),
    topK: number('top_k'),
    stop: decodeStop(body.stop),
    seed: number('seed'),
    parallelToolCalls: flag('parallel_tool_calls'),
    frequencyPenalty: number('frequency_penalty'),
    presencePenalty: number('presence_penalty'),
    choices: number('n'),
    logprobs: flag('logprobs'),
    topLogprobs: number('top_logprobs'),
  })
}

function decodeStop(value: unknown): readonly string[] | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'string') return [value]
  const list = asArray(value)
  if (list === undefined) throw wrongField('stop', 'a string or an array of strings', value)
  return list.map((entry, at) => required(asString, entry, { param: `stop[${at}]`, wanted: 'a string' }))
}

const EFFORTS = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'] as const

/**
 * `reasoning_effort` (OpenAI), `reasoning: {effort, max_tokens, enabled}` (OpenRouter), `thinking: {type, budget_tokens}` (DeepSeek,
 * Z.ai, Moonshot), `enable_thinking` and `thinking_budget` (Qwen).
 */
function decodeReasoning(body: JsonObject): Reasoning | undefined {
  const router = asObject(body.reasoning)
  const thinking = asObject(body.thinking)
  const effort = optional(asEffort, body.reasoning_effort ?? router?.effort, {
    param: body.reasoning_effort === undefined ? 'reasoning.effort' : 'reasoning_effort',
    wanted: `one of ${EFFORTS.join(', ')}`,
  })
  const budget = asNumber(router?.max_tokens ?? thinking?.budget_tokens ?? body.thinking_budget)
  const off = router?.enabled === false || thinking?.type === 'disabled' || body.enable_thinking === false
  const on =
    router?.enabled === true ||
    ['enabled', 'adaptive'].includes(asString(thinking?.type) ?? '') ||
    body.enable_thinking === true
  if (off) return { effort: 'none' }
  if (effort === undefined && budget === undefined && !on) return undefined
  return {
    ...(effort === undefined ? {} : { effort }),
    ...(budget === undefined ? {} : { budgetTokens: budget }),
    ...(on && effort === undefined && budget === undefined ? { adaptive: true } : {}),
    ...(router?.exclude === true ? { visible: false } : {}),
  }
}

function asEffort(value: unknown): (typeof EFFORTS)[number] | undefined {
  return EFFORTS.find((effort) => effort === value)
}

function decodeOutput(value: unknown): OutputShape | undefined {
  const format = optional(asObject, value, { param: 'response_format', wanted: 'an object' })
  if (format === undefined || format.type === 'text') return undefined
  if (format.type === 'json_object') return { type: 'json' }
  if (format.type !== 'json_schema')
    throw new RelayError('invalid_request', "'response_format.type' must be text, json_object or json_schema", {
      param: 'response_format.type',
    })
  const at = 'response_format.json_schema'
  const shape = required(asObject, format.json_schema, { param: at, wanted: 'an object' })
  const description = optional(asString, shape.description, { param: `${at}.description`, wanted: 'a string' })
  const strict = optional(asBoolean, shape.strict, { param: `${at}.strict`, wanted: 'true or false' })
  return {
    type: 'json-schema',
    name: optional(asString, shape.name, { param: `${at}.name`, wanted: 'a string' }) ?? 'response',
    ...(description === undefined ? {} : { description }),
    schema: optional(asObject, shape.schema, { param: `${at}.schema`, wanted: 'an object' }) ?? {},
    ...(strict === undefined ? {} : { strict }),
  }
}

function decodeMetadata(body: JsonObject): ChatRequest['metadata'] {
  const userId = optional(asString, body.user, { param: 'user', wanted: 'a string' })
  const given = optional(asObject, body.metadata, { param: 'metadata', wanted: 'an object' })
  if (userId === undefined && given === undefined) return undefined
  const labels: Record<string, string> = {}
  for (const [name, value] of Object.entries(given ?? {}))
    labels[name] = required(asString, value, { param: `metadata.${name}`, wanted: 'a string' })
  return { ...(userId === undefined ? {} : { userId }), ...(given === undefined ? {} : { labels }) }
}

function decodeTools(body: JsonObject): readonly Tool[] {
  const tools = optional(asArray, body.tools, { param: 'tools', wanted: 'an array' })
  if (tools !== undefined) return tools.map((tool, at) => decodeTool(tool, `tools[${at}]`))
  const functions = optional(asArray, body.functions, { param: 'functions', wanted: 'an array' }) ?? []
  return functions.map((fn, at) => {
    const param = `functions[${at}]`
    return decodeFunction(required(asObject, fn, { param, wanted: 'an object' }), param)
  })
}

function decodeTool(value: unknown, at: string): Tool {
  const tool = asObject(value)
  if (tool === undefined) throw wrongField(at, 'an object', value)
  const type = required(asString, tool.type, { param: `${at}.type`, wanted: "'function' or 'custom'" })
  if (type === 'function') {
    // flat as in Responses: what Cursor sends
    const inner = tool.function === undefined && tool.name !== undefined ? tool : undefined
    const fn = inner ?? required(asObject, tool.function, { param: `${at}.function`, wanted: 'an object' })
    return { ...decodeFunction(fn, inner === undefined ? `${at}.function` : at), ...cacheOf(tool) }
  }
  if (type === 'custom') {
    const inner = asObject(tool.custom) ?? tool
    const param = inner === tool ? at : `${at}.custom`
    const description = optional(asString, inner.description, { param: `${param}.description`, wanted: 'a string' })
    const grammar = optional(asObject, inner.format, { param: `${param}.format`, wanted: 'an object' })
    return {
      type: 'custom',
      name: required(asString, inner.name, { param: `${param}.name`, wanted: 'a string' }),
      ...(description === undefined ? {} : { description }),
      ...(grammar === undefined ? {} : { grammar: flatGrammar(grammar) }),
      ...cacheOf(tool),
    }
  }
  return { type: 'native', format: 'openai-chat', name: type, definition: tool }
}

/** Chat nests what Responses has flat: `{type: 'grammar', grammar: {syntax, definition}}`. The model keeps the flat form. */
function flatGrammar(format: JsonObject): JsonObject {
  const { grammar, ...rest } = format
  return { ...rest, ...asObject(grammar) }
}

function decodeFunction(fn: JsonObject, at: string): Extract<Tool, { type: 'function' }> {
  const description = optional(asString, fn.description, { param: `${at}.description`, wanted: 'a string' })
  const strict = optional(asBoolean, fn.strict, { param: `${at}.strict`, wanted: 'true or false' })
  return {
    type: 'function',
    name: required(asString, fn.name, { param: `${at}.name`, wanted: 'a string' }),
    ...(description === undefined ? {} : { description }),
    parameters: optional(asObject, fn.parameters, { param: `${at}.parameters`, wanted: 'a JSON Schema' }) ?? {
      type: 'object',
      properties: {},
    },
    ...(strict === undefined ? {} : { strict }),
  }
}

interface Choice {
  readonly toolChoice?: NonNullable<ChatRequest['toolChoice']>
  /** Set where the choice leaves only some of the tools. */
  readonly tools?: readonly Tool[]
}

/** OpenAI's words, Mistral's `any`, Anthropic's objects, and the older `function_call`. */
function decodeToolChoice(body: JsonObject, tools: readonly Tool[]): Choice {
  const legacy = body.tool_choice === undefined && body.function_call !== undefined
  const param = legacy ? 'function_call' : 'tool_choice'
  const value = legacy ? body.function_call : body.tool_choice
  if (value === undefined || value === null) return {}
  if (typeof value === 'string') return { toolChoice: choiceWord(value, param) }
  const choice = asObject(value)
  if (choice === undefined) throw wrongField(param, 'a string or an object', value)
  const allowed = asObject(choice.allowed_tools) ?? (choice.type === 'allowed_tools' ? choice : undefined)
  if (allowed !== undefined) return allowedTools(allowed, tools)
  const name =
    asString(asObject(choice.function)?.name) ?? asString(asObject(choice.custom)?.name) ?? asString(choice.name)
  if (name !== undefined) return { toolChoice: { name } }
  return {
    toolChoice: choiceWord(required(asString, choice.type, { param: `${param}.type`, wanted: 'a string' }), param),
  }
}

function choiceWord(word: string, param: string): 'auto' | 'none' | 'required' {
  if (word === 'auto' || word === 'none' || word === 'required') return word
  if (word === 'any') return 'required'
  throw new RelayError('invalid_request', `'${param}' must be auto, none, required or name a tool`, { param })
}

/** Only some tools may be called: the others are not offered, which every target understands. */
function allowedTools(allowed: JsonObject, tools: readonly Tool[]): Choice {
  const entries = required(asArray, allowed.tools, { param: 'tool_choice.allowed_tools.tools', wanted: 'an array' })
  const names = new Set(
    entries.map((value) => {
      const entry = asObject(value)
      return (
        asString(asObject(entry?.function)?.name) ??
        asString(asObject(entry?.custom)?.name) ??
        asString(entry?.name) ??
        asString(entry?.type)
      )
    }),
  )
  return {
    toolChoice: choiceWord(asString(allowed.mode) ?? 'auto', 'tool_choice.allowed_tools.mode'),
    tools: tools.filter((tool) => names.has(tool.name)),
  }
}
