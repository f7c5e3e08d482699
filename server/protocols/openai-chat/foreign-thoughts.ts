import type { Json, JsonObject } from '../../model/request.ts'
import { asArray, asObject, asString } from '../narrow.ts'
import { isWrapped } from '../signature.ts'
import { familyOf } from './families.ts'
import { placeOf } from './reasoning.ts'

/**
 * A client's request as it stands, but without the thoughts that channels of other formats made (our `reasoning_details` entries, the
 * text that belongs to them, and wrapped call signatures): OpenAI refuses the fields, others cannot read them. All else is kept.
 */
export function withoutForeignThoughts(body: JsonObject): JsonObject {
  const { wantsReasoningBack } = familyOf(asString(body.model) ?? '')
  const messages = objects(body.messages).map((message): JsonObject => {
    if (message.role !== 'assistant') return message
    const cleaned = withoutSignature(withoutOurDetails(message))
    const calls = objects(cleaned.tool_calls)
    if (calls.length === 0) return cleaned
    const thought = asString(cleaned.reasoning_content) ?? ''
    return {
      ...cleaned,
      tool_calls: calls.map(withoutSignature),
      // the field must be there, as message-encode.ts says
      ...(wantsReasoningBack && thought === '' ? { reasoning_content: ' ' } : {}),
    }
  })
  return { ...body, messages }
}

function withoutOurDetails(message: JsonObject): JsonObject {
  const details = objects(message.reasoning_details)
  const places = details.map(placeOf)
  if (places.every((place) => place === undefined)) return message
  const kept = details.filter((_, at) => places[at] === undefined)
  const text = withoutRanges(asString(message.reasoning_content) ?? '', places)
  return {
    ...without(message, ['reasoning_details', 'reasoning_content']),
    ...(text === '' ? {} : { reasoning_content: text }),
    ...(kept.length === 0 ? {} : { reasoning_details: kept }),
  }
}

function withoutRanges(
  text: string,
  places: readonly ({ readonly start: number; readonly length: number } | undefined)[],
): string {
  let kept = ''
  let at = 0
  for (const place of places) {
    if (place === undefined || place.start < at) continue
    kept += text.slice(at, place.start)
    at = place.start + place.length
  }
  return kept + text.slice(at)
}

function withoutSignature(carrier: JsonObject): JsonObject {
  const extra = asObject(carrier.extra_content)
  const value = asString((asObject(extra?.google) ?? asObject(extra?.vertex))?.thought_signature)
  if (value === undefined || !isWrapped(value)) return carrier
  return without(carrier, ['extra_content'])
}

function without(object: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name)))
}

function objects(value: Json | undefined): readonly JsonObject[] {
  return (asArray(value) ?? []).map(asObject).filter((entry) => entry !== undefined)
}
