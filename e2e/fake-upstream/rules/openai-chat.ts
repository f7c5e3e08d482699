import { isObject, list, object, objects, text, type JsonObject } from '../json.ts'
import { openAiSchema } from './json-schema.ts'
import {
  anything,
  bool,
  byKind,
  faultsOf,
  int,
  jsonObject,
  listOf,
  mapOf,
  nullable,
  num,
  obj,
  oneOf,
  str,
  tagged,
  type Fault,
  type Report,
  type Shape,
} from './shape.ts'

// https://platform.openai.com/docs/api-reference/chat/create

export const toolName = str({ pattern: /^[a-zA-Z0-9_-]{1,64}$/ })
const partText = obj({ required: { type: anything, text: str() } })

const imageUrl = str({ pattern: /^(https?:\/\/|data:image\/[a-z0-9.+-]+;base64,)/i })
const userParts: Readonly<Record<string, Shape>> = {
  text: partText,
  image_url: obj({
    required: {
      type: anything,
      image_url: obj({ required: { url: imageUrl }, optional: { detail: oneOf('auto', 'low', 'high', 'original') } }),
    },
  }),
  input_audio: obj({
    required: {
      type: anything,
      input_audio: obj({ required: { data: str({ min: 1 }), format: oneOf('wav', 'mp3') } }),
    },
  }),
  file: obj({
    required: {
      type: anything,
      file: obj({ optional: { file_data: str({ pattern: /^data:[^;,]+;base64,/ }), file_id: str(), filename: str() } }),
    },
  }),
}
const content = (parts: Readonly<Record<string, Shape>>): Shape =>
  byKind({ string: str(), array: listOf(tagged('type', parts), { min: 1 }) })

const functionCall = obj({ required: { name: toolName, arguments: str() } })
const toolCall = tagged('type', {
  function: obj({ required: { id: str({ min: 1, max: 40 }), type: anything, function: functionCall } }),
  custom: obj({
    required: {
      id: str({ min: 1, max: 40 }),
      type: anything,
      custom: obj({ required: { name: toolName, input: str() } }),
    },
  }),
})

const textContent = content({ text: partText })
const messages = listOf(
  tagged('role', {
    system: obj({ required: { role: anything, content: textContent }, optional: { name: str() } }),
    developer: obj({ required: { role: anything, content: textContent }, optional: { name: str() } }),
    user: obj({ required: { role: anything, content: content(userParts) }, optional: { name: str() } }),
    assistant: obj({
      required: { role: anything },
      optional: {
        content: nullable(content({ text: partText, refusal: obj({ required: { type: anything, refusal: str() } }) })),
        refusal: nullable(str()),
        name: str(),
        audio: nullable(obj({ required: { id: str() } })),
        tool_calls: listOf(toolCall, { min: 1 }),
        function_call: nullable(functionCall),
        // Sent back as it came in the answer.
        annotations: nullable(listOf(anything)),
      },
      rules: [saysSomething],
    }),
    tool: obj({
      required: { role: anything, content: textContent, tool_call_id: str({ max: 40 }) },
    }),
    function: obj({ required: { role: anything, name: toolName, content: nullable(str()) } }),
  }),
  { min: 1 },
)

export const jsonSchemaFormat = {
  required: { name: toolName },
  optional: { description: str(), schema: jsonObject, strict: nullable(bool) },
}

const tools = listOf(
  tagged('type', {
    function: obj({
      required: {
        type: anything,
        function: obj({
          required: { name: toolName },
          optional: { description: str(), parameters: jsonObject, strict: nullable(bool) },
        }),
      },
    }),
    custom: obj({
      required: {
        type: anything,
        custom: obj({
          required: { name: toolName },
          optional: {
            description: str(),
            format: tagged('type', {
              text: obj({ required: { type: anything } }),
              grammar: obj({
                required: {
                  type: anything,
                  grammar: obj({ required: { syntax: oneOf('lark', 'regex'), definition: str({ min: 1 }) } }),
                },
              }),
            }),
          },
        }),
      },
    }),
  }),
  { min: 1, max: 128 },
)

const named = obj({ required: { name: toolName } })
const toolChoice = byKind({
  string: oneOf('none', 'auto', 'required'),
  object: tagged('type', {
    function: obj({ required: { type: anything, function: named } }),
    custom: obj({ required: { type: anything, custom: named } }),
    allowed_tools: obj({
      required: {
        type: anything,
        allowed_tools: obj({ required: { mode: oneOf('auto', 'required'), tools: listOf(jsonObject) } }),
      },
    }),
  }),
})

export const metadata = nullable(mapOf(str({ max: 512 })))
export const effort = nullable(oneOf('none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'))
export const serviceTier = nullable(oneOf('auto', 'default', 'flex', 'scale', 'priority'))

const request = obj({
  required: { model: str({ min: 1 }), messages },
  optional: {
    audio: nullable(obj({ required: { format: str(), voice: anything } })),
    frequency_penalty: nullable(num({ min: -2, max: 2 })),
    function_call: anything,
    functions: listOf(jsonObject, { min: 1 }),
    logit_bias: nullable(mapOf(num({ min: -100, max: 100 }))),
    logprobs: nullable(bool),
    max_completion_tokens: nullable(int({ min: 1 })),
    max_tokens: nullable(int({ min: 1 })),
    metadata,
    modalities: nullable(listOf(oneOf('text', 'audio'))),
    moderation: jsonObject,
    n: nullable(int({ min: 1, max: 128 })),
    parallel_tool_calls: bool,
    prediction: nullable(obj({ required: { type: oneOf('content'), content: textContent } })),
    presence_penalty: nullable(num({ min: -2, max: 2 })),
    prompt_cache_key: nullable(str({ max: 64 })),
    prompt_cache_options: jsonObject,
    prompt_cache_retention: nullable(oneOf('in_memory', 'in-memory', '24h')),
    reasoning_effort: effort,
    response_format: tagged('type', {
      text: obj({ required: { type: anything } }),
      json_object: obj({ required: { type: anything } }),
      json_schema: obj({ required: { type: anything, json_schema: obj(jsonSchemaFormat) } }),
    }),
    safety_identifier: nullable(str({ max: 64 })),
    seed: nullable(int()),
    service_tier: serviceTier,
    stop: nullable(byKind({ string: str(), array: listOf(str(), { min: 1, max: 4 }) })),
    store: nullable(bool),
    stream: nullable(bool),
    stream_options: nullable(obj({ optional: { include_usage: bool, include_obfuscation: bool } })),
    temperature: nullable(num({ min: 0, max: 2 })),
    tool_choice: toolChoice,
    tools,
    top_logprobs: nullable(int({ min: 0, max: 20 })),
    top_p: nullable(num({ min: 0, max: 1 })),
    user: str(),
    verbosity: nullable(oneOf('low', 'medium', 'high')),
    web_search_options: jsonObject,
  },
  rules: [dependencies, toolPairs, toolSchemas, reasoningModels, jsonWord, chosenTool],
})

export function openAiChatFaults(body: JsonObject): readonly Fault[] {
  return faultsOf(request, body)
}

export const rule = (report: Report, path: Fault['path'], detail: string): void =>
  report({ kind: 'rule', path, detail })

function saysSomething(message: JsonObject, path: Fault['path'], report: Report): void {
  const { content: said, tool_calls: calls, function_call: call, audio, refusal } = message
  if ((said ?? calls ?? call ?? audio ?? refusal ?? null) === null)
    report({ kind: 'type', path: [...path, 'content'], detail: 'a string or an array, but got null instead' })
}

function dependencies(body: JsonObject, _path: Fault['path'], report: Report): void {
  if (isObject(body.stream_options) && body.stream !== true)
    rule(report, ['stream_options'], "The 'stream_options' parameter is only allowed when 'stream' is enabled.")
  for (const name of ['tool_choice', 'parallel_tool_calls'])
    if (body[name] !== undefined && body.tools === undefined && body.functions === undefined)
      rule(report, [name], `'${name}' is only allowed when 'tools' are specified.`)
  if (typeof body.top_logprobs === 'number' && body.logprobs !== true)
    rule(report, ['top_logprobs'], "'top_logprobs' is only allowed when 'logprobs' is true.")
  if (typeof body.max_tokens === 'number' && typeof body.max_completion_tokens === 'number')
    rule(report, ['max_tokens'], "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.")
  if (Object.keys(object(body.metadata)).length > 16)
    rule(
      report,
      ['metadata'],
      "Invalid 'metadata': too many properties. Expected an object with at most 16 properties.",
    )
}

/** Every call has its answer right behind it, and every answer its call. */
function toolPairs(body: JsonObject, _path: Fault['path'], report: Report): void {
  const all = list(body.messages).map(object)
  for (const [index, message] of all.entries()) {
    if (message.role === 'tool') {
      const caller = all.slice(0, index).findLast((earlier) => earlier.role !== 'tool')
      const known = objects(caller?.tool_calls).some((call) => call.id === message.tool_call_id)
      if (!known)
        rule(
          report,
          ['messages', index, 'role'],
          "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.",
        )
      continue
    }
    const calls = objects(message.tool_calls)
    if (calls.length === 0) continue
    const end = all.findIndex((later, at) => at > index && later.role !== 'tool')
    const answers = all.slice(index + 1, end < 0 ? undefined : end)
    const open = calls.map((call) => call.id).filter((id) => !answers.some((answer) => answer.tool_call_id === id))
    if (open.length > 0)
      rule(
        report,
        ['messages', index],
        `An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: ${open.join(', ')}`,
      )
    if (new Set(calls.map((call) => call.id)).size < calls.length)
      rule(report, ['messages', index, 'tool_calls'], 'Duplicate tool call ids in one message.')
  }
}

function toolSchemas(body: JsonObject, _path: Fault['path'], report: Report): void {
  for (const [index, tool] of list(body.tools).entries()) {
    const definition = object(object(tool).function)
    if (!isObject(definition.parameters)) continue
    const what = `function '${text(definition.name)}'`
    for (const words of openAiSchema(definition.parameters, what, definition.strict === true))
      rule(report, ['tools', index, 'function', 'parameters'], words)
  }
  const format = object(object(body.response_format).json_schema)
  if (isObject(format.schema))
    for (const words of openAiSchema(format.schema, `response_format '${text(format.name)}'`, format.strict === true))
      rule(report, ['response_format'], words)
}

/** Models that think take other parameters. */
export const thinks = (model: unknown): boolean => /^(o\d|gpt-5)/.test(text(model)) && !text(model).includes('chat')

function reasoningModels(body: JsonObject, _path: Fault['path'], report: Report): void {
  if (!thinks(body.model)) return
  if (typeof body.max_tokens === 'number')
    rule(
      report,
      ['max_tokens'],
      "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
    )
  for (const name of ['temperature', 'top_p'])
    if (typeof body[name] === 'number' && body[name] !== 1)
      rule(
        report,
        [name],
        `Unsupported value: '${name}' does not support ${body[name]} with this model. Only the default (1) value is supported.`,
      )
}

function jsonWord(body: JsonObject, _path: Fault['path'], report: Report): void {
  if (object(body.response_format).type !== 'json_object') return
  if (!/json/i.test(JSON.stringify(body.messages)))
    rule(
      report,
      ['messages'],
      "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
    )
}

function chosenTool(body: JsonObject, _path: Fault['path'], report: Report): void {
  const choice = object(body.tool_choice)
  const wanted = text(object(choice.function ?? choice.custom).name)
  if (wanted === '') return
  const names = objects(body.tools).map((tool) => text(object(tool.function ?? tool.custom).name))
  if (!names.includes(wanted)) rule(report, ['tool_choice'], `Tool choice '${wanted}' not found in 'tools' parameter.`)
}
