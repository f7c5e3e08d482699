import { list, object, objects, text, type JsonObject } from '../fake-upstream/json.ts'
import type { WireFormat } from '../fake-upstream/index.ts'

/** What a model would read out of a request, in whichever format it came. */
export interface Conversation {
  /** Names of the tools that it may call; free-form ones take text instead of arguments. */
  readonly tools: ReadonlyMap<string, 'function' | 'free-form'>
  /** What the tools said, one for each call, as they stand. */
  readonly results: readonly ToolResult[]
  /** The shape that the answer must have, when one is demanded. */
  readonly schema: JsonObject | undefined
  /** The client wants to be shown thoughts that it can send back. */
  readonly thinking: boolean
}

export interface ToolResult {
  /** Of the call; '' where only the order tells. */
  readonly id: string
  readonly text: string
}

/** Reads a request of this format as its provider's model would be shown it. */
export function conversationOf(format: WireFormat, body: JsonObject): Conversation {
  switch (format) {
    case 'openai-chat':
      return chat(body)
    case 'openai-responses':
      return responses(body)
    case 'anthropic':
      return anthropic(body)
    case 'gemini':
      return gemini(body)
    case 'antigravity':
      return gemini(object(body.request))
  }
}

function chat(body: JsonObject): Conversation {
  return {
    tools: named(
      objects(body.tools).map((tool) => [
        text(object(tool.function ?? tool.custom).name),
        tool.type === 'custom' ? 'free-form' : 'function',
      ]),
    ),
    results: objects(body.messages)
      .filter((message) => message.role === 'tool')
      .map((message) => ({ id: text(message.tool_call_id), text: plain(message.content) })),
    schema: schemaIn(object(object(body.response_format).json_schema).schema),
    thinking: true,
  }
}

function responses(body: JsonObject): Conversation {
  return {
    tools: named(
      objects(body.tools)
        .filter((tool) => tool.type === 'function' || tool.type === 'custom')
        .map((tool) => [text(tool.name), tool.type === 'custom' ? 'free-form' : 'function']),
    ),
    results: objects(body.input)
      .filter((item) => item.type === 'function_call_output' || item.type === 'custom_tool_call_output')
      .map((item) => ({ id: text(item.call_id), text: plain(item.output) })),
    schema: schemaIn(object(object(body.text).format).schema),
    thinking: list(body.include).includes('reasoning.encrypted_content'),
  }
}

function anthropic(body: JsonObject): Conversation {
  return {
    tools: named(
      objects(body.tools)
        .filter((tool) => tool.type === undefined || tool.type === 'custom')
        .map((tool) => [text(tool.name), 'function']),
    ),
    results: objects(body.messages)
      .flatMap((message) => objects(message.content))
      .filter((block) => block.type === 'tool_result')
      .map((block) => ({ id: text(block.tool_use_id), text: plain(block.content) })),
    schema: schemaIn(object(object(object(body.output_config).format)).schema ?? object(body.output_format).schema),
    thinking: ['enabled', 'adaptive'].includes(text(object(body.thinking).type)),
  }
}

function gemini(request: JsonObject): Conversation {
  const config = object(request.generationConfig)
  return {
    tools: named(
      objects(request.tools)
        .flatMap((tool) => objects(tool.functionDeclarations))
        .map((declaration) => [text(declaration.name), 'function']),
    ),
    results: objects(request.contents)
      .flatMap((content) => objects(content.parts))
      .filter((part) => 'functionResponse' in part)
      .map((part) => object(part.functionResponse))
      .map(({ id, response }) => ({ id: text(id), text: JSON.stringify(response) })),
    schema: schemaIn(config.responseJsonSchema ?? config.responseSchema),
    thinking: object(config.thinkingConfig).includeThoughts === true,
  }
}

const named = (tools: readonly [string, 'function' | 'free-form'][]): Conversation['tools'] => new Map(tools)
const schemaIn = (value: unknown): JsonObject | undefined => (value === undefined ? undefined : object(value))
const plain = (content: unknown): string =>
  typeof content === 'string'
    ? content
    : objects(content)
        .map((part) => text(part.text))
        .join('\n')

/** The smallest value of a schema: what a model must say when an answer of that shape is demanded. */
export function valueOf(schema: JsonObject): unknown {
  if (Array.isArray(schema.enum)) return schema.enum[0]
  if ('const' in schema) return schema.const
  const variant = objects(schema.anyOf ?? schema.oneOf ?? schema.allOf)[0]
  if (variant !== undefined) return valueOf(variant)
  const kind = text(Array.isArray(schema.type) ? schema.type[0] : schema.type).toLowerCase()
  switch (kind) {
    case 'string':
      return 'word'
    case 'integer':
    case 'number':
      return typeof schema.minimum === 'number' ? schema.minimum : 1
    case 'boolean':
      return true
    case 'array':
      return []
    case 'null':
      return null
    default:
      return Object.fromEntries(
        Object.entries(object(schema.properties)).map(([name, property]) => [name, valueOf(object(property))]),
      )
  }
}
