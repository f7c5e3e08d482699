import { RelayError } from '../../errors.ts'
import type {
  AssistantPart,
  ChatRequest,
  Json,
  JsonObject,
  MediaPart,
  Message,
  ReportLoss,
  TextPart,
  ToolResultPart,
  WireFormat,
} from '../../model/request.ts'
import type { RouteMatch } from '../codec.ts'
import { asObject, asString, required, wrongField } from '../narrow.ts'
import { CallLedger } from './calls.ts'
import { codeAsText } from './code-text.ts'
import { decodeGenerationConfig } from './config-in.ts'
import { Fields } from './fields.ts'
import { decodeMedia } from './media.ts'
import { readSignature } from './thoughts.ts'
import { decodeToolConfig, decodeTools } from './tools-in.ts'

/** A request as the route and the envelope (if there is one) leave it. */
export interface GeminiRequest {
  readonly body: JsonObject
  /** Where the body stands in what the client sent: `''`, or `request` within Antigravity's envelope. */
  readonly path: string
  readonly model: string
  readonly route: RouteMatch
  readonly format: WireFormat
}

const KNOWN = new Set([
  'model',
  'contents',
  'systemInstruction',
  'tools',
  'toolConfig',
  'generationConfig',
  'labels',
  'serviceTier',
  'sessionId',
])

/** @throws RelayError `invalid_request` naming the field, `contents[2].parts[0].functionCall.name` */
export function decodeRequest(request: GeminiRequest, loss: ReportLoss): ChatRequest {
  const { format, model, route } = request
  const outer = new Fields(request.body, request.path)
  const body = (route.operation === 'count-tokens' ? outer.fields('generateContentRequest') : undefined) ?? outer
  const conversation = new Conversation(format, loss)
  const config = decodeGenerationConfig(body.fields('generationConfig'))
  const choice = decodeToolConfig(body.fields('toolConfig'))
  const labels = body.plain('labels')
  const serviceTier = body.string('serviceTier')
  const native: JsonObject = {
    ...body.others(KNOWN),
    ...(config.rest !== undefined && { generationConfig: config.rest }),
    ...(choice.rest !== undefined && { toolConfig: choice.rest }),
  }
  return {
    model,
    stream: route.stream ?? false,
    messages: [...systemMessages(body), ...conversation.messages(body)],
    tools: decodeTools(body.list('tools'), { format, loss }),
    ...(choice.choice !== undefined && { toolChoice: choice.choice }),
    sampling: config.sampling,
    ...(config.reasoning !== undefined && { reasoning: config.reasoning }),
    ...(config.output !== undefined && { output: config.output }),
    ...(labels !== undefined && { metadata: { labels: strings(labels) } }),
    ...(serviceTier !== undefined && { serviceTier: serviceTier.toLowerCase() }),
    ...(route.sse === false && { arrayStream: true }),
    ...(Object.keys(native).length > 0 && { native: { format, fields: native } }),
  }
}

/** `systemInstruction` is a Content; text alone is taken too, as the SDKs do. */
function systemMessages(body: Fields): readonly Message[] {
  const value = body.value('systemInstruction')
  if (value === undefined) return []
  const texts = typeof value === 'string' ? [value] : systemTexts(body)
  const content = texts.filter((text) => text !== '').map((text): TextPart => ({ type: 'text', text }))
  return content.length === 0 ? [] : [{ role: 'system', content }]
}

function systemTexts(body: Fields): readonly string[] {
  const parts = body.fields('systemInstruction')?.list('parts') ?? []
  return parts.map((part) => required(asString, part.value('text'), { param: part.param('text'), wanted: 'text' }))
}

function strings(labels: JsonObject): Record<string, string> {
  return Object.fromEntries(
    Object.entries(labels).flatMap(([key, value]) => (typeof value === 'string' ? [[key, value]] : [])),
  )
}

class Conversation {
  readonly #format: WireFormat
  readonly #loss: ReportLoss
  readonly #calls = new CallLedger()

  constructor(format: WireFormat, loss: ReportLoss) {
    this.#format = format
    this.#loss = loss
  }

  messages(body: Fields): readonly Message[] {
    const value = body.value('contents')
    if (typeof value === 'string') return [{ role: 'user', content: [{ type: 'text', text: value }] }]
    const contents = body.list('contents')
    if (contents.length === 0)
      throw new RelayError('invalid_request', `'${body.param('contents')}' is missing: send at least one content`, {
        param: body.param('contents'),
      })
    const messages: Message[] = []
    for (const message of contents.flatMap((content) => this.#content(content))) {
      const before = messages.at(-1)
      if (before?.role === 'assistant' && message.role === 'assistant')
        messages[messages.length - 1] = { role: 'assistant', content: joined(before.content, message.content) }
      else messages.push(message)
    }
    return messages
  }

  #content(content: Fields): readonly Message[] {
    const role = content.string('role') ?? 'user'
    const parts = content.list('parts')
    switch (role) {
      case 'model':
      case 'assistant':
        return this.#model(parts)
      case 'user':
      case 'function':
      case 'tool':
      case '':
        this.#calls.turn()
        return this.#user(parts)
      case 'system':
        return [{ role, content: parts.flatMap((part) => this.#text(part) ?? []) }]
      default:
        throw new RelayError('invalid_request', `'${content.param('role')}' must be 'user' or 'model'`, {
          param: content.param('role'),
        })
    }
  }

  /** Responses and what the user says may stand in one content; each run of a kind becomes one message. */
  #user(parts: readonly Fields[]): readonly Message[] {
    const messages: Message[] = []
    let said: (TextPart | MediaPart)[] = []
    let results: ToolResultPart[] = []
    const flush = (): void => {
      if (results.length > 0) messages.push({ role: 'tool', content: results })
      if (said.length > 0) messages.push({ role: 'user', content: said })
      said = []
      results = []
    }
    for (const part of parts) {
      const response = part.fields('functionResponse')
      if (response !== undefined) {
        if (said.length > 0) flush()
        results.push(this.#result(response))
        continue
      }
      const spoken = this.#text(part) ?? this.#media(part)
      if (spoken === undefined) {
        this.#dropped(part)
        continue
      }
      if (results.length > 0) flush()
      said.push(spoken)
    }
    flush()
    return messages
  }

  /** A response may stand in the model's turn too, where the SDK ran the tool itself (MCP): it splits the turn. */
  #model(parts: readonly Fields[]): readonly Message[] {
    const messages: Message[] = []
    let content: AssistantPart[] = []
    const flush = (): void => {
      if (content.length > 0) messages.push({ role: 'assistant', content })
      content = []
    }
    for (const part of parts) {
      const response = part.fields('functionResponse')
      if (response === undefined) this.#addModelPart(content, part)
      else {
        flush()
        messages.push({ role: 'tool', content: [this.#result(response)] })
      }
    }
    flush()
    return messages
  }

  #addModelPart(content: AssistantPart[], part: Fields): void {
    const { opaque, rider } = readSignature(part.string('thoughtSignature'), this.#format)
    if (rider !== undefined && !content.some((earlier) => sameThought(earlier, rider.thought))) {
      const texts = content.length - 1 - content.findLastIndex(({ type }) => type !== 'text')
      content.splice(rider.beforeText ? content.length - texts : content.length, 0, rider.thought)
    }
    const decoded = this.#modelPart(part)
    if (decoded === undefined || (decoded.type === 'text' && decoded.text === '' && opaque === undefined)) return
    content.push(opaque === undefined ? decoded : { ...decoded, opaque })
  }

  #modelPart(part: Fields): AssistantPart | undefined {
    const call = part.fields('functionCall')
    if (call !== undefined) {
      const name = required(asString, call.value('name'), { param: call.param('name'), wanted: "the function's name" })
      const id = this.#calls.call(name, call.string('id'))
      return { type: 'tool-call', id, name, arguments: JSON.stringify(call.plain('args') ?? {}) }
    }
    if (part.boolean('thought') === true && part.has('text'))
      return { type: 'reasoning', text: part.string('text') ?? '' }
    const decoded = this.#text(part) ?? this.#media(part)
    if (decoded !== undefined) return decoded
    if (part.has('thoughtSignature') && Object.keys(part.object).length === 1) return { type: 'text', text: '' }
    this.#dropped(part)
    return undefined
  }

  #text(part: Fields): TextPart | undefined {
    const text = part.string('text') ?? codeAsText((name) => part.plain(name))
    return text === undefined ? undefined : { type: 'text', text }
  }

  #media(part: Fields): MediaPart | undefined {
    const media = decodeMedia(part, this.#format)
    if (media === undefined) return undefined
    for (const name of ['videoMetadata', 'mediaResolution'])
      if (part.has(name)) this.#loss({ field: part.param(name), reason: 'other formats have no equal field' })
    return media
  }

  #result(response: Fields): ToolResultPart {
    const wireName = required(asString, response.value('name'), {
      param: response.param('name'),
      wanted: "the function's name",
    })
    const { id, name } = this.#calls.response(wireName, response.string('id'))
    const { text, isError } = resultText(response.plain('response') ?? {})
    const media = response.list('parts').flatMap((part) => this.#media(part) ?? [])
    return {
      type: 'tool-result',
      callId: id,
      name,
      ...(isError && { isError }),
      content: text === '' && media.length > 0 ? media : [{ type: 'text', text }, ...media],
    }
  }

  /** `toolCall`, `toolResponse` (tools that the provider ran itself) and parts that are newer than this code. */
  #dropped(part: Fields): void {
    const kind = Object.keys(part.object).find((key) => asObject(part.object[key]) !== undefined)
    if (kind === undefined && Object.keys(part.object).length > 0)
      throw wrongField(part.path, 'a part with text, data, a call or a response', undefined)
    if (kind !== undefined) this.#loss({ field: `${part.path}.${kind}`, reason: 'only Gemini can read this part' })
  }
}

/** Turns of the model that follow each other are one: SDKs keep the chunks of a stream as contents, each with a piece of the text. */
function joined(before: readonly AssistantPart[], after: readonly AssistantPart[]): readonly AssistantPart[] {
  const last = before.at(-1)
  const [first, ...rest] = after
  if (last?.type !== 'text' || first?.type !== 'text' || last.opaque !== undefined) return [...before, ...after]
  return [...before.slice(0, -1), { ...first, text: last.text + first.text }, ...rest]
}

function sameThought(part: AssistantPart, rider: AssistantPart): boolean {
  return part.type === 'reasoning' && part.opaque?.value === rider.opaque?.value
}

/** `output` and `error` are the documented keys; other objects are the output as a whole. Text of one `result` is what SDKs send. */
function resultText(response: JsonObject): { readonly text: string; readonly isError: boolean } {
  const keys = Object.keys(response)
  const [key] = keys
  if (key === undefined) return { text: '', isError: false }
  if (keys.length === 1) {
    const value = response[key]
    if (key === 'error') return { text: textOf(value), isError: true }
    if (key === 'output' || (key === 'result' && typeof value === 'string'))
      return { text: textOf(value), isError: false }
  }
  return { text: JSON.stringify(response), isError: false }
}

function textOf(value: Json | undefined): string {
  return typeof value === 'string' ? value : JSON.stringify(value ?? null)
}
