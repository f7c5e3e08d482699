import { RelayError } from '../../errors.ts'
import type { JsonObject } from '../../model/request.ts'
import type { StreamEvent } from '../../model/response.ts'
import { BlockWriter } from '../blocks.ts'
import type { DecodeContext, StreamDecoder } from '../codec.ts'
import { asArray, asNumber, asObject, asString, parseObject } from '../narrow.ts'
import { UNSIGNED } from '../signature.ts'
import type { SseFrame } from '../sse.ts'
import { readCitation } from './decode-content.ts'
import { toldError } from './errors.ts'
import { decodePart, readTier, strangeBlock } from './response.ts'
import { UsageReader } from './usage.ts'
import { onceEach, readFinish } from './wire.ts'

/** What is known of a block that is open. */
interface OpenBlock {
  /** A call's arguments that came with the block's start; they count where no delta follows. */
  readonly input: string | undefined
  /** Signature, or data of a redacted thought. */
  signature: string
  /** Some text of it has come. */
  begun: boolean
}

const TEXT_MARK = '"delta":{"type":"text_delta","text":"'

/** Anthropic's events → ours. Blocks carry their own index, so nothing is guessed. */
export class MessageDecoder implements StreamDecoder {
  readonly #context: DecodeContext
  readonly #writer = new BlockWriter()
  readonly #usage = new UsageReader()
  readonly #open = new Map<string, OpenBlock>()
  #tier: string | undefined

  constructor(context: DecodeContext) {
    this.#context = { ...context, loss: onceEach(context.loss) }
  }

  push(frame: SseFrame): readonly StreamEvent[] {
    if (this.#writer.ended || this.#textDelta(frame.data)) return this.#writer.drain()
    const event = parseObject(frame.data)
    if (event !== undefined) this.#event(asString(event.type) ?? frame.event, event)
    else if (frame.event === 'error') this.#writer.error(new RelayError('upstream_failed', frame.data))
    else if (frame.data.trim() !== '' && frame.data.trim() !== '[DONE]')
      this.#writer.error(new RelayError('upstream_failed', 'the upstream sent an event that is not JSON'))
    return this.#writer.drain()
  }

  end(): readonly StreamEvent[] {
    this.#writer.error(
      new RelayError('upstream_failed', 'the upstream ended its stream without saying that the answer is complete'),
    )
    return this.#writer.drain()
  }

  /** The common event, in the spelling that Anthropic uses: only its text is parsed. Anything else takes the long way. */
  #textDelta(data: string): boolean {
    if (!data.startsWith('{"type":"content_block_delta","index":') || !data.endsWith('"}}')) return false
    const at = data.indexOf(TEXT_MARK)
    if (at < 0 || data.charCodeAt(at - 1) !== 0x2c) return false
    const key = data.slice(38, at - 1)
    const open = this.#open.get(key)
    if (open === undefined) return false
    let text: unknown
    try {
      text = JSON.parse(data.slice(at + TEXT_MARK.length - 1, -2))
    } catch {
      return false // more fields than the usual ones: the long way understands them
    }
    if (typeof text !== 'string') return false
    open.begun = true
    return this.#writer.delta(key, text)
  }

  #event(type: string | undefined, event: JsonObject): void {
    const key = String(asNumber(event.index) ?? 0)
    switch (type) {
      case 'message_start':
        this.#start(asObject(event.message) ?? {})
        return
      case 'content_block_start':
        this.#blockStart(key, asObject(event.content_block) ?? {})
        return
      case 'content_block_delta':
        this.#delta(key, asObject(event.delta) ?? {})
        return
      case 'content_block_stop':
        this.#blockStop(key)
        return
      case 'message_delta': {
        this.#read(event.usage)
        const delta = asObject(event.delta)
        const reason = asString(delta?.stop_reason)
        if (reason !== undefined) this.#writer.finish(readFinish(reason, asString(delta?.stop_sequence)))
        return
      }
      case 'message_stop': {
        const { usage } = this.#usage
        if (usage !== undefined) this.#writer.usage(usage, this.#tier)
        this.#writer.end()
        return
      }
      case 'error':
        this.#writer.error(toldError(event))
        return
      default:
        return // ping, and events to come
    }
  }

  #read(usage: unknown): void {
    this.#usage.read(usage)
    this.#tier = readTier(usage) ?? this.#tier
  }

  #start(message: JsonObject): void {
    this.#read(message.usage)
    const { usage } = this.#usage
    const head = { id: asString(message.id) ?? '', model: asString(message.model) ?? '', createdAt: 0 }
    this.#writer.start(usage === undefined ? head : { ...head, usage })
    // an answer that goes on after a tool that Anthropic ran may begin with what is known already
    for (const [at, value] of (asArray(message.content) ?? []).entries()) {
      this.#blockStart(`start ${at}`, asObject(value) ?? {})
      this.#blockStop(`start ${at}`)
    }
  }

  #blockStart(key: string, block: JsonObject): void {
    this.#blockStop(key)
    const part = decodePart(block, this.#context)
    if (part === undefined || part.type === 'media') {
      this.#context.loss(strangeBlock(asString(block.type)))
      return
    }
    const open: OpenBlock = {
      input: part.type === 'tool-call' ? part.arguments : undefined,
      signature: part.type === 'reasoning' ? (part.opaque?.value ?? '') : '',
      begun: false,
    }
    this.#open.set(key, open)
    switch (part.type) {
      case 'text':
        this.#writer.open(key, { type: 'text' })
        this.#text(key, part.text)
        for (const citation of part.citations ?? []) this.#writer.citation(key, citation)
        return
      case 'reasoning':
        this.#writer.open(key, part.redacted === true ? { type: 'reasoning', redacted: true } : { type: 'reasoning' })
        this.#text(key, part.text)
        return
      case 'tool-call':
        this.#writer.open(key, { type: 'tool-call', id: part.id, name: part.name })
    }
  }

  #delta(key: string, delta: JsonObject): void {
    const open = this.#open.get(key)
    if (open === undefined) return // of a block that only this format knows
    switch (delta.type) {
      case 'text_delta':
        this.#text(key, asString(delta.text))
        return
      case 'thinking_delta':
        this.#text(key, asString(delta.thinking))
        return
      case 'input_json_delta':
        this.#text(key, asString(delta.partial_json))
        return
      case 'signature_delta':
        open.signature += asString(delta.signature) ?? ''
        return
      case 'citations_delta': {
        const citation = readCitation(delta.citation)
        if (citation !== undefined) this.#writer.citation(key, citation)
        return
      }
      default:
        this.#context.loss({
          field: `delta (${asString(delta.type) ?? 'no type'})`,
          reason: 'not known to the gateway',
        })
    }
  }

  #text(key: string, text: string | undefined): void {
    const open = this.#open.get(key)
    if (open === undefined || text === undefined || text === '') return
    open.begun = true
    this.#writer.delta(key, text)
  }

  #blockStop(key: string): void {
    const open = this.#open.get(key)
    if (open === undefined) return
    if (!open.begun && open.input !== undefined) this.#writer.delta(key, open.input)
    this.#open.delete(key)
    const { origin } = this.#context
    if (open.signature === '' || open.signature === UNSIGNED) this.#writer.close(key)
    else
      this.#writer.close(key, {
        format: 'anthropic',
        value: open.signature,
        ...(origin === undefined ? {} : { origin }),
      })
  }
}
