import type { ChatRequest, Json, JsonObject, OutputShape, ReportLoss, Tool } from '../../model/request.ts'
import type { EncodeContext } from '../codec.ts'
import { asArray, asObject } from '../narrow.ts'
import { encodeInput } from './encode-input.ts'
import { neverReasons, refusesSampling } from './models.ts'
import { fittingName, shorten } from './names.ts'

/** "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16": clients probe with 1. */
const FEWEST_TOKENS = 16

/** A request for a Responses channel; nothing is ever stored there. */
export function encodeRequest(request: ChatRequest, context: EncodeContext): JsonObject {
  const { loss } = context
  const {
    include: nativeInclude,
    text: textField,
    reasoning: reasoningField,
    tool_choice: nativeChoice,
    ...alone
  } = nativeFields(request, loss)
  const input = encodeInput(request, context)
  const tools = request.tools.flatMap((tool) => encodeTool(tool, loss))
  const reasoning = encodeReasoning(request, loss)
  const text = encodeText(request.output)
  const nativeText = asObject(textField)
  const nativeReasoning = asObject(reasoningField)
  const include = [
    ...(neverReasons(request.model) ? [] : ['reasoning.encrypted_content']),
    ...(request.sampling.logprobs === true ? ['message.output_text.logprobs'] : []),
    ...(asArray(nativeInclude) ?? []).filter((name) => typeof name === 'string'),
  ]
  const wantsJson = request.output?.type === 'json' && !mentionsJson(request)
  return {
    ...alone,
    model: request.model,
    // "Response input messages must contain the word 'json' in some form to use 'text.format' of type 'json_object'"
    input: wantsJson ? [...input, { type: 'message', role: 'developer', content: 'Answer in JSON.' }] : input,
    ...(request.stream ? { stream: true } : {}),
    store: false,
    ...(include.length === 0 ? {} : { include }),
    ...encodeTools(request, tools, nativeChoice),
    ...(reasoning === undefined && nativeReasoning === undefined
      ? {}
      : { reasoning: { ...nativeReasoning, ...reasoning } }),
    ...(text === undefined && nativeText === undefined
      ? {}
      : { text: { ...nativeText, ...(text === undefined ? {} : { format: text }) } }),
    ...encodeSampling(request, loss),
    ...encodeMetadata(request, loss),
    ...encodeTier(request.serviceTier, loss),
    ...(request.cacheKey === undefined ? {} : { prompt_cache_key: shorten(request.cacheKey) }),
  }
}

/** Fields that OpenAI's two formats share by name. */
const SHARED_WITH_CHAT = new Set(['safety_identifier', 'prompt_cache_retention', 'prompt_cache_options', 'moderation'])

function nativeFields({ native, model }: ChatRequest, loss: ReportLoss): JsonObject {
  if (native === undefined) return {}
  if (native.format === 'openai-responses') return native.fields
  const fields: Record<string, Json | undefined> = {}
  for (const [field, value] of Object.entries(native.fields)) {
    const chat = native.format === 'openai-chat'
    if (chat && field === 'store') continue
    if (chat && SHARED_WITH_CHAT.has(field)) fields[field] = value
    else if (chat && field === 'verbosity' && !neverReasons(model)) fields.text = { verbosity: value }
    else loss({ field, reason: `a field of the ${native.format} format alone` })
  }
  return fields
}

function encodeTool(tool: Tool, loss: ReportLoss): JsonObject[] {
  const description = tool.type === 'native' || tool.description === undefined ? {} : { description: tool.description }
  switch (tool.type) {
    case 'function':
      // without `strict` the API would demand every property of every call
      return [
        {
          type: 'function',
          name: fittingName(tool.name),
          ...description,
          parameters: withProperties(tool.parameters),
          strict: tool.strict ?? false,
        },
      ]
    case 'custom':
      return [
        {
          type: 'custom',
          name: fittingName(tool.name),
          ...description,
          ...(tool.grammar === undefined ? {} : { format: tool.grammar }),
        },
      ]
    case 'native':
      if (tool.format === 'openai-responses') return [tool.definition]
      loss({ field: `tools.${tool.name}`, reason: `a built-in tool of the ${tool.format} format` })
      return []
  }
}

/** "Invalid schema for function: object schema missing properties" is a 400. */
function withProperties(schema: JsonObject): JsonObject {
  const { type = 'object' } = schema
  return type === 'object' && schema.properties === undefined ? { ...schema, type, properties: {} } : schema
}

/** Without tools, neither a choice among them nor their parallel use may be spoken of. */
function encodeTools(request: ChatRequest, tools: readonly JsonObject[], nativeChoice: Json | undefined): JsonObject {
  if (tools.length === 0) return {}
  const { toolChoice } = request
  const named = typeof toolChoice === 'object' ? request.tools.find((tool) => tool.name === toolChoice.name) : undefined
  const choice =
    typeof toolChoice === 'object'
      ? { type: named?.type === 'custom' ? 'custom' : 'function', name: fittingName(toolChoice.name) }
      : (toolChoice ?? nativeChoice)
  const parallel = request.sampling.parallelToolCalls
  return {
    tools,
    ...(choice === undefined ? {} : { tool_choice: choice }),
    ...(parallel === undefined ? {} : { parallel_tool_calls: parallel }),
  }
}

function encodeReasoning({ reasoning, model }: ChatRequest, loss: ReportLoss): JsonObject | undefined {
  if (reasoning === undefined) return undefined
  if (neverReasons(model)) {
    loss({ field: 'reasoning', reason: `${model} does not reason` })
    return undefined
  }
  const effort = reasoning.effort ?? effortOf(reasoning.budgetTokens)
  // who sets a budget or leaves it to the model speaks a dialect that shows thoughts unless told otherwise
  const shown = reasoning.visible ?? (reasoning.budgetTokens !== undefined || reasoning.adaptive === true)
  const summary = reasoning.summary ?? (shown && effort !== 'none' ? 'auto' : undefined)
  if (effort === undefined && summary === undefined) return undefined
  return {
    ...(effort === undefined ? {} : { effort }),
    ...(summary === undefined ? {} : { summary }),
  }
}

function effortOf(budgetTokens: number | undefined): 'none' | 'low' | 'medium' | 'high' | undefined {
  if (budgetTokens === undefined || budgetTokens < 0) return undefined
  if (budgetTokens === 0) return 'none'
  return budgetTokens <= 4096 ? 'low' : budgetTokens <= 16_384 ? 'medium' : 'high'
}

function encodeText(output: OutputShape | undefined): JsonObject | undefined {
  if (output === undefined) return undefined
  if (output.type === 'json') return { type: 'json_object' }
  const { name, description, schema, strict } = output
  return {
    type: 'json_schema',
    name: shorten(name.replace(/[^A-Za-z0-9_-]/g, '_')),
    ...(description === undefined ? {} : { description }),
    schema,
    ...(strict === undefined ? {} : { strict }),
  }
}

function mentionsJson({ messages }: ChatRequest): boolean {
  return messages.some((message) => message.content.some((part) => part.type === 'text' && /json/i.test(part.text)))
}

function encodeSampling(request: ChatRequest, loss: ReportLoss): JsonObject {
  const { sampling, model, reasoning } = request
  const reason = 'the Responses format has no such field'
  if (sampling.stop !== undefined && sampling.stop.length > 0) loss({ field: 'stop', reason })
  if (sampling.topK !== undefined) loss({ field: 'top_k', reason })
  if (sampling.seed !== undefined) loss({ field: 'seed', reason })
  if ((sampling.frequencyPenalty ?? 0) !== 0) loss({ field: 'frequency_penalty', reason })
  if ((sampling.presencePenalty ?? 0) !== 0) loss({ field: 'presence_penalty', reason })
  if ((sampling.choices ?? 1) > 1) loss({ field: 'n', reason: 'the Responses format gives one answer' })
  const { maxTokens, temperature, topP, topLogprobs } = sampling
  if (maxTokens !== undefined && maxTokens < FEWEST_TOKENS)
    loss({ field: 'max_tokens', reason: `raised to ${FEWEST_TOKENS}, the least that OpenAI takes` })
  const fixed = refusesSampling(model, reasoning?.effort ?? effortOf(reasoning?.budgetTokens))
  if (fixed && temperature !== undefined) loss({ field: 'temperature', reason: `${model} refuses it` })
  if (fixed && topP !== undefined) loss({ field: 'top_p', reason: `${model} refuses it` })
  return {
    ...(maxTokens === undefined ? {} : { max_output_tokens: Math.max(FEWEST_TOKENS, maxTokens) }),
    ...(temperature === undefined || fixed ? {} : { temperature }),
    ...(topP === undefined || fixed ? {} : { top_p: topP }),
    ...(topLogprobs === undefined ? {} : { top_logprobs: topLogprobs }),
  }
}

/** At most 16 labels, names up to 64 characters, values up to 512; a user's id up to 64. */
function encodeMetadata({ metadata }: ChatRequest, loss: ReportLoss): JsonObject {
  const labels = Object.entries(metadata?.labels ?? {})
  const fitting = labels.filter(([name, value]) => name.length <= 64 && value.length <= 512).slice(0, 16)
  if (fitting.length < labels.length) loss({ field: 'metadata', reason: 'more or longer labels than OpenAI takes' })
  return {
    ...(fitting.length === 0 ? {} : { metadata: Object.fromEntries(fitting) }),
    ...(metadata?.userId === undefined ? {} : { user: shorten(metadata.userId) }),
  }
}

const TIERS = new Set(['auto', 'default', 'flex', 'scale', 'priority', 'fast', 'ultrafast'])

function encodeTier(tier: string | undefined, loss: ReportLoss): JsonObject {
  if (tier === undefined) return {}
  if (TIERS.has(tier)) return { service_tier: tier }
  loss({ field: 'service_tier', reason: `OpenAI has no tier '${tier}'` })
  return {}
}
