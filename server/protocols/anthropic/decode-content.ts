import type {
  AssistantPart,
  Citation,
  JsonObject,
  MediaPart,
  ReportLoss,
  TextPart,
  ToolResultPart,
} from '../../model/request.ts'
import { asArray, asObject, asString, optional, required, wrongField } from '../narrow.ts'
import { UNSIGNED, unwrapOpaque } from '../signature.ts'
import { given } from './wire.ts'

export type UserPart = TextPart | MediaPart

/** Where a block stands in the client's request, and where to report what cannot be carried. */
export interface Place {
  /** `messages[2].content[0]` */
  readonly path: string
  readonly loss: ReportLoss
}

/** A string, or a list of blocks each read by `read`; null and absent are an empty list. */
function eachBlock(content: unknown, place: Place, read: (block: JsonObject, place: Place) => void): void {
  if (content === undefined || content === null) return
  if (typeof content === 'string') {
    if (content !== '') read({ type: 'text', text: content }, place)
    return
  }
  const blocks = asArray(content)
  if (blocks === undefined) throw wrongField(place.path, 'a string or a list of content blocks', content)
  for (const [at, value] of blocks.entries()) {
    const path = `${place.path}[${at}]`
    const block = asObject(value)
    if (block === undefined) throw wrongField(path, 'a content block', value)
    required(asString, block.type, { param: `${path}.type`, wanted: 'the type of the content block' })
    read(block, { ...place, path })
  }
}

/** Blocks of a system prompt: text only. */
export function decodeSystem(content: unknown, place: Place): TextPart[] {
  const parts: TextPart[] = []
  eachBlock(content, place, (block, at) => {
    if (block.type === 'text') parts.push(...textParts(block, at))
    else dropped(block, at)
  })
  return parts
}

/** The blocks of a user turn: what answers calls comes apart from what the user says. */
export function decodeUser(
  content: unknown,
  place: Place,
): { readonly results: ToolResultPart[]; readonly parts: UserPart[] } {
  const results: ToolResultPart[] = []
  const parts: UserPart[] = []
  eachBlock(content, place, (block, at) => {
    if (block.type === 'tool_result') results.push(toolResult(block, at))
    else parts.push(...userParts(block, at))
  })
  return { results, parts }
}

export function decodeAssistant(content: unknown, place: Place): AssistantPart[] {
  const parts: AssistantPart[] = []
  eachBlock(content, place, (block, at) => {
    switch (block.type) {
      case 'text':
        parts.push(...textParts(block, at))
        return
      case 'thinking': {
        const text = optional(asString, block.thinking, { param: `${at.path}.thinking`, wanted: 'a string' }) ?? ''
        const signature = asString(block.signature) ?? ''
        const opaque = signature === '' || signature === UNSIGNED ? undefined : unwrapOpaque(signature, 'anthropic')
        if (text !== '' || opaque !== undefined) parts.push(given({ type: 'reasoning' as const, text, opaque }))
        return
      }
      case 'redacted_thinking':
        redacted(parts, required(asString, block.data, { param: `${at.path}.data`, wanted: 'a string' }))
        return
      case 'tool_use':
        parts.push({
          type: 'tool-call',
          id: required(asString, block.id, { param: `${at.path}.id`, wanted: 'the id of the call' }),
          name: required(asString, block.name, { param: `${at.path}.name`, wanted: 'a tool name' }),
          arguments: JSON.stringify(
            optional(asObject, block.input, { param: `${at.path}.input`, wanted: 'an object' }) ?? {},
          ),
        })
        return
      case 'compaction': {
        // the summary stands for all that came before it
        const text = asString(block.content) ?? ''
        if (text !== '') parts.push({ type: 'text', text })
        return
      }
      case 'image':
      case 'document':
        parts.push(...userParts(block, at))
        return
      default:
        dropped(block, at)
    }
  })
  return parts
}

/**
 * A redacted block of our own making carries the signature of the part before it (encode-stream.ts says why); any other is a
 * thought of Anthropic's.
 */
function redacted(parts: AssistantPart[], data: string): void {
  const opaque = unwrapOpaque(data, 'anthropic')
  const before = parts.at(-1)
  if (opaque.format === 'anthropic') parts.push({ type: 'reasoning', text: '', redacted: true, opaque })
  else if (before !== undefined && before.type !== 'reasoning' && before.opaque === undefined)
    parts[parts.length - 1] = { ...before, opaque }
  else parts.push({ type: 'text', text: '', opaque })
}

function toolResult(block: JsonObject, at: Place): ToolResultPart {
  const content: UserPart[] = []
  eachBlock(block.content, { ...at, path: `${at.path}.content` }, (inner, place) => {
    content.push(...userParts(inner, place))
  })
  return given({
    type: 'tool-result' as const,
    callId: required(asString, block.tool_use_id, { param: `${at.path}.tool_use_id`, wanted: 'the id of the call' }),
    isError: block.is_error === true ? true : undefined,
    content,
    cache: cacheOf(block),
  })
}

function userParts(block: JsonObject, at: Place): readonly UserPart[] {
  switch (block.type) {
    case 'text':
      return textParts(block, at)
    case 'image':
    case 'document':
      return mediaParts(block, at)
    case 'search_result': {
      const texts: string[] = [asString(block.title) ?? '', asString(block.source) ?? '']
      eachBlock(block.content, { ...at, path: `${at.path}.content` }, (inner) => texts.push(asString(inner.text) ?? ''))
      return [
        given({ type: 'text' as const, text: texts.filter((text) => text !== '').join('\n'), cache: cacheOf(block) }),
      ]
    }
    case 'tool_reference':
      return [{ type: 'text', text: `The tool ${asString(block.tool_name) ?? ''} can be called now.` }]
    default:
      dropped(block, at)
      return []
  }
}

function textParts(block: JsonObject, at: Place): TextPart[] {
  const text = required(asString, block.text, { param: `${at.path}.text`, wanted: 'a string' })
  if (text === '') return []
  const citations = readCitations(block.citations)
  return [
    given({
      type: 'text' as const,
      text,
      citations: citations.length === 0 ? undefined : citations,
      cache: cacheOf(block),
    }),
  ]
}

function mediaParts(block: JsonObject, at: Place): readonly UserPart[] {
  const source = required(asObject, block.source, { param: `${at.path}.source`, wanted: 'an object' })
  const path = `${at.path}.source`
  const cache = cacheOf(block)
  const filename = asString(block.title)
  const image = block.type === 'image'
  if (asObject(block.citations)?.enabled === true)
    at.loss({ field: 'messages[].content[].citations', reason: 'only Anthropic cites documents in this way' })
  switch (source.type) {
    case 'base64': {
      const data = required(asString, source.data, { param: `${path}.data`, wanted: 'a base64 string' })
      const mediaType = required(asString, source.media_type, { param: `${path}.media_type`, wanted: 'a media type' })
      return [given({ type: 'media' as const, mediaType, source: { kind: 'base64' as const, data }, filename, cache })]
    }
    case 'url': {
      const url = required(asString, source.url, { param: `${path}.url`, wanted: 'an address' })
      const mediaType = image ? '' : 'application/pdf'
      return [given({ type: 'media' as const, mediaType, source: { kind: 'url' as const, url }, filename, cache })]
    }
    case 'file': {
      const id = required(asString, source.file_id, { param: `${path}.file_id`, wanted: 'the id of a file' })
      const file = { kind: 'file', format: 'anthropic', id } as const
      return [given({ type: 'media' as const, mediaType: image ? 'image/*' : '', source: file, filename, cache })]
    }
    case 'text': {
      const data = required(asString, source.data, { param: `${path}.data`, wanted: 'a string' })
      const text = [filename, asString(block.context), data].filter((line) => line !== undefined && line !== '')
      return [given({ type: 'text' as const, text: text.join('\n'), cache })]
    }
    case 'content': {
      const parts: UserPart[] = []
      eachBlock(source.content, { ...at, path: `${path}.content` }, (inner, place) =>
        parts.push(...userParts(inner, place)),
      )
      return parts
    }
    default:
      throw wrongField(`${path}.type`, "'base64', 'url', 'file', 'text' or 'content'", undefined)
  }
}

/** Only what names an address: a citation of a document of the request has no counterpart elsewhere. */
export function readCitations(value: unknown): Citation[] {
  const citations: Citation[] = []
  for (const entry of asArray(value) ?? []) {
    const citation = readCitation(entry)
    if (citation !== undefined) citations.push(citation)
  }
  return citations
}

export function readCitation(value: unknown): Citation | undefined {
  const citation = asObject(value)
  const url = asString(citation?.url) ?? asString(citation?.source)
  if (citation === undefined || url === undefined) return undefined
  return given({ url, title: asString(citation.title), quoted: asString(citation.cited_text) })
}

export function writeCitation(citation: Citation): JsonObject {
  return {
    type: 'web_search_result_location',
    url: citation.url,
    title: citation.title ?? null,
    cited_text: citation.quoted ?? '',
    encrypted_index: '',
  }
}

export function cacheOf(block: JsonObject): { readonly ttl: '5m' | '1h' } | undefined {
  const mark = asObject(block.cache_control)
  return mark === undefined ? undefined : { ttl: mark.ttl === '1h' ? '1h' : '5m' }
}

function dropped(block: JsonObject, at: Place): void {
  at.loss({
    field: `${at.path.replace(/\d+/g, '')} (${asString(block.type) ?? ''})`,
    reason: 'blocks of this type exist in the Anthropic format only',
  })
}
