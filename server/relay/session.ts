import { openingOf, sessionHeader, sessionName } from '../balance/affinity.ts'
import { RelayError } from '../errors.ts'
import { asString } from '../protocols/narrow.ts'
import { fieldValue, scanTopLevel } from '../protocols/scan.ts'
import type { Group } from '../store/configuration.ts'
import type { Call } from './call.ts'

/**
 * The name of the conversation that a call belongs to, for its API key and group: what the tool says in a header, the cache key in
 * the body, or else the person's first words, hashed. null: nothing tells. Nothing is parsed; only asked where a group wants it.
 */
export function sessionOf(
  call: Pick<Call, 'caller' | 'headers' | 'body'> & { readonly raw?: unknown },
  group: Group,
): string | null {
  const words = sessionHeader(call.headers) ?? (call.raw === undefined ? wordsOf(call.body) : '')
  return words === '' ? null : sessionName({ apiKeyId: call.caller.id, groupId: group.id }, words)
}

/** The lists in which the formats keep their messages; `request` is the envelope of Antigravity. */
const FIELDS = ['prompt_cache_key', 'messages', 'input', 'contents', 'request'] as const

function wordsOf(body: Buffer): string {
  try {
    const found = scanTopLevel(body, FIELDS)
    const { prompt_cache_key: key, request } = found
    const named = key === undefined ? undefined : asString(fieldValue(body, key))
    if (named !== undefined && named !== '') return `key:${named}`
    const list = found.messages ?? found.input ?? found.contents
    if (list !== undefined) return openingOf(body, list)
    if (request === undefined) return ''
    const inner = body.subarray(request.start, request.end)
    const { contents } = scanTopLevel(inner, ['contents'])
    return contents === undefined ? '' : openingOf(inner, contents)
  } catch (error) {
    if (error instanceof RelayError) return '' // a field that stands twice: the upstream may judge it, here it names nothing
    throw error
  }
}
