import { list, object, objects, text, type JsonObject } from '../json.ts'
import type { Target } from '../target.ts'
import { anthropicHistory } from './anthropic-history.ts'
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

// https://docs.anthropic.com/en/api/messages

const cacheControl = nullable(obj({ required: { type: oneOf('ephemeral') }, optional: { ttl: oneOf('5m', '1h') } }))
const toolUseId = str({ pattern: /^[a-zA-Z0-9_-]+$/ })
const base64 = str({ min: 1, pattern: /^[A-Za-z0-9+/]+={0,2}$/ })
const address = obj({ required: { type: anything, url: str({ pattern: /^https?:\/\// }) } })
const file = obj({ required: { type: anything, file_id: str({ min: 1 }) } })

const textBlock = obj({
  required: { type: anything, text: str({ min: 1 }) },
  optional: { cache_control: cacheControl, citations: nullable(listOf(jsonObject)) },
})
const image = obj({
  required: {
    type: anything,
    source: tagged('type', {
      base64: obj({
        required: {
          type: anything,
          media_type: oneOf('image/jpeg', 'image/png', 'image/gif', 'image/webp'),
          data: base64,
        },
      }),
      url: address,
      file,
    }),
  },
  optional: { cache_control: cacheControl },
})
const document = obj({
  required: {
    type: anything,
    source: tagged('type', {
      base64: obj({ required: { type: anything, media_type: oneOf('application/pdf'), data: base64 } }),
      text: obj({ required: { type: anything, media_type: oneOf('text/plain'), data: str() } }),
      content: obj({ required: { type: anything, content: anything } }),
      url: address,
      file,
    }),
  },
  optional: {
    cache_control: cacheControl,
    title: nullable(str({ max: 500 })),
    context: nullable(str()),
    citations: nullable(obj({ required: { enabled: bool } })),
  },
})
const searchResult = obj({
  required: { type: anything, source: str(), title: str(), content: listOf(textBlock) },
  optional: { cache_control: cacheControl, citations: jsonObject },
})

const resultBlocks: Readonly<Record<string, Shape>> = {
  text: textBlock,
  image,
  document,
  search_result: searchResult,
  tool_reference: obj({ required: { type: anything, tool_name: str() }, optional: { cache_control: cacheControl } }),
}
const userBlocks: Readonly<Record<string, Shape>> = {
  text: textBlock,
  image,
  document,
  search_result: searchResult,
  tool_result: obj({
    required: { type: anything, tool_use_id: toolUseId },
    optional: {
      content: byKind({ string: str(), array: listOf(tagged('type', resultBlocks)) }),
      is_error: bool,
      cache_control: cacheControl,
    },
  }),
  container_upload: obj({ required: { type: anything, file_id: str() }, optional: { cache_control: cacheControl } }),
}

const serverResult = obj({
  required: { type: anything, tool_use_id: toolUseId, content: anything },
  optional: { cache_control: cacheControl, is_error: bool, caller: anything },
})
const assistantBlocks: Readonly<Record<string, Shape>> = {
  text: textBlock,
  thinking: obj({ required: { type: anything, thinking: str(), signature: str({ min: 1 }) } }),
  redacted_thinking: obj({ required: { type: anything, data: str({ min: 1 }) } }),
  tool_use: obj({
    required: { type: anything, id: toolUseId, name: str({ min: 1, max: 200 }), input: jsonObject },
    optional: { cache_control: cacheControl, caller: anything },
  }),
  server_tool_use: obj({
    required: { type: anything, id: toolUseId, name: str(), input: jsonObject },
    optional: { cache_control: cacheControl, caller: anything },
  }),
  mcp_tool_use: obj({
    required: { type: anything, id: toolUseId, name: str(), server_name: str(), input: jsonObject },
    optional: { cache_control: cacheControl },
  }),
  mcp_tool_result: serverResult,
  web_search_tool_result: serverResult,
  web_fetch_tool_result: serverResult,
  code_execution_tool_result: serverResult,
  bash_code_execution_tool_result: serverResult,
  text_editor_code_execution_tool_result: serverResult,
  tool_search_tool_result: serverResult,
  advisor_tool_result: serverResult,
  compaction: obj({
    required: { type: anything },
    optional: { content: nullable(str()), cache_control: cacheControl, encrypted_content: anything },
  }),
}

const blocks = (shapes: Readonly<Record<string, Shape>>): Shape =>
  byKind({ string: str(), array: listOf(tagged('type', shapes)) })
const turn = (content: Shape, optional: Readonly<Record<string, Shape>> = {}): Shape =>
  obj({ required: { role: anything, content }, optional })

const messages = listOf(
  tagged('role', {
    user: turn(blocks(userBlocks)),
    assistant: turn(blocks(assistantBlocks)),
    // In the middle of a conversation, as Claude Code sends it.
    system: turn(blocks({ text: textBlock }), { output_config: jsonObject }),
  }),
  { min: 1 },
)

const toolName = str({ pattern: /^[a-zA-Z0-9_-]{1,128}$/ })
const customTool = obj({
  required: { name: toolName, input_schema: obj({ required: { type: oneOf('object') }, open: true }) },
  optional: {
    type: oneOf('custom'),
    description: str(),
    cache_control: cacheControl,
    strict: bool,
    defer_loading: bool,
    allowed_callers: listOf(str()),
    input_examples: listOf(jsonObject),
    eager_input_streaming: nullable(bool),
  },
})
/** Tools that Anthropic defines have a dated type and their own fields. */
const ownTool = obj({ required: { type: str({ pattern: /^[a-z0-9_]+_\d{8}$/ }) }, open: true })
const tool: Shape = (value, path, report) =>
  (object(value).type === undefined || object(value).type === 'custom' ? customTool : mcpOrOwn)(value, path, report)
const mcpOrOwn = tagged('type', { mcp_toolset: obj({ required: { mcp_server_name: str() }, open: true }) }, ownTool)

const parallel = { disable_parallel_tool_use: bool }
const shared: Readonly<Record<string, Shape>> = {
  cache_control: cacheControl,
  context_management: nullable(
    obj({ optional: { edits: listOf(obj({ required: { type: str({ min: 1 }) }, open: true })) } }),
  ),
  mcp_servers: listOf(obj({ required: { name: str(), type: oneOf('url'), url: str() }, open: true })),
  output_config: obj({
    optional: {
      effort: nullable(oneOf('low', 'medium', 'high', 'xhigh', 'max')),
      format: nullable(obj({ required: { type: oneOf('json_schema'), schema: jsonObject } })),
      task_budget: jsonObject,
    },
  }),
  output_format: nullable(obj({ required: { type: oneOf('json_schema'), schema: jsonObject } })),
  speed: nullable(str()),
  system: byKind({ string: str(), array: listOf(tagged('type', { text: textBlock })) }),
  thinking: tagged('type', {
    enabled: obj({
      required: { type: anything, budget_tokens: int({ min: 1024 }) },
      optional: { display: nullable(oneOf('summarized', 'omitted')) },
    }),
    adaptive: obj({ required: { type: anything }, optional: { display: nullable(oneOf('summarized', 'omitted')) } }),
    disabled: obj({ required: { type: anything } }),
  }),
  tool_choice: tagged('type', {
    auto: obj({ required: { type: anything }, optional: parallel }),
    any: obj({ required: { type: anything }, optional: parallel }),
    tool: obj({ required: { type: anything, name: toolName }, optional: parallel }),
    none: obj({ required: { type: anything } }),
  }),
  tools: listOf(tool),
}
const model = str({ min: 1 })

const request = obj({
  required: { model, max_tokens: int({ min: 1 }), messages },
  optional: {
    ...shared,
    container: nullable(byKind({ string: str(), object: jsonObject })),
    inference_geo: nullable(str()),
    metadata: obj({ optional: { user_id: nullable(str({ max: 512 })) } }),
    service_tier: oneOf('auto', 'standard_only'),
    stop_sequences: listOf(str({ pattern: /\S/ })),
    stream: bool,
    temperature: num({ min: 0, max: 1 }),
    top_k: int({ min: 0 }),
    top_p: num({ min: 0, max: 1 }),
  },
  rules: [anthropicHistory, thinkingRules, cacheMarks, toolRules, sampling],
})
const countRequest = obj({ required: { model, messages }, optional: shared, rules: [anthropicHistory, toolRules] })

export function anthropicFaults(body: JsonObject, target: Target): readonly Fault[] {
  return faultsOf(target.operation === 'count-tokens' ? countRequest : request, body)
}

const say = (report: Report, path: Fault['path'], detail: string): void => report({ kind: 'rule', path, detail })

// https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking
function thinkingRules(body: JsonObject, _path: Fault['path'], report: Report): void {
  const thinking = object(body.thinking)
  if (thinking.type !== 'enabled' && thinking.type !== 'adaptive') return
  if (Number(thinking.budget_tokens) >= Number(body.max_tokens))
    say(
      report,
      [],
      '`max_tokens` must be greater than `thinking.budget_tokens`. Please consult our documentation at https://docs.claude.com/en/docs/build-with-claude/extended-thinking#max-tokens-and-context-window-size',
    )
  if (typeof body.temperature === 'number' && body.temperature !== 1)
    say(report, [], '`temperature` may only be set to 1 when thinking is enabled.')
  if (typeof body.top_p === 'number' && body.top_p < 0.95)
    say(report, [], '`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled.')
  if (body.top_k !== undefined) say(report, [], '`top_k` must be unset when thinking is enabled.')
  const choice = object(body.tool_choice).type
  // Adaptive thinking goes with a forced tool: recorded (pyd-anthropic-opus-46-adaptive-thinking-…).
  if (thinking.type === 'enabled' && (choice === 'any' || choice === 'tool'))
    say(report, [], 'Thinking may not be enabled when tool_choice forces tool use.')
}

/** At most four marks; those that live longer stand before the others: tools, then system, then messages. */
function cacheMarks(body: JsonObject, _path: Fault['path'], report: Report): void {
  const marked = [
    ...objects(body.tools),
    ...objects(body.system),
    ...objects(body.messages).flatMap((message) =>
      objects(message.content).flatMap((block) => [...objects(block.content), block]),
    ),
    body,
  ].filter((holder) => (holder.cache_control ?? null) !== null)
  if (marked.length > 4)
    say(report, [], `A maximum of 4 blocks with cache_control may be provided. Found ${marked.length}.`)
  const ttls = marked.map((holder) => text(object(holder.cache_control).ttl) || '5m')
  const firstShort = ttls.indexOf('5m')
  if (firstShort >= 0 && ttls.includes('1h', firstShort))
    say(
      report,
      [],
      "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block. Note that blocks are processed in the following order: `tools`, `system`, `messages`.",
    )
}

function toolRules(body: JsonObject, _path: Fault['path'], report: Report): void {
  const names = objects(body.tools).map((entry) => text(entry.name))
  if (new Set(names).size < names.length) say(report, ['tools'], 'Tool names must be unique.')
  for (const [index, entry] of list(body.tools).entries())
    for (const keyword of ['oneOf', 'allOf', 'anyOf'])
      if (object(object(entry).input_schema)[keyword] !== undefined)
        say(
          report,
          ['tools', index, 'custom', 'input_schema'],
          'input_schema does not support oneOf, allOf, or anyOf at the top level',
        )
  const choice = object(body.tool_choice)
  if (choice.type === 'tool' && !names.includes(text(choice.name)))
    say(report, [], `Tool '${text(choice.name)}' not found in provided tools`)
  if (body.tool_choice !== undefined && choice.type !== 'none' && names.length === 0)
    say(report, ['tool_choice'], 'tool_choice may only be specified while providing tools')
}

/** Newer models take one of the two. */
function sampling(body: JsonObject, _path: Fault['path'], report: Report): void {
  const newer = /claude-(opus-4-[1-9]|opus-[5-9]|sonnet-4-[5-9]|sonnet-[5-9]|haiku-4-[5-9])/.test(text(body.model))
  if (newer && typeof body.temperature === 'number' && typeof body.top_p === 'number')
    say(report, [], '`temperature` and `top_p` cannot both be specified for this model. Please use only one.')
}
