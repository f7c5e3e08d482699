import { RelayError } from '../../errors.ts'
import type { Citation, Json, JsonObject, Opaque } from '../../model/request.ts'
import type { StreamEvent, Usage } from '../../model/response.ts'
import { BlockWriter, type ChoiceWriter } from '../blocks.ts'
import type { DecodeContext, StreamDecoder } from '../codec.ts'
import { asArray, asNumber, asObject, asString, parseObject } from '../narrow.ts'
import type { SseFrame } from '../sse.ts'
import { decodeCitations } from './citations.ts'
import { DeltaTemplate, type PlainDelta } from './delta-template.ts'
import { decodeFinish } from './finish.ts'
import { originalNames } from './names.ts'
import { errorOf } from './reader.ts'
import { decodeSignature, ThoughtGatherer } from './reasoning.ts'
import { argumentsText, contentText, decodeOutputMedia } from './response.ts'
import { inventToolId } from './tool-ids.ts'
import { findUsage, isZero } from './usage.ts'

interface Call {
  readonly key: string
  /** '' until the upstream names it. */
  id: string
  opened: boolean
  /** Arguments that came before the name. */
  readonly waiting: string[]
}

interface Choice {
  readonly number: number
  readonly writer: ChoiceWriter
  thoughts: ThoughtGatherer | undefined
  /** Told before or among the text; given out behind it. */
  citations: Citation[]
  textOpaque: Opaque | undefined
  readonly calls: Map<number, Call>
  lastCall: Call | undefined
  callCount: number
  mediaCount: number
  answered: boolean
  refused: boolean
  finishReason: string | undefined
  stopSequence: string | undefined
}

/** Learning stops for streams in which no two chunks are alike. */
const MOST_LESSONS = 64

/** OpenAI allows 128; what is no such number is the first choice. */
function choiceNumber(value: unknown): number {
  const number = asNumber(value)
  return number !== undefined && Number.isInteger(number) && number >= 0 && number < 128 ? number : 0
}

/** Chunks → events. One object per reply. */
export class ChatStreamDecoder implements StreamDecoder {
  readonly #context: DecodeContext
  readonly #names: ReadonlyMap<string, string>
  readonly #writer = new BlockWriter()
  readonly #choices = new Map<number, Choice>()
  #id = ''
  #usage: Usage | undefined
  #done = false
  #template: DeltaTemplate | undefined
  #lessons = 0

  constructor(context: DecodeContext) {
    this.#context = context
    this.#names = originalNames(context.request)
  }

  push(frame: SseFrame): readonly StreamEvent[] {
    if (this.#writer.ended) return []
    const text = frame.event === undefined ? this.#template?.read(frame.data) : undefined
    if (text !== undefined && this.#template !== undefined) {
      this.#lessons = 0
      this.#plain(this.#template.delta, text)
    } else this.#parse(frame)
    return this.#writer.drain()
  }

  end(): readonly StreamEvent[] {
    if (this.#writer.ended) return []
    // numbers that begin at 1 leave an empty first answer, which has to end too
    const [any] = this.#choices.values()
    if (any !== undefined && !this.#choices.has(0)) this.#choice(0).finishReason = any.finishReason
    for (const choice of this.#choices.values()) this.#finish(choice)
    this.#writer.end()
    return this.#writer.drain()
  }

  #parse(frame: SseFrame): void {
    const data = frame.data.trim()
    if (data === '') return
    if (data === '[DONE]') {
      this.#done = true
      return
    }
    const chunk = parseObject(data)
    if (chunk === undefined) {
      this.#writer.error(new RelayError('upstream_failed', 'the upstream sent an event that is not a JSON object'))
      return
    }
    const error = errorOf(chunk, frame.event)
    if (error !== undefined) {
      this.#writer.error(error)
      return
    }
    this.#chunk(chunk)
    if (this.#lessons < MOST_LESSONS && frame.event === undefined) {
      this.#lessons++
      this.#template = DeltaTemplate.learn(chunk, frame.data) ?? this.#template
    }
  }

  #chunk(chunk: JsonObject): void {
    const choices = (asArray(chunk.choices) ?? []).map(asObject)
    const id = asString(chunk.id) ?? ''
    // Azure's first chunk has neither an id nor a choice
    if (!this.#writer.started && (id !== '' || choices.length > 0)) {
      this.#id = id
      this.#writer.start({ id, model: asString(chunk.model) ?? '', createdAt: asNumber(chunk.created) ?? 0 })
    }
    const usage = findUsage(chunk, choices[0])
    if (usage !== undefined && (this.#usage === undefined || !isZero(usage))) {
      this.#usage = usage
      this.#writer.usage(usage, asString(chunk.service_tier))
    }
    for (const entry of choices) if (entry !== undefined) this.#entry(entry)
  }

  #entry(entry: JsonObject): void {
    const choice = this.#choice(choiceNumber(entry.index))
    const delta = asObject(entry.delta) ?? asObject(entry.message) ?? {}
    const logprobs = asObject(entry.logprobs)
    this.#think(choice, delta)
    const { text, thoughts } = contentText(delta.content)
    if (thoughts !== '') this.#think(choice, { reasoning_content: thoughts })
    this.#text(choice, text, logprobs)
    this.#refusal(choice, asString(delta.refusal) ?? '', logprobs)
    choice.citations.push(...decodeCitations(delta.annotations))
    choice.textOpaque = decodeSignature(delta, this.#context.origin) ?? choice.textOpaque
    this.#media(choice, delta)
    for (const call of asArray(delta.tool_calls) ?? []) this.#call(choice, asObject(call) ?? {})
    const legacy = asObject(delta.function_call)
    if (legacy !== undefined) this.#call(choice, { index: -1, function: legacy })
    const reason = asString(entry.finish_reason) ?? ''
    if (reason !== '') choice.finishReason = reason
    choice.stopSequence = asString(entry.stop_reason) ?? choice.stopSequence
    if (reason === 'error')
      this.#writer.error(new RelayError('upstream_failed', 'the upstream broke the answer off with an error'))
  }

  #plain(delta: PlainDelta, text: string): void {
    const choice = this.#choice(delta.choice)
    switch (delta.kind) {
      case 'content':
        this.#text(choice, text, undefined)
        return
      case 'reasoning_content':
      case 'reasoning':
        this.#think(choice, { [delta.kind]: text })
        return
      case 'arguments':
        this.#arguments(choice, this.#continued(choice, delta.callIndex), text)
        return
    }
  }

  #choice(number: number): Choice {
    let choice = this.#choices.get(number)
    if (choice === undefined) {
      choice = {
        number,
        writer: this.#writer.choice(number),
        thoughts: undefined,
        citations: [],
        textOpaque: undefined,
        calls: new Map(),
        lastCall: undefined,
        callCount: 0,
        mediaCount: 0,
        answered: false,
        refused: false,
        finishReason: undefined,
        stopSequence: undefined,
      }
      this.#choices.set(number, choice)
    }
    return choice
  }

  #think(choice: Choice, delta: JsonObject): void {
    const thoughts = choice.thoughts ?? new ThoughtGatherer()
    const text = thoughts.take(delta)
    if (thoughts.empty) return
    if (choice.thoughts === undefined) {
      this.#leaveText(choice)
      choice.thoughts = thoughts
      choice.answered = true
      choice.writer.open('thoughts', { type: 'reasoning' })
    }
    choice.writer.delta('thoughts', text)
  }

  #leaveThoughts(choice: Choice): void {
    if (choice.thoughts === undefined) return
    choice.writer.close('thoughts', choice.thoughts.opaque(this.#context.origin))
    choice.thoughts = undefined
  }

  #text(choice: Choice, text: string, logprobs: Json | undefined): void {
    if (text === '') return
    if (!choice.writer.isOpen('text')) {
      this.#leave(choice)
      choice.answered = true
      choice.writer.open('text', { type: 'text' })
    }
    choice.writer.delta('text', text, logprobs)
  }

  #refusal(choice: Choice, text: string, logprobs: Json | undefined): void {
    if (text === '') return
    if (!choice.writer.isOpen('refusal')) {
      this.#leave(choice)
      choice.answered = true
      choice.refused = true
      choice.writer.open('refusal', { type: 'text', refusal: true })
    }
    choice.writer.delta('refusal', text, logprobs)
  }

  #leaveText(choice: Choice): void {
    if (!choice.writer.isOpen('text')) return
    for (const citation of choice.citations) choice.writer.citation('text', citation)
    choice.citations = []
    choice.writer.close('text', choice.textOpaque)
    choice.textOpaque = undefined
  }

  #leave(choice: Choice): void {
    this.#leaveThoughts(choice)
    this.#leaveText(choice)
  }

  #media(choice: Choice, delta: JsonObject): void {
    for (const part of decodeOutputMedia({ images: delta.images })) {
      this.#leave(choice)
      choice.answered = true
      const key = `media ${choice.mediaCount++}`
      choice.writer.open(key, part)
      choice.writer.close(key)
    }
    const audio = asObject(delta.audio)
    if (audio === undefined) return
    this.#text(choice, asString(audio.transcript) ?? '', undefined)
    if (asString(audio.data) !== undefined)
      this.#context.loss({ field: 'audio', reason: 'streamed speech is carried as its transcript' })
  }

  /** The call that a delta without id and name goes on with. */
  #continued(choice: Choice, index: number | undefined): Call | undefined {
    return index === undefined ? choice.lastCall : choice.calls.get(index)
  }

  /**
   * Deltas of one call share an index. Some providers send none, an empty id, or one index for several whole calls: then a new id,
   * or where there is none a name, begins a new call.
   */
  #call(choice: Choice, entry: JsonObject): void {
    const custom = asObject(entry.custom)
    const fn = asObject(entry.function) ?? custom
    const id = asString(entry.id) ?? ''
    const name = asString(fn?.name) ?? ''
    const index = asNumber(entry.index)
    let call = this.#continued(choice, index)
    if (call !== undefined && this.#isAnother(call, { id, name, index })) call = undefined
    if (call === undefined) {
      if (id === '' && name === '') return
      call = { key: `call ${choice.callCount++}`, id, opened: false, waiting: [] }
      choice.calls.set(index ?? -1 - choice.callCount, call)
      choice.lastCall = call
    }
    if (call.id === '') call.id = id
    if (!call.opened && name !== '') this.#openCall(choice, call, { name, custom: custom !== undefined })
    this.#arguments(choice, call, argumentsText(custom?.input ?? fn?.arguments))
    const opaque = decodeSignature(entry, this.#context.origin)
    if (opaque !== undefined) choice.writer.sign(call.key, opaque)
  }

  #isAnother(
    call: Call,
    entry: { readonly id: string; readonly name: string; readonly index: number | undefined },
  ): boolean {
    if (entry.id !== '')
      return call.id !== '' && entry.id !== call.id && (entry.name !== '' || entry.index === undefined)
    return entry.index === undefined && entry.name !== '' && call.opened
  }

  #openCall(choice: Choice, call: Call, head: { readonly name: string; readonly custom: boolean }): void {
    this.#leave(choice)
    choice.answered = true
    call.opened = true
    const number = Number(call.key.slice('call '.length))
    choice.writer.open(call.key, {
      type: 'tool-call',
      id: call.id === '' ? inventToolId(this.#id, `${choice.number}.${number}`) : call.id,
      name: this.#names.get(head.name) ?? head.name,
      ...(head.custom ? { custom: true } : {}),
    })
    for (const piece of call.waiting.splice(0)) choice.writer.delta(call.key, piece)
  }

  #arguments(choice: Choice, call: Call | undefined, text: string): void {
    if (call === undefined || text === '') return
    if (call.opened) choice.writer.delta(call.key, text)
    else call.waiting.push(text)
  }

  /** Everything of a choice is known: closes it with what was held back, and judges how it ended. */
  #finish(choice: Choice): void {
    for (const call of choice.calls.values())
      if (!call.opened) this.#openCall(choice, call, { name: '', custom: false })
    // Gemini may sign an answer without text: https://ai.google.dev/gemini-api/docs/thought-signatures
    if (choice.textOpaque !== undefined && !choice.writer.isOpen('text')) {
      this.#leaveThoughts(choice)
      choice.writer.open('text', { type: 'text' })
    }
    this.#leave(choice)
    // `[DONE]` without a finish reason is an end too, if anything was said
    if (choice.finishReason === undefined && !(this.#done && choice.answered)) return
    const answered = { calls: choice.callCount > 0, refused: choice.refused }
    choice.writer.finish(decodeFinish(choice.finishReason, answered, choice.stopSequence))
  }
}
