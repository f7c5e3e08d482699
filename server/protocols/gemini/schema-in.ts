import type { Json, JsonObject } from '../../model/request.ts'
import { asArray, asObject, asString } from '../narrow.ts'
import { camelCase } from './fields.ts'
import { isList } from './wire.ts'

/** Keywords whose value is one schema, a list of schemas, or a map of schemas. */
const ONE = new Set(['items', 'additionalProperties', 'not', 'contains', 'propertyNames', 'if', 'then', 'else'])
const LIST = new Set(['anyOf', 'oneOf', 'allOf', 'prefixItems'])
const MAP = new Set(['properties', 'patternProperties', '$defs', 'definitions', 'defs'])
/** int64 fields of the proto, which JSON may carry as strings. */
const COUNTS = new Set(['minItems', 'maxItems', 'minLength', 'maxLength', 'minProperties', 'maxProperties'])

/**
 * Gemini's `Schema` (types in capitals, `nullable`, snake_case) → JSON Schema. Clients put its words into JSON Schema fields too
 * (gemini-cli sends `"type": "OBJECT"` in `responseJsonSchema`), so both kinds pass through here; what is JSON Schema already stays.
 */
export function schemaToJson(schema: JsonObject): JsonObject {
  const result: Record<string, Json | undefined> = {}
  for (const [key, value] of Object.entries(schema)) {
    const name = key.includes('_') && !key.startsWith('$') ? camelCase(key) : key
    if (value === undefined || name === 'propertyOrdering' || name === 'nullable') continue
    if (name === 'type') {
      const type = typeToJson(value)
      if (type !== undefined) result['type'] = type
    } else if (name === 'example') result['examples'] = [value]
    else if (COUNTS.has(name) && typeof value === 'string') result[name] = Number(value)
    else result[name] = nested(name, value)
  }
  return schema['nullable'] === true ? withNull(result) : result
}

function nested(name: string, value: Json): Json {
  if (ONE.has(name)) {
    const object = asObject(value)
    return object === undefined ? value : schemaToJson(object)
  }
  if (LIST.has(name)) return (asArray(value) ?? []).flatMap((entry) => one(entry))
  if (!MAP.has(name)) return value
  const map = asObject(value) ?? {}
  return Object.fromEntries(
    Object.entries(map).map(([key, entry]) => {
      const object = asObject(entry)
      return [key, object === undefined ? entry : schemaToJson(object)]
    }),
  )
}

function one(entry: unknown): JsonObject[] {
  const object = asObject(entry)
  return object === undefined ? [] : [schemaToJson(object)]
}

function typeToJson(type: Json): Json | undefined {
  if (typeof type === 'string') return type === 'TYPE_UNSPECIFIED' ? undefined : type.toLowerCase()
  const list = asArray(type)
  return list === undefined ? type : list.flatMap((entry) => asString(entry)?.toLowerCase() ?? [])
}

function withNull(schema: JsonObject): JsonObject {
  const { type, enum: values, anyOf } = schema
  const options = isList(values) ? { enum: [...values, null] } : {}
  if (typeof type === 'string') return { ...schema, type: [type, 'null'], ...options }
  return isList(anyOf) ? { ...schema, anyOf: [...anyOf, { type: 'null' }] } : schema
}
