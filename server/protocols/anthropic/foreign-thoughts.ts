import type { Json, JsonObject } from '../../model/request.ts'
import { asArray, asObject, asString } from '../narrow.ts'
import { isWrapped } from '../signature.ts'
import { traitsOf } from './models.ts'

/**
 * A client's request as it stands, but without the thoughts that channels of other formats made: their signatures are ours, and
 * Anthropic refuses them. All else is kept, also what the model has no word for. Where the turn that tool results answer thereby
 * loses its first thought, a thinking budget is refused too: then the model is asked to adapt, or not to think.
 */
export function withoutForeignThoughts(body: JsonObject): JsonObject {
  const messages = (asArray(body.messages) ?? []).map((value) => asObject(value)).filter((row) => row !== undefined)
  const kept = messages.map(cleaned).filter((message) => asArray(message.content)?.length !== 0)
  const out: JsonObject = { ...body, messages: kept }
  if (asObject(body.thinking)?.type !== 'enabled' || !lacksThought(kept)) return out
  if (traitsOf(asString(body.model) ?? '').thinking === 'either') return { ...out, thinking: { type: 'adaptive' } }
  return Object.fromEntries(Object.entries(withoutClearing(out)).filter(([name]) => name !== 'thinking'))
}

function cleaned(message: JsonObject): JsonObject {
  const content = asArray(message.content)
  if (message.role !== 'assistant' || content === undefined) return message
  const blocks = content.map((value) => asObject(value)).filter((block) => block !== undefined)
  return { ...message, content: blocks.filter((block) => !isForeign(block)) }
}

function isForeign(block: JsonObject): boolean {
  const word = block.type === 'thinking' ? block.signature : block.type === 'redacted_thinking' ? block.data : undefined
  return isWrapped(asString(word) ?? '')
}

/** As `lacksThought` of encode-conversation.ts, over the client's own messages. */
function lacksThought(messages: readonly JsonObject[]): boolean {
  let first: JsonObject | undefined
  for (const message of messages.toReversed()) {
    if (message.role === 'assistant') first = message
    else if (message.role === 'user' && !typesOf(message.content).includes('tool_result')) break
  }
  const [opening] = first === undefined ? [] : typesOf(first.content)
  return opening !== undefined && opening !== 'thinking' && opening !== 'redacted_thinking'
}

function typesOf(content: Json | undefined): string[] {
  return (asArray(content) ?? [{ type: 'text' }]).map((block) => asString(asObject(block)?.type) ?? '')
}

/** Clearing old thoughts "requires thinking to be enabled". */
function withoutClearing(body: JsonObject): JsonObject {
  const management = asObject(body.context_management)
  if (management === undefined) return body
  const edits = (asArray(management.edits) ?? [])
    .map((edit) => asObject(edit))
    .filter((edit) => edit !== undefined)
    .filter((edit) => asString(edit.type)?.startsWith('clear_thinking') !== true)
  return { ...body, context_management: { ...management, edits } }
}
