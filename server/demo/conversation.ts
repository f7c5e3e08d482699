import type { JsonObject } from '../model/request.ts'
import { asArray, asObject, asString } from '../protocols/narrow.ts'

/** Objects of an array; everything else in it is passed over: the demo forgives what a real provider would refuse. */
export function objects(value: unknown): readonly JsonObject[] {
  return (asArray(value) ?? []).map(asObject).filter((item) => item !== undefined)
}

/** The text of a string, or of all parts that have a `text`. */
export function textOf(content: unknown): string {
  return (
    asString(content) ??
    objects(content)
      .map((part) => asString(part.text) ?? '')
      .join('')
  )
}

/** Every string inside a JSON value, joined: what a prompt weighs. */
export function allText(value: unknown): string {
  const found: string[] = []
  const visit = (at: unknown): void => {
    if (typeof at === 'string') found.push(at)
    else if (typeof at === 'object' && at !== null) Object.values(at).forEach(visit)
  }
  visit(value)
  return found.join(' ')
}
