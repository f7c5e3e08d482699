import { RelayError } from '../errors.ts'
import type { JsonObject } from '../model/request.ts'

/** Bytes from outside are `unknown` until one of these has looked: each gives the value when it is of the kind, else undefined. */
export function asObject(value: unknown): JsonObject | undefined {
  return isObject(value) ? value : undefined
}

export function asArray(value: unknown): readonly unknown[] | undefined {
  return Array.isArray(value) ? value : undefined
}

export function asString(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** Finite numbers only. */
export function asNumber(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}

export function asBoolean(value: unknown): boolean | undefined {
  return typeof value === 'boolean' ? value : undefined
}

/** A token count: a missing, negative or odd value counts as 0, so that a provider's slip never makes a bill negative. */
export function asCount(value: unknown): number {
  const number = asNumber(value)
  return number === undefined || number < 0 ? 0 : Math.round(number)
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** JSON text → object, or undefined when it is neither. */
export function parseObject(text: string): JsonObject | undefined {
  try {
    return asObject(JSON.parse(text))
  } catch {
    return undefined
  }
}

/** A client's field is wrong: names it in the client's spelling, and says what was wanted. */
export function wrongField(param: string, wanted: string, got: unknown): RelayError {
  return new RelayError(
    'invalid_request',
    `'${param}' must be ${wanted}${got === undefined ? '' : `, got ${kindOf(got)}`}`,
    {
      param,
    },
  )
}

/** Absent is fine, any other kind is the client's fault. `null` counts as absent: several SDKs send it. */
export function optional<T>(
  read: (value: unknown) => T | undefined,
  value: unknown,
  field: { readonly param: string; readonly wanted: string },
): T | undefined {
  if (value === undefined || value === null) return undefined
  const result = read(value)
  if (result === undefined) throw wrongField(field.param, field.wanted, value)
  return result
}

export function required<T>(
  read: (value: unknown) => T | undefined,
  value: unknown,
  field: { readonly param: string; readonly wanted: string },
): T {
  const result = optional(read, value, field)
  if (result === undefined)
    throw new RelayError('invalid_request', `'${field.param}' is missing: send ${field.wanted}`, { param: field.param })
  return result
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object') return 'an object'
  return `a ${typeof value}`
}
