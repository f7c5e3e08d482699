import { apply } from 'json-merge-patch'
import type { Json, JsonObject } from '../model/request.ts'
import { parseObject } from '../protocols/narrow.ts'
import { splice } from '../protocols/scan.ts'
import type { Call } from './call.ts'
import { isForm } from './passthrough.ts'

/** The client's bytes with the upstream's model in place of the group's name: nothing else is touched, nothing is parsed. */
export function withModel(call: Pick<Call, 'body' | 'peek' | 'raw'>, model: string): Buffer {
  const { modelSpan } = call.peek
  if (modelSpan === undefined || call.peek.model === model) return call.body
  // a form holds the name as it is, JSON as a string's inside
  return splice(call.body, modelSpan, isForm(call.raw) ? model : JSON.stringify(model).slice(1, -1))
}

/**
 * JSON merge patch (RFC 7396), where the operator asked for it: the only case in which a same-format body is parsed and written
 * anew. The patch was validated when it was saved.
 */
export function withOverride(body: Buffer, override: JsonObject | null): Buffer {
  if (override === null || Object.keys(override).length === 0) return body
  const parsed = parseObject(body.toString('utf8'))
  if (parsed === undefined) return body
  const patched: Json = apply(parsed, override)
  return Buffer.from(JSON.stringify(patched), 'utf8')
}
