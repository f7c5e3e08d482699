import { isObject, type JsonObject } from '../json.ts'

/** One thing that is wrong with a request, in no provider's words. */
export interface Fault {
  readonly kind: 'missing' | 'unknown' | 'type' | 'value' | 'rule'
  readonly path: readonly (string | number)[]
  /** For `type`: what was wanted. For `value` and `rule`: the whole sentence. */
  readonly detail: string
}

export type Report = (fault: Fault) => void

/** Checks one value at one place and reports what is wrong there and below. */
export type Shape = (value: unknown, path: Fault['path'], report: Report) => void

export const anything: Shape = () => undefined

const typed =
  (wanted: string, holds: (value: unknown) => boolean): Shape =>
  (value, path, report) => {
    if (!holds(value)) report({ kind: 'type', path, detail: wanted })
  }

export const bool = typed('a boolean', (value) => typeof value === 'boolean')
export const jsonObject = typed('an object', isObject)

export interface TextLimits {
  readonly max?: number
  readonly min?: number
  readonly pattern?: RegExp
}

export function str({ min = 0, max = Infinity, pattern }: TextLimits = {}): Shape {
  return (value, path, report) => {
    if (typeof value !== 'string') report({ kind: 'type', path, detail: 'a string' })
    else if (value.length < min) report({ kind: 'value', path, detail: `must have at least ${min} characters` })
    else if (value.length > max)
      report({ kind: 'value', path, detail: `string too long: expected at most ${max}, got ${value.length}` })
    else if (pattern !== undefined && !pattern.test(value))
      report({
        kind: 'value',
        path,
        detail: `must match ${String(pattern)}, got ${JSON.stringify(value.slice(0, 80))}`,
      })
  }
}

export interface Range {
  readonly min?: number
  readonly max?: number
}

function numeric(wanted: string, holds: (value: number) => boolean, { min = -Infinity, max = Infinity }: Range): Shape {
  return (value, path, report) => {
    if (typeof value !== 'number' || !holds(value)) report({ kind: 'type', path, detail: wanted })
    else if (value < min || value > max)
      report({ kind: 'value', path, detail: `must be between ${min} and ${max}, got ${value}` })
  }
}

export const num = (range: Range = {}): Shape => numeric('a number', Number.isFinite, range)
export const int = (range: Range = {}): Shape => numeric('an integer', Number.isInteger, range)

export function oneOf(...words: readonly string[]): Shape {
  return (value, path, report) => {
    if (typeof value !== 'string') report({ kind: 'type', path, detail: 'a string' })
    else if (!words.includes(value))
      report({ kind: 'value', path, detail: `must be one of ${words.join(', ')}, got ${JSON.stringify(value)}` })
  }
}

export function listOf(item: Shape, { min = 0, max = Infinity }: Range = {}): Shape {
  return (value, path, report) => {
    if (!Array.isArray(value)) {
      report({ kind: 'type', path, detail: 'an array' })
      return
    }
    if (value.length < min)
      report({ kind: 'value', path, detail: `array too short: expected at least ${min}, got ${value.length}` })
    if (value.length > max)
      report({ kind: 'value', path, detail: `array too long: expected at most ${max}, got ${value.length}` })
    value.forEach((entry: unknown, index) => item(entry, [...path, index], report))
  }
}

export function mapOf(item: Shape): Shape {
  return (value, path, report) => {
    if (!isObject(value)) report({ kind: 'type', path, detail: 'an object' })
    else for (const [name, entry] of Object.entries(value)) item(entry, [...path, name], report)
  }
}

export const nullable =
  (shape: Shape): Shape =>
  (value, path, report) => {
    if (value !== null) shape(value, path, report)
  }

export interface ObjectShape {
  readonly required?: Readonly<Record<string, Shape>>
  readonly optional?: Readonly<Record<string, Shape>>
  /** Other fields are let through. */
  readonly open?: boolean
  /** Gives a field's proper name, where a provider knows a field by several. */
  readonly nameOf?: (name: string) => string
  /** Sentences about the whole, checked when the fields are right. */
  readonly rules?: readonly ((value: JsonObject, path: Fault['path'], report: Report) => void)[]
}

export function obj({ required = {}, optional = {}, open = false, nameOf = String, rules = [] }: ObjectShape): Shape {
  return (value, path, report) => {
    if (!isObject(value)) {
      report({ kind: 'type', path, detail: 'an object' })
      return
    }
    const present = new Set(Object.keys(value).map(nameOf))
    for (const name of Object.keys(required))
      if (!present.has(name)) report({ kind: 'missing', path: [...path, name], detail: '' })
    for (const [given, entry] of Object.entries(value)) {
      const name = nameOf(given)
      const shape = Object.hasOwn(required, name)
        ? required[name]
        : Object.hasOwn(optional, name)
          ? optional[name]
          : undefined
      if (shape !== undefined) shape(entry, [...path, given], report)
      else if (!open) report({ kind: 'unknown', path: [...path, given], detail: '' })
    }
    for (const rule of rules) rule(value, path, report)
  }
}

/** An object whose `tag` field says which shape it has. `otherwise` is the shape without that field, or with an unlisted word. */
export function tagged(tag: string, shapes: Readonly<Record<string, Shape>>, otherwise?: Shape): Shape {
  return (value, path, report) => {
    if (!isObject(value)) {
      report({ kind: 'type', path, detail: 'an object' })
      return
    }
    const word = value[tag]
    if (typeof word === 'string' && Object.hasOwn(shapes, word)) shapes[word]?.(value, path, report)
    else if (otherwise !== undefined) otherwise(value, path, report)
    else if (word === undefined) report({ kind: 'missing', path: [...path, tag], detail: '' })
    else
      report({
        kind: 'value',
        path: [...path, tag],
        detail: `must be one of ${Object.keys(shapes).join(', ')}, got ${JSON.stringify(word)}`,
      })
  }
}

/** Chooses the shape by the kind of JSON value. */
export function byKind(kinds: {
  readonly string?: Shape
  readonly array?: Shape
  readonly object?: Shape
  readonly null?: Shape
}): Shape {
  return (value, path, report) => {
    const kind =
      value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value === 'object' ? 'object' : typeof value
    const shape = Object.hasOwn(kinds, kind) ? kinds[kind as keyof typeof kinds] : undefined
    if (shape === undefined) report({ kind: 'type', path, detail: Object.keys(kinds).join(' or ') })
    else shape(value, path, report)
  }
}

/** All that a shape says about a body. */
export function faultsOf(shape: Shape, value: unknown): readonly Fault[] {
  const faults: Fault[] = []
  shape(value, [], (fault) => faults.push(fault))
  return faults
}
