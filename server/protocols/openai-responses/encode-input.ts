import type {
  AssistantPart,
  ChatRequest,
  JsonObject,
  MediaPart,
  ReasoningPart,
  ReportLoss,
  TextPart,
  ToolCallPart,
  ToolResultPart,
} from '../../model/request.ts'
import type { EncodeContext } from '../codec.ts'
import { mayReplay } from '../signature.ts'
import { readsPlainThoughts } from './models.ts'
import { fittingName, shorten } from './names.ts'

/**
 * Messages → `input`. The API's own rules are kept: history of the assistant is `output_text`, every call has its output, every
 * thought what came after it, call ids have at most 64 characters.
 */
export function encodeInput({ messages, model }: ChatRequest, context: EncodeContext): JsonObject[] {
  const calls = new Map<string, ToolCallPart>()
  const answered = new Set<string>()
  for (const message of messages) {
    if (message.role === 'assistant')
      for (const part of message.content) if (part.type === 'tool-call') calls.set(part.id, part)
    if (message.role === 'tool') for (const part of message.content) answered.add(part.callId)
  }
  return messages.flatMap((message, index): JsonObject[] => {
    const at = { param: `messages[${index}]`, plainThoughts: readsPlainThoughts(model), ...context }
    switch (message.role) {
      case 'system':
        return textMessage(message.origin ?? 'system', message.content)
      case 'user':
        if (message.name !== undefined)
          at.loss({ field: `${at.param}.name`, reason: 'the Responses format has no names' })
        return userMessage(encodeParts(message.content, at))
      case 'assistant':
        return encodeTurn(message.content, { ...at, answered })
      case 'tool':
        return message.content.flatMap((result) => encodeResult(result, { ...at, calls }))
    }
  })
}

interface At {
  readonly param: string
  readonly loss: ReportLoss
  readonly origin?: string
  /** The upstream's thoughts are plain text. */
  readonly plainThoughts: boolean
}

function textMessage(role: string, parts: readonly TextPart[]): JsonObject[] {
  const content = parts.filter((part) => part.text !== '').map((part) => ({ type: 'input_text', text: part.text }))
  return content.length === 0 ? [] : [{ type: 'message', role, content }]
}

const userMessage = (content: readonly JsonObject[]): JsonObject[] =>
  content.length === 0 ? [] : [{ type: 'message', role: 'user', content }]

/** One assistant turn: texts that follow each other are one message, all else is an item of its own. */
function encodeTurn(
  content: readonly AssistantPart[],
  at: At & { readonly answered: ReadonlySet<string> },
): JsonObject[] {
  const items: JsonObject[] = []
  const unanswered: JsonObject[] = []
  let texts: JsonObject[] = []
  const endMessage = (): void => {
    if (texts.length > 0) items.push({ type: 'message', role: 'assistant', content: texts })
    texts = []
  }
  for (const part of content) {
    switch (part.type) {
      case 'text':
        if (part.text === '') break
        texts.push(
          part.refusal === true
            ? { type: 'refusal', refusal: part.text }
            : { type: 'output_text', text: part.text, annotations: [] },
        )
        break
      case 'reasoning': {
        const thought = encodeThought(part, at)
        if (thought === undefined) {
          at.loss({ field: `${at.param}.reasoning`, reason: 'thoughts go back only to the channel that had them' })
          break
        }
        endMessage()
        items.push(thought)
        break
      }
      case 'tool-call':
        endMessage()
        items.push(encodeCall(part))
        if (!at.answered.has(part.id)) unanswered.push(outputItem(part.id, 'The call was not run.', part.custom))
        break
      case 'media':
        at.loss({ field: `${at.param}.content`, reason: 'an assistant turn holds no media in the Responses format' })
    }
  }
  endMessage()
  // "Item 'rs_…' of type 'reasoning' was provided without its required following item" is a 400
  while (items.at(-1)?.type === 'reasoning') items.pop()
  return [...items, ...unanswered]
}

function encodeThought(part: ReasoningPart, at: At): JsonObject | undefined {
  const { opaque, text, id } = part
  if (opaque !== undefined && mayReplay(opaque, 'openai-responses', at.origin))
    return {
      type: 'reasoning',
      ...(id?.startsWith('rs_') === true ? { id } : {}),
      summary: text === '' ? [] : [{ type: 'summary_text', text }],
      encrypted_content: opaque.value,
    }
  if (opaque !== undefined || text === '' || !at.plainThoughts) return undefined
  return {
    type: 'reasoning',
    ...(id === undefined ? {} : { id }),
    summary: [],
    content: [{ type: 'reasoning_text', text }],
  }
}

function encodeCall(part: ToolCallPart): JsonObject {
  const call = { call_id: shorten(part.id), name: fittingName(part.name) }
  return part.custom === true
    ? { type: 'custom_tool_call', ...call, input: part.arguments }
    : { type: 'function_call', ...call, arguments: part.arguments === '' ? '{}' : part.arguments }
}

function outputItem(id: string, output: string | readonly JsonObject[], custom: boolean | undefined): JsonObject {
  return {
    type: custom === true ? 'custom_tool_call_output' : 'function_call_output',
    call_id: shorten(id),
    output,
  }
}

function encodeResult(
  result: ToolResultPart,
  at: At & { readonly calls: ReadonlyMap<string, ToolCallPart> },
): JsonObject[] {
  const field = `${at.param}.content`
  if (result.isError === true)
    at.loss({ field: `${field}.isError`, reason: 'the Responses format does not mark failed results' })
  const parts = encodeParts(result.content, at)
  const call = at.calls.get(result.callId)
  if (call === undefined) {
    // "No tool call found for function call output" is a 400: what it says is still worth reading
    at.loss({ field, reason: 'a result without its call is sent as a user message' })
    return userMessage(parts)
  }
  const [first] = result.content
  const text = result.content.length === 1 && first?.type === 'text' ? first.text : undefined
  const custom = call.custom ?? result.custom
  return [outputItem(result.callId, text ?? (parts.length === 0 ? '' : parts), custom)]
}

function encodeParts(content: readonly (TextPart | MediaPart)[], at: At): JsonObject[] {
  return content.flatMap((part): JsonObject[] => {
    if (part.type === 'text') return part.text === '' ? [] : [{ type: 'input_text', text: part.text }]
    const encoded = encodeMedia(part)
    if (typeof encoded !== 'string') return [encoded]
    at.loss({ field: `${at.param}.content`, reason: encoded })
    return []
  })
}

/** The part, or why the format cannot carry it. */
function encodeMedia(part: MediaPart): JsonObject | string {
  const { source, mediaType, filename } = part
  if (/^(audio|video)\//.test(mediaType)) return `the Responses format takes no ${mediaType}`
  const image = mediaType.startsWith('image/') || (mediaType === '' && !namesDocument(part))
  const detail = part.detail ?? 'auto'
  switch (source.kind) {
    case 'file':
      if (source.format !== 'openai-responses' && source.format !== 'openai-chat')
        return 'a file that lives at another provider'
      return image && filename === undefined && mediaType !== ''
        ? { type: 'input_image', file_id: source.id, detail }
        : { type: 'input_file', file_id: source.id }
    case 'url':
      return image
        ? { type: 'input_image', image_url: source.url, detail }
        : { type: 'input_file', file_url: source.url }
    case 'base64': {
      const url = `data:${mediaType};base64,${source.data}`
      if (image) return { type: 'input_image', image_url: url, detail }
      return { type: 'input_file', filename: filename ?? defaultName(mediaType), file_data: url }
    }
  }
}

function namesDocument({ source, filename }: MediaPart): boolean {
  const name = filename ?? (source.kind === 'url' ? source.url.replace(/[?#].*$/, '') : '')
  return /\.(pdf|docx?|xlsx?|pptx?|txt|md|csv|json|html?)$/i.test(name)
}

/** A name is demanded together with bytes, and its ending must fit. */
function defaultName(mediaType: string): string {
  const ending = /^(?:application|text)\/(pdf|json|csv|html|markdown)$/.exec(mediaType)?.[1]
  if (ending !== undefined) return `file.${ending === 'markdown' ? 'md' : ending}`
  return mediaType.startsWith('text/') ? 'file.txt' : 'file.pdf'
}
