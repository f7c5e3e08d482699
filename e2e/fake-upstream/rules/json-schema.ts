import { isObject, list, object, text, type JsonObject } from '../json.ts'
import type { Fault, Report } from './shape.ts'

/** Sub-schemas of a JSON schema with their places. */
function* children(schema: JsonObject): Generator<[path: (string | number)[], child: JsonObject]> {
  for (const keyword of ['properties', '$defs', 'definitions', 'patternProperties'])
    for (const [name, child] of Object.entries(object(schema[keyword])))
      if (isObject(child)) yield [[keyword, name], child]
  for (const keyword of ['items', 'additionalProperties', 'not'])
    if (isObject(schema[keyword])) yield [[keyword], object(schema[keyword])]
  for (const keyword of ['anyOf', 'oneOf', 'allOf', 'prefixItems'])
    for (const [index, child] of list(schema[keyword]).entries()) if (isObject(child)) yield [[keyword, index], child]
}

/** Calls `visit` for the schema and all below it. */
export function walkSchema(
  schema: JsonObject,
  visit: (at: JsonObject, path: readonly (string | number)[]) => void,
  path: readonly (string | number)[] = [],
): void {
  visit(schema, path)
  for (const [step, child] of children(schema)) walkSchema(child, visit, [...path, ...step])
}

const types = (schema: JsonObject): readonly unknown[] =>
  Array.isArray(schema.type) ? list(schema.type) : [schema.type]

/**
 * What OpenAI says of a function's `parameters`. https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
 * @param strict whether every object must be closed and name all its properties as required
 */
export function openAiSchema(schema: JsonObject, what: string, strict: boolean): readonly string[] {
  const found: string[] = []
  if (Object.keys(schema).length > 0 && schema.type !== 'object')
    found.push(
      `Invalid schema for ${what}: schema must be a JSON Schema of 'type: "object"', got 'type: ${JSON.stringify(schema.type ?? 'None')}'.`,
    )
  for (const keyword of ['oneOf', 'anyOf', 'allOf', 'enum', 'not'])
    if (schema[keyword] !== undefined)
      found.push(
        `Invalid schema for ${what}: schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top level.`,
      )
  walkSchema(schema, (at, path) => {
    const context = `In context=(${path.map((step) => `'${step}'`).join(', ')})`
    if (types(at).includes('array') && at.items === undefined && at.prefixItems === undefined)
      found.push(`Invalid schema for ${what}: ${context}, array schema missing items.`)
    if (!strict || !types(at).includes('object')) return
    if (at.additionalProperties !== false)
      found.push(
        `Invalid schema for ${what}: ${context}, 'additionalProperties' is required to be supplied and to be false.`,
      )
    const required = list(at.required)
    const missing = Object.keys(object(at.properties)).find((name) => !required.includes(name))
    if (missing !== undefined)
      found.push(
        `Invalid schema for ${what}: ${context}, 'required' is required to be supplied and to be an array including every key in properties. Missing '${missing}'.`,
      )
  })
  return found
}

/** Google's `Schema` message knows these fields and no others. https://ai.google.dev/api/caching#Schema */
const googleFields = new Set(
  (
    'type format title description nullable enum maxItems minItems properties required minProperties maxProperties ' +
    'minLength maxLength pattern example anyOf propertyOrdering default items minimum maximum'
  ).split(' '),
)
const googleTypes = ['TYPE_UNSPECIFIED', 'STRING', 'NUMBER', 'INTEGER', 'BOOLEAN', 'ARRAY', 'OBJECT', 'NULL']

/** A `Schema`, as protobuf's JSON parser and then the API itself look at it. */
export function googleSchema(schema: unknown, path: Fault['path'], report: Report): void {
  if (!isObject(schema)) {
    report({ kind: 'type', path, detail: 'an object' })
    return
  }
  for (const name of Object.keys(schema))
    if (!googleFields.has(camel(name))) report({ kind: 'unknown', path: [...path, name], detail: '' })
  const type = text(schema.type).toUpperCase()
  if (Array.isArray(schema.type))
    report({ kind: 'value', path: [...path, 'type'], detail: 'Proto field is not repeating, cannot start list.' })
  else if (schema.type !== undefined && !googleTypes.includes(type))
    report({ kind: 'value', path: [...path, 'type'], detail: `(Type), ${JSON.stringify(schema.type)}` })

  if (schema.enum !== undefined) {
    const odd = list(schema.enum).find((word) => typeof word !== 'string')
    if (odd !== undefined || !Array.isArray(schema.enum))
      report({ kind: 'value', path: [...path, 'enum'], detail: `(TYPE_STRING), ${JSON.stringify(odd)}` })
    else if (type !== '' && type !== 'STRING') sentence(path, 'enum: only allowed for STRING type', report)
    else if (schema.enum.includes('')) sentence(path, 'enum[0]: cannot be empty', report)
  }
  if (type === 'ARRAY' && schema.items === undefined) sentence(path, 'items: missing field.', report)
  if (type === 'STRING' && schema.format !== undefined && !['enum', 'date-time'].includes(text(schema.format)))
    sentence(path, "format: only 'enum' and 'date-time' are supported for STRING type", report)
  const properties = object(schema.properties)
  for (const [index, name] of list(schema.required).entries())
    if (schema.properties !== undefined && !Object.hasOwn(properties, text(name)))
      sentence(path, `required[${index}]: property is not defined`, report)

  for (const [name, child] of Object.entries(properties)) googleSchema(child, [...path, 'properties', name], report)
  if (schema.items !== undefined) googleSchema(schema.items, [...path, 'items'], report)
  for (const [index, child] of list(schema.anyOf ?? schema.any_of).entries())
    googleSchema(child, [...path, 'anyOf', index], report)
}

function sentence(path: Fault['path'], words: string, report: Report): void {
  report({ kind: 'rule', path, detail: `* GenerateContentRequest.${path.join('.')}.${words}` })
}

/** Protobuf's JSON knows each field by two names. */
export const camel = (name: string): string =>
  name.replace(/_([a-z0-9])/g, (_match, letter: string) => letter.toUpperCase())
