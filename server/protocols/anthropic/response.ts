import { RelayError } from '../../errors.ts'
import type { AssistantPart, JsonObject } from '../../model/request.ts'
import type { ChatResponse, Finish } from '../../model/response.ts'
import type { DecodeContext } from '../codec.ts'
import { wrapInputObject } from '../custom-tools.ts'
import { asArray, asObject, asString } from '../narrow.ts'
import { carryOpaque, UNSIGNED } from '../signature.ts'
import { readCitations, writeCitation } from './decode-content.ts'
import { toldError } from './errors.ts'
import { CallIds, clientToolName } from './names.ts'
import { readUsage, writeUsage } from './usage.ts'
import { given, inputOf, onceEach, readFinish, writeStopReason, type Block } from './wire.ts'

/** @throws RelayError the error that came instead of a message, or `upstream_failed` */
export function decodeResponse(body: JsonObject, context: DecodeContext): ChatResponse {
  if (body.type === 'error') throw toldError(body)
  const blocks = asArray(body.content)
  if (blocks === undefined) throw new RelayError('upstream_failed', "the upstream's message has no content")
  const loss = onceEach(context.loss)
  const content: AssistantPart[] = []
  for (const value of blocks) {
    const block = asObject(value)
    const part = block === undefined ? undefined : decodePart(block, context)
    if (part !== undefined) content.push(part)
    else if (block !== undefined) loss(strangeBlock(asString(block.type)))
  }
  return given({
    id: asString(body.id) ?? '',
    model: asString(body.model) ?? '',
    createdAt: 0,
    content,
    finish: readFinish(asString(body.stop_reason) ?? '', asString(body.stop_sequence)),
    usage: readUsage(body.usage),
    serviceTier: readTier(body.usage),
  })
}

/** A block of an answer; undefined for what only this format knows (tools that Anthropic runs, and their results). */
export function decodePart(block: JsonObject, { origin, request }: DecodeContext): AssistantPart | undefined {
  const signed = (value: string) =>
    value === '' || value === UNSIGNED ? undefined : given({ format: 'anthropic' as const, value, origin })
  switch (block.type) {
    case 'text': {
      const citations = readCitations(block.citations)
      return given({
        type: 'text' as const,
        text: asString(block.text) ?? '',
        citations: citations.length === 0 ? undefined : citations,
      })
    }
    case 'thinking': {
      const opaque = signed(asString(block.signature) ?? '')
      return given({ type: 'reasoning' as const, text: asString(block.thinking) ?? '', opaque })
    }
    case 'redacted_thinking': {
      const opaque = signed(asString(block.data) ?? '')
      return given({ type: 'reasoning' as const, text: '', redacted: true, opaque })
    }
    case 'tool_use':
      return {
        type: 'tool-call',
        id: asString(block.id) ?? '',
        name: clientToolName(asString(block.name) ?? '', request?.tools),
        arguments: JSON.stringify(asObject(block.input) ?? {}),
      }
    default:
      return undefined
  }
}

export function strangeBlock(type: string | undefined): { readonly field: string; readonly reason: string } {
  return { field: `content[] (${type ?? 'no type'})`, reason: 'blocks of this type exist in the Anthropic format only' }
}

/** OpenAI's word for the plain tier is `default`. */
export function readTier(usage: unknown): string | undefined {
  const tier = asString(asObject(usage)?.service_tier)
  return tier === 'standard' ? 'default' : tier
}

export function writeTier(tier: string | undefined): JsonObject {
  return tier === undefined ? {} : { service_tier: tier === 'default' ? 'standard' : tier }
}

export function messageId(id: string): string {
  return id.startsWith('msg_') ? id : `msg_${id.replace(/[^a-zA-Z0-9_-]/g, '_')}`
}

/** An answer that failed upstream must not look like one that ended: there is no stop reason that says so. */
export function brokenAnswer({ raw }: Finish): RelayError {
  return new RelayError('upstream_failed', `the upstream's answer failed${raw === undefined ? '' : ` (${raw})`}`)
}

/**
 * An answer as a message. Of several choices the first: there is one answer in this format.
 * @throws RelayError `upstream_failed` for an answer that broke
 */
export function encodeResponse(response: ChatResponse): JsonObject {
  if (response.finish.reason === 'error') throw brokenAnswer(response.finish)
  const ids = new CallIds()
  const last = response.content.findLastIndex((part) => part.type !== 'text' || part.text !== '')
  const content = response.content.flatMap((part, at) =>
    encodePart(at < last ? part : withoutLastSeal(part), ids, response.id),
  )
  const called = response.content.some(({ type }) => type === 'tool-call')
  return {
    id: messageId(response.id),
    type: 'message',
    role: 'assistant',
    model: response.model,
    content,
    stop_reason: writeStopReason(response.finish, called),
    stop_sequence: response.finish.stopSequence ?? null,
    usage: { ...writeUsage(response.usage), ...writeTier(response.serviceTier) },
  }
}

/** A text's signature must not make a thought the last block: see `MessageEncoder`. */
function withoutLastSeal(part: AssistantPart): AssistantPart {
  if (part.type !== 'text' && part.type !== 'media') return part
  const { opaque: _, ...rest } = part
  return rest
}

function encodePart(part: AssistantPart, ids: CallIds, responseId: string): Block[] {
  const { opaque } = part
  // a signature that another format puts on its text or calls travels in a redacted block behind them
  const carrier: Block[] =
    opaque === undefined || part.type === 'reasoning'
      ? []
      : [{ type: 'redacted_thinking', data: carryOpaque(opaque, 'anthropic') }]
  switch (part.type) {
    case 'text': {
      if (part.text === '') return carrier
      const citations = part.citations?.map(writeCitation)
      return [given({ type: 'text', text: part.text, citations }), ...carrier]
    }
    case 'reasoning':
      return part.redacted === true && opaque?.format === 'anthropic'
        ? [{ type: 'redacted_thinking', data: opaque.value }]
        : [
            {
              type: 'thinking',
              thinking: part.text,
              signature: opaque === undefined ? UNSIGNED : carryOpaque(opaque, 'anthropic'),
            },
          ]
    case 'tool-call': {
      const id = ids.next(part.id === '' ? `${responseId}_call` : part.id)
      const input = part.custom === true ? wrapInputObject(part.arguments) : inputOf(part.arguments)
      return [{ type: 'tool_use', id, name: part.name, input }, ...carrier]
    }
    case 'media':
      return [{ type: 'text', text: mediaNote(part.mediaType) }, ...carrier]
  }
}

/** Answers hold no media in this format. */
export function mediaNote(mediaType: string): string {
  return `[${mediaType === '' ? 'a file' : mediaType} that cannot be shown here]`
}
