import type { Json, JsonObject } from '../../model/request.ts'
import { asArray, asObject } from '../narrow.ts'

/**
 * A tool's JSON Schema as OpenAI accepts it: the root is an object with `properties` and without combinators, and every array says
 * what its items are ("array schema missing items"). Everything else stays as the client wrote it. `lost` names what had to go.
 */
export function toolSchema(schema: JsonObject): { readonly schema: JsonObject; readonly lost: readonly string[] } {
  const lost: string[] = []
  const root: Record<string, Json | undefined> = { ...schema }
  const properties: Record<string, Json | undefined> = { ...asObject(root.properties) }
  for (const combinator of ['anyOf', 'oneOf', 'allOf'] as const) {
    const variants = asArray(root[combinator])
    if (variants === undefined) continue
    Reflect.deleteProperty(root, combinator)
    lost.push(combinator)
    for (const variant of variants) {
      const fields = asObject(asObject(variant)?.properties) ?? {}
      for (const [name, value] of Object.entries(fields)) properties[name] ??= value
      const required = asArray(asObject(variant)?.required)?.filter((name) => typeof name === 'string')
      if (combinator === 'allOf' && required !== undefined)
        root.required = [
          ...new Set([...(asArray(root.required) ?? []).filter((name) => typeof name === 'string'), ...required]),
        ]
    }
  }
  for (const name of ['enum', 'not'] as const) {
    if (root[name] === undefined) continue
    Reflect.deleteProperty(root, name)
    lost.push(name)
  }
  root.type = 'object'
  root.properties = properties
  return { schema: asObject(withItems(root)) ?? schema, lost }
}

/** Deeper than any honest schema; a hostile one must not exhaust the stack. */
const DEEPEST = 200

/** Names whose values are data, not schemas. */
const DATA = new Set(['default', 'const', 'enum', 'examples'])

/** Gives the same object back where nothing is missing. `names`: the keys of `value` are property names, not schema words. */
function withItems(value: Json | undefined, depth = 0, names = false): Json | undefined {
  if (depth > DEEPEST) return value
  const list = asJsonList(value)
  if (list !== undefined) {
    const entries = list.map((entry) => withItems(entry, depth + 1) ?? null)
    return entries.every((entry, at) => entry === list[at]) ? list : entries
  }
  const object = asObject(value)
  if (object === undefined) return value
  let copy: Record<string, Json | undefined> | undefined
  for (const [name, child] of Object.entries(object)) {
    if (!names && DATA.has(name)) continue
    const cleaned = withItems(child, depth + 1, !names && (name === 'properties' || name === '$defs'))
    if (cleaned === child) continue
    copy ??= { ...object }
    copy[name] = cleaned
  }
  if (!names && isArrayType(object.type) && object.items === undefined && object.prefixItems === undefined) {
    copy ??= { ...object }
    copy.items = {}
  }
  return copy ?? object
}

function isArrayType(type: Json | undefined): boolean {
  return type === 'array' || (asJsonList(type)?.includes('array') ?? false)
}

function asJsonList(value: Json | undefined): readonly Json[] | undefined {
  return isJsonList(value) ? value : undefined
}

function isJsonList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value)
}

/**
 * Whether a schema keeps what OpenAI demands of `strict`: every object closed, all its properties required. Anthropic's strict tools
 * may have optional properties. https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
 */
export function fitsStrict(value: Json | undefined, depth = 0): boolean {
  if (depth > DEEPEST) return true
  const list = asJsonList(value)
  if (list !== undefined) return list.every((entry) => fitsStrict(entry, depth + 1))
  const object = asObject(value)
  if (object === undefined) return true
  const properties = asObject(object.properties)
  if (object.type === 'object' || properties !== undefined) {
    const required = asJsonList(object.required) ?? []
    if (object.additionalProperties !== false) return false
    if (!Object.keys(properties ?? {}).every((name) => required.includes(name))) return false
  }
  const below = Object.entries(object).filter(([name]) => !DATA.has(name) && name !== 'properties')
  return [...Object.entries(properties ?? {}), ...below].every(([, child]) => fitsStrict(child, depth + 1))
}
