import type { ChatRequest, JsonObject, NativeTool, Tool } from '../../model/request.ts'
import { asArray, asBoolean, asObject, asString, optional, required, wrongField } from '../narrow.ts'
import { flatName } from './names.ts'

type ToolChoice = NonNullable<ChatRequest['toolChoice']>

const EMPTY_SCHEMA: JsonObject = { type: 'object', properties: {} }

/**
 * The tools of a request, of `additional_tools` or of a `tool_search_output`. Namespaces are taken apart; tools that the provider
 * runs itself stay as they are.
 * @throws RelayError `invalid_request` naming `tools[2].name`
 */
export function decodeTools(value: unknown, param: string): Tool[] {
  const tools = optional(asArray, value, { param, wanted: 'an array of tools' }) ?? []
  return tools.flatMap((tool, index) => decodeTool(tool, `${param}[${index}]`))
}

function decodeTool(value: unknown, param: string): Tool[] {
  const tool = required(asObject, value, { param, wanted: 'an object' })
  const type = required(asString, tool.type, { param: `${param}.type`, wanted: 'a tool type' })
  if (type === 'namespace') {
    const namespace = required(asString, tool.name, { param: `${param}.name`, wanted: 'a string' })
    const members = required(asArray, tool.tools, { param: `${param}.tools`, wanted: 'an array of tools' })
    return members.flatMap((member, index) =>
      decodeTool(member, `${param}.tools[${index}]`).map((inner) => inNamespace(inner, namespace)),
    )
  }
  if (type === 'function') return [decodeFunction(tool, param)]
  if (type === 'custom') return [decodeCustom(tool, param)]
  // Codex looks tools up itself: for the model that is a function like any other
  if (type === 'tool_search' && tool.execution === 'client' && asObject(tool.parameters) !== undefined)
    return [{ ...decodeFunction({ ...tool, name: type }, param), native: native({ type }) }]
  return [{ type: 'native', format: 'openai-responses', name: type, definition: tool }]
}

/** `strict: false` and a missing `strict` mean the same to every other format; only `true` asks for something. */
function decodeFunction(tool: JsonObject, param: string): Extract<Tool, { type: 'function' }> {
  const description = optional(asString, tool.description, { param: `${param}.description`, wanted: 'a string' })
  const strict = optional(asBoolean, tool.strict, { param: `${param}.strict`, wanted: 'true or false' })
  const parameters = optional(asObject, tool.parameters, { param: `${param}.parameters`, wanted: 'a JSON schema' })
  return {
    type: 'function',
    name: toolName(tool, param),
    ...(description === undefined ? {} : { description }),
    parameters: parameters ?? EMPTY_SCHEMA,
    ...(strict === true ? { strict } : {}),
  }
}

function decodeCustom(tool: JsonObject, param: string): Extract<Tool, { type: 'custom' }> {
  const description = optional(asString, tool.description, { param: `${param}.description`, wanted: 'a string' })
  const grammar = optional(asObject, tool.format, { param: `${param}.format`, wanted: 'an object' })
  return {
    type: 'custom',
    name: toolName(tool, param),
    ...(description === undefined ? {} : { description }),
    ...(grammar === undefined ? {} : { grammar }),
  }
}

function toolName(tool: JsonObject, param: string): string {
  const name = required(asString, tool.name, { param: `${param}.name`, wanted: 'a string' })
  if (name === '') throw wrongField(`${param}.name`, 'a name that is not empty', undefined)
  return name
}

function inNamespace(tool: Tool, namespace: string): Tool {
  if (tool.type === 'native') return tool
  const { name } = tool
  return { ...tool, name: flatName(namespace, name), native: native({ namespace, name }) }
}

const native = (fields: JsonObject): NativeTool => ({ format: 'openai-responses', fields })

/** A later definition of the same name (from a tool search) replaces the earlier one. */
export function mergeTools(tools: readonly Tool[], more: readonly Tool[]): Tool[] {
  if (more.length === 0) return [...tools]
  const byName = new Map(tools.map((tool) => [tool.name, tool]))
  for (const tool of more) byName.set(tool.name, tool)
  return [...byName.values()]
}

/** What `tool_choice` says, and the tools that remain: `allowed_tools` is a choice among fewer tools. */
export interface Choice {
  readonly toolChoice: ToolChoice | undefined
  readonly tools: readonly Tool[]
  /** A choice that only this format has (a built-in tool). */
  readonly native: JsonObject | undefined
}

/** @throws RelayError `invalid_request` naming the field */
export function decodeToolChoice(value: unknown, tools: readonly Tool[]): Choice {
  const param = 'tool_choice'
  const plain: Choice = { toolChoice: undefined, tools, native: undefined }
  if (value === undefined || value === null) return plain
  if (value === 'auto' || value === 'none' || value === 'required') return { ...plain, toolChoice: value }
  const choice = asObject(value)
  const type = asString(choice?.type)
  if (choice === undefined || type === undefined)
    throw wrongField(param, "'auto', 'none', 'required' or an object with a type", value)
  switch (type) {
    case 'function':
    case 'custom':
      return { ...plain, toolChoice: { name: chosenName(choice, param) } }
    case 'allowed_tools': {
      const mode = choice.mode
      if (mode !== 'auto' && mode !== 'required') throw wrongField(`${param}.mode`, "'auto' or 'required'", mode)
      const listed = required(asArray, choice.tools, { param: `${param}.tools`, wanted: 'an array of tools' })
      const names = new Set(listed.map((entry, index) => allowedName(entry, `${param}.tools[${index}]`)))
      return {
        ...plain,
        toolChoice: mode,
        tools: tools.filter((tool) => namesOf(tool).some((name) => names.has(name))),
      }
    }
    case 'tool_search':
      return { ...plain, toolChoice: { name: type } }
    default:
      return { ...plain, native: choice }
  }
}

function chosenName(choice: JsonObject, param: string): string {
  const name = required(asString, choice.name, { param: `${param}.name`, wanted: 'a string' })
  return flatName(asString(choice.namespace), name)
}

/** By what a tool may be allowed: its own name, or the whole namespace's. */
function namesOf(tool: Tool): readonly string[] {
  const namespace = tool.type === 'native' ? undefined : asString(tool.native?.fields.namespace)
  return namespace === undefined ? [tool.name] : [tool.name, namespace]
}

/** Built-in tools are allowed by their type. */
function allowedName(value: unknown, param: string): string {
  const entry = required(asObject, value, { param, wanted: 'an object' })
  const type = required(asString, entry.type, { param: `${param}.type`, wanted: 'a tool type' })
  return type === 'function' || type === 'custom' || type === 'namespace' ? chosenName(entry, param) : type
}
