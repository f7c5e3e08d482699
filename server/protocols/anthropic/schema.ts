import type { Json, JsonObject } from '../../model/request.ts'
import { asArray, asNumber, asObject, asString } from '../narrow.ts'

/**
 * A tool's parameters as `input_schema`: any JSON Schema, but an object at the top and no `anyOf`, `oneOf` or `allOf` there
 * (https://platform.claude.com/docs/en/agents-and-tools/tool-use/implement-tool-use). Alternatives are laid over one another: all
 * properties, and of the required ones those that every alternative requires.
 */
export function inputSchema(parameters: JsonObject): JsonObject {
  const { anyOf, oneOf, allOf, ...rest } = parameters
  if (anyOf === undefined && oneOf === undefined && allOf === undefined)
    return parameters.type === 'object' ? parameters : { ...parameters, type: 'object' }
  const together = objects(allOf)
  const alternatives = objects(anyOf).concat(objects(oneOf))
  const everywhere = [rest, ...together].flatMap(requiredOf)
  const [first = [], ...others] = alternatives.map(requiredOf)
  const shared = first.filter((name) => others.every((names) => names.includes(name)))
  const required = [...new Set([...everywhere, ...shared])]
  const properties = Object.assign({}, ...[...alternatives, ...together, rest].map(propertiesOf)) as JsonObject
  return { ...rest, type: 'object', properties, ...(required.length === 0 ? {} : { required }) }
}

/** Limits on what one request may ask of constrained decoding; more is a 400 ("Schema complexity limits"). */
const MAX_STRICT_TOOLS = 20
const MAX_OPTIONAL = 24
const MAX_UNIONS = 16

/** Whether these schemas, together, may be asked for strictly. */
export function withinStrictLimits(schemas: readonly JsonObject[]): boolean {
  if (schemas.length > MAX_STRICT_TOOLS) return false
  let optional = 0
  let unions = 0
  for (const schema of schemas)
    eachSchema(schema, (node) => {
      const required = requiredOf(node)
      optional += Object.keys(propertiesOf(node)).filter((name) => !required.includes(name)).length
      if (node.anyOf !== undefined || asArray(node.type) !== undefined) unions++
    })
  return optional <= MAX_OPTIONAL && unions <= MAX_UNIONS
}

/** Constraints that the API refuses; they are told in the description instead, as Anthropic's own SDKs do. */
const TOLD = [
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'multipleOf',
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
  'uniqueItems',
  'minProperties',
  'maxProperties',
  'pattern',
  'format',
] as const
const FORMATS = new Set(['date-time', 'time', 'date', 'duration', 'email', 'hostname', 'uri', 'ipv4', 'ipv6', 'uuid'])
const KEPT = ['type', 'description', 'title', 'enum', 'const', 'default', 'required', '$ref'] as const

/**
 * A schema for constrained decoding: closed objects, no refused constraint. Undefined where it says what the API cannot: maps of free
 * keys, recursion, references elsewhere, alternatives beside other words
 * (https://platform.claude.com/docs/en/build-with-claude/structured-outputs, "JSON Schema limitations").
 */
export function strictSchema(schema: JsonObject): JsonObject | undefined {
  return isRecursive(schema) ? undefined : strictNode(schema)
}

function strictNode(node: JsonObject): JsonObject | undefined {
  const out: Record<string, Json | undefined> = {}
  for (const name of KEPT) if (node[name] !== undefined) out[name] = node[name]
  const reference = asString(node.$ref)
  if (reference !== undefined && !reference.startsWith('#/')) return undefined
  if (asArray(node.enum)?.some((value) => typeof value === 'object' && value !== null)) return undefined
  for (const [name, value] of [
    ['anyOf', node.anyOf ?? node.oneOf],
    ['allOf', node.allOf],
  ] as const) {
    if (value === undefined) continue
    const given = objects(value)
    const branches = given.map(strictNode).filter((branch) => branch !== undefined)
    if (branches.length < given.length) return undefined
    out[name] = branches
  }
  for (const name of ['$defs', 'definitions'] as const) {
    if (node[name] === undefined) continue
    const definitions = strictEach(asObject(node[name]) ?? {})
    if (definitions === undefined) return undefined
    out[name] = definitions
  }
  if (node.type === 'object' || node.properties !== undefined) {
    if (node.patternProperties !== undefined) return undefined
    if (node.properties === undefined && node.additionalProperties !== false) return undefined
    if (asObject(node.additionalProperties) !== undefined) return undefined
    const properties = strictEach(propertiesOf(node))
    if (properties === undefined) return undefined
    Object.assign(out, { type: node.type ?? 'object', properties, additionalProperties: false })
  }
  if (node.items !== undefined || node.prefixItems !== undefined) {
    const items = strictNode(asObject(node.items) ?? {})
    if (asObject(node.items) === undefined || items === undefined || node.prefixItems !== undefined) return undefined
    out.items = items
  }
  return tell(node, out)
}

/** Keeps the constraints that are taken, and puts the others into the description. */
function tell(node: JsonObject, out: Record<string, Json | undefined>): JsonObject {
  const told: string[] = []
  for (const name of TOLD) {
    const value = node[name]
    if (value === undefined) continue
    const taken =
      (name === 'minItems' && (asNumber(value) ?? 2) <= 1) ||
      (name === 'format' && FORMATS.has(asString(value) ?? '')) ||
      (name === 'pattern' && !/\(\?|\\[bB1-9]/.test(asString(value) ?? ''))
    if (taken) out[name] = value
    else told.push(`${name}: ${JSON.stringify(value)}`)
  }
  if (told.length === 0) return out
  const description = asString(out.description)
  return { ...out, description: `${description === undefined ? '' : `${description} `}{${told.join(', ')}}` }
}

function strictEach(schemas: JsonObject): JsonObject | undefined {
  const out: Record<string, Json> = {}
  for (const [name, value] of Object.entries(schemas)) {
    const node = strictNode(asObject(value) ?? {})
    if (node === undefined) return undefined
    out[name] = node
  }
  return out
}

/** A schema from which a reference leads back to itself, through any number of definitions. */
function isRecursive(schema: JsonObject): boolean {
  const definitions: JsonObject = { ...asObject(schema.definitions), ...asObject(schema.$defs) }
  const edges = new Map<string, readonly string[]>()
  for (const [name, node] of Object.entries(definitions)) edges.set(name, referencesIn(asObject(node) ?? {}))
  const root = Object.entries(schema).filter(([name]) => name !== '$defs' && name !== 'definitions')
  if (referencesIn(Object.fromEntries(root)).includes('')) return true
  const done = new Set<string>()
  const visit = (name: string, path: ReadonlySet<string>): boolean => {
    if (path.has(name)) return true
    if (done.has(name)) return false
    const deeper = new Set(path).add(name)
    if ((edges.get(name) ?? []).some((next) => next === '' || visit(next, deeper))) return true
    done.add(name)
    return false
  }
  return [...edges.keys()].some((name) => visit(name, new Set()))
}

/** Names of the definitions that a schema refers to; '' is the schema's own root. */
function referencesIn(schema: JsonObject): string[] {
  const names: string[] = []
  eachSchema(schema, (node) => {
    const reference = asString(node.$ref)
    if (reference === '#') names.push('')
    const match = /^#\/(?:\$defs|definitions)\/([^/]+)/.exec(reference ?? '')
    if (match?.[1] !== undefined) names.push(match[1])
  })
  return names
}

function eachSchema(schema: JsonObject, visit: (node: JsonObject) => void): void {
  visit(schema)
  for (const name of ['properties', '$defs', 'definitions'] as const)
    for (const node of Object.values(asObject(schema[name]) ?? {})) eachSchema(asObject(node) ?? {}, visit)
  for (const name of ['items', 'additionalProperties', 'not'] as const) {
    const node = asObject(schema[name])
    if (node !== undefined) eachSchema(node, visit)
  }
  for (const name of ['anyOf', 'oneOf', 'allOf', 'prefixItems'] as const)
    for (const node of objects(schema[name])) eachSchema(node, visit)
}

function objects(value: Json | undefined): JsonObject[] {
  return (asArray(value) ?? []).map((entry) => asObject(entry)).filter((entry) => entry !== undefined)
}

function propertiesOf(schema: JsonObject): JsonObject {
  return asObject(schema.properties) ?? {}
}

function requiredOf(schema: JsonObject): string[] {
  return (asArray(schema.required) ?? []).filter((name) => typeof name === 'string')
}
