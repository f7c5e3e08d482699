import { isObject, list, object, objects, text, type JsonObject } from '../json.ts'
import { openAiSchema } from './json-schema.ts'
import { effort, jsonSchemaFormat, metadata, rule, serviceTier, thinks, toolName } from './openai-chat.ts'
import {
  anything,
  bool,
  byKind,
  faultsOf,
  int,
  jsonObject,
  listOf,
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

// https://platform.openai.com/docs/api-reference/responses/create

/** Item ids are OpenAI's own: each kind has its beginning, and none is longer than 64. */
const idOf = (prefix: string): Shape => nullable(str({ max: 64, pattern: new RegExp(`^${prefix}`) }))
const callId = str({ min: 1, max: 64 })
const status = nullable(oneOf('in_progress', 'completed', 'incomplete', 'failed', 'searching', 'generating', 'calling'))

const detail = nullable(oneOf('auto', 'low', 'high', 'original'))
const inputParts: Readonly<Record<string, Shape>> = {
  input_text: obj({ required: { type: anything, text: str() }, optional: { prompt_cache_breakpoint: jsonObject } }),
  input_image: obj({
    required: { type: anything },
    optional: {
      image_url: nullable(str({ pattern: /^(https?:\/\/|data:image\/[a-z0-9.+-]+;base64,)/i })),
      file_id: nullable(str()),
      detail,
    },
  }),
  input_file: obj({
    required: { type: anything },
    optional: {
      file_data: str({ pattern: /^data:[^;,]+;base64,/ }),
      file_id: nullable(str()),
      file_url: str({ pattern: /^https?:\/\// }),
      filename: str(),
      detail,
    },
  }),
  input_audio: obj({ required: { type: anything, input_audio: jsonObject } }),
}
const outputParts: Readonly<Record<string, Shape>> = {
  output_text: obj({
    required: { type: anything, text: str() },
    optional: { annotations: listOf(jsonObject), logprobs: nullable(listOf(anything)) },
  }),
  refusal: obj({ required: { type: anything, refusal: str() } }),
}
const input = byKind({ string: str(), array: listOf(tagged('type', inputParts)) })
const toolOutput = byKind({ string: str(), array: listOf(tagged('type', inputParts)) })

const messageRest = { type: anything, id: idOf('msg'), status, phase: nullable(oneOf('commentary', 'final_answer')) }
const message = tagged('role', {
  user: obj({ required: { role: anything, content: input }, optional: messageRest }),
  system: obj({ required: { role: anything, content: input }, optional: messageRest }),
  developer: obj({ required: { role: anything, content: input }, optional: messageRest }),
  assistant: obj({
    required: {
      role: anything,
      content: byKind({ string: str(), array: listOf(tagged('type', outputParts)) }),
    },
    optional: messageRest,
  }),
})

/** An item that a hosted tool made: replayed as it came. */
const hosted = (prefix: string): Shape =>
  obj({ required: { type: anything }, optional: { id: idOf(prefix) }, open: true })

const call = { type: anything, call_id: callId, name: str({ pattern: /^[a-zA-Z0-9_.-]{1,128}$/ }) }
const items: Readonly<Record<string, Shape>> = {
  message,
  function_call: obj({
    required: { ...call, arguments: str() },
    optional: { id: idOf('fc'), status, namespace: nullable(str()), caller: anything },
  }),
  function_call_output: obj({
    required: { type: anything, call_id: callId, output: toolOutput },
    optional: { id: idOf('fc'), status },
  }),
  custom_tool_call: obj({
    required: { ...call, input: str() },
    optional: { id: idOf('ctc'), status, namespace: nullable(str()) },
  }),
  custom_tool_call_output: obj({
    required: { type: anything, call_id: callId, output: toolOutput },
    optional: { id: idOf('ctc'), status, name: str() },
  }),
  reasoning: obj({
    required: {
      type: anything,
      summary: listOf(obj({ required: { type: oneOf('summary_text'), text: str() } })),
    },
    optional: {
      id: idOf('rs'),
      encrypted_content: nullable(str()),
      content: nullable(listOf(obj({ required: { type: oneOf('reasoning_text'), text: str() } }))),
      status,
    },
  }),
  item_reference: obj({ required: { id: str({ max: 64 }) }, optional: { type: anything } }),
  web_search_call: hosted('ws'),
  file_search_call: hosted('fs'),
  code_interpreter_call: hosted('ci'),
  image_generation_call: hosted('ig'),
  computer_call: hosted('cu'),
  computer_call_output: hosted('cu'),
  local_shell_call: hosted('lsh'),
  local_shell_call_output: hosted(''),
  shell_call: hosted('sh'),
  shell_call_output: hosted('sh'),
  apply_patch_call: hosted('ap'),
  apply_patch_call_output: hosted('ap'),
  mcp_call: hosted('mcp'),
  mcp_list_tools: hosted('mcpl'),
  mcp_approval_request: hosted('mcpr'),
  mcp_approval_response: hosted('mcp'),
  tool_search_call: hosted('tsc'),
  tool_search_output: hosted('tso'),
  additional_tools: hosted(''),
  compaction: hosted('cmp'),
  compaction_trigger: hosted(''),
}

const functionTool = obj({
  required: { type: anything, name: toolName, parameters: nullable(jsonObject) },
  optional: { strict: nullable(bool), description: nullable(str()), defer_loading: bool, output_schema: anything },
})
const customTool = obj({
  required: { type: anything, name: toolName },
  optional: {
    description: str(),
    defer_loading: bool,
    format: tagged('type', {
      text: obj({ required: { type: anything } }),
      grammar: obj({
        required: { type: anything, syntax: oneOf('lark', 'regex'), definition: str({ min: 1 }) },
      }),
    }),
  },
})
const builtIn = obj({ required: { type: anything }, open: true })
const tool = tagged('type', {
  function: functionTool,
  custom: customTool,
  namespace: obj({
    required: {
      type: anything,
      name: toolName,
      description: str(),
      tools: listOf(tagged('type', { function: functionTool, custom: customTool }), { min: 1 }),
    },
  }),
  tool_search: obj({
    required: { type: anything },
    optional: { execution: oneOf('client', 'server'), description: nullable(str()), parameters: nullable(jsonObject) },
  }),
  web_search: builtIn,
  web_search_2025_08_26: builtIn,
  web_search_preview: builtIn,
  web_search_preview_2025_03_11: builtIn,
  file_search: obj({ required: { type: anything, vector_store_ids: listOf(str()) }, open: true }),
  code_interpreter: obj({ required: { type: anything, container: anything } }),
  image_generation: builtIn,
  computer_use_preview: builtIn,
  computer: builtIn,
  local_shell: builtIn,
  shell: builtIn,
  apply_patch: builtIn,
  mcp: obj({ required: { type: anything, server_label: str() }, open: true }),
})

const toolChoice = byKind({
  string: oneOf('none', 'auto', 'required'),
  object: tagged(
    'type',
    {
      function: obj({ required: { type: anything, name: toolName } }),
      custom: obj({ required: { type: anything, name: toolName } }),
      allowed_tools: obj({
        required: { type: anything, mode: oneOf('auto', 'required'), tools: listOf(jsonObject) },
      }),
      mcp: obj({ required: { type: anything, server_label: str() }, optional: { name: nullable(str()) } }),
    },
    obj({ required: { type: str() } }),
  ),
})

const includable = oneOf(
  'file_search_call.results',
  'web_search_call.results',
  'web_search_call.action.sources',
  'message.input_image.image_url',
  'computer_call_output.output.image_url',
  'code_interpreter_call.outputs',
  'reasoning.encrypted_content',
  'message.output_text.logprobs',
)

const request = obj({
  required: { model: str({ min: 1 }) },
  optional: {
    background: nullable(bool),
    client_metadata: jsonObject,
    context_management: nullable(listOf(jsonObject)),
    conversation: nullable(byKind({ string: str(), object: jsonObject })),
    include: nullable(listOf(includable)),
    input: byKind({ string: str(), array: listOf(tagged('type', items, message)) }),
    instructions: nullable(str()),
    max_output_tokens: nullable(int({ min: 16 })),
    max_tool_calls: nullable(int({ min: 1 })),
    metadata,
    moderation: jsonObject,
    parallel_tool_calls: nullable(bool),
    previous_response_id: nullable(str({ pattern: /^resp_/ })),
    prompt: nullable(jsonObject),
    prompt_cache_key: nullable(str({ max: 64 })),
    prompt_cache_options: jsonObject,
    prompt_cache_retention: nullable(oneOf('in_memory', 'in-memory', '24h')),
    reasoning: nullable(
      obj({
        optional: {
          effort,
          summary: nullable(oneOf('auto', 'concise', 'detailed', 'none')),
          generate_summary: nullable(str()),
          context: nullable(str()),
        },
      }),
    ),
    safety_identifier: nullable(str({ max: 64 })),
    service_tier: serviceTier,
    store: nullable(bool),
    stream: nullable(bool),
    stream_options: nullable(obj({ optional: { include_obfuscation: bool } })),
    temperature: nullable(num({ min: 0, max: 2 })),
    text: obj({
      optional: {
        format: tagged('type', {
          text: obj({ required: { type: anything } }),
          json_object: obj({ required: { type: anything } }),
          json_schema: obj({
            required: { ...jsonSchemaFormat.required, type: anything, schema: jsonObject },
            optional: { description: str(), strict: nullable(bool) },
          }),
        }),
        verbosity: nullable(oneOf('low', 'medium', 'high')),
      },
    }),
    tool_choice: toolChoice,
    tools: listOf(tool, { max: 512 }),
    top_logprobs: nullable(int({ min: 0, max: 20 })),
    top_p: nullable(num({ min: 0, max: 1 })),
    truncation: nullable(oneOf('auto', 'disabled')),
    user: str(),
  },
  rules: [hasInput, uniqueIds, callPairs, reasoningPairs, toolSchemas, reasoningModels, chosenTool],
})

export function openAiResponsesFaults(body: JsonObject): readonly Fault[] {
  return faultsOf(request, body)
}

/** With state at the server the other half may be there. */
const hasState = (body: JsonObject): boolean =>
  (body.previous_response_id ?? null) !== null || (body.conversation ?? null) !== null || isObject(body.prompt)

function hasInput(body: JsonObject, path: Fault['path'], report: Report): void {
  if (body.input === undefined && !hasState(body)) report({ kind: 'missing', path: [...path, 'input'], detail: '' })
}

function uniqueIds(body: JsonObject, _path: Fault['path'], report: Report): void {
  const seen = new Set<string>()
  for (const item of objects(body.input)) {
    const id = text(item.id)
    if (id !== '' && seen.has(id))
      rule(
        report,
        ['input'],
        `Duplicate item found with id ${id}. Remove duplicate items from your input and try again.`,
      )
    seen.add(id)
  }
}

const PAIRS = [
  { call: 'function_call', output: 'function_call_output', words: 'function call' },
  { call: 'custom_tool_call', output: 'custom_tool_call_output', words: 'custom tool call' },
] as const

function callPairs(body: JsonObject, _path: Fault['path'], report: Report): void {
  const all = objects(body.input)
  for (const { call: callType, output, words } of PAIRS) {
    const calls = all.filter((item) => item.type === callType).map((item) => text(item.call_id))
    const outputs = all.filter((item) => item.type === output).map((item) => text(item.call_id))
    for (const id of calls)
      if (!outputs.includes(id)) rule(report, ['input'], `No tool output found for ${words} ${id}.`)
    if (hasState(body)) continue
    for (const id of outputs)
      if (!calls.includes(id)) rule(report, ['input'], `No tool call found for ${words} output with call_id ${id}.`)
  }
}

/** A thought is followed by what came of it; and what is not stored must be brought along. */
function reasoningPairs(body: JsonObject, _path: Fault['path'], report: Report): void {
  const all = objects(body.input)
  for (const [index, item] of all.entries()) {
    if (item.type !== 'reasoning') continue
    const next = all[index + 1]
    const made = next !== undefined && next.role !== 'user' && !text(next.type).endsWith('_output')
    if (!made)
      rule(
        report,
        ['input'],
        `Item '${text(item.id)}' of type 'reasoning' was provided without its required following item.`,
      )
    if (body.store === false && text(item.id) !== '' && text(item.encrypted_content) === '')
      rule(
        report,
        ['input'],
        `Item with id '${text(item.id)}' not found. Items are not persisted when \`store\` is set to false. Try again with \`store\` set to true, or remove this item from your input.`,
      )
  }
}

function toolSchemas(body: JsonObject, _path: Fault['path'], report: Report): void {
  for (const [index, entry] of list(body.tools).entries())
    for (const definition of [object(entry), ...objects(object(entry).tools)]) {
      if (definition.type !== 'function' || !isObject(definition.parameters)) continue
      // Absent means strict here, unlike in Chat; the API then closes the schema by itself where it can.
      const what = `function '${text(definition.name)}'`
      for (const words of openAiSchema(definition.parameters, what, definition.strict === true))
        rule(report, ['tools', index, 'parameters'], words)
    }
  const format = object(object(body.text).format)
  if (isObject(format.schema))
    for (const words of openAiSchema(format.schema, `response_format '${text(format.name)}'`, format.strict === true))
      rule(report, ['text', 'format', 'schema'], words)
}

function reasoningModels(body: JsonObject, _path: Fault['path'], report: Report): void {
  if (!thinks(body.model)) return
  for (const name of ['temperature', 'top_p'])
    if (typeof body[name] === 'number' && body[name] !== 1)
      rule(report, [name], `Unsupported parameter: '${name}' is not supported with this model.`)
}

function chosenTool(body: JsonObject, _path: Fault['path'], report: Report): void {
  const choice = object(body.tool_choice)
  if (choice.type !== 'function' && choice.type !== 'custom') return
  const names = objects(body.tools).flatMap((entry) => [entry, ...objects(entry.tools)].map((one) => text(one.name)))
  if (!names.includes(text(choice.name)))
    rule(report, ['tool_choice'], `Tool choice '${text(choice.name)}' not found in 'tools' parameter.`)
}
