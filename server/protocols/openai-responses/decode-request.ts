import { RelayError } from '../../errors.ts'
import type {
  ChatRequest,
  Json,
  JsonObject,
  Message,
  OutputShape,
  Reasoning,
  ReportLoss,
  Sampling,
} from '../../model/request.ts'
import type { WireRequest } from '../codec.ts'
import { asArray, asBoolean, asNumber, asObject, asString, optional, required, wrongField } from '../narrow.ts'
import { decodeInput } from './decode-input.ts'
import { decodeToolChoice, decodeTools, mergeTools } from './decode-tools.ts'
import { refusePrevious } from './routes.ts'

/** Fields that the model has a place for, or that only say what a stateless gateway does anyway. Others ride in `native`. */
const READ = new Set([
  'model',
  'input',
  'instructions',
  'stream',
  'stream_options',
  'store',
  'background',
  'previous_response_id',
  'conversation',
  'prompt',
  'include',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'reasoning',
  'text',
  'max_output_tokens',
  'temperature',
  'top_p',
  'top_logprobs',
  'metadata',
  'user',
  'safety_identifier',
  'prompt_cache_key',
  'service_tier',
])

const ENCRYPTED = 'reasoning.encrypted_content'
const LOGPROBS = 'message.output_text.logprobs'

/** @throws RelayError `invalid_request` naming the field */
export function decodeRequest(wire: WireRequest, loss: ReportLoss): ChatRequest {
  const { body } = wire
  refuseState(body)
  const string = (name: string): string | undefined =>
    optional(asString, body[name], { param: name, wanted: 'a string' })
  const input = decodeInput(body.input, loss)
  const choice = decodeToolChoice(body.tool_choice, mergeTools(decodeTools(body.tools, 'tools'), input.tools))
  const include = decodeInclude(body.include)
  const { reasoning, rest: reasoningRest } = decodeReasoning(body.reasoning)
  const { output, rest: textRest } = decodeText(body.text)
  const metadata = decodeMetadata(body)
  const cacheKey = string('prompt_cache_key')
  const serviceTier = string('service_tier')
  const native = definedFields({
    ...Object.fromEntries(Object.entries(body).filter(([name]) => !READ.has(name))),
    // with a user beside it, it has no other place
    safety_identifier: body.user === undefined || body.user === null ? undefined : body.safety_identifier,
    include: include.rest,
    reasoning: reasoningRest,
    text: textRest,
    tool_choice: choice.native,
  })
  return {
    model: required(asString, body.model, { param: 'model', wanted: 'a string' }),
    stream: optional(asBoolean, body.stream, { param: 'stream', wanted: 'true or false' }) ?? false,
    messages: [...decodeInstructions(body.instructions), ...input.messages],
    tools: choice.tools,
    ...(choice.toolChoice === undefined ? {} : { toolChoice: choice.toolChoice }),
    sampling: decodeSampling(body, include.logprobs),
    ...(reasoning === undefined ? {} : { reasoning }),
    ...(output === undefined ? {} : { output }),
    ...(metadata === undefined ? {} : { metadata }),
    ...(serviceTier === undefined ? {} : { serviceTier }),
    ...(cacheKey === undefined ? {} : { cacheKey }),
    ...(Object.keys(native).length === 0 ? {} : { native: { format: 'openai-responses' as const, fields: native } }),
  }
}

/** Whatever the provider would have to remember: no other channel could serve it, and nothing is stored here. */
function refuseState(body: JsonObject): void {
  refusePrevious(body.previous_response_id)
  for (const param of ['conversation', 'prompt'])
    if (body[param] !== undefined && body[param] !== null)
      throw new RelayError(
        'invalid_request',
        `'${param}' names something stored at OpenAI, and this request goes to a channel of another kind. Send the content itself in 'input'.`,
        { param },
      )
  if (body.background === true)
    throw new RelayError(
      'invalid_request',
      `'background' is not supported: this gateway is stateless, the answer could not be fetched later`,
      { param: 'background' },
    )
}

function decodeInstructions(value: unknown): Message[] {
  if (typeof value === 'string')
    return value === '' ? [] : [{ role: 'system', content: [{ type: 'text', text: value }], origin: 'system' }]
  // a reply's echo of instructions is a list of items
  const items = optional(asArray, value, { param: 'instructions', wanted: 'a string' })
  return items === undefined ? [] : [...decodeInput(items, () => undefined).messages]
}

function decodeSampling(body: JsonObject, logprobs: boolean): Sampling {
  const number = (name: string): number | undefined =>
    optional(asNumber, body[name], { param: name, wanted: 'a number' })
  const maxTokens = number('max_output_tokens')
  const temperature = number('temperature')
  const topP = number('top_p')
  const topLogprobs = number('top_logprobs')
  const parallelToolCalls = optional(asBoolean, body.parallel_tool_calls, {
    param: 'parallel_tool_calls',
    wanted: 'true or false',
  })
  return {
    ...(maxTokens === undefined ? {} : { maxTokens }),
    ...(temperature === undefined ? {} : { temperature }),
    ...(topP === undefined ? {} : { topP }),
    ...(parallelToolCalls === undefined ? {} : { parallelToolCalls }),
    ...(logprobs || (topLogprobs ?? 0) > 0 ? { logprobs: true } : {}),
    ...(topLogprobs === undefined || topLogprobs === 0 ? {} : { topLogprobs }),
  }
}

function decodeInclude(value: unknown): { readonly logprobs: boolean; readonly rest: Json | undefined } {
  const names = optional(asArray, value, { param: 'include', wanted: 'an array of strings' }) ?? []
  const rest = names.flatMap((name, index) => {
    const text = required(asString, name, { param: `include[${index}]`, wanted: 'a string' })
    return text === ENCRYPTED || text === LOGPROBS ? [] : [text]
  })
  return { logprobs: names.includes(LOGPROBS), rest: rest.length === 0 ? undefined : rest }
}

const EFFORTS = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'] as const
const SUMMARIES = ['auto', 'concise', 'detailed'] as const

function decodeReasoning(value: unknown): { readonly reasoning?: Reasoning; readonly rest?: JsonObject } {
  const object = optional(asObject, value, { param: 'reasoning', wanted: 'an object' })
  if (object === undefined) return {}
  const { effort: effortValue, summary: summaryValue, generate_summary: oldSummary, ...others } = object
  const effort = optional((word) => EFFORTS.find((name) => name === word), effortValue, {
    param: 'reasoning.effort',
    wanted: `one of ${EFFORTS.join(', ')}`,
  })
  const summary = optional((word) => SUMMARIES.find((name) => name === word), summaryValue ?? oldSummary, {
    param: 'reasoning.summary',
    wanted: `one of ${SUMMARIES.join(', ')}`,
  })
  const rest = definedFields(others)
  return {
    ...(effort === undefined && summary === undefined
      ? {}
      : {
          reasoning: {
            ...(effort === undefined ? {} : { effort }),
            ...(summary === undefined ? {} : { summary, visible: true }),
          },
        }),
    ...(Object.keys(rest).length === 0 ? {} : { rest }),
  }
}

function decodeText(value: unknown): { readonly output?: OutputShape; readonly rest?: JsonObject } {
  const object = optional(asObject, value, { param: 'text', wanted: 'an object' })
  if (object === undefined) return {}
  const { format, ...others } = object
  const output = decodeFormat(optional(asObject, format, { param: 'text.format', wanted: 'an object' }))
  const rest = definedFields(others)
  return {
    ...(output === undefined ? {} : { output }),
    ...(Object.keys(rest).length === 0 ? {} : { rest }),
  }
}

function decodeFormat(format: JsonObject | undefined): OutputShape | undefined {
  const param = 'text.format'
  switch (format?.type) {
    case undefined:
    case 'text':
      return undefined
    case 'json_object':
      return { type: 'json' }
    case 'json_schema': {
      const description = optional(asString, format.description, { param: `${param}.description`, wanted: 'a string' })
      const strict = optional(asBoolean, format.strict, { param: `${param}.strict`, wanted: 'true or false' })
      return {
        type: 'json-schema',
        name: required(asString, format.name, { param: `${param}.name`, wanted: 'a string' }),
        ...(description === undefined ? {} : { description }),
        schema: required(asObject, format.schema, { param: `${param}.schema`, wanted: 'a JSON schema' }),
        ...(strict === undefined ? {} : { strict }),
      }
    }
    default:
      throw wrongField(`${param}.type`, "'text', 'json_object' or 'json_schema'", format?.type)
  }
}

function decodeMetadata(body: JsonObject): ChatRequest['metadata'] {
  const user = optional(asString, body.user, { param: 'user', wanted: 'a string' })
  const safety = optional(asString, body.safety_identifier, { param: 'safety_identifier', wanted: 'a string' })
  const given = optional(asObject, body.metadata, { param: 'metadata', wanted: 'an object' }) ?? {}
  const labels: Record<string, string> = {}
  for (const [name, value] of Object.entries(given))
    labels[name] = required(asString, value, { param: `metadata.${name}`, wanted: 'a string' })
  const userId = user ?? safety
  if (userId === undefined && Object.keys(labels).length === 0) return undefined
  return {
    ...(userId === undefined ? {} : { userId }),
    ...(Object.keys(labels).length === 0 ? {} : { labels }),
  }
}

/** `null` is what SDKs write for "not said". */
function definedFields(fields: Readonly<Record<string, Json | undefined>>): JsonObject {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== null))
}
