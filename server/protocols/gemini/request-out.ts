import type {
  ChatRequest,
  Json,
  JsonObject,
  Message,
  OutputShape,
  ReportLoss,
  TextPart,
  Tool,
} from '../../model/request.ts'
import type { EncodeContext } from '../codec.ts'
import { customAsFunction } from '../custom-tools.ts'
import { asArray, asObject } from '../narrow.ts'
import { encodeContents } from './contents-out.ts'
import { isSibling, traitsOf, type Dialect, type Target } from './dialect.ts'
import { safeName } from './names.ts'
import { toJsonDialect, toSubset } from './schema.ts'
import { encodeThinking } from './thinking-out.ts'

/** The bare request (no envelope, no model: it stands in the path). */
export function encodeRequest(request: ChatRequest, dialect: Dialect, context: EncodeContext): JsonObject {
  const target: Target = { dialect, traits: traitsOf(request.model), origin: context.origin, loss: context.loss }
  const native = nativeFields(request, target.loss)
  const tools = encodeTools(request.tools, target)
  const shape = encodeShape(request, target)
  const system = [...systemTexts(request), ...shape.instructions]
  reportUnsaid(request, target.loss)
  const { generationConfig, toolConfig, ...rest } = native
  const config = {
    ...asObject(generationConfig),
    ...encodeSampling(request, target),
    ...encodeThinking(request, target),
    ...shape.config,
  }
  const choice = { ...encodeChoice(request, tools, target), ...nativeChoice(asObject(toolConfig), dialect) }
  return {
    contents: encodeContents(request.messages, target),
    ...(system.length > 0 && { systemInstruction: { parts: system.map((text) => ({ text })) } }),
    ...(tools.length > 0 && { tools }),
    ...(Object.keys(choice).length > 0 && tools.length > 0 && { toolConfig: choice }),
    ...(Object.keys(config).length > 0 && { generationConfig: config }),
    ...(request.serviceTier !== undefined && encodeTier(request.serviceTier, target)),
    ...rest,
  }
}

/** Fields that only Gemini has go out again to Gemini and to what wraps it. */
function nativeFields(request: ChatRequest, loss: ReportLoss): JsonObject {
  const { native } = request
  if (native === undefined) return {}
  if (isSibling(native.format)) return native.fields
  for (const field of Object.keys(native.fields)) loss({ field, reason: 'Gemini has no equal field' })
  return {}
}

function systemTexts(request: ChatRequest): readonly string[] {
  return request.messages
    .filter((message) => message.role === 'system')
    .flatMap((message) => message.content.map((part: TextPart) => part.text))
    .filter((text) => text !== '')
}

function reportUnsaid(request: ChatRequest, loss: ReportLoss): void {
  const { sampling } = request
  if (sampling.parallelToolCalls === false)
    loss({ field: 'parallel_tool_calls', reason: 'Gemini always may call several functions at once' })
  if (request.metadata?.userId !== undefined) loss({ field: 'metadata.user_id', reason: 'Gemini takes no user id' })
  if (request.metadata?.labels !== undefined) loss({ field: 'metadata', reason: 'the Gemini API takes no labels' })
  if (
    request.messages.some(isMarked) ||
    request.tools.some((tool) => tool.type !== 'native' && tool.cache !== undefined)
  )
    loss({ field: 'cache_control', reason: 'Gemini caches by itself' })
  if (request.cacheKey !== undefined) loss({ field: 'prompt_cache_key', reason: 'Gemini caches by itself' })
}

function isMarked(message: Message): boolean {
  return message.content.some((part: object) => 'cache' in part)
}

const TIERS = new Set(['standard', 'flex', 'priority'])

function encodeTier(tier: string, target: Target): JsonObject {
  if (tier === 'auto' || tier === 'default') return {}
  if (TIERS.has(tier) && target.dialect.format === 'gemini') return { serviceTier: tier }
  target.loss({ field: 'service_tier', reason: `there is no tier '${tier}'` })
  return {}
}

const MOST_STOPS = 5

function encodeSampling(request: ChatRequest, { loss }: Target): JsonObject {
  const { sampling } = request
  const stop = sampling.stop?.filter((text) => text !== '') ?? []
  if (stop.length > MOST_STOPS)
    loss({ field: 'stop', reason: `Gemini takes ${MOST_STOPS} stop sequences, the rest are left out` })
  const seed = sampling.seed
  const seedFits = seed !== undefined && Number.isInteger(seed) && Math.abs(seed) <= 0x7fffffff
  if (seed !== undefined && !seedFits) loss({ field: 'seed', reason: 'Gemini takes a 32-bit integer' })
  return {
    ...(sampling.maxTokens !== undefined && { maxOutputTokens: sampling.maxTokens }),
    ...(sampling.temperature !== undefined && { temperature: sampling.temperature }),
    ...(sampling.topP !== undefined && { topP: sampling.topP }),
    ...(sampling.topK !== undefined && { topK: sampling.topK }),
    ...(stop.length > 0 && { stopSequences: stop.slice(0, MOST_STOPS) }),
    ...(seedFits && { seed }),
    // many models refuse the fields themselves, and 0 is the default
    ...(sampling.presencePenalty !== undefined &&
      sampling.presencePenalty !== 0 && { presencePenalty: sampling.presencePenalty }),
    ...(sampling.frequencyPenalty !== undefined &&
      sampling.frequencyPenalty !== 0 && { frequencyPenalty: sampling.frequencyPenalty }),
    ...(sampling.choices !== undefined && sampling.choices > 1 && { candidateCount: sampling.choices }),
    ...(sampling.logprobs === true && { responseLogprobs: true }),
    ...(sampling.logprobs === true && sampling.topLogprobs !== undefined && { logprobs: sampling.topLogprobs }),
  }
}

function encodeTools(tools: readonly Tool[], target: Target): readonly JsonObject[] {
  const declarations: JsonObject[] = []
  const builtIn: JsonObject[] = []
  for (const tool of tools) {
    if (tool.type !== 'native') declarations.push(encodeFunction(tool, target))
    else if (isSibling(tool.format)) builtIn.push(tool.definition)
    else target.loss({ field: `tools.${tool.name}`, reason: 'only its own provider runs this tool' })
  }
  return [...(declarations.length > 0 ? [{ functionDeclarations: declarations }] : []), ...builtIn]
}

function encodeFunction(tool: Exclude<Tool, { type: 'native' }>, target: Target): JsonObject {
  const { dialect, loss } = target
  const { name, description = '', parameters, strict } = tool.type === 'custom' ? customAsFunction(tool) : tool
  if (strict === true) loss({ field: `tools.${name}.strict`, reason: 'Gemini does not promise to keep a schema' })
  return { name: safeName(name, dialect), description, ...encodeParameters(parameters, dialect) }
}

/** An object without properties is refused in `parameters`; leaving the field out says the same. */
function encodeParameters(parameters: JsonObject, dialect: Dialect): JsonObject {
  const properties = asObject(parameters['properties']) ?? {}
  if (dialect.schemas === 'json') {
    const schema = toJsonDialect(parameters)
    const typed = 'type' in schema || '$ref' in schema || 'anyOf' in schema || 'oneOf' in schema
    return { parametersJsonSchema: typed ? schema : { type: 'object', ...schema } }
  }
  const isEmpty =
    Object.keys(properties).length === 0 && !['$ref', 'allOf', 'anyOf', 'oneOf'].some((key) => key in parameters)
  return isEmpty ? {} : { parameters: toSubset({ ...('$ref' in parameters ? {} : { type: 'object' }), ...parameters }) }
}

/** Names of a mode that only Gemini has are written as the declarations are. */
function nativeChoice(config: JsonObject | undefined, dialect: Dialect): JsonObject {
  const functionCalling = asObject(config?.['functionCallingConfig'])
  const names = asArray(functionCalling?.['allowedFunctionNames'])
  if (names === undefined) return config ?? {}
  const allowedFunctionNames = names.map((name) => safeName(String(name), dialect))
  return { ...config, functionCallingConfig: { ...functionCalling, allowedFunctionNames } }
}

function encodeChoice(request: ChatRequest, tools: readonly JsonObject[], target: Target): JsonObject {
  const { toolChoice } = request
  if (toolChoice === undefined || tools.length === 0) return {}
  const names = request.tools.flatMap((tool) => (tool.type === 'native' ? [] : [tool.name]))
  if (names.length === 0) return {}
  if (typeof toolChoice === 'object') {
    if (names.includes(toolChoice.name))
      return calling({ mode: 'ANY', allowedFunctionNames: [safeName(toolChoice.name, target.dialect)] })
    target.loss({ field: 'tool_choice', reason: `there is no function '${toolChoice.name}'` })
    return {}
  }
  const modes = { auto: 'AUTO', none: 'NONE', required: 'ANY' } as const
  return calling({ mode: modes[toolChoice] })
}

function calling(config: JsonObject): JsonObject {
  return { functionCallingConfig: config }
}

interface Shape {
  readonly config: JsonObject
  /** What the model must be told in words, where the field cannot be used. */
  readonly instructions: readonly string[]
}

/** Models before Gemini 3 refuse a JSON answer beside functions ("Function calling with a response mime type … is unsupported"). */
function encodeShape(request: ChatRequest, target: Target): Shape {
  const { output } = request
  if (output === undefined) return { config: {}, instructions: [] }
  const functions = request.tools.some((tool) => tool.type !== 'native')
  if (functions && target.traits.legacy) {
    target.loss({
      field: 'response_format',
      reason: 'this model takes no schema beside functions: it is told in words',
    })
    return { config: {}, instructions: [inWords(output)] }
  }
  return { config: { responseMimeType: 'application/json', ...encodeSchema(output, target.dialect) }, instructions: [] }
}

function encodeSchema(output: OutputShape, dialect: Dialect): JsonObject {
  if (output.type === 'json') return {}
  const described =
    output.description === undefined ? output.schema : { description: output.description, ...output.schema }
  if (dialect.schemas === 'json') return { responseJsonSchema: toJsonDialect(described) }
  return { responseSchema: toSubset(described) }
}

function inWords(output: OutputShape): string {
  const schema: Json | undefined = output.type === 'json' ? undefined : output.schema
  const end = schema === undefined ? '.' : ` that matches this JSON Schema:\n${JSON.stringify(schema)}`
  return `Your final answer (not your function calls) must be one JSON value and nothing else${end}`
}
