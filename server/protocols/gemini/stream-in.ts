import { createHash } from 'node:crypto'
import { RelayError } from '../../errors.ts'
import type { JsonObject, MediaPart } from '../../model/request.ts'
import type { StreamEvent } from '../../model/response.ts'
import { BlockWriter, type ChoiceWriter } from '../blocks.ts'
import type { DecodeContext, StreamDecoder } from '../codec.ts'
import { asObject, asString, parseObject } from '../narrow.ts'
import type { SseFrame } from '../sse.ts'
import { codeAsText } from './code-text.ts'
import type { Dialect } from './dialect.ts'
import { errorBehindOk } from './errors.ts'
import { decodeFinish } from './finish.ts'
import { decodeCitations, OffsetText } from './grounding.ts'
import { decodeLogprobs } from './logprobs.ts'
import { cutNames, originalName } from './names.ts'
import { PartialArguments } from './partial-args.ts'
import { signedBy } from './thoughts.ts'
import { decodeUsage } from './usage.ts'
import { blockReasonOf, candidateNumber, candidatesOf, finishReasonOf, partsOf } from './wire.ts'

/** Chunks of an answer → events. One chunk that is the whole answer is read by the same code. */
export class GeminiStreamDecoder implements StreamDecoder {
  readonly #dialect: Dialect
  readonly #context: DecodeContext
  readonly #writer = new BlockWriter()
  readonly #candidates = new Map<number, CandidateDecoder>()
  readonly #ids: IdMaker
  readonly #cut: ReadonlyMap<string, string>

  constructor(dialect: Dialect, context: DecodeContext) {
    this.#dialect = dialect
    this.#context = context
    this.#ids = new IdMaker()
    this.#cut = cutNames(context.request, dialect)
  }

  push(frame: SseFrame): readonly StreamEvent[] {
    if (frame.data === '[DONE]' || this.#writer.ended) return []
    const outer = parseObject(frame.data)
    if (outer === undefined)
      this.#writer.error(new RelayError('upstream_failed', 'the upstream sent an event that is not JSON'))
    else this.chunk(outer)
    return this.#writer.drain()
  }

  /** One chunk, parsed; its events are given by the next `push`, `end` or `drain`. */
  chunk(outer: JsonObject): void {
    const error = errorBehindOk(outer)
    if (error !== undefined) {
      this.#writer.error(error)
      return
    }
    const body = this.#dialect.unwrap(outer)
    this.#start(body)
    try {
      for (const [position, candidate] of candidatesOf(body).entries())
        this.#candidate(candidateNumber(candidate, position)).read(candidate)
    } catch (failure) {
      if (!(failure instanceof RelayError)) throw failure
      this.#writer.error(failure)
      return
    }
    const blocked = blockReasonOf(body)
    if (blocked !== undefined) this.#writer.finish({ reason: 'content-filter', raw: blocked })
    const metadata = asObject(body['usageMetadata'])
    const usage = decodeUsage(metadata)
    if (usage !== undefined) this.#writer.usage(usage, asString(metadata?.['serviceTier'])?.toLowerCase())
  }

  /** A whole answer ends with its body, so a candidate without a finish reason is complete all the same. */
  endWhole(): readonly StreamEvent[] {
    for (const candidate of this.#candidates.values()) candidate.complete()
    return this.end()
  }

  end(): readonly StreamEvent[] {
    for (const candidate of this.#candidates.values()) candidate.end()
    this.#writer.end()
    return this.#writer.drain()
  }

  #start(body: JsonObject): void {
    if (this.#writer.started) return
    const id = asString(body['responseId']) ?? ''
    const created = Date.parse(asString(body['createTime']) ?? '')
    this.#ids.seed(id === '' ? JSON.stringify(body) : id, id)
    this.#writer.start({
      id,
      model: asString(body['modelVersion']) ?? '',
      createdAt: Number.isFinite(created) ? Math.floor(created / 1000) : 0,
    })
  }

  #candidate(number: number): CandidateDecoder {
    const known = this.#candidates.get(number)
    if (known !== undefined) return known
    const made = new CandidateDecoder(this.#writer.choice(number), {
      ...this.#context,
      dialect: this.#dialect,
      ids: this.#ids,
      cut: this.#cut,
    })
    this.#candidates.set(number, made)
    return made
  }
}

interface CandidateContext extends DecodeContext {
  readonly dialect: Dialect
  readonly ids: IdMaker
  readonly cut: ReadonlyMap<string, string>
}

interface OpenCall {
  readonly id: string
  readonly name: string
  readonly args: PartialArguments
  signature: unknown
}

class CandidateDecoder {
  readonly #choice: ChoiceWriter
  readonly #context: CandidateContext
  readonly #text = new OffsetText()
  #call: OpenCall | undefined
  /** The open text has its signature. */
  #signed = false
  #calls = 0
  #blocks = 0

  constructor(choice: ChoiceWriter, context: CandidateContext) {
    this.#choice = choice
    this.#context = context
  }

  read(candidate: JsonObject): void {
    const parts = partsOf(candidate)
    const last = parts.findLastIndex((part) => typeof part['text'] === 'string' && part['text'] !== '')
    let logprobs = decodeLogprobs(asObject(candidate['logprobsResult']))
    for (const [position, part] of parts.entries()) {
      if (typeof part['text'] === 'string' && part['thought'] !== true && part['text'] !== '') {
        this.#say(part['text'])
        if (logprobs !== undefined) this.#choice.delta('text', '', logprobs)
        logprobs = undefined
        if (position === last) this.#cite(candidate)
        this.#sign('text', part)
      } else this.#part(part)
    }
    if (last < 0) this.#cite(candidate)
    const reason = finishReasonOf(candidate)
    if (reason === undefined) return
    this.#closeCall()
    this.#choice.finish(decodeFinish(reason, this.#calls > 0))
  }

  end(): void {
    this.#closeCall()
  }

  complete(): void {
    this.#closeCall()
    if (this.#choice.finished === undefined) this.#choice.finish({ reason: this.#calls > 0 ? 'tool-calls' : 'stop' })
  }

  #part(part: JsonObject): void {
    const call = asObject(part['functionCall'])
    if (call !== undefined) {
      this.#functionCall(call, part['thoughtSignature'])
      return
    }
    const text = asString(part['text'])
    if (text !== undefined && part['thought'] === true) {
      this.#closeCall()
      this.#choice.append('thought', { type: 'reasoning' }, text)
      this.#sign('thought', part)
      return
    }
    const media = mediaOf(part)
    if (media !== undefined) {
      this.#block(media, part)
      return
    }
    const code = codeAsText((name) => asObject(part[name]))
    if (code !== undefined) {
      this.#context.loss({ field: 'executableCode', reason: 'code that the provider ran is shown as text' })
      this.#say(code)
      return
    }
    if (text !== undefined || isOnlySignature(part)) this.#sign('text', part)
    else this.#unknown(part)
  }

  #say(text: string): void {
    this.#closeCall()
    this.#endSigned()
    if (!this.#choice.isOpen('text')) this.#text.clear()
    this.#text.add(text)
    this.#choice.append('text', { type: 'text' }, text)
  }

  /**
   * A signature ends its block: what follows is another part. An empty text part that carries one signs the text before it; where
   * that is closed already, it stays a part of its own (Gemini wants it back). A signed text stays open for its sources only, which
   * come with the last chunk.
   */
  #sign(key: 'text' | 'thought', part: JsonObject): void {
    const opaque = this.#opaque(part['thoughtSignature'])
    if (opaque === undefined) return
    if (key === 'text') this.#endSigned()
    const apart = !this.#choice.isOpen(key)
    if (apart) {
      this.#closeCall()
      this.#choice.open(key, key === 'text' ? { type: 'text' } : { type: 'reasoning' })
    }
    if (apart || key === 'thought') this.#choice.close(key, opaque)
    else this.#signed = this.#choice.sign(key, opaque)
  }

  #endSigned(): void {
    if (this.#signed) this.#choice.close('text')
    this.#signed = false
  }

  #cite(candidate: JsonObject): void {
    for (const citation of decodeCitations(candidate, this.#text)) {
      if (!this.#choice.citation('text', citation)) {
        this.#context.loss({ field: 'groundingMetadata', reason: 'it came when its text was already closed' })
        return
      }
    }
  }

  /** Calls come whole, or (Vertex) as a name, pieces of arguments, and an empty end that may be missing. */
  #functionCall(call: JsonObject, signature: unknown): void {
    const name = asString(call['name'])
    if (name !== undefined && name !== '') {
      this.#closeCall()
      const { ids, cut } = this.#context
      this.#calls++
      const id = ids.unique(asString(call['id']))
      this.#call = { id, name: originalName(name, cut), args: new PartialArguments(), signature }
    }
    const open = this.#call
    if (open === undefined) return
    open.signature ??= signature
    open.args.set(asObject(call['args']) ?? {})
    open.args.push(call['partialArgs'])
    if (call['willContinue'] !== true) this.#closeCall()
  }

  #closeCall(): void {
    const call = this.#call
    if (call === undefined) return
    this.#call = undefined
    const key = `call${this.#blocks++}`
    this.#choice.open(key, { type: 'tool-call', id: call.id, name: call.name })
    this.#choice.delta(key, call.args.json())
    this.#choice.close(key, this.#opaque(call.signature))
  }

  #block(media: MediaPart, part: JsonObject): void {
    this.#closeCall()
    const key = `media${this.#blocks++}`
    this.#choice.open(key, media)
    this.#choice.close(key, this.#opaque(part['thoughtSignature']))
  }

  #opaque(value: unknown): ReturnType<typeof signedBy> {
    return signedBy(value, { format: this.#context.dialect.format, origin: this.#context.origin })
  }

  /** `toolCall`, `toolResponse`: what the provider did by itself and nobody else can read. */
  #unknown(part: JsonObject): void {
    const kind = Object.keys(part).find((key) => asObject(part[key]) !== undefined)
    if (kind !== undefined) this.#context.loss({ field: kind, reason: 'only Gemini can read this part' })
  }
}

function isOnlySignature(part: JsonObject): boolean {
  return Object.keys(part).every((key) => key === 'thoughtSignature' || key === 'thought')
}

function mediaOf(part: JsonObject): MediaPart | undefined {
  const inline = asObject(part['inlineData'])
  const data = asString(inline?.['data'])
  if (data !== undefined)
    return { type: 'media', mediaType: asString(inline?.['mimeType']) ?? '', source: { kind: 'base64', data } }
  const file = asObject(part['fileData'])
  const url = asString(file?.['fileUri'])
  return url === undefined
    ? undefined
    : { type: 'media', mediaType: asString(file?.['mimeType']) ?? '', source: { kind: 'url', url } }
}

/**
 * Ids for calls that have none: from the answer's own id, so that they differ between turns, and the same answer always gives the
 * same ids. At most 40 characters, which is what OpenAI's clients may send back.
 */
class IdMaker {
  readonly #used = new Set<string>()
  #stem = 'call'
  #count = 0

  seed(text: string, id: string): void {
    const plain = id.length <= 28 && /^[A-Za-z0-9_-]+$/.test(id)
    this.#stem = `call_${plain ? id : createHash('sha256').update(text).digest('base64url').slice(0, 24)}`
  }

  unique(wireId: string | undefined): string {
    const wanted = wireId === undefined || wireId === '' ? `${this.#stem}_${this.#count++}` : wireId
    let id = wanted
    for (let copy = 2; this.#used.has(id); copy++) id = `${wanted}_${copy}`
    this.#used.add(id)
    return id
  }
}
