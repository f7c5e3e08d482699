import type {
  AssistantPart,
  Json,
  JsonObject,
  MediaPart,
  Message,
  TextPart,
  ToolCallPart,
  ToolResultPart,
} from '../../model/request.ts'
import { wrapInputObject } from '../custom-tools.ts'
import { asObject } from '../narrow.ts'
import type { Target } from './dialect.ts'
import { encodeMedia } from './media.ts'
import { safeName } from './names.ts'
import { DUMMY_SIGNATURE, replayable } from './thoughts.ts'

type ToolMessage = Extract<Message, { role: 'tool' }>

/** `contents`: system messages are hoisted by the caller, every turn with calls is followed by one turn with all their responses. */
export function encodeContents(messages: readonly Message[], target: Target): readonly JsonObject[] {
  const writer = new ContentsWriter(target)
  for (const message of messages) writer.message(message)
  return writer.end()
}

class ContentsWriter {
  readonly #target: Target
  readonly #contents: JsonObject[] = []
  /** The parts of the model's turn that stands last. */
  #turn: readonly JsonObject[] | undefined
  /** Calls of the last model turn that still want a response, in order. */
  #open = new Map<string, ToolCallPart>()
  #results = new Map<string, ToolResultPart>()
  /** What the user said between the results: it follows them. */
  #held: JsonObject[] = []
  #media: JsonObject[] = []

  constructor(target: Target) {
    this.#target = target
  }

  message(message: Message): void {
    switch (message.role) {
      case 'system':
        return
      case 'user':
        if (message.name !== undefined) this.#lose('name', 'Gemini has no names of speakers')
        this.#user(this.#spoken(message.content))
        return
      case 'tool':
        this.#tool(message)
        return
      case 'assistant':
        this.#assistant(message.content)
    }
  }

  /** Without any content the API refuses the request; an empty text is taken. */
  end(): readonly JsonObject[] {
    this.#answer()
    if (this.#contents.length === 0) this.#push('user', [{ text: '' }])
    return this.#contents
  }

  #user(parts: readonly JsonObject[]): void {
    if (parts.length === 0) return
    const content = { role: 'user', parts }
    if (this.#open.size > 0) this.#held.push(content)
    else {
      this.#contents.push(content)
      this.#turn = undefined
    }
  }

  #tool(message: ToolMessage): void {
    for (const result of message.content) {
      if (this.#open.has(result.callId) && !this.#results.has(result.callId)) this.#results.set(result.callId, result)
      else this.#orphan(result)
    }
    if (this.#results.size === this.#open.size) this.#answer()
  }

  /** A result without its call (the history was cut): Gemini would refuse a response, as text the model still knows it. */
  #orphan(result: ToolResultPart): void {
    this.#lose('tool result', 'its call is not in the turn before; it is sent as text')
    const title: TextPart = { type: 'text', text: `Result of ${result.name ?? result.callId}:` }
    this.#user(this.#spoken([title, ...result.content]))
  }

  /** One response for each call, in the calls' order, before anything else of the user. */
  #answer(): void {
    const parts = [...this.#open.values()].map((call) => this.#response(call, this.#results.get(call.id)))
    if (parts.length > 0) this.#push('user', parts)
    if (this.#media.length > 0) this.#push('user', this.#media)
    this.#contents.push(...this.#held)
    if (parts.length > 0 || this.#held.length > 0) this.#turn = undefined
    this.#open = new Map()
    this.#results = new Map()
    this.#held = []
    this.#media = []
  }

  #response(call: ToolCallPart, result: ToolResultPart | undefined): JsonObject {
    const head = { id: call.id, name: safeName(call.name, this.#target.dialect) }
    if (result === undefined) {
      this.#lose('tool result', `the call ${call.id} has none; Gemini is told so`)
      return { functionResponse: { ...head, response: { error: 'There is no result: the call was interrupted.' } } }
    }
    const text = result.content.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n')
    const media = result.content.filter((part) => part.type === 'media')
    const parts = media.map((part) => this.#mediaPart(part)).filter((part) => part !== undefined)
    const response: JsonObject = result.isError === true ? { error: text } : { output: text }
    if (parts.length === 0) return { functionResponse: { ...head, response } }
    if (!this.#target.traits.legacy && !this.#target.traits.foreign)
      return { functionResponse: { ...head, response, parts } }
    // models before Gemini 3 take only JSON in a response
    const note = 'What it returned follows in the next turn.'
    this.#media.push({ text: `Returned by ${call.name}:` }, ...parts)
    return { functionResponse: { ...head, response: { ...response, ...(text === '' && { output: note }) } } }
  }

  /** Turns of the model that follow each other are one turn: the results of all their calls come behind. */
  #assistant(content: readonly AssistantPart[]): void {
    const parts = content.map((part) => this.#modelPart(part)).filter((part) => part !== undefined)
    if (parts.length === 0) return
    const calls = content.filter((part) => part.type === 'tool-call')
    const goesOn = this.#turn !== undefined && this.#results.size === 0 && this.#held.length === 0
    if (!goesOn) {
      this.#answer()
      if (calls.length > 0 && this.#contents.length === 0) this.#push('user', [{ text: '' }])
    } else this.#contents.pop()
    const turn = [...((goesOn ? this.#turn : undefined) ?? []), ...parts]
    this.#push('model', this.#signed(turn))
    this.#turn = turn
    for (const call of calls) this.#open.set(call.id, call)
  }

  /**
   * Gemini 3 refuses a history whose first call of a turn has no signature; of parallel calls only the first has one.
   * https://ai.google.dev/gemini-api/docs/thought-signatures
   */
  #signed(parts: readonly JsonObject[]): readonly JsonObject[] {
    const { traits } = this.#target
    if (traits.legacy || traits.foreign) return parts
    const first = parts.findIndex((part) => part['functionCall'] !== undefined)
    const call = parts[first]
    if (call === undefined || call['thoughtSignature'] !== undefined) return parts
    return parts.with(first, { ...call, thoughtSignature: DUMMY_SIGNATURE })
  }

  #modelPart(part: AssistantPart): JsonObject | undefined {
    const signature = this.#signature(part)
    const signed = signature === undefined ? {} : { thoughtSignature: signature }
    switch (part.type) {
      case 'text':
        if (part.citations !== undefined) this.#lose('citations', 'Gemini takes none back')
        return part.text === '' && signature === undefined ? undefined : { text: part.text, ...signed }
      case 'reasoning':
        // without its signature a thought is only text that another model wrote
        if (signature === undefined) {
          this.#lose('reasoning', 'thoughts of another model or channel cannot be sent back')
          return undefined
        }
        return { text: part.text, thought: true, ...signed }
      case 'tool-call':
        return { functionCall: this.#call(part), ...signed }
      case 'media': {
        const media = this.#mediaPart(part)
        return media === undefined ? undefined : { ...media, ...signed }
      }
    }
  }

  #signature(part: AssistantPart): string | undefined {
    const { dialect, origin } = this.#target
    const value = replayable(part.opaque, { format: dialect.format, origin })
    if (part.opaque !== undefined && value === undefined && part.type !== 'reasoning')
      this.#lose('signature', 'another channel made it')
    return value
  }

  #call(call: ToolCallPart): JsonObject {
    const args = call.custom === true ? wrapInputObject(call.arguments) : this.#arguments(call)
    return { id: call.id, name: safeName(call.name, this.#target.dialect), args }
  }

  #arguments(call: ToolCallPart): Json {
    if (call.arguments.trim() === '') return {}
    let value: unknown
    try {
      value = JSON.parse(call.arguments)
    } catch {
      value = undefined
    }
    const object = asObject(value)
    if (object !== undefined) return object
    this.#lose('tool call arguments', `those of ${call.id} are no JSON object; Gemini gets them as text`)
    return { input: call.arguments }
  }

  #spoken(content: readonly (TextPart | MediaPart)[]): readonly JsonObject[] {
    return content
      .map((part): JsonObject | undefined => (part.type === 'text' ? { text: part.text } : this.#mediaPart(part)))
      .filter((part) => part !== undefined)
  }

  #mediaPart(part: MediaPart): JsonObject | undefined {
    if (part.detail !== undefined && part.detail !== 'auto') this.#lose('detail', 'Gemini chooses the resolution')
    const media = encodeMedia(part)
    if (media === undefined) this.#lose('file', 'it is stored at another provider')
    return media
  }

  #push(role: 'user' | 'model', parts: readonly JsonObject[]): void {
    this.#contents.push({ role, parts })
  }

  #lose(field: string, reason: string): void {
    this.#target.loss({ field: `messages.${field}`, reason })
  }
}
