import { hash } from 'node:crypto'
import type { ChatRequest, Json, JsonObject, OutputShape, ReportLoss, Tool } from '../../model/request.ts'
import type { EncodeContext } from '../codec.ts'
import { customAsFunction } from '../custom-tools.ts'
import { asObject } from '../narrow.ts'
import { effortFor, effortOfBudget, familyOf, type Family } from './families.ts'
import { cacheMark, encodeMessages } from './message-encode.ts'
import { fittingName } from './names.ts'
import { present } from './present.ts'
import { fitsStrict, toolSchema } from './schema.ts'

/** The body for an upstream of this format. Nothing is invented that the target does not demand. */
export function encodeRequest(request: ChatRequest, context: EncodeContext): JsonObject {
  const family = familyOf(request.model)
  const effort = encodeEffort(request, family, context.loss)
  const messages = encodeMessages(request.messages, {
    family,
    origin: context.origin,
    loss: context.loss,
    thinking: effort !== 'none',
  })
  const tools = encodeTools(request, family, context.loss)
  const output = encodeOutput(request, messages, { family, loss: context.loss })
  return present<JsonObject>({
    model: request.model,
    messages: output.messages,
    ...tools,
    ...encodeSampling(request, family, context.loss),
    ...(effort === undefined ? {} : { reasoning_effort: effort }),
    ...(output.format === undefined ? {} : { response_format: output.format }),
    ...encodeAccount(request, family, context.loss),
    ...encodeNative(request, context.loss),
    // Without it a streamed answer has no usage at all.
    ...(request.stream
      ? { stream: true, stream_options: { ...nativeStreamOptions(request), include_usage: true } }
      : {}),
  })
}

function encodeTools(request: ChatRequest, family: Family, loss: ReportLoss): JsonObject {
  const tools = request.tools.flatMap((tool, index) => encodeTool(tool, { family, loss, at: `tools[${index}]` }))
  if (tools.length === 0) return {}
  const { toolChoice } = request
  const { parallelToolCalls } = request.sampling
  if (parallelToolCalls !== undefined && !family.parallelToolCalls)
    loss({ field: 'parallel_tool_calls', reason: 'this model refuses it' })
  return {
    tools,
    ...(toolChoice === undefined ? {} : { tool_choice: encodeToolChoice(toolChoice, request.tools, family) }),
    ...(parallelToolCalls === undefined || !family.parallelToolCalls ? {} : { parallel_tool_calls: parallelToolCalls }),
  }
}

const STRICT = 'OpenAI wants every object of a strict schema closed and all its properties required'

interface ToolTarget {
  readonly family: Family
  readonly loss: ReportLoss
  readonly at: string
}

function encodeTool(tool: Tool, target: ToolTarget): JsonObject[] {
  if (tool.type === 'native') {
    if (tool.format === 'openai-chat') return [tool.definition]
    target.loss({ field: target.at, reason: `${tool.name} is run by providers of the ${tool.format} format only` })
    return []
  }
  const marks = target.family.cacheMarks && tool.cache !== undefined ? cacheMark(tool.cache.ttl) : {}
  if (tool.type === 'custom' && target.family.customTools) {
    const custom = { name: fittingName(tool.name), description: tool.description, format: nestedGrammar(tool.grammar) }
    return [{ type: 'custom', custom, ...marks }]
  }
  const fn = tool.type === 'custom' ? customAsFunction(tool) : tool
  const { schema, lost } = toolSchema(fn.parameters)
  for (const word of lost)
    target.loss({ field: `${target.at}.parameters.${word}`, reason: 'not accepted at the top of a tool schema' })
  const { description } = fn
  const strict = fn.strict === true && target.family.openai && !fitsStrict(schema) ? undefined : fn.strict
  if (strict !== fn.strict) target.loss({ field: `${target.at}.strict`, reason: STRICT })
  const name = fittingName(fn.name)
  return [{ type: 'function', function: { name, description, parameters: schema, strict }, ...marks }]
}

/** The model keeps a grammar flat, as Responses has it; here it is nested. */
function nestedGrammar(grammar: JsonObject | undefined): JsonObject | undefined {
  if (grammar?.type !== 'grammar') return grammar
  const { type, ...rest } = grammar
  return { type, grammar: rest }
}

function encodeToolChoice(
  choice: NonNullable<ChatRequest['toolChoice']>,
  tools: readonly Tool[],
  family: Family,
): Json {
  if (typeof choice === 'string') return choice
  const name = fittingName(choice.name)
  const custom = family.customTools && tools.some((tool) => tool.type === 'custom' && tool.name === choice.name)
  return custom ? { type: 'custom', custom: { name } } : { type: 'function', function: { name } }
}

/** OpenAI refuses more stop sequences. */
const MOST_STOPS = 4

/** What leaving a field out means: no loss. */
const DEFAULTS: Readonly<Record<string, Json>> = {
  temperature: 1,
  top_p: 1,
  frequency_penalty: 0,
  presence_penalty: 0,
  logprobs: false,
}

function encodeSampling(request: ChatRequest, family: Family, loss: ReportLoss): JsonObject {
  const { sampling } = request
  const fields: Record<string, Json | undefined> = {
    temperature: sampling.temperature,
    top_p: sampling.topP,
    stop: sampling.stop?.length === 0 ? undefined : sampling.stop?.slice(0, MOST_STOPS),
    frequency_penalty: sampling.frequencyPenalty,
    presence_penalty: sampling.presencePenalty,
    logprobs: sampling.logprobs,
    top_logprobs: sampling.logprobs === true ? sampling.topLogprobs : undefined,
  }
  if ((sampling.stop?.length ?? 0) > MOST_STOPS)
    loss({ field: 'stop', reason: `only ${MOST_STOPS} stop sequences are accepted` })
  if (sampling.topK !== undefined) loss({ field: 'top_k', reason: 'OpenAI Chat has no top_k' })
  if (family.reasoning && request.reasoning?.effort !== 'none') {
    for (const [name, value] of Object.entries(fields)) {
      if (value === undefined) continue
      if (value !== DEFAULTS[name]) loss({ field: name, reason: 'refused by reasoning models' })
      fields[name] = undefined
    }
  }
  return {
    ...(family.reasoning ? { max_completion_tokens: sampling.maxTokens } : { max_tokens: sampling.maxTokens }),
    ...fields,
    seed: sampling.seed,
    n: sampling.choices,
  }
}

function encodeEffort(request: ChatRequest, family: Family, loss: ReportLoss): string | undefined {
  const { reasoning } = request
  if (reasoning === undefined) return undefined
  if (reasoning.summary !== undefined)
    loss({ field: 'reasoning.summary', reason: 'OpenAI Chat does not offer summaries of thoughts' })
  const wanted =
    reasoning.effort ?? (reasoning.budgetTokens === undefined ? undefined : effortOfBudget(reasoning.budgetTokens))
  if (wanted === undefined) return undefined
  if (!family.takesEffort) {
    // a model that does not think need not be told not to
    if (wanted !== 'none') loss({ field: 'reasoning', reason: 'this model takes no reasoning effort' })
    return undefined
  }
  const effort = effortFor(request.model, wanted)
  if (effort !== wanted)
    loss({ field: 'reasoning.effort', reason: `this model knows '${effort}' as the nearest to '${wanted}'` })
  return effort
}

interface Output {
  readonly messages: readonly JsonObject[]
  readonly format: JsonObject | undefined
}

function encodeOutput(
  request: ChatRequest,
  messages: readonly JsonObject[],
  { family, loss }: { readonly family: Family; readonly loss: ReportLoss },
): Output {
  const { output } = request
  if (output === undefined) return { messages, format: undefined }
  if (output.type === 'json-schema' && !family.jsonObjectOnly)
    return {
      messages,
      format: { type: 'json_schema', json_schema: jsonSchema(output, loosened(output, family, loss)) },
    }
  const format = { type: 'json_object' }
  const words =
    output.type === 'json-schema'
      ? `Answer with one JSON object that matches this JSON Schema:\n${JSON.stringify(output.schema)}`
      : 'Answer with one JSON object.'
  // OpenAI and DeepSeek refuse json_object when no message has the word "json" in it.
  const said = output.type === 'json' && /json/i.test(JSON.stringify(messages))
  return { messages: said ? messages : [{ role: 'system', content: words }, ...messages], format }
}

type SchemaShape = Extract<OutputShape, { type: 'json-schema' }>

function loosened(output: SchemaShape, family: Family, loss: ReportLoss): boolean | undefined {
  if (output.strict !== true || !family.openai || fitsStrict(output.schema)) return output.strict
  loss({ field: 'response_format.strict', reason: STRICT })
  return undefined
}

function jsonSchema(output: SchemaShape, strict: boolean | undefined): JsonObject {
  const name = output.name.replace(/[^a-zA-Z0-9_-]/g, '_').slice(0, 64)
  return {
    name: name === '' ? 'response' : name,
    description: output.description,
    schema: output.schema,
    strict,
  }
}

const OPENAI_TIERS = new Set(['auto', 'default', 'flex', 'scale', 'priority'])
/** Groq adds two: https://console.groq.com/docs/service-tiers */
const SERVICE_TIERS = new Set([...OPENAI_TIERS, 'on_demand', 'performance'])
/** OpenAI refuses longer users and cache keys. */
const LONGEST_ID = 64

function encodeAccount(request: ChatRequest, family: Family, loss: ReportLoss): JsonObject {
  const { metadata, serviceTier, cacheKey, native } = request
  const stored = native?.format === 'openai-chat' && native.fields.store === true
  if (metadata?.labels !== undefined && !stored)
    loss({ field: 'metadata', reason: 'accepted only for answers that are stored' })
  const tiers = family.openai ? OPENAI_TIERS : SERVICE_TIERS
  const tier = serviceTier === undefined || !tiers.has(serviceTier) ? undefined : serviceTier
  if (tier !== serviceTier) loss({ field: 'service_tier', reason: `OpenAI Chat has no tier '${serviceTier ?? ''}'` })
  if (cacheKey !== undefined && !family.cacheKey)
    loss({ field: 'prompt_cache_key', reason: 'not every upstream of this format accepts it' })
  return {
    user: metadata?.userId === undefined ? undefined : shortId(metadata.userId),
    metadata: stored ? metadata?.labels : undefined,
    service_tier: tier,
    prompt_cache_key: family.cacheKey && cacheKey !== undefined ? shortId(cacheKey) : undefined,
  }
}

function shortId(id: string): string {
  return id.length <= LONGEST_ID ? id : hash('sha256', id, 'hex')
}

/** Fields that OpenAI's two formats share by name: they need no place in the model. */
const SHARED_WITH_RESPONSES = ['safety_identifier', 'prompt_cache_retention', 'store', 'moderation'] as const

function encodeNative(request: ChatRequest, loss: ReportLoss): JsonObject {
  const { native } = request
  if (native === undefined) return {}
  if (native.format === 'openai-chat') {
    const fields: Record<string, Json | undefined> = { ...native.fields }
    Reflect.deleteProperty(fields, 'stream_options')
    return fields
  }
  const fields: Record<string, Json | undefined> = {}
  const family = familyOf(request.model)
  for (const [name, value] of Object.entries(native.fields)) {
    if (value === undefined) continue
    const shared = SHARED_WITH_RESPONSES.find((field) => field === name)
    if (native.format === 'openai-responses' && family.openai && shared !== undefined) {
      fields[shared] = value
      continue
    }
    const verbosity = name === 'text' && native.format === 'openai-responses' ? asObject(value)?.verbosity : undefined
    if (verbosity !== undefined && family.reasoning) {
      fields.verbosity = verbosity
      continue
    }
    loss({ field: name, reason: `known to the ${native.format} format only` })
  }
  return fields
}

function nativeStreamOptions(request: ChatRequest): JsonObject {
  return request.native?.format === 'openai-chat' ? (asObject(request.native.fields.stream_options) ?? {}) : {}
}
