import { RelayError } from '../../errors.ts'
import type {
  AssistantPart,
  ChatRequest,
  Json,
  JsonObject,
  MediaPart,
  TextPart,
  ToolCallPart,
} from '../../model/request.ts'
import type { ChatResponse } from '../../model/response.ts'
import type { DecodeContext } from '../codec.ts'
import { customToolNames, unwrapInput } from '../custom-tools.ts'
import { asArray, asNumber, asObject, asString } from '../narrow.ts'
import { decodeCitations, encodeCitation } from './citations.ts'
import { decodeFinish, encodeFinish } from './finish.ts'
import { dataUrl, decodeMedia } from './media.ts'
import { errorOf } from './reader.ts'
import { decodeSignature, decodeThoughts, signatureForClient, thoughtForClient } from './reasoning.ts'
import { originalNames } from './names.ts'
import { inventToolId } from './tool-ids.ts'
import { encodeUsage, findUsage } from './usage.ts'

type Choice = Pick<ChatResponse, 'content' | 'finish' | 'logprobs'>

/** A whole reply. @throws RelayError what an error body says, `upstream_failed` when there is no choice in it */
export function decodeResponse(body: JsonObject, context: DecodeContext): ChatResponse {
  const error = errorOf(body, undefined)
  if (error !== undefined) throw error
  const id = asString(body.id) ?? ''
  const entries = (asArray(body.choices) ?? []).map(asObject).filter((choice) => choice !== undefined)
  const answer = { answerId: id, origin: context.origin, names: originalNames(context.request) }
  const [first, ...others] = byIndex(entries).map((group) => decodeChoice(group, answer))
  if (first === undefined) throw new RelayError('upstream_failed', "the upstream's reply has no choices in it")
  const usage = findUsage(body, entries[0])
  const serviceTier = asString(body.service_tier)
  return {
    id,
    model: asString(body.model) ?? '',
    createdAt: asNumber(body.created) ?? 0,
    ...first,
    ...(others.length === 0 ? {} : { alternatives: others }),
    ...(usage === undefined ? {} : { usage }),
    ...(serviceTier === undefined ? {} : { serviceTier }),
  }
}

/** Some gateways split one answer into two entries of one index (text apart from calls): they are one choice. */
function byIndex(entries: readonly JsonObject[]): JsonObject[][] {
  const groups = new Map<number, JsonObject[]>()
  for (const [position, entry] of entries.entries()) {
    const index = asNumber(entry.index) ?? position
    const group = groups.get(index)
    if (group === undefined) groups.set(index, [entry])
    else group.push(entry)
  }
  return [...groups].sort(([a], [b]) => a - b).map(([, group]) => group)
}

function decodeChoice(entries: readonly JsonObject[], answer: Answer): Choice {
  const index = asNumber(entries[0]?.index) ?? 0
  const content = entries.flatMap((entry, part) =>
    decodeMessage(asObject(entry.message) ?? {}, {
      ...answer,
      place: (position) => `${index}.${part * 1000 + position}`,
    }),
  )
  const finished = entries.findLast((entry) => (asString(entry.finish_reason) ?? '') !== '')
  const answered = {
    calls: content.some((part) => part.type === 'tool-call'),
    refused: content.some((part) => part.type === 'text' && part.refusal === true),
  }
  const logprobs = entries.find((entry) => asObject(entry.logprobs) !== undefined)?.logprobs
  return {
    content,
    finish: decodeFinish(asString(finished?.finish_reason), answered, asString(finished?.stop_reason)),
    ...(logprobs === undefined ? {} : { logprobs }),
  }
}

interface Answer {
  readonly answerId: string
  readonly origin: string | undefined
  /** Tools whose names had to be changed for the upstream. */
  readonly names: ReadonlyMap<string, string>
}

interface MessagePlace extends Answer {
  /** Where the call at a position stands in the whole answer. */
  readonly place: (position: number) => string
}

function decodeMessage(message: JsonObject, { place, answerId, origin, names }: MessagePlace): AssistantPart[] {
  const parts: AssistantPart[] = []
  const thoughts = decodeThoughts(message, origin)
  if (thoughts !== undefined) parts.push(thoughts)
  parts.push(...decodeContent(message, origin))
  const refusal = asString(message.refusal) ?? ''
  if (refusal !== '') parts.push({ type: 'text', text: refusal, refusal: true })
  parts.push(...decodeOutputMedia(message))
  const legacy = asObject(message.function_call)
  const calls = [
    ...(asArray(message.tool_calls) ?? []).map(asObject),
    ...(legacy === undefined ? [] : [{ function: legacy }]),
  ]
  for (const [position, call] of calls.entries())
    if (call !== undefined)
      parts.push(decodeCall(call, { origin, names, invent: () => inventToolId(answerId, place(position)) }))
  return parts
}

/** `content` is text; Mistral's thinking models send parts. */
function decodeContent(message: JsonObject, origin: string | undefined): AssistantPart[] {
  const parts: AssistantPart[] = []
  const citations = decodeCitations(message.annotations)
  const opaque = decodeSignature(message, origin)
  const extras = {
    ...(citations.length === 0 ? {} : { citations }),
    ...(opaque === undefined ? {} : { opaque }),
  }
  const { text, thoughts } = contentText(message.content)
  if (thoughts !== '') parts.push({ type: 'reasoning', text: thoughts })
  if (text !== '' || opaque !== undefined) parts.push({ type: 'text', text, ...extras })
  return parts
}

/** The text and the thoughts in a `content` of either shape. */
export function contentText(content: unknown): { readonly text: string; readonly thoughts: string } {
  if (typeof content === 'string') return { text: content, thoughts: '' }
  let text = ''
  let thoughts = ''
  for (const value of asArray(content) ?? []) {
    const part = asObject(value)
    if (typeof value === 'string') text += value
    else if (part?.type === 'thinking') thoughts += thinkingText(part.thinking)
    else text += asString(part?.text) ?? ''
  }
  return { text, thoughts }
}

function thinkingText(thinking: unknown): string {
  if (typeof thinking === 'string') return thinking
  return (asArray(thinking) ?? []).map((piece) => asString(asObject(piece)?.text) ?? '').join('')
}

/** Pictures (`images`, OpenRouter's extension) and speech (`audio`) that a model made. */
export function decodeOutputMedia(message: JsonObject): MediaPart[] {
  const media = (asArray(message.images) ?? []).flatMap((value) => {
    const image = asObject(value)
    if (image === undefined || asString(asObject(image.image_url)?.url) === undefined) return []
    return decodeMedia({ ...image, type: 'image_url' }, 'images') ?? []
  })
  const data = asString(asObject(message.audio)?.data) ?? ''
  if (data !== '') media.push({ type: 'media', mediaType: 'audio/wav', source: { kind: 'base64', data } })
  return media
}

interface CallPlace extends Pick<Answer, 'origin' | 'names'> {
  readonly invent: () => string
}

function decodeCall(call: JsonObject, { origin, names, invent }: CallPlace): ToolCallPart {
  const given = asString(call.id) ?? ''
  const id = given === '' ? invent() : given
  const opaque = decodeSignature(call, origin)
  const signed = opaque === undefined ? {} : { opaque }
  const custom = asObject(call.custom)
  const fn = custom ?? asObject(call.function)
  const sent = asString(fn?.name) ?? ''
  const name = names.get(sent) ?? sent
  if (custom !== undefined)
    return { type: 'tool-call', id, name, arguments: asString(custom.input) ?? '', custom: true, ...signed }
  return { type: 'tool-call', id, name, arguments: argumentsText(fn?.arguments), ...signed }
}

/** Arguments are JSON text; some servers send the object. */
export function argumentsText(value: Json | undefined): string {
  if (typeof value === 'string') return value
  return value === null || value === undefined ? '' : JSON.stringify(value)
}

/** An answer as a chat client reads it. */
export function encodeResponse(response: ChatResponse, request: ChatRequest): JsonObject {
  const choices = [response, ...(response.alternatives ?? [])]
  return {
    id: response.id,
    object: 'chat.completion',
    created: response.createdAt,
    model: response.model,
    choices: choices.map((choice, index) => encodeChoice(choice, index, request)),
    ...(response.usage === undefined ? {} : { usage: encodeUsage(response.usage) }),
    ...(response.serviceTier === undefined ? {} : { service_tier: response.serviceTier }),
  }
}

function encodeChoice(choice: Choice, index: number, request: ChatRequest): JsonObject {
  const legacy = request.legacyFunctions === true
  const message = encodeMessage(choice.content, request)
  return {
    index,
    message,
    logprobs: choice.logprobs ?? null,
    finish_reason: encodeFinish(choice.finish, { legacy, refusalText: message.refusal !== null }),
  }
}

function encodeMessage(content: readonly AssistantPart[], request: ChatRequest): JsonObject {
  const custom = customToolNames(request.tools)
  const texts: TextPart[] = []
  const calls: ToolCallPart[] = []
  const images: JsonObject[] = []
  const details: JsonObject[] = []
  const citations: JsonObject[] = []
  let text = ''
  let thoughts = ''
  for (const part of content) {
    switch (part.type) {
      case 'text':
        texts.push(part)
        if (part.refusal === true) break
        for (const citation of part.citations ?? []) citations.push(encodeCitation(citation, text.length))
        text += part.text
        break
      case 'reasoning':
        details.push(
          ...asList(
            thoughtForClient(
              { ...part, length: part.text.length },
              { start: thoughts.length, callsBefore: calls.length, afterText: text !== '' },
            ),
          ),
        )
        thoughts += part.text
        break
      case 'tool-call':
        calls.push(part)
        break
      case 'media':
        images.push(...encodeImage(part))
        break
    }
  }
  const refusal = texts.filter((part) => part.refusal === true).map((part) => part.text)
  const [call] = calls
  const signed = texts.findLast((part) => part.opaque !== undefined)
  return {
    role: 'assistant',
    content: text === '' && (calls.length > 0 || refusal.length > 0) ? null : text,
    refusal: refusal.length === 0 ? null : refusal.join(''),
    ...(thoughts === '' ? {} : { reasoning_content: thoughts }),
    ...(details.length === 0 ? {} : { reasoning_details: details.map((entry, at) => ({ ...entry, index: at })) }),
    ...(citations.length === 0 ? {} : { annotations: citations }),
    ...(images.length === 0 ? {} : { images }),
    ...signatureForClient(signed?.opaque),
    ...(call === undefined
      ? {}
      : request.legacyFunctions === true
        ? { function_call: { name: call.name, arguments: callArguments(call) } }
        : { tool_calls: calls.map((entry) => encodeCall(entry, custom)) }),
  }
}

function encodeCall(call: ToolCallPart, custom: ReadonlySet<string>): JsonObject {
  const signature = signatureForClient(call.opaque)
  if (call.custom === true || custom.has(call.name)) {
    const input = call.custom === true ? call.arguments : unwrapInput(call.arguments)
    return { id: call.id, type: 'custom', custom: { name: call.name, input }, ...signature }
  }
  return { id: call.id, type: 'function', function: { name: call.name, arguments: callArguments(call) }, ...signature }
}

/** Clients parse what stands here: a call without arguments has an empty object. */
function callArguments(call: ToolCallPart): string {
  return call.arguments === '' ? '{}' : call.arguments
}

/** Pictures in answers have no place in OpenAI's own format; OpenRouter's `images` is what clients know. */
export function encodeImage(part: MediaPart): JsonObject[] {
  if (part.source.kind === 'file' || !(part.mediaType === '' || part.mediaType.startsWith('image/'))) return []
  const url = part.source.kind === 'url' ? part.source.url : dataUrl(part.mediaType || 'image/png', part.source.data)
  return [{ type: 'image_url', image_url: { url } }]
}

const asList = <T>(value: T | undefined): readonly T[] => (value === undefined ? [] : [value])
