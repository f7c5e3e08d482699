import type { Json, JsonObject } from '../../model/request.ts'
import { asArray, asBoolean, asNumber, asObject, asString, optional, wrongField } from '../narrow.ts'
import { snakeCase } from './wire.ts'

/** A request's object and where it stands, so that every refusal names the field as the client spelled it. */
export class Fields {
  readonly object: JsonObject
  readonly path: string

  constructor(object: JsonObject, path: string) {
    this.object = object
    this.path = path
  }

  /** The name that the client used: camelCase, or the proto's snake_case. */
  key(name: string): string {
    if (Object.hasOwn(this.object, name)) return name
    const snake = snakeCase(name)
    return Object.hasOwn(this.object, snake) ? snake : name
  }

  param(name: string): string {
    const key = this.key(name)
    return this.path === '' ? key : `${this.path}.${key}`
  }

  /** Null counts as absent. */
  value(name: string): Json | undefined {
    return this.object[this.key(name)] ?? undefined
  }

  has(name: string): boolean {
    return this.value(name) !== undefined
  }

  string(name: string): string | undefined {
    return optional(asString, this.value(name), { param: this.param(name), wanted: 'a string' })
  }

  /** 64-bit integers are strings in proto JSON, so digits in quotes are a number too. */
  number(name: string): number | undefined {
    const value = this.value(name)
    if (typeof value === 'string' && /^-?\d+(\.\d+)?$/.test(value)) return Number(value)
    return optional(asNumber, value, { param: this.param(name), wanted: 'a number' })
  }

  boolean(name: string): boolean | undefined {
    return optional(asBoolean, this.value(name), { param: this.param(name), wanted: 'a boolean' })
  }

  plain(name: string): JsonObject | undefined {
    return optional(asObject, this.value(name), { param: this.param(name), wanted: 'an object' })
  }

  fields(name: string): Fields | undefined {
    const object = this.plain(name)
    return object === undefined ? undefined : new Fields(object, this.param(name))
  }

  strings(name: string): readonly string[] | undefined {
    const list = optional(asArray, this.value(name), { param: this.param(name), wanted: 'a list of strings' })
    return list?.map((entry, index) => {
      if (typeof entry !== 'string') throw wrongField(`${this.param(name)}[${index}]`, 'a string', entry)
      return entry
    })
  }

  /** A list of objects; the API takes a single object for a list of one. */
  list(name: string): readonly Fields[] {
    const value = this.value(name)
    if (value === undefined) return []
    const single = asObject(value)
    if (single !== undefined) return [new Fields(single, this.param(name))]
    const list = optional(asArray, value, { param: this.param(name), wanted: 'a list of objects' }) ?? []
    return list.map((entry, index) => {
      const path = `${this.param(name)}[${index}]`
      const object = asObject(entry)
      if (object === undefined) throw wrongField(path, 'an object', entry)
      return new Fields(object, path)
    })
  }

  /** The fields that nobody has named, in the client's spelling. */
  others(names: ReadonlySet<string>): JsonObject {
    return Object.fromEntries(
      Object.entries(this.object).filter(([key, value]) => value !== null && !names.has(camelCase(key))),
    )
  }
}

export function camelCase(name: string): string {
  return name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
}
