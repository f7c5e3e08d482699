import type { AssistantPart, Citation, Json, JsonObject, ReasoningPart, ToolCallPart } from '../../model/request.ts'
import type { ChatResponse, Finish } from '../../model/response.ts'
import { wrapInputObject } from '../custom-tools.ts'
import { asObject } from '../narrow.ts'
import { carryOpaque } from '../signature.ts'
import type { Dialect } from './dialect.ts'
import { encodeFinish } from './finish.ts'
import { encodeCitations, OffsetText } from './grounding.ts'
import { encodeLogprobs } from './logprobs.ts'
import { encodeMedia } from './media.ts'
import { riderOn } from './thoughts.ts'
import { encodeUsage } from './usage.ts'

/** A whole answer for a Gemini client, without envelope. */
export function encodeResponse(response: ChatResponse, dialect: Dialect): JsonObject {
  const { id, model, createdAt, usage } = response
  const choices = [response, ...(response.alternatives ?? [])]
  return {
    candidates: choices.map((choice, index) => encodeCandidate(choice, { dialect, index })),
    ...(usage !== undefined && { usageMetadata: encodeUsage(usage, response.serviceTier) }),
    modelVersion: model,
    ...(createdAt > 0 && { createTime: new Date(createdAt * 1000).toISOString() }),
    responseId: id,
  }
}

interface Choice {
  readonly content: readonly AssistantPart[]
  readonly finish: Finish
  readonly logprobs?: Json
}

function encodeCandidate(
  choice: Choice,
  { dialect, index }: { readonly dialect: Dialect; readonly index: number },
): JsonObject {
  const writer = new PartWriter(dialect)
  const citations: { readonly citation: Citation; readonly text: OffsetText }[] = []
  const parts: JsonObject[] = []
  for (const part of choice.content) {
    if (part.type === 'text' && part.citations !== undefined) {
      const text = new OffsetText()
      text.add(part.text)
      citations.push(...part.citations.map((citation) => ({ citation, text })))
    }
    const encoded = writer.whole(part)
    if (encoded !== undefined) parts.push(encoded)
  }
  const grounding = encodeCitations(citations)
  const logprobs = encodeLogprobs(choice.logprobs)
  return {
    content: { parts: parts.length === 0 ? [{ text: '' }] : parts, role: 'model' },
    ...writer.finish(choice.finish),
    index,
    ...(grounding !== undefined && { groundingMetadata: grounding }),
    ...(logprobs !== undefined && { logprobsResult: logprobs }),
  }
}

/** Parts of one candidate in their order; remembers the thought that the next call carries, and a call whose arguments are broken. */
export class PartWriter {
  readonly #dialect: Dialect
  #thought: ReasoningPart | undefined
  #saidSince = false
  #broken: ToolCallPart | undefined

  constructor(dialect: Dialect) {
    this.#dialect = dialect
  }

  whole(part: AssistantPart): JsonObject | undefined {
    switch (part.type) {
      case 'text':
        if (part.text === '' && part.opaque === undefined) return undefined
        this.said()
        return { text: part.text, ...this.signature(part) }
      case 'reasoning':
        this.thought(part)
        if (part.text === '' && part.opaque === undefined) return undefined
        return { text: part.text, thought: true, ...this.signature(part) }
      case 'tool-call':
        return this.call(part)
      case 'media': {
        const media = encodeMedia(part)
        return media === undefined ? undefined : { ...media, ...this.signature(part) }
      }
    }
  }

  /** A foreign thought, to ride on the next call: Gemini clients send back signatures of calls, but not all send back thoughts. */
  thought(part: ReasoningPart): void {
    this.#thought = part.opaque?.format === this.#dialect.format ? undefined : part
    this.#saidSince = false
  }

  /** Text went out: a thought before it stays before it. */
  said(): void {
    this.#saidSince = true
  }

  /** Undefined where the arguments are no JSON object: the finish says so, as Gemini itself does. */
  call(part: ToolCallPart): JsonObject | undefined {
    const args = argumentsOf(part)
    if (args === undefined) {
      this.#broken = part
      return undefined
    }
    const thought = part.opaque === undefined ? this.#thought : undefined
    const rider = thought === undefined ? undefined : riderOn({ thought, beforeText: this.#saidSince })
    this.#thought = undefined
    return {
      functionCall: { id: part.id, name: part.name, args },
      ...(rider === undefined ? this.signature(part) : { thoughtSignature: rider }),
    }
  }

  signature({ opaque }: Pick<AssistantPart, 'opaque'>): { readonly thoughtSignature?: string } {
    return opaque === undefined ? {} : { thoughtSignature: carryOpaque(opaque, this.#dialect.format) }
  }

  /** A call that was cut by the token limit is no malformed one. */
  finish(finish: Finish): JsonObject {
    const broken = this.#broken
    if (broken === undefined || finish.reason === 'length') return { finishReason: encodeFinish(finish) }
    return {
      finishReason: 'MALFORMED_FUNCTION_CALL',
      finishMessage: `Malformed function call: ${broken.name}(${broken.arguments.slice(0, 1000)})`,
    }
  }
}

function argumentsOf(call: ToolCallPart): JsonObject | undefined {
  if (call.custom === true) return wrapInputObject(call.arguments)
  if (call.arguments.trim() === '') return {}
  try {
    return asObject(JSON.parse(call.arguments))
  } catch {
    return undefined
  }
}
