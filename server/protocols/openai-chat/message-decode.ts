import type {
  AssistantPart,
  Json,
  JsonObject,
  MediaPart,
  Message,
  ReportLoss,
  TextPart,
  ToolCallPart,
  ToolResultPart,
} from '../../model/request.ts'
import { RelayError } from '../../errors.ts'
import { asArray, asObject, asString, optional, required, wrongField } from '../narrow.ts'
import { decodeMedia } from './media.ts'
import { decodeReplayedThoughts, decodeSignature } from './reasoning.ts'

/** `messages` → the conversation. @throws RelayError naming the field (`messages[2].tool_calls[0].function.arguments`) */
export function decodeMessages(list: readonly unknown[], loss: ReportLoss): Message[] {
  const decoder = new MessageDecoder(loss)
  for (const [at, value] of list.entries()) {
    const message = asObject(value)
    if (message === undefined) throw wrongField(`messages[${at}]`, 'an object', value)
    decoder.message(message, `messages[${at}]`)
  }
  return decoder.messages
}

class MessageDecoder {
  readonly messages: Message[] = []
  readonly #loss: ReportLoss
  /** Ids of the calls made with the older `function_call`, which has none, by function name: its latest. */
  readonly #legacyIds = new Map<string, string>()
  readonly #customIds = new Set<string>()
  #results: ToolResultPart[] | undefined

  constructor(loss: ReportLoss) {
    this.#loss = loss
  }

  message(message: JsonObject, at: string): void {
    const role = required(asString, message.role, { param: `${at}.role`, wanted: 'a role' })
    switch (role) {
      case 'system':
      case 'developer':
        this.messages.push({ role: 'system', content: this.#texts(message.content, `${at}.content`), origin: role })
        return
      case 'user':
        this.messages.push({
          role: 'user',
          content: this.#parts(message.content, `${at}.content`),
          ...named(message, at),
        })
        return
      case 'assistant':
        this.messages.push({ role: 'assistant', content: this.#assistant(message, at), ...named(message, at) })
        return
      case 'tool':
        this.#result(this.#toolResult(message, at))
        return
      case 'function':
        this.#result(this.#functionResult(message, at))
        return
      default:
        throw new RelayError(
          'invalid_request',
          `'${at}.role' must be system, developer, user, assistant or tool, got '${role.slice(0, 50)}'`,
          { param: `${at}.role` },
        )
    }
  }

  /** Results that follow each other answer one turn: they share a message. */
  #result(part: ToolResultPart): void {
    if (this.#results !== undefined && this.messages.at(-1)?.content === this.#results) {
      this.#results.push(part)
      return
    }
    this.#results = [part]
    this.messages.push({ role: 'tool', content: this.#results })
  }

  #toolResult(message: JsonObject, at: string): ToolResultPart {
    const callId = required(asString, message.tool_call_id, {
      param: `${at}.tool_call_id`,
      wanted: 'the id of the call',
    })
    const name = optional(asString, message.name, { param: `${at}.name`, wanted: 'a string' })
    const content = this.#parts(message.content, `${at}.content`)
    const custom = this.#customIds.has(callId)
    return {
      type: 'tool-result',
      callId,
      ...(name === undefined ? {} : { name }),
      ...(custom ? { custom: true } : {}),
      content,
    }
  }

  #functionResult(message: JsonObject, at: string): ToolResultPart {
    const name = required(asString, message.name, { param: `${at}.name`, wanted: "the function's name" })
    const callId = this.#legacyIds.get(name) ?? `call_${name}`
    return { type: 'tool-result', callId, name, content: this.#parts(message.content, `${at}.content`) }
  }

  /** This format has one text, then the calls; thoughts come back where they stood (reasoning.ts). */
  #assistant(message: JsonObject, at: string): AssistantPart[] {
    const text: AssistantPart[] = [...this.#parts(message.content, `${at}.content`)]
    const refusal = optional(asString, message.refusal, { param: `${at}.refusal`, wanted: 'a string' })
    if (refusal !== undefined && refusal !== '') text.push({ type: 'text', text: refusal, refusal: true })
    sign(text, message)
    const calls = (optional(asArray, message.tool_calls, { param: `${at}.tool_calls`, wanted: 'an array' }) ?? []).map(
      (call, index) => toolCall(call, `${at}.tool_calls[${index}]`),
    )
    const legacy = optional(asObject, message.function_call, { param: `${at}.function_call`, wanted: 'an object' })
    if (legacy !== undefined) calls.push(this.#legacyCall(legacy, `${at}.function_call`))
    for (const call of calls) if (call.custom === true) this.#customIds.add(call.id)
    const thoughts = decodeReplayedThoughts(message)
    const before = (index: number, afterText: boolean): AssistantPart[] =>
      thoughts.filter((it) => it.callsBefore === index && it.afterText === afterText).map((it) => it.part)
    return [
      ...before(0, false),
      ...text,
      ...calls.flatMap((call, index) => [...(index === 0 ? [] : before(index, false)), ...before(index, true), call]),
      ...thoughts.filter((it) => it.callsBefore > 0 && it.callsBefore >= calls.length).map((it) => it.part),
      ...(calls.length === 0 ? before(0, true) : []),
    ]
  }

  #legacyCall(call: JsonObject, at: string): ToolCallPart {
    const name = required(asString, call.name, { param: `${at}.name`, wanted: "the function's name" })
    const id = `call_${name}_${this.messages.length}`
    this.#legacyIds.set(name, id)
    return { type: 'tool-call', id, name, arguments: argumentsText(call.arguments, `${at}.arguments`) }
  }

  #texts(content: unknown, at: string): TextPart[] {
    return this.#parts(content, at).flatMap((part) => {
      if (part.type === 'text') return [part]
      this.#loss({ field: at, reason: 'a system message holds text only' })
      return []
    })
  }

  #parts(content: unknown, at: string): (TextPart | MediaPart)[] {
    if (content === undefined || content === null || content === '') return []
    if (typeof content === 'string') return [{ type: 'text', text: content }]
    const list = asArray(content)
    if (list === undefined) throw wrongField(at, 'a string or an array of parts', content)
    return list.flatMap((value, index) => this.#part(value, `${at}[${index}]`))
  }

  #part(value: unknown, at: string): (TextPart | MediaPart)[] {
    if (typeof value === 'string') return [{ type: 'text', text: value }]
    const part = asObject(value)
    if (part === undefined) throw wrongField(at, 'an object', value)
    const cached = cacheOf(part)
    switch (asString(part.type)) {
      case 'text':
      case 'input_text':
      case 'output_text':
        return [
          { type: 'text', text: required(asString, part.text, { param: `${at}.text`, wanted: 'a string' }), ...cached },
        ]
      case 'refusal':
        return [
          {
            type: 'text',
            text: required(asString, part.refusal, { param: `${at}.refusal`, wanted: 'a string' }),
            refusal: true,
          },
        ]
      // Mistral's thoughts inside `content`, given back by clients that keep the array as it was
      case 'thinking':
        this.#loss({ field: at, reason: 'thoughts inside content are not carried' })
        return []
      default:
        break
    }
    const media = decodeMedia(part, at)
    if (media !== undefined) return [{ ...media, ...cached }]
    const type = asString(part.type)
    throw new RelayError(
      'invalid_request',
      type === undefined
        ? `'${at}.type' is missing: send the part's type`
        : `'${at}.type' is not known: '${type.slice(0, 50)}'`,
      { param: `${at}.type` },
    )
  }
}

function named(message: JsonObject, at: string): { readonly name?: string } {
  const name = optional(asString, message.name, { param: `${at}.name`, wanted: 'a string' })
  return name === undefined ? {} : { name }
}

/** `cache_control` on a part or tool: an extension of OpenRouter, LiteLLM and Alibaba for models that want marks. */
export function cacheOf(part: JsonObject): { readonly cache?: { readonly ttl: '5m' | '1h' } } {
  const mark = asObject(part.cache_control)
  return mark === undefined ? {} : { cache: { ttl: mark.ttl === '1h' ? '1h' : '5m' } }
}

/** A signature on the message belongs to its last text; Gemini also signs an empty one. */
function sign(text: AssistantPart[], message: JsonObject): void {
  const opaque = decodeSignature(message, undefined)
  if (opaque === undefined) return
  const last = text.at(-1)
  if (last?.type === 'text') text[text.length - 1] = { ...last, opaque }
  else text.push({ type: 'text', text: '', opaque })
}

function toolCall(value: unknown, at: string): ToolCallPart {
  const call = asObject(value)
  if (call === undefined) throw wrongField(at, 'an object', value)
  const id = required(asString, call.id, { param: `${at}.id`, wanted: 'a string' })
  const opaque = decodeSignature(call, undefined)
  const signed = opaque === undefined ? {} : { opaque }
  const custom = asObject(call.custom)
  if (call.type === 'custom' || (custom !== undefined && call.function === undefined)) {
    const tool = required(asObject, call.custom, { param: `${at}.custom`, wanted: 'an object' })
    const name = required(asString, tool.name, { param: `${at}.custom.name`, wanted: 'a string' })
    const input = optional(asString, tool.input, { param: `${at}.custom.input`, wanted: 'a string' }) ?? ''
    return { type: 'tool-call', id, name, arguments: input, custom: true, ...signed }
  }
  const fn = required(asObject, call.function, { param: `${at}.function`, wanted: 'an object' })
  const name = required(asString, fn.name, { param: `${at}.function.name`, wanted: 'a string' })
  return { type: 'tool-call', id, name, arguments: argumentsText(fn.arguments, `${at}.function.arguments`), ...signed }
}

/** JSON text; some clients send the object itself. */
function argumentsText(value: Json | undefined, at: string): string {
  if (value === undefined || value === null) return ''
  if (typeof value === 'string') return value
  if (asObject(value) !== undefined) return JSON.stringify(value)
  throw wrongField(at, 'JSON text', value)
}
