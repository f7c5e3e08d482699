import type { Json, JsonObject } from '../../model/request.ts'
import { asArray, asNumber, asObject, asString } from '../narrow.ts'

const snakeNames = new Map<string, string>()

/** The other spelling of a proto field's name: `inlineData` → `inline_data`. */
export function snakeCase(name: string): string {
  let snake = snakeNames.get(name)
  if (snake === undefined) {
    snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    snakeNames.set(name, snake)
  }
  return snake
}

/** What surrounds one answer: nothing (Gemini) or an envelope (Antigravity). */
export type Unwrap = (body: JsonObject) => JsonObject

export const bare: Unwrap = (body) => body

/** The answer's candidates; a damaged entry is left out, because one of them must not hide the others. */
export function candidatesOf(body: JsonObject): readonly JsonObject[] {
  return objects(body['candidates'])
}

export function partsOf(candidate: JsonObject): readonly JsonObject[] {
  return objects(asObject(candidate['content'])?.['parts'])
}

export function objects(value: unknown): readonly JsonObject[] {
  const list = asArray(value)
  if (list === undefined) return []
  return list.map(asObject).filter((entry) => entry !== undefined)
}

/** The word with which the upstream ended a candidate; compatible servers send `''` or null while it goes on. */
export function finishReasonOf(candidate: JsonObject): string | undefined {
  const reason = asString(candidate['finishReason'])
  return reason === '' || reason === 'FINISH_REASON_UNSPECIFIED' ? undefined : reason
}

/** Far more than Gemini gives: a number beyond it is no candidate's, and must not make room for so many. */
const MOST_CANDIDATES = 128

/** Which candidate of an answer this is; `index` is often absent, then it stands where it stands. */
export function candidateNumber(candidate: JsonObject, position: number): number {
  const index = asNumber(candidate['index'])
  const known = index !== undefined && Number.isInteger(index) && index >= 0 && index < MOST_CANDIDATES
  return known ? index : Math.min(position, MOST_CANDIDATES - 1)
}

/** Set when the prompt was refused: such an answer has no candidates. */
export function blockReasonOf(body: JsonObject): string | undefined {
  const reason = asString(asObject(body['promptFeedback'])?.['blockReason'])
  return reason === '' || reason === 'BLOCK_REASON_UNSPECIFIED' ? undefined : reason
}

export function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value)
}

export function without(object: JsonObject, ...names: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name)))
}
