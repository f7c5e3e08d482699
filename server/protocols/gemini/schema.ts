import type { Json, JsonObject } from '../../model/request.ts'
import { asArray, asNumber, asObject, asString } from '../narrow.ts'
import { isList, without } from './wire.ts'

type Schema = Record<string, Json | undefined>

/** Schemas that refer to each other can grow without end when references are written out; beyond this they are cut. */
const MOST_NODES = 4000

const TYPES = new Set(['string', 'number', 'integer', 'boolean', 'array', 'object', 'null'])
const NUMBERS = [
  'minimum',
  'maximum',
  'minItems',
  'maxItems',
  'minLength',
  'maxLength',
  'minProperties',
  'maxProperties',
]

/** Other formats are refused: "only 'enum' and 'date-time' are supported for STRING type". */
const FORMATS: Readonly<Record<string, readonly string[]>> = {
  string: ['date-time'],
  number: ['float', 'double'],
  integer: ['int32', 'int64'],
}

/**
 * JSON Schema → the `Schema` type of `parameters` and `responseSchema`: types in capitals, references written out, `nullable` instead
 * of a type list with null, `anyOf` for the other lists, enums of strings only, items for every array. Constraints that it cannot say
 * are told in the description, so that the model still knows them.
 * https://ai.google.dev/api/caching#Schema
 */
export function toSubset(schema: JsonObject): JsonObject {
  return new SubsetWriter(schema).write(schema, [])
}

/**
 * JSON Schema for `parametersJsonSchema` and `responseJsonSchema`: they take far more, but neither `$schema` nor `const`, and of
 * `allOf` the API knows nothing.
 */
export function toJsonDialect(schema: JsonObject): JsonObject {
  return asObject(jsonDialect(schema, schema, 0)) ?? {}
}

class SubsetWriter {
  readonly #root: JsonObject
  #nodes = 0

  constructor(root: JsonObject) {
    this.#root = root
  }

  write(given: unknown, path: readonly string[]): Schema {
    const source = asObject(given)
    if (source === undefined || ++this.#nodes > MOST_NODES) return { type: 'STRING' }
    const reference = asString(source['$ref'])
    if (reference !== undefined) return this.#reference(source, { reference, path })
    const merged = mergeAll(source, this.#root)
    if (merged !== source) return this.write(merged, path)
    const { types, nullable } = typesOf(source)
    if (types.length > 1)
      return this.#union(
        types.map((type) => ({ ...source, type })),
        { source: {}, nullable, path },
      )
    const options = asArray(source['anyOf']) ?? asArray(source['oneOf'])
    if (options !== undefined) return this.#union(options, { source, nullable, path })
    const result = this.#single(source, { type: types[0] ?? 'string', path })
    if (nullable) result['nullable'] = true
    return result
  }

  #reference(source: JsonObject, at: { readonly reference: string; readonly path: readonly string[] }): Schema {
    const beside = without(source, '$ref')
    const target = asObject(resolve(this.#root, at.reference))
    if (target === undefined || at.path.includes(at.reference)) return { type: 'OBJECT', ...describe(source, []) }
    return this.write({ ...target, ...beside }, [...at.path, at.reference])
  }

  #union(
    options: readonly unknown[],
    at: { readonly source: JsonObject; readonly nullable: boolean; readonly path: readonly string[] },
  ): Schema {
    const { source, path } = at
    const real = options.filter((option) => !isNull(option))
    const nullable = at.nullable || real.length < options.length
    const beside = without(source, 'anyOf', 'oneOf')
    const flag = nullable ? { nullable } : {}
    if (real.length === 0) return { type: 'STRING', nullable: true, ...describe(source, []) }
    if (real.length === 1) return { ...this.write({ ...beside, ...asObject(real[0]) }, path), ...flag }
    const whole = asObject(beside['properties']) === undefined ? {} : beside
    const written = real.map((option) => this.write(combine(whole, asObject(option) ?? {}), path))
    return { ...describe(beside, []), anyOf: written, ...flag }
  }

  #single(source: JsonObject, at: { readonly type: string; readonly path: readonly string[] }): Schema {
    const { type, path } = at
    const notes: string[] = []
    const result: Schema = { type: type.toUpperCase() }
    this.#enumerate(source, { type, result, notes })
    for (const name of NUMBERS) {
      const number = asNumber(source[name])
      if (number !== undefined) result[name] = number
    }
    if (type === 'integer') {
      const above = asNumber(source['exclusiveMinimum'])
      const below = asNumber(source['exclusiveMaximum'])
      if (above !== undefined) result['minimum'] ??= Math.floor(above) + 1
      if (below !== undefined) result['maximum'] ??= Math.ceil(below) - 1
    }
    const format = asString(source['format'])
    if (format !== undefined && FORMATS[type]?.includes(format) === true) result['format'] = format
    else if (format !== undefined) notes.push(`Format: ${format}.`)
    const pattern = asString(source['pattern'])
    if (pattern !== undefined && type === 'string') result['pattern'] = pattern
    if (type === 'array') result['items'] = this.#items(source, path)
    if (type === 'object') this.#properties(source, { result, path })
    return { ...result, ...describe(source, notes) }
  }

  #enumerate(
    source: JsonObject,
    to: { readonly type: string; readonly result: Schema; readonly notes: string[] },
  ): void {
    const values = asArray(source['enum']) ?? ('const' in source ? [source['const']] : undefined)
    const real = values?.filter((value) => value !== null)
    if (real === undefined || real.length === 0) return
    if (to.type === 'string') to.result['enum'] = real.map(String)
    else to.notes.push(`Allowed: ${real.map((value) => JSON.stringify(value)).join(', ')}.`)
  }

  #items(source: JsonObject, path: readonly string[]): Schema {
    const tuple = asArray(source['prefixItems']) ?? asArray(source['items'])
    if (tuple !== undefined) return this.#union(tuple, { source: {}, nullable: false, path })
    return this.write(source['items'], path)
  }

  #properties(source: JsonObject, to: { readonly result: Schema; readonly path: readonly string[] }): void {
    const properties = asObject(source['properties'])
    if (properties === undefined) return
    const written: Schema = {}
    for (const [name, property] of Object.entries(properties)) {
      if (property !== false) written[name] = this.write(property === true ? {} : property, to.path)
    }
    to.result['properties'] = written
    const required = (asArray(source['required']) ?? []).flatMap((name) =>
      typeof name === 'string' && Object.hasOwn(written, name) ? [name] : [],
    )
    if (required.length > 0) to.result['required'] = required
  }
}

function describe(source: JsonObject, notes: readonly string[]): Schema {
  const said = asString(source['description'])
  const title = asString(source['title'])
  const text = [...(said === undefined || said === '' ? [] : [said]), ...notes].join(' ')
  return { ...(title !== undefined && { title }), ...(text !== '' && { description: text }) }
}

/** The types that a schema names or lets one guess; null apart. */
function typesOf(source: JsonObject): { readonly types: readonly string[]; readonly nullable: boolean } {
  const given = asArray(source['type']) ?? [source['type']]
  const named = given.flatMap((type) => (typeof type === 'string' ? [type.toLowerCase()] : []))
  const values = asArray(source['enum'])
  const nullable =
    named.includes('null') || source['nullable'] === true || values?.includes(null) === true || source['const'] === null
  const types = named.filter((type) => type !== 'null' && TYPES.has(type))
  return { types: types.length > 0 ? types : guess(source, values), nullable }
}

function guess(source: JsonObject, values: readonly unknown[] | undefined): readonly string[] {
  if ('anyOf' in source || 'oneOf' in source) return []
  if ('properties' in source || 'additionalProperties' in source) return ['object']
  if ('items' in source || 'prefixItems' in source) return ['array']
  const sample = values?.find((value) => value !== null) ?? source['const']
  if (typeof sample === 'number') return [Number.isInteger(sample) ? 'integer' : 'number']
  if (typeof sample === 'boolean') return ['boolean']
  return ['string']
}

function isNull(option: unknown): boolean {
  const object = asObject(option)
  return object !== undefined && (object['type'] === 'null' || object['type'] === 'NULL' || object['const'] === null)
}

/** `#/$defs/Name`, `#/definitions/Name`, or any other JSON pointer into the schema itself. */
function resolve(root: JsonObject, reference: string): unknown {
  if (!reference.startsWith('#')) return undefined
  let at: unknown = root
  for (const step of reference.slice(1).split('/').slice(1)) {
    const name = step.replaceAll('~1', '/').replaceAll('~0', '~')
    at = asArray(at)?.[Number(name)] ?? asObject(at)?.[name]
  }
  return at
}

const MOST_MERGES = 50

/** `allOf` written into the schema around it; references in it are followed, because two of them cannot stand side by side. */
function mergeAll(source: JsonObject, root: JsonObject): JsonObject {
  let merged = source
  for (let round = 0; merged['allOf'] !== undefined; round++) {
    const { allOf, ...beside } = merged
    if (round === MOST_MERGES) return beside
    merged = (asArray(allOf) ?? []).map((part) => followed(asObject(part) ?? {}, root)).reduce(combine, beside)
  }
  return merged
}

function followed(part: JsonObject, root: JsonObject): JsonObject {
  const reference = asString(part['$ref'])
  const target = reference === undefined ? undefined : asObject(resolve(root, reference))
  if (target === undefined) return part
  return { ...target, ...without(part, '$ref') }
}

function combine(a: JsonObject, b: JsonObject): JsonObject {
  const properties = { ...asObject(a['properties']), ...asObject(b['properties']) }
  const required = [...(asArray(a['required']) ?? []), ...(asArray(b['required']) ?? [])].filter(
    (name) => typeof name === 'string',
  )
  return {
    ...a,
    ...b,
    ...(Object.keys(properties).length > 0 && { properties }),
    ...(required.length > 0 && { required: [...new Set(required)] }),
  }
}

const DEEPEST = 200

/** Maps of schemas keep their keys, whatever they are called: a property may have the name `const`. */
function jsonDialect(value: Json, root: JsonObject, depth: number): Json {
  const object = asObject(value)
  if (object === undefined || depth > DEEPEST) return value
  const source = mergeAll(object, root)
  const result: Schema = {}
  for (const [key, entry] of Object.entries(source)) {
    if (entry === undefined || key === '$schema') continue
    if (key === 'const') {
      if (source['enum'] === undefined) result['enum'] = [entry]
    } else if (key === 'properties' || key === '$defs' || key === 'definitions' || key === 'patternProperties') {
      result[key] = mapValues(entry, (inner) => jsonDialect(inner, root, depth + 1))
    } else if (key === 'enum' || key === 'default' || key === 'required' || key === 'examples') result[key] = entry
    else if (isList(entry)) result[key] = entry.map((inner) => jsonDialect(inner, root, depth + 1))
    else result[key] = jsonDialect(entry, root, depth + 1)
  }
  return result
}

function mapValues(map: Json, change: (value: Json) => Json): Json {
  const object = asObject(map)
  if (object === undefined) return map
  return Object.fromEntries(
    Object.entries(object).map(([key, value]) => [key, value === undefined ? value : change(value)]),
  )
}
