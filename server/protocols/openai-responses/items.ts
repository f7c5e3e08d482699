import type { ChatRequest, Citation, Json, JsonObject, MediaPart } from '../../model/request.ts'
import type { Usage } from '../../model/response.ts'
import type { InputUnwrapper } from '../custom-tools.ts'
import { asObject, parseObject } from '../narrow.ts'
import type { Frame } from './event-log.ts'
import type { CallStyle } from './names.ts'
import { encodeUsage } from './usage.ts'

/** The message item that is open: it takes every text that comes before something else does. */
export interface OpenMessage {
  readonly id: string
  readonly index: number
  readonly parts: JsonObject[]
}

/** A block that is being told. `text` is joined once, at its end: a call of many megabytes costs no more than its length. */
export type OpenBlock =
  | {
      readonly kind: 'text'
      readonly refusal: boolean
      readonly text: string[]
      readonly annotations: JsonObject[]
      readonly logprobs: Json[]
      length: number
      /** The delta's frame around number and text; undefined until the part is open. */
      frame: Frame | undefined
    }
  | {
      readonly kind: 'reasoning'
      readonly redacted: boolean
      readonly text: string[]
      item: Place | undefined
      frame: Frame
    }
  | {
      readonly kind: 'call'
      readonly text: string[]
      readonly place: Place
      readonly callId: string
      readonly style: CallStyle
      /** Set where the upstream knows the tool as a function and the client as a free-form tool. */
      readonly unwrapper: InputUnwrapper | undefined
      readonly frame: Frame
    }
  | { readonly kind: 'media'; readonly part: MediaPart }

export interface Place {
  readonly id: string
  readonly index: number
}

export interface ResponseHead {
  readonly id: string
  readonly model: string
  readonly createdAt: number
  readonly status: string
  readonly output: readonly JsonObject[]
  readonly usage: Usage | undefined
  readonly serviceTier: string | undefined
}

/** The response object of lifecycle events and whole replies. Tools and instructions are not repeated: nobody reads them there. */
export function responseObject(request: ChatRequest, head: ResponseHead): JsonObject {
  const { sampling, reasoning, metadata } = request
  return {
    id: head.id,
    object: 'response',
    created_at: head.createdAt,
    status: head.status,
    background: false,
    error: null,
    incomplete_details: null,
    instructions: null,
    max_output_tokens: sampling.maxTokens ?? null,
    model: head.model,
    output: head.output,
    parallel_tool_calls: sampling.parallelToolCalls ?? true,
    previous_response_id: null,
    reasoning: { effort: reasoning?.effort ?? null, summary: reasoning?.summary ?? null },
    ...(head.serviceTier === undefined ? {} : { service_tier: head.serviceTier }),
    store: false,
    temperature: sampling.temperature ?? null,
    text: { format: { type: 'text' } },
    tool_choice: 'auto',
    tools: [],
    top_p: sampling.topP ?? null,
    truncation: 'disabled',
    usage: head.usage === undefined ? null : encodeUsage(head.usage),
    metadata: metadata?.labels ?? {},
  }
}

/** What a response object says of an answer that was cut. */
export function cutFields(reason: 'length' | 'content-filter'): JsonObject {
  const word = reason === 'length' ? 'max_output_tokens' : 'content_filter'
  return { status: 'incomplete', incomplete_details: { reason: word } }
}

export const summaryPlace = ({ id, index }: Place): JsonObject => ({
  item_id: id,
  output_index: index,
  summary_index: 0,
})

export function messageItem({ id, parts }: OpenMessage, status: string): JsonObject {
  return { type: 'message', id, status, role: 'assistant', content: parts }
}

export function textPart(block: Extract<OpenBlock, { kind: 'text' }>, text: string): JsonObject {
  if (block.refusal) return { type: 'refusal', refusal: text }
  const done = text !== ''
  return {
    type: 'output_text',
    annotations: done ? block.annotations : [],
    logprobs: done ? block.logprobs : [],
    text,
  }
}

export function callItem(block: Extract<OpenBlock, { kind: 'call' }>, text: string, status: string): JsonObject {
  const { place, style, callId } = block
  const item = { id: place.id, status, call_id: callId }
  // Codex's own search takes its arguments as an object
  if (style.search)
    return { type: 'tool_search_call', ...item, execution: 'client', arguments: parseObject(text) ?? {} }
  const named = { ...item, name: style.name, ...(style.namespace === undefined ? {} : { namespace: style.namespace }) }
  return style.custom
    ? { type: 'custom_tool_call', ...named, input: text }
    : { type: 'function_call', ...named, arguments: text }
}

/** Where a source has no place in the text, it stands for all that was said so far. */
export function annotationOf(citation: Citation, length: number): JsonObject {
  return {
    type: 'url_citation',
    url: citation.url,
    title: citation.title ?? '',
    start_index: citation.start ?? 0,
    end_index: citation.end ?? length,
  }
}

/** Chat's logprobs object → the list of the Responses API. */
export function logprobsOf(value: Json): readonly Json[] {
  const content = asObject(value)?.content
  return isList(content) ? content : []
}

function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value)
}
