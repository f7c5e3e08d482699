import type { ChatRequest, Json, JsonObject, OutputShape, ReportLoss, Tool } from '../../model/request.ts'
import type { EncodeContext } from '../codec.ts'
import { customAsFunction } from '../custom-tools.ts'
import { asString } from '../narrow.ts'
import { mark } from './encode-content.ts'
import { encodeConversation, lacksThought, withoutThoughts, type Turn } from './encode-conversation.ts'
import { traitsOf, type ModelTraits } from './models.ts'
import { wireToolName } from './names.ts'
import { inputSchema, strictSchema, withinStrictLimits } from './schema.ts'
import { planThinking, type ThinkingPlan } from './thinking.ts'
import { given, onceEach, type Block } from './wire.ts'

/** "A maximum of 4 blocks with cache_control may be provided." */
const MOST_CACHE_MARKS = 4

/** A body that Anthropic takes as it stands; what it has no place for is reported. */
export function encodeRequest(request: ChatRequest, { origin, loss: report }: EncodeContext): JsonObject {
  const loss = onceEach(report)
  const traits = traitsOf(request.model)
  const context = { loss, ...given({ origin }) }
  const { system, turns } = encodeConversation(request, context, traits)
  const plan = planThinking({ request, traits, lacksThought: lacksThought(turns), loss })
  const tools = encodeTools(request.tools, traits, loss)
  const shape = outputShape(request.output, traits, loss)
  if (shape.instruction !== undefined) system.push({ type: 'text', text: shape.instruction })
  // services that copy the API may want their thoughts back whatever was asked
  const messages = plan.on || !traits.claude ? turns : withoutThoughts(turns)
  const own = nativeFields(request, loss)
  limitMarks([...tools, ...system, ...marked(messages)], own.cache_control === undefined ? 0 : 1, loss)
  reportUncarried(request, loss)
  return given({
    model: request.model,
    max_tokens: plan.maxTokens,
    system: system.length === 0 ? undefined : system,
    messages: messages.map(({ role, content }) => ({ role, content })),
    tools: tools.length === 0 ? undefined : tools,
    tool_choice: tools.length === 0 ? undefined : toolChoice(request, plan, loss),
    ...sampling(request, { traits, plan, loss }),
    thinking: plan.thinking,
    output_config: outputConfig(plan.effort, shape.format),
    metadata: request.metadata?.userId === undefined ? undefined : { user_id: request.metadata.userId },
    service_tier: serviceTier(request.serviceTier, loss),
    ...own,
    stream: request.stream ? true : undefined,
  })
}

function encodeTools(tools: readonly Tool[], traits: ModelTraits, loss: ReportLoss): Block[] {
  const strict = strictTools(tools, traits, loss)
  const blocks: Block[] = []
  for (const tool of tools) {
    if (tool.type === 'native') {
      if (tool.format === 'anthropic')
        blocks.push({ ...tool.definition, type: asString(tool.definition.type) ?? 'custom' })
      else loss({ field: `tools[] (${tool.name})`, reason: 'a tool that another provider runs itself' })
      continue
    }
    const plain = tool.type === 'custom' ? customAsFunction(tool) : tool
    const closed = strict.get(tool.name)
    const block = given({
      name: wireToolName(plain.name),
      description: plain.description === '' ? undefined : plain.description,
      input_schema: closed ?? inputSchema(plain.parameters),
      strict: closed === undefined ? undefined : true,
    })
    blocks.push(mark(untyped(block), tool))
  }
  return blocks
}

/** A function tool has no `type`. */
function untyped(fields: JsonObject): Block {
  return { ...fields } as Block
}

/** Schemas by tool name, for those tools that may be asked for strictly; all or none, as the limits are on the whole request. */
function strictTools(tools: readonly Tool[], traits: ModelTraits, loss: ReportLoss): Map<string, JsonObject> {
  const wanted = tools.filter((tool) => tool.type === 'function').filter((tool) => tool.strict === true)
  const closed = new Map<string, JsonObject>()
  if (traits.structured)
    for (const tool of wanted) {
      const schema = strictSchema(inputSchema(tool.parameters))
      if (schema !== undefined) closed.set(tool.name, schema)
    }
  const strict = withinStrictLimits([...closed.values()]) ? closed : new Map<string, JsonObject>()
  if (strict.size < wanted.length)
    loss({ field: 'tools[].strict', reason: 'this model, or the limits on strict schemas, do not allow it' })
  return strict
}

function toolChoice(request: ChatRequest, plan: ThinkingPlan, loss: ReportLoss): JsonObject | undefined {
  const single = request.sampling.parallelToolCalls === false ? { disable_parallel_tool_use: true } : {}
  const choice = request.toolChoice
  if (plan.unforce === true) {
    loss({ field: 'tool_choice', reason: 'this model always thinks, and then no tool can be forced' })
    return { type: 'auto', ...single }
  }
  if (choice === undefined)
    return request.sampling.parallelToolCalls === false ? { type: 'auto', ...single } : undefined
  if (choice === 'none') return { type: 'none' }
  if (choice === 'auto') return { type: 'auto', ...single }
  return choice === 'required'
    ? { type: 'any', ...single }
    : { type: 'tool', name: wireToolName(choice.name), ...single }
}

/** Temperatures end at 1 here; with thinking only 1 is taken, `top_p` from 0.95 on, and no `top_k`. */
function sampling(
  { sampling: { temperature, topP, topK, stop } }: ChatRequest,
  { traits, plan, loss }: { readonly traits: ModelTraits; readonly plan: ThinkingPlan; readonly loss: ReportLoss },
): JsonObject {
  const out: Record<string, Json> = {}
  const give = (field: string, reason: string) => loss({ field, reason })
  const none = traits.sampling === 'none' ? 'this model takes no sampling parameters' : undefined
  const thinks = plan.on ? 'thinking excludes it' : undefined
  const refused = none ?? thinks
  if (temperature !== undefined) {
    if (refused === undefined) out.temperature = Math.min(1, Math.max(0, temperature))
    if (refused === undefined ? temperature > 1 : temperature !== 1)
      give('temperature', refused ?? 'temperatures end at 1 in this format')
  }
  if (topP !== undefined) {
    const apart = traits.sampling === 'one' && out.temperature !== undefined
    if (none === undefined && !apart && (thinks === undefined || topP >= 0.95)) out.top_p = topP
    else if (topP !== 1)
      give('top_p', none ?? (apart ? 'this model takes it or the temperature, not both' : thinks) ?? '')
  }
  if (topK !== undefined) {
    if (refused === undefined) out.top_k = topK
    else give('top_k', refused)
  }
  const stops = stop?.filter((text) => text.trim() !== '') ?? []
  if (stops.length < (stop?.length ?? 0)) give('stop', 'stop sequences of white space are refused')
  if (stops.length > 0) out.stop_sequences = stops
  return out
}

/** Structured output natively where the model and the schema allow it; elsewhere the model is told in words. */
function outputShape(
  output: OutputShape | undefined,
  traits: ModelTraits,
  loss: ReportLoss,
): { readonly format?: JsonObject; readonly instruction?: string } {
  if (output === undefined) return {}
  const only = 'Answer with one JSON object and nothing else: no prose before or after it, no code fence.'
  if (output.type === 'json') return { instruction: only }
  const schema = traits.structured ? strictSchema(output.schema) : undefined
  if (schema !== undefined) return { format: { type: 'json_schema', schema } }
  loss({ field: 'response_format', reason: 'this model, or the schema, allows no constrained answer: told in words' })
  const about = output.description === undefined ? '' : `\n${output.description}`
  return { instruction: `${only}${about}\nIt must match this JSON Schema:\n${JSON.stringify(output.schema)}` }
}

function outputConfig(effort: string | undefined, format: JsonObject | undefined): JsonObject | undefined {
  return effort === undefined && format === undefined ? undefined : given({ effort, format })
}

function serviceTier(tier: string | undefined, loss: ReportLoss): string | undefined {
  if (tier === undefined || tier === 'auto') return tier
  if (tier === 'default' || tier === 'standard_only') return 'standard_only'
  if (tier === 'priority') return 'auto'
  loss({ field: 'service_tier', reason: `there is no tier '${tier}' in this format` })
  return undefined
}

function nativeFields({ native }: ChatRequest, loss: ReportLoss): JsonObject {
  if (native === undefined || native.format === 'anthropic') return native?.fields ?? {}
  for (const field of Object.keys(native.fields)) loss({ field, reason: 'a field of another format' })
  return {}
}

function marked(turns: readonly Turn[]): Block[] {
  return turns.flatMap(({ content }) => content)
}

/** The last marks are kept: each covers all that stands before it. */
function limitMarks(blocks: readonly Block[], taken: number, loss: ReportLoss): void {
  const marks = blocks.filter((block) => block.cache_control !== undefined)
  const surplus = marks.slice(0, Math.max(0, marks.length + taken - MOST_CACHE_MARKS))
  for (const block of surplus) delete block.cache_control
  if (surplus.length > 0) loss({ field: 'cache_control', reason: `only ${MOST_CACHE_MARKS} marks are allowed` })
}

function reportUncarried({ sampling: wish, cacheKey, metadata }: ChatRequest, loss: ReportLoss): void {
  const reason = 'the Anthropic format has no such field'
  const fields: Readonly<Record<string, unknown>> = {
    seed: wish.seed,
    frequency_penalty: wish.frequencyPenalty === 0 ? undefined : wish.frequencyPenalty,
    presence_penalty: wish.presencePenalty === 0 ? undefined : wish.presencePenalty,
    n: (wish.choices ?? 1) > 1 ? wish.choices : undefined,
    logprobs: wish.logprobs === true ? true : undefined,
    top_logprobs: wish.topLogprobs,
    prompt_cache_key: cacheKey,
    metadata: metadata?.labels,
  }
  for (const [field, value] of Object.entries(fields)) if (value !== undefined) loss({ field, reason })
}
