import { RelayError } from '../../errors.ts'
import type {
  AssistantPart,
  Json,
  JsonObject,
  Message,
  Opaque,
  ReasoningPart,
  ReportLoss,
  TextPart,
  Tool,
  ToolCallPart,
  ToolResultPart,
} from '../../model/request.ts'
import { asArray, asObject, asString, optional, required, wrongField } from '../narrow.ts'
import { decodeContent } from './decode-content.ts'
import { decodeTools } from './decode-tools.ts'
import { flatName } from './names.ts'
import { readThought } from './thoughts.ts'

export interface DecodedInput {
  readonly messages: readonly Message[]
  /** Tools that the conversation itself brought in (`additional_tools`, results of a tool search). */
  readonly tools: readonly Tool[]
}

/**
 * `input` → messages. Items of one assistant turn (thoughts, text, calls) become one message in their order, results that follow
 * each other too: other formats demand whole turns.
 * @throws RelayError `invalid_request` naming `input[3].content[0].type`
 */
export function decodeInput(value: unknown, loss: ReportLoss): DecodedInput {
  if (typeof value === 'string')
    return { messages: [{ role: 'user', content: [{ type: 'text', text: value }] }], tools: [] }
  const items = required(asArray, value, { param: 'input', wanted: 'a string or an array of items' })
  const reader = new InputReader(loss)
  for (const [index, item] of items.entries()) {
    const param = `input[${index}]`
    reader.item(required(asObject, item, { param, wanted: 'an object' }), param)
  }
  return reader.finish()
}

/** Tools that the client runs, each with a call and an output item of its own; the field holds what the call says. */
const CLIENT_RUN: Readonly<Record<string, string>> = {
  computer_call: 'action',
  local_shell_call: 'action',
  shell_call: 'action',
  apply_patch_call: 'operation',
}

class InputReader {
  readonly #messages: Message[] = []
  readonly #tools: Tool[] = []
  readonly #names = new Map<string, string>()
  readonly #reportLoss: ReportLoss
  #assistant: AssistantPart[] = []
  #results: ToolResultPart[] = []

  constructor(loss: ReportLoss) {
    this.#reportLoss = loss
  }

  finish(): DecodedInput {
    this.#endTurn()
    return { messages: this.#messages, tools: this.#tools }
  }

  item(item: JsonObject, param: string): void {
    const type = optional(asString, item.type, { param: `${param}.type`, wanted: 'a string' }) ?? 'message'
    switch (type) {
      case 'message':
        this.#message(item, param)
        return
      case 'reasoning':
        this.#reasoning(item, param)
        return
      case 'function_call':
      case 'custom_tool_call':
        this.#call(functionCall(item, { param, custom: type === 'custom_tool_call' }))
        return
      case 'function_call_output':
        this.#output(item, param, {})
        return
      case 'custom_tool_call_output':
        this.#output(item, param, { custom: true })
        return
      case 'tool_search_call':
        this.#search(item, param)
        return
      case 'tool_search_output':
        this.#searchResult(item, param)
        return
      case 'additional_tools':
        this.#tools.push(...decodeTools(item.tools, `${param}.tools`))
        return
      case 'image_generation_call':
        this.#picture(item, param)
        return
      case 'item_reference':
        throw new RelayError(
          'invalid_request',
          `'${param}' refers to a stored item: this gateway is stateless. Send the item itself (with store: false).`,
          { param },
        )
      default:
        this.#other(item, type, param)
    }
  }

  #message(item: JsonObject, param: string): void {
    if (item.phase !== undefined && item.phase !== null) this.#lose(`${param}.phase`, 'a phase has no counterpart')
    switch (item.role) {
      case 'user':
        this.#endTurn()
        this.#messages.push({ role: 'user', content: decodeContent(item.content, `${param}.content`) })
        return
      case 'system':
      case 'developer':
        this.#endTurn()
        this.#messages.push({
          role: 'system',
          content: textOnly(item.content, `${param}.content`),
          origin: item.role,
        })
        return
      case 'assistant':
        for (const part of decodeContent(item.content, `${param}.content`)) this.#part(part)
        return
      default:
        throw wrongField(`${param}.role`, "'user', 'assistant', 'system' or 'developer'", item.role ?? null)
    }
  }

  #reasoning(item: JsonObject, param: string): void {
    const raw = partTexts(item.content, `${param}.content`).join('')
    const text = raw === '' ? partTexts(item.summary, `${param}.summary`).join('\n\n') : raw
    const id = optional(asString, item.id, { param: `${param}.id`, wanted: 'a string' })
    const sealed = optional(asString, item.encrypted_content, {
      param: `${param}.encrypted_content`,
      wanted: 'a string',
    })
    const part: ReasoningPart = { type: 'reasoning', text, ...(id === undefined ? {} : { id }) }
    if (sealed === undefined || sealed === '') {
      if (text !== '') this.#part(part)
      return
    }
    const { opaque, belongs } = readThought(sealed)
    switch (belongs) {
      case 'reasoning':
        this.#part({ ...part, opaque })
        return
      case 'redacted':
        this.#part({ ...part, redacted: true, opaque })
        return
      case 'text':
        this.#part({ type: 'text', text: '', opaque })
        return
      case 'previous':
        if (!this.#sign(opaque)) this.#lose(param, 'the signature stands behind nothing that it could sign')
    }
  }

  #part(part: AssistantPart): void {
    this.#endResults()
    this.#assistant.push(part)
  }

  /** Gives the signature to the last part of the turn, also where the client has put a call's output in between. */
  #sign(opaque: Opaque): boolean {
    const open = this.#assistant.pop()
    if (open !== undefined) {
      this.#assistant.push({ ...open, opaque })
      return true
    }
    const turn = this.#messages.at(-1)
    const last = turn?.role === 'assistant' ? turn.content.at(-1) : undefined
    if (turn?.role !== 'assistant' || last === undefined) return false
    this.#messages[this.#messages.length - 1] = {
      ...turn,
      content: [...turn.content.slice(0, -1), { ...last, opaque }],
    }
    return true
  }

  #call(call: ToolCallPart): void {
    this.#names.set(call.id, call.name)
    this.#part(call)
  }

  #output(item: JsonObject, param: string, kind: { readonly custom?: true }): void {
    this.#endAssistant()
    const callId = required(asString, item.call_id, { param: `${param}.call_id`, wanted: 'a string' })
    const name = this.#names.get(callId)
    const { output } = item
    const content =
      output === undefined || output === null ? [] : outputContent(output, `${param}.output`, this.#reportLoss)
    this.#results.push({
      type: 'tool-result',
      callId,
      ...(name === undefined ? {} : { name }),
      ...kind,
      content,
    })
  }

  /** A search that the client ran is a call like any other; the provider's own is over and told by the tools that it found. */
  #search(item: JsonObject, param: string): void {
    const id = asString(item.call_id)
    if (item.execution !== 'client' || id === undefined) {
      this.#lose(param, 'a tool search that the provider ran itself')
      return
    }
    this.#call({ type: 'tool-call', id, name: 'tool_search', arguments: jsonText(item.arguments ?? {}) })
  }

  #searchResult(item: JsonObject, param: string): void {
    const found = decodeTools(item.tools, `${param}.tools`)
    this.#tools.push(...found)
    if (item.execution !== 'client' || asString(item.call_id) === undefined) return
    const names = found.map((tool) => tool.name)
    const told = names.length === 0 ? 'No tools were found.' : `Tools now available: ${names.join(', ')}`
    this.#output({ call_id: item.call_id, output: told }, param, {})
  }

  #picture(item: JsonObject, param: string): void {
    const data = asString(item.result)
    if (data === undefined || data === '') this.#lose(param, 'a generated image without its bytes')
    else
      this.#part({
        type: 'media',
        mediaType: `image/${asString(item.output_format) ?? 'png'}`,
        source: { kind: 'base64', data },
      })
  }

  /** What the provider ran itself is over and said in its answer; what the client ran is carried as a function's call. */
  #other(item: JsonObject, type: string, param: string): void {
    const said = CLIENT_RUN[type]
    const id = asString(item.call_id)
    if (said !== undefined && id !== undefined) {
      this.#call({
        type: 'tool-call',
        id,
        name: type.slice(0, -'_call'.length),
        arguments: jsonText(item[said] ?? item.actions ?? {}),
      })
    } else if (CLIENT_RUN[type.replace(/_output$/, '')] !== undefined) {
      const output = item.output === undefined ? undefined : foreignOutput(item.output)
      this.#output({ call_id: item.call_id ?? item.id, output }, param, {})
    } else this.#lose(param, `${type} items exist in the Responses format only`)
  }

  #lose(field: string, reason: string): void {
    this.#reportLoss({ field, reason })
  }

  #endTurn(): void {
    this.#endAssistant()
    this.#endResults()
  }

  #endAssistant(): void {
    if (this.#assistant.length > 0) this.#messages.push({ role: 'assistant', content: this.#assistant })
    this.#assistant = []
  }

  #endResults(): void {
    if (this.#results.length > 0) this.#messages.push({ role: 'tool', content: this.#results })
    this.#results = []
  }
}

function functionCall(item: JsonObject, at: { readonly param: string; readonly custom: boolean }): ToolCallPart {
  const { param, custom } = at
  const id = required(asString, item.call_id, { param: `${param}.call_id`, wanted: 'a string' })
  const name = required(asString, item.name, { param: `${param}.name`, wanted: 'a string' })
  const said = custom ? item.input : item.arguments
  return {
    type: 'tool-call',
    id,
    name: flatName(asString(item.namespace), name),
    arguments: said === undefined || said === null ? '' : jsonText(said),
    ...(custom ? { custom } : {}),
  }
}

/** Clients that build history from parsed calls send objects where text is meant. */
const jsonText = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))

function textOnly(value: unknown, param: string): TextPart[] {
  return decodeContent(value, param).map((part, index) => {
    if (part.type === 'text') return part
    throw wrongField(`${param}[${index}].type`, "'input_text' in instructions", undefined)
  })
}

/** Texts of `summary` or of a reasoning item's `content`. */
function partTexts(value: unknown, param: string): string[] {
  const parts = optional(asArray, value, { param, wanted: 'an array' }) ?? []
  return parts.map((part) => asString(asObject(part)?.text) ?? '').filter((text) => text !== '')
}

/** A tool's output as it is meant, text or a list of parts; an object is a client's slip and its text is the best reading. */
function outputContent(value: unknown, param: string, lose: ReportLoss): ToolResultPart['content'] {
  return asObject(value) === undefined
    ? decodeContent(value, param, lose)
    : [{ type: 'text', text: JSON.stringify(value) }]
}

/** Outputs of shells and screens: text, a screenshot, or a structure that is told as its JSON. */
function foreignOutput(value: Json): Json {
  if (typeof value === 'string') return value
  return asString(asObject(value)?.type) === 'computer_screenshot' ? [value] : JSON.stringify(value)
}
