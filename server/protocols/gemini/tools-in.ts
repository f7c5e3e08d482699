import type { ChatRequest, JsonObject, ReportLoss, Tool, WireFormat } from '../../model/request.ts'
import { asString, required } from '../narrow.ts'
import { camelCase, type Fields } from './fields.ts'
import { schemaToJson } from './schema-in.ts'

interface ToolContext {
  readonly format: WireFormat
  readonly loss: ReportLoss
}

const NO_PARAMETERS: JsonObject = { type: 'object', properties: {} }

/** One entry of `tools` may declare many functions and, beside them, tools that Google runs itself. */
export function decodeTools(entries: readonly Fields[], context: ToolContext): readonly Tool[] {
  return entries.flatMap((entry) => [
    ...entry.list('functionDeclarations').map((declaration) => decodeFunction(declaration, context)),
    ...builtIn(entry, context),
  ])
}

function decodeFunction(declaration: Fields, { loss }: ToolContext): Tool {
  const name = required(asString, declaration.value('name'), {
    param: declaration.param('name'),
    wanted: "the function's name",
  })
  const description = declaration.string('description')
  const schema = declaration.plain('parametersJsonSchema') ?? declaration.plain('parameters')
  for (const field of ['behavior', 'response', 'responseJsonSchema'])
    if (declaration.has(field)) loss({ field: declaration.param(field), reason: 'other formats do not declare it' })
  return {
    type: 'function',
    name,
    ...(description !== undefined && description !== '' && { description }),
    parameters: schema === undefined ? NO_PARAMETERS : { ...objectType(schemaToJson(schema)) },
  }
}

/** Parameters are an object even where the client did not say so. */
function objectType(schema: JsonObject): JsonObject {
  return schema['type'] === undefined && schema['$ref'] === undefined && schema['anyOf'] === undefined
    ? { type: 'object', ...schema }
    : schema
}

function builtIn(entry: Fields, { format }: ToolContext): readonly Tool[] {
  return Object.entries(entry.object).flatMap(([key, value]): Tool[] => {
    const name = camelCase(key)
    if (name === 'functionDeclarations' || value === null || value === undefined) return []
    return [{ type: 'native', format, name, definition: { [name]: value } }]
  })
}

/** The words of one mode; what has no equal elsewhere stays in `rest` for the formats that share it. */
export function decodeToolConfig(config: Fields | undefined): {
  readonly choice?: ChatRequest['toolChoice'] | undefined
  readonly rest?: JsonObject | undefined
} {
  if (config === undefined) return {}
  const calling = config.fields('functionCallingConfig')
  const others = config.others(new Set(['functionCallingConfig']))
  const { choice, exact } = decodeCalling(calling)
  const rest = { ...others, ...(calling !== undefined && !exact && { functionCallingConfig: calling.object }) }
  return { choice, rest: Object.keys(rest).length === 0 ? undefined : rest }
}

function decodeCalling(calling: Fields | undefined): {
  readonly choice?: ChatRequest['toolChoice'] | undefined
  readonly exact: boolean
} {
  if (calling === undefined) return { exact: true }
  const allowed = calling.strings('allowedFunctionNames') ?? []
  const [only, ...more] = allowed
  const plain = Object.keys(calling.others(new Set(['mode', 'allowedFunctionNames']))).length === 0
  switch (calling.string('mode')?.toUpperCase()) {
    case 'AUTO':
      return { choice: 'auto', exact: plain && allowed.length === 0 }
    case 'NONE':
      return { choice: 'none', exact: plain }
    case 'ANY':
      if (only !== undefined && more.length === 0) return { choice: { name: only }, exact: plain }
      return { choice: 'required', exact: plain && allowed.length === 0 }
    case 'VALIDATED':
      return { choice: 'auto', exact: false }
    default:
      return { exact: plain }
  }
}
