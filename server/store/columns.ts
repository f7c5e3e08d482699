import type { z } from 'zod'
import type { SqlRow } from './driver.ts'

/** A column does not hold what this program writes there. */
function wrong(row: SqlRow, column: string): Error {
  const id = row['id'] ?? row['name']
  const where = typeof id === 'number' || typeof id === 'string' ? ` (row ${id})` : ''
  return new Error(`the database column ${column}${where} does not hold what it should`)
}

/** An integer column; every read below throws for a value of another type. */
export function int(row: SqlRow, column: string): number {
  const value = row[column]
  if (typeof value !== 'number') throw wrong(row, column)
  return value
}

export function nullableInt(row: SqlRow, column: string): number | null {
  return row[column] === null ? null : int(row, column)
}

/** A boolean column, 0 or 1. */
export function bool(row: SqlRow, column: string): boolean {
  return int(row, column) !== 0
}

export function text(row: SqlRow, column: string): string {
  const value = row[column]
  if (typeof value !== 'string') throw wrong(row, column)
  return value
}

export function nullableText(row: SqlRow, column: string): string | null {
  return row[column] === null ? null : text(row, column)
}

export function bytes(row: SqlRow, column: string): Uint8Array {
  const value = row[column]
  if (!(value instanceof Uint8Array)) throw wrong(row, column)
  return value
}

/** A column of JSON text, parsed and checked. */
export function json<S extends z.ZodType>(row: SqlRow, column: string, schema: S): z.output<S> {
  return parsed(text(row, column), schema) ?? fail(row, column)
}

export function nullableJson<S extends z.ZodType>(row: SqlRow, column: string, schema: S): z.output<S> | null {
  return row[column] === null ? null : json(row, column, schema)
}

function fail(row: SqlRow, column: string): never {
  throw wrong(row, column)
}

/** The value of JSON text, or undefined when it is not JSON or not of that shape. */
export function parsed<S extends z.ZodType>(source: string, schema: S): z.output<S> | undefined {
  let value: unknown
  try {
    value = JSON.parse(source)
  } catch {
    return undefined
  }
  const result = schema.safeParse(value)
  return result.success ? result.data : undefined
}
