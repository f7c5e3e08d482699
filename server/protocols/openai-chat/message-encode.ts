import type {
  AssistantPart,
  JsonObject,
  MediaPart,
  Message,
  ReasoningPart,
  ReportLoss,
  TextPart,
  ToolCallPart,
  ToolResultPart,
} from '../../model/request.ts'
import { wrapInput } from '../custom-tools.ts'
import type { Family } from './families.ts'
import { encodeMedia } from './media.ts'
import { fittingName } from './names.ts'
import { replaySignature, replayThoughts } from './reasoning.ts'
import { inventToolId, ToolIds } from './tool-ids.ts'

export interface MessageTarget {
  readonly family: Family
  /** The channel that will receive the messages; only its own thoughts are sent back. */
  readonly origin: string | undefined
  readonly loss: ReportLoss
  /** The model thinks in this request, as far as the request says. */
  readonly thinking: boolean
}

/**
 * The conversation → `messages`. This format demands that right behind an assistant message with calls there is one `tool` message
 * for each of them, in any order but with nothing between; tool messages hold text only.
 */
export function encodeMessages(messages: readonly Message[], target: MessageTarget): JsonObject[] {
  return new MessageEncoder(messages, target).encode()
}

interface Placed {
  readonly part: ToolResultPart
  readonly at: string
}

class MessageEncoder {
  readonly #messages: readonly Message[]
  readonly #target: MessageTarget
  readonly #ids: ToolIds
  /** Results that no call has taken yet, by call id, in order. */
  readonly #results = new Map<string, Placed[]>()
  readonly #out: JsonObject[] = []
  #cacheLost = false

  constructor(messages: readonly Message[], target: MessageTarget) {
    this.#messages = messages
    this.#target = target
    this.#ids = new ToolIds({ nineCharacters: target.family.shortToolIds })
    for (const [index, message] of messages.entries()) {
      if (message.role !== 'tool') continue
      for (const [position, part] of message.content.entries()) {
        const placed = { part, at: `messages[${index}].content[${position}]` }
        const queue = this.#results.get(part.callId)
        if (queue === undefined) this.#results.set(part.callId, [placed])
        else queue.push(placed)
      }
    }
  }

  encode(): JsonObject[] {
    for (let index = 0; index < this.#messages.length; index++) {
      const message = this.#messages[index]
      const at = `messages[${index}]`
      switch (message?.role) {
        case undefined:
          break
        case 'system':
          this.#system(message)
          break
        case 'user':
          this.#user(message, at)
          break
        case 'assistant': {
          const turn = this.#turn(message, index)
          index += turn.taken
          this.#assistant(turn.message, at)
          break
        }
        case 'tool':
          this.#orphans(message.content)
          break
      }
    }
    if (this.#cacheLost)
      this.#target.loss({
        field: 'cache_control',
        reason: 'this upstream keeps prefixes by itself and refuses the mark',
      })
    return this.#out
  }

  #system(message: Extract<Message, { role: 'system' }>): void {
    if (message.content.length === 0) return
    const role = message.origin === 'developer' && this.#target.family.openai ? 'developer' : 'system'
    this.#out.push({ role, content: this.#textContent(message.content, '\n\n') })
  }

  #user(message: Extract<Message, { role: 'user' }>, at: string): void {
    const name = message.name === undefined ? {} : { name: message.name }
    const [only, second] = message.content
    if (only?.type === 'text' && second === undefined && !this.#marks(only)) {
      this.#out.push({ role: 'user', content: only.text, ...name })
      return
    }
    const parts = this.#parts(message.content, `${at}.content`)
    this.#out.push({ role: 'user', content: parts.length === 0 ? '' : parts, ...name })
  }

  /** Assistant messages that follow each other are one turn here when one of them has calls: their results come behind all. */
  #turn(
    first: Extract<Message, { role: 'assistant' }>,
    index: number,
  ): { readonly message: Extract<Message, { role: 'assistant' }>; readonly taken: number } {
    const content: AssistantPart[] = [...first.content]
    let taken = 0
    for (let next = this.#messages[index + 1]; next?.role === 'assistant'; next = this.#messages[index + taken + 1]) {
      if (![...content, ...next.content].some((part) => part.type === 'tool-call' || part.type === 'reasoning')) break
      content.push(...next.content)
      taken++
    }
    return { message: taken === 0 ? first : { ...first, content }, taken }
  }

  #assistant(message: Extract<Message, { role: 'assistant' }>, at: string): void {
    const calls = message.content.filter((part) => part.type === 'tool-call')
    const thoughts = message.content.filter((part) => part.type === 'reasoning')
    const text = joinText(message.content, false)
    const refusal = joinText(message.content, true)
    const signed = message.content.findLast((part) => part.type === 'text' && part.opaque !== undefined)
    for (const part of message.content) {
      if (part.type === 'media')
        this.#target.loss({ field: `${at}.content`, reason: 'an assistant message of this format holds no media' })
    }
    const fields: JsonObject = {
      ...this.#thoughts(thoughts, calls.length > 0),
      ...replaySignature(signed?.type === 'text' ? signed.opaque : undefined, this.#target.origin),
    }
    if (text === '' && refusal === '' && calls.length === 0 && Object.keys(fields).length === 0) return
    const ids = calls.map((call, position) => this.#callId(call, `${at}.${position}`))
    this.#out.push({
      role: 'assistant',
      content: text === '' && (calls.length > 0 || refusal !== '') ? null : text,
      ...(refusal === '' ? {} : { refusal }),
      ...(message.name === undefined ? {} : { name: message.name }),
      ...fields,
      ...(calls.length === 0
        ? {}
        : { tool_calls: calls.map((call, position) => this.#call(call, ids[position] ?? '')) }),
    })
    this.#answer(calls, ids)
  }

  #thoughts(parts: readonly ReasoningPart[], withCalls: boolean): JsonObject {
    const fields = replayThoughts(parts, this.#target.origin)
    // The thoughts of another channel may not be sent; the field must be there, and a blank is the least that counts as filled.
    if (
      withCalls &&
      this.#target.thinking &&
      this.#target.family.wantsReasoningBack &&
      fields.reasoning_content === undefined
    )
      return { ...fields, reasoning_content: ' ' }
    return fields
  }

  #callId(call: ToolCallPart, place: string): string {
    return call.id === '' ? this.#ids.of(inventToolId(place, call.name)) : this.#ids.of(call.id)
  }

  #call(call: ToolCallPart, id: string): JsonObject {
    const name = fittingName(call.name)
    const signature = replaySignature(call.opaque, this.#target.origin)
    if (call.custom === true && this.#target.family.customTools)
      return { id, type: 'custom', custom: { name, input: call.arguments }, ...signature }
    const args = call.custom === true ? wrapInput(call.arguments) : call.arguments
    return { id, type: 'function', function: { name, arguments: args === '' ? '{}' : args }, ...signature }
  }

  /** One tool message for each call, then what these cannot hold as a user message. */
  #answer(calls: readonly ToolCallPart[], ids: readonly string[]): void {
    const moved: JsonObject[] = []
    for (const [position, call] of calls.entries()) {
      const id = ids[position] ?? ''
      const result = this.#results.get(call.id)?.shift()
      if (result === undefined) {
        this.#target.loss({
          field: `tool call ${call.id}`,
          reason: 'the conversation has no result for it; the upstream demands one, so it is told that there is none',
        })
        this.#out.push({ role: 'tool', tool_call_id: id, content: '(no result)' })
        continue
      }
      const { content, media } = this.#resultContent(result)
      this.#out.push({ role: 'tool', tool_call_id: id, content })
      if (media.length > 0) moved.push({ type: 'text', text: `From the result of ${call.name} (${id}):` }, ...media)
    }
    if (moved.length > 0) this.#out.push({ role: 'user', content: moved })
  }

  #resultContent({ part, at }: Placed): {
    readonly content: string | readonly JsonObject[]
    readonly media: readonly JsonObject[]
  } {
    const texts = part.content.filter((item) => item.type === 'text')
    const media = part.content.filter((item) => item.type === 'media').flatMap((item) => this.#media(item, at))
    if (texts.length === 0) return { content: media.length === 0 ? '' : '(see the next message)', media }
    const { cache } = part
    const marked = cache === undefined ? texts : texts.map((text): TextPart => ({ ...text, cache }))
    const content = this.#textContent(marked, '\n')
    const failed = part.isError === true && typeof content === 'string' && !/^\W*error/i.test(content)
    return { content: failed ? `Error: ${content}` : content, media }
  }

  /** Results whose call is not in the conversation: a tool message would be refused, so the model reads them as the user's words. */
  #orphans(parts: readonly ToolResultPart[]): void {
    for (const part of parts) {
      const queue = this.#results.get(part.callId)
      const placed = queue?.find((entry) => entry.part === part)
      if (queue === undefined || placed === undefined) continue
      queue.splice(queue.indexOf(placed), 1)
      this.#target.loss({ field: placed.at, reason: 'the call that it answers is not in the conversation' })
      const { content, media } = this.#resultContent(placed)
      const text = typeof content === 'string' ? content : joinText(part.content, false)
      const lead = { type: 'text', text: `Result of the tool call ${part.name ?? part.callId}:\n${text}` }
      this.#out.push({ role: 'user', content: media.length === 0 ? lead.text : [lead, ...media] })
    }
  }

  #parts(parts: readonly (TextPart | MediaPart)[], at: string): JsonObject[] {
    return parts.flatMap((part, index) =>
      part.type === 'text'
        ? [{ type: 'text', text: part.text, ...this.#mark(part) }]
        : this.#media(part, `${at}[${index}]`),
    )
  }

  #media(part: MediaPart, at: string): JsonObject[] {
    const encoded = encodeMedia(part, { family: this.#target.family, loss: this.#target.loss, at })
    return encoded === undefined ? [] : [{ ...encoded, ...this.#mark(part) }]
  }

  /** Text as a plain string, which every provider takes; as parts only where a cache mark stands on one. */
  #textContent(parts: readonly TextPart[], between: string): string | JsonObject[] {
    if (parts.filter((part) => this.#marks(part)).length > 0) return this.#parts(parts, '')
    return parts.map((part) => part.text).join(between)
  }

  #marks(part: TextPart | MediaPart): boolean {
    if (part.cache === undefined) return false
    if (this.#target.family.cacheMarks) return true
    this.#cacheLost = true
    return false
  }

  #mark(part: TextPart | MediaPart): JsonObject {
    return this.#marks(part) && part.cache !== undefined ? cacheMark(part.cache.ttl) : {}
  }
}

/** `cache_control` in Anthropic's words, as OpenRouter and proxies take it. */
export function cacheMark(ttl: '5m' | '1h'): JsonObject {
  return { cache_control: ttl === '1h' ? { type: 'ephemeral', ttl } : { type: 'ephemeral' } }
}

/** Pieces of one text join as they are (citations split them); texts that something stood between become paragraphs. */
function joinText(parts: readonly AssistantPart[], refusal: boolean): string {
  let text = ''
  let apart = false
  for (const part of parts) {
    if (part.type === 'text' && (part.refusal === true) === refusal) {
      text += text !== '' && apart && part.text !== '' ? `\n\n${part.text}` : part.text
      apart = false
    } else if (part.type !== 'media') apart = true
  }
  return text
}
