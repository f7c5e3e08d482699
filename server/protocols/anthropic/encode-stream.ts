import { RelayError } from '../../errors.ts'
import type { Opaque } from '../../model/request.ts'
import type { BlockHead, Finish, StreamEvent, Usage } from '../../model/response.ts'
import type { StreamEncoder } from '../codec.ts'
import { InputWrapper } from '../custom-tools.ts'
import { carryOpaque, UNSIGNED } from '../signature.ts'
import { encodeFrame } from '../sse.ts'
import { writeCitation } from './decode-content.ts'
import { errorFrame } from './errors.ts'
import { CallIds } from './names.ts'
import { brokenAnswer, mediaNote, messageId, writeTier } from './response.ts'
import { writeUsage } from './usage.ts'
import { writeStopReason } from './wire.ts'

interface OpenBlock {
  readonly head: BlockHead
  /** What stands before a delta's text in the frame, and behind it; '' until the block's start went out. */
  before: string
  readonly wrapper: InputWrapper | undefined
}

const AFTER = '}}\n\n'

/**
 * Our events → Anthropic's, complete as its clients need them: `event:` lines, usage in `message_start`, every block closed, and one
 * `message_delta` before `message_stop`. Of several choices the first is told.
 *
 * A signature that another format puts on its text or calls (Gemini's) is known only at the block's end, and no such block has a
 * field for it here: it follows in a `redacted_thinking` block, which clients send back untouched and in place. Behind a text it
 * waits for a further block: Claude Code (2.1.330, `-p`) prints nothing of an answer whose last block is not its text, and the
 * API refuses a thought there. The last text's signature is dropped; Gemini recommends it, but demands it on calls only.
 */
export class MessageEncoder implements StreamEncoder {
  readonly #ids = new CallIds()
  #block: OpenBlock | undefined
  #index = 0
  #called = false
  /** Signatures of texts, until another block follows. */
  #waiting: readonly string[] = []
  #over = false
  #id = ''
  #usage: Usage | undefined
  #tier: string | undefined

  push(event: StreamEvent): string {
    if (this.#over) return ''
    if ('choice' in event && (event.choice ?? 0) !== 0) return ''
    switch (event.type) {
      case 'block-delta':
        return this.#delta(event.text)
      case 'start':
        return this.#start(event)
      case 'block-start':
        return this.#blockStart(event.block)
      case 'citation':
        return this.#begin() + this.#blockDelta({ type: 'citations_delta', citation: writeCitation(event.citation) })
      case 'block-end':
        return this.#blockEnd(event.opaque)
      case 'usage':
        this.#usage = event.usage
        this.#tier = event.serviceTier ?? this.#tier
        return ''
      case 'finish':
        return this.#finish(event.finish)
      case 'error':
        this.#over = true
        return errorFrame(event.error)
    }
  }

  end(): string {
    if (this.#over) return ''
    this.#over = true
    return errorFrame(new RelayError('upstream_failed', 'the upstream ended its stream before the answer was finished'))
  }

  #start(event: Extract<StreamEvent, { type: 'start' }>): string {
    this.#id = event.id
    this.#usage = event.usage
    return frame('message_start', {
      message: {
        id: messageId(event.id),
        type: 'message',
        role: 'assistant',
        model: event.model,
        content: [],
        stop_reason: null,
        stop_sequence: null,
        usage: writeUsage(event.usage),
      },
    })
  }

  /** A text block's start waits for its first text: a client would send an empty one back, and be refused. */
  #blockStart(head: BlockHead): string {
    this.#block = {
      head,
      before: '',
      wrapper: head.type === 'tool-call' && head.custom === true ? new InputWrapper() : undefined,
    }
    switch (head.type) {
      case 'text':
        return ''
      case 'reasoning':
        return head.redacted === true ? '' : this.#begin()
      case 'tool-call':
        this.#called = true
        return this.#begin()
      case 'media':
        return this.#delta(mediaNote(head.mediaType))
    }
  }

  /** The block's start, unless it went out before. */
  #begin(): string {
    const block = this.#block
    if (block === undefined || block.before !== '') return ''
    const { head } = block
    const signatures = this.#signatures()
    switch (head.type) {
      case 'text':
      case 'media':
        block.before = this.#before('text_delta', 'text')
        return signatures + this.#contentBlock({ type: 'text', text: '' })
      case 'reasoning':
        block.before = this.#before('thinking_delta', 'thinking')
        return signatures + this.#contentBlock({ type: 'thinking', thinking: '', signature: '' })
      case 'tool-call': {
        block.before = this.#before('input_json_delta', 'partial_json')
        const id = this.#ids.next(head.id === '' ? `${this.#id}_call` : head.id)
        return signatures + this.#contentBlock({ type: 'tool_use', id, name: head.name, input: {} })
      }
    }
  }

  /** The signatures that wait, now that they will not stand last. */
  #signatures(): string {
    if (this.#waiting.length === 0) return ''
    const waiting = this.#waiting
    this.#waiting = []
    return waiting.map((data) => this.#whole({ type: 'redacted_thinking', data })).join('')
  }

  #delta(text: string): string {
    const block = this.#block
    if (block === undefined || text === '') return ''
    const begin = this.#begin()
    return begin + block.before + JSON.stringify(block.wrapper === undefined ? text : block.wrapper.push(text)) + AFTER
  }

  #blockEnd(opaque: Opaque | undefined): string {
    const block = this.#block
    if (block === undefined) return ''
    const { head, wrapper } = block
    const value = opaque === undefined ? undefined : carryOpaque(opaque, 'anthropic')
    let out = ''
    if (head.type === 'reasoning' && block.before === '') {
      // a thought without a word in it
      if (opaque?.format === 'anthropic') {
        this.#block = undefined
        return out + this.#signatures() + this.#whole({ type: 'redacted_thinking', data: opaque.value })
      }
      if (opaque !== undefined) out += this.#begin()
    }
    if (wrapper !== undefined) out += block.before + JSON.stringify(wrapper.end()) + AFTER
    if (head.type === 'reasoning' && block.before !== '')
      out += this.#blockDelta({ type: 'signature_delta', signature: value ?? UNSIGNED })
    if (block.before !== '') out += this.#stop()
    this.#block = undefined
    if (head.type === 'reasoning' || value === undefined) return out
    if (head.type === 'tool-call') return out + this.#whole({ type: 'redacted_thinking', data: value })
    this.#waiting = [...this.#waiting, value]
    return out
  }

  #finish(finish: Finish): string {
    this.#over = true
    if (finish.reason === 'error') return errorFrame(brokenAnswer(finish))
    return (
      frame('message_delta', {
        delta: {
          stop_reason: writeStopReason(finish, this.#called),
          stop_sequence: finish.stopSequence ?? null,
        },
        usage: { ...writeUsage(this.#usage), ...writeTier(this.#tier) },
      }) + frame('message_stop', {})
    )
  }

  #before(type: string, field: string): string {
    return `event: content_block_delta\ndata: {"type":"content_block_delta","index":${this.#index},"delta":{"type":"${type}","${field}":`
  }

  #contentBlock(block: object): string {
    return frame('content_block_start', { index: this.#index, content_block: block })
  }

  #blockDelta(delta: object): string {
    return frame('content_block_delta', { index: this.#index, delta })
  }

  #stop(): string {
    return frame('content_block_stop', { index: this.#index++ })
  }

  #whole(block: object): string {
    return this.#contentBlock(block) + this.#stop()
  }
}

function frame(type: string, fields: object): string {
  return encodeFrame({ event: type, data: JSON.stringify({ type, ...fields }) })
}
