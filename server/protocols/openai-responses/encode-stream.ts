import { RelayError } from '../../errors.ts'
import type { ChatRequest, Citation, Json, JsonObject, MediaPart, Opaque } from '../../model/request.ts'
import type { BlockHead, Finish, StreamEvent, Usage } from '../../model/response.ts'
import type { StreamEncoder } from '../codec.ts'
import { InputUnwrapper } from '../custom-tools.ts'
import { failedError } from './errors.ts'
import { deltaFrame, EventLog, NO_FRAME, type Frame } from './event-log.ts'
import {
  annotationOf,
  callItem,
  cutFields,
  logprobsOf,
  messageItem,
  responseObject,
  summaryPlace,
  textPart,
  type OpenBlock,
  type OpenMessage,
  type Place,
} from './items.ts'
import { callStyles, ItemIds, type CallStyle } from './names.ts'
import { carryThought } from './thoughts.ts'

type Delta = Extract<StreamEvent, { type: 'block-delta' }>

/**
 * Events → the whole event set of the Responses API: what Codex reads (`output_item.done`, `response.completed` with the full
 * output) and what the SDKs' accumulators demand (created, every `added` before its deltas).
 */
export class ResponsesEncoder implements StreamEncoder {
  readonly #request: ChatRequest
  readonly #styles: ReadonlyMap<string, CallStyle>
  readonly #output: JsonObject[] = []
  #ids = new ItemIds('')
  #head = { model: '', createdAt: 0 }
  readonly #log = new EventLog()
  #next = 0
  #message: OpenMessage | undefined
  #block: OpenBlock | undefined
  #usage: Usage | undefined
  #serviceTier: string | undefined
  #refused = false
  #final: JsonObject | undefined

  constructor(request: ChatRequest) {
    this.#request = request
    this.#styles = callStyles(request.tools)
  }

  /** The finished response object; undefined until the stream has finished. */
  get final(): JsonObject | undefined {
    return this.#final
  }

  push(event: StreamEvent): string {
    if (this.#final !== undefined || ('choice' in event && (event.choice ?? 0) !== 0)) return ''
    switch (event.type) {
      case 'start':
        this.#start(event)
        break
      case 'block-start':
        this.#open(event.block)
        break
      case 'block-delta':
        if (event.text !== '' || event.logprobs !== undefined) this.#delta(event)
        break
      case 'citation':
        this.#cite(event.citation)
        break
      case 'block-end':
        this.#close(event.opaque)
        break
      case 'usage':
        this.#usage = event.usage
        this.#serviceTier = event.serviceTier ?? this.#serviceTier
        break
      case 'finish':
        this.#finish(event.finish)
        break
      case 'error':
        this.#fail(event.error)
    }
    return this.#log.drain()
  }

  end(): string {
    if (this.#final === undefined)
      this.#fail(new RelayError('upstream_failed', 'the upstream ended its stream before the answer was finished'))
    return this.#log.drain()
  }

  #start(event: Extract<StreamEvent, { type: 'start' }>): void {
    this.#ids = new ItemIds(event.id)
    this.#head = { model: event.model === '' ? this.#request.model : event.model, createdAt: event.createdAt }
    this.#usage = event.usage
    const response = this.#response('in_progress', [])
    this.#log.emit('response.created', { response })
    this.#log.emit('response.in_progress', { response })
  }

  /** Texts and thoughts show themselves with their first word: an empty one is never told. */
  #open(block: BlockHead): void {
    switch (block.type) {
      case 'text':
        this.#block = {
          kind: 'text',
          refusal: block.refusal === true,
          text: [],
          annotations: [],
          logprobs: [],
          length: 0,
          frame: undefined,
        }
        return
      case 'reasoning':
        this.#block = {
          kind: 'reasoning',
          redacted: block.redacted === true,
          text: [],
          item: undefined,
          frame: NO_FRAME,
        }
        return
      case 'tool-call':
        this.#openCall(block)
        return
      case 'media':
        this.#block = { kind: 'media', part: block }
    }
  }

  #openCall(head: Extract<BlockHead, { type: 'tool-call' }>): void {
    this.#endMessage('completed')
    const declared = this.#styles.get(head.name)
    const style: CallStyle = {
      custom: head.custom ?? declared?.custom ?? false,
      search: declared?.search ?? false,
      name: declared?.name ?? head.name,
      namespace: declared?.namespace,
    }
    const index = this.#next++
    const place = { index, id: this.#ids.item(style.search ? 'tsc' : style.custom ? 'ctc' : 'fc', index) }
    const callId = head.id === '' ? this.#ids.call(index) : head.id
    const unwrapper = style.custom && head.custom !== true ? new InputUnwrapper() : undefined
    const type = style.custom ? 'response.custom_tool_call_input.delta' : 'response.function_call_arguments.delta'
    const block: OpenBlock = {
      kind: 'call',
      text: [],
      place,
      callId,
      style,
      unwrapper,
      frame: style.search ? NO_FRAME : deltaFrame(type, { item_id: place.id, output_index: index }),
    }
    this.#block = block
    this.#addItem(place.index, callItem(block, '', 'in_progress'))
  }

  #delta(event: Delta): void {
    const block = this.#block
    switch (block?.kind) {
      case 'text': {
        block.frame ??= this.#openPart(block)
        block.text.push(event.text)
        block.length += event.text.length
        if (event.logprobs === undefined) this.#log.say(block.frame, event.text)
        else this.#sayWithLogprobs(block, event.text, logprobsOf(event.logprobs))
        return
      }
      case 'reasoning':
        if (event.text === '') return
        if (block.text.length === 0) this.#openSummary(block)
        block.text.push(event.text)
        this.#log.say(block.frame, event.text)
        return
      case 'call':
        this.#callText(block, block.unwrapper?.push(event.text) ?? event.text)
        return
      case 'media':
      case undefined:
        return
    }
  }

  #callText(block: Extract<OpenBlock, { kind: 'call' }>, text: string): void {
    if (text === '') return
    block.text.push(text)
    if (!block.style.search) this.#log.say(block.frame, text)
  }

  #sayWithLogprobs(block: Extract<OpenBlock, { kind: 'text' }>, delta: string, logprobs: readonly Json[]): void {
    if (this.#message === undefined) return
    for (const entry of logprobs) block.logprobs.push(entry)
    const type = block.refusal ? 'response.refusal.delta' : 'response.output_text.delta'
    this.#log.emit(type, { ...this.#partPlace(this.#message), ...(block.refusal ? {} : { logprobs }), delta })
  }

  #openPart(block: Extract<OpenBlock, { kind: 'text' }>): Frame {
    if (this.#message === undefined) {
      const index = this.#next++
      this.#message = { id: this.#ids.item('msg', index), index, parts: [] }
      this.#addItem(index, messageItem(this.#message, 'in_progress'))
    }
    const at = this.#partPlace(this.#message)
    this.#log.emit('response.content_part.added', { ...at, part: textPart(block, '') })
    if (block.refusal) this.#refused = true
    const type = block.refusal ? 'response.refusal.delta' : 'response.output_text.delta'
    return deltaFrame(type, block.refusal ? at : { ...at, logprobs: [] })
  }

  #partPlace(message: OpenMessage): JsonObject {
    return { item_id: message.id, output_index: message.index, content_index: message.parts.length }
  }

  #openThought(block: Extract<OpenBlock, { kind: 'reasoning' }>): Place {
    if (block.item !== undefined) return block.item
    this.#endMessage('completed')
    const index = this.#next++
    block.item = { index, id: this.#ids.item('rs', index) }
    this.#addItem(index, { type: 'reasoning', id: block.item.id, summary: [] })
    return block.item
  }

  #openSummary(block: Extract<OpenBlock, { kind: 'reasoning' }>): void {
    const at = summaryPlace(this.#openThought(block))
    this.#log.emit('response.reasoning_summary_part.added', { ...at, part: { type: 'summary_text', text: '' } })
    block.frame = deltaFrame('response.reasoning_summary_text.delta', at)
  }

  #cite(citation: Citation): void {
    const block = this.#block
    if (block?.kind !== 'text' || block.refusal) return
    block.frame ??= this.#openPart(block)
    if (this.#message === undefined) return
    const annotation = annotationOf(citation, block.length)
    this.#log.emit('response.output_text.annotation.added', {
      ...this.#partPlace(this.#message),
      annotation_index: block.annotations.length,
      annotation,
    })
    block.annotations.push(annotation)
  }

  #close(opaque: Opaque | undefined): void {
    const block = this.#block
    this.#block = undefined
    switch (block?.kind) {
      case undefined:
        return
      case 'text':
        this.#closeText(block)
        if (opaque !== undefined) this.#sign(opaque, block.frame === undefined ? 'text' : 'previous')
        return
      case 'reasoning':
        this.#closeThought(block, opaque)
        return
      case 'call':
        this.#closeCall(block)
        break
      case 'media':
        if (!this.#picture(block.part)) return
    }
    if (opaque !== undefined) this.#sign(opaque, 'previous')
  }

  #closeText(block: Extract<OpenBlock, { kind: 'text' }>): void {
    const message = this.#message
    if (block.frame === undefined || message === undefined) return
    const at = this.#partPlace(message)
    const text = block.text.join('')
    if (block.refusal) this.#log.emit('response.refusal.done', { ...at, refusal: text })
    else this.#log.emit('response.output_text.done', { ...at, text, logprobs: block.logprobs })
    const part = textPart(block, text)
    this.#log.emit('response.content_part.done', { ...at, part })
    message.parts.push(part)
  }

  #closeThought(block: Extract<OpenBlock, { kind: 'reasoning' }>, opaque: Opaque | undefined): void {
    if (block.text.length === 0 && opaque === undefined) return
    const place = this.#openThought(block)
    const summary: JsonObject[] = []
    if (block.text.length > 0) {
      const at = summaryPlace(place)
      const part = { type: 'summary_text', text: block.text.join('') }
      this.#log.emit('response.reasoning_summary_text.done', { ...at, text: part.text })
      this.#log.emit('response.reasoning_summary_part.done', { ...at, part })
      summary.push(part)
    }
    const sealed =
      opaque === undefined ? {} : { encrypted_content: carryThought(opaque, block.redacted ? 'redacted' : 'reasoning') }
    this.#endItem(place.index, { type: 'reasoning', id: place.id, summary, ...sealed })
  }

  #closeCall(block: Extract<OpenBlock, { kind: 'call' }>): void {
    if (block.unwrapper !== undefined) this.#callText(block, block.unwrapper.end())
    const { place, style } = block
    const at = { item_id: place.id, output_index: place.index }
    if (block.text.length === 0 && !style.custom) this.#callText(block, '{}')
    const text = block.text.join('')
    if (style.custom) this.#log.emit('response.custom_tool_call_input.done', { ...at, input: text })
    else if (!style.search)
      this.#log.emit('response.function_call_arguments.done', { ...at, name: style.name, arguments: text })
    this.#endItem(place.index, callItem(block, text, 'completed'))
  }

  /** Only pictures with their bytes have an item; false where there is nothing to tell. */
  #picture({ mediaType, source }: MediaPart): boolean {
    if (source.kind !== 'base64' || !mediaType.startsWith('image/')) return false
    this.#endMessage('completed')
    const index = this.#next++
    const item = { type: 'image_generation_call', id: this.#ids.item('ig', index) }
    this.#addItem(index, { ...item, status: 'in_progress', result: null })
    const output_format = mediaType.slice('image/'.length)
    this.#endItem(index, { ...item, status: 'completed', output_format, result: source.data })
    return true
  }

  /** A signature on something that has no place for it here rides in a thought of its own (see thoughts.ts). */
  #sign(opaque: Opaque, belongs: 'previous' | 'text'): void {
    if (opaque.format === 'openai-responses') return
    this.#endMessage('completed')
    const index = this.#next++
    const item = { type: 'reasoning', id: this.#ids.item('rs', index), summary: [] }
    this.#addItem(index, item)
    this.#endItem(index, { ...item, encrypted_content: carryThought(opaque, belongs) })
  }

  #finish(finish: Finish): void {
    if (this.#block !== undefined) this.#close(undefined)
    const reason = finish.reason === 'refusal' ? this.#refuse() : finish.reason
    const cut = reason === 'length' || reason === 'content-filter'
    this.#endMessage(cut ? 'incomplete' : 'completed')
    switch (reason) {
      case 'length':
      case 'content-filter':
        this.#terminal('response.incomplete', cutFields(reason))
        return
      case 'error': {
        const error = new RelayError('upstream_failed', `the upstream gave up: ${finish.raw ?? 'no reason given'}`)
        this.#terminal('response.failed', { status: 'failed', error: failedError(error) })
        return
      }
      default:
        this.#terminal('response.completed', { status: 'completed' })
    }
  }

  /**
   * Other formats refuse by a word in the finish alone; a Responses client looks for a refusal part. Where the answer had begun
   * before it was stopped, such a part would read as its end: it is cut by a filter then.
   */
  #refuse(): 'refusal' | 'content-filter' {
    const answered = this.#message !== undefined || this.#output.some(({ type }) => type !== 'reasoning')
    if (answered) return this.#refused ? 'refusal' : 'content-filter'
    this.#open({ type: 'text', refusal: true })
    this.#delta({ type: 'block-delta', index: 0, text: 'The model refused to answer.' })
    this.#close(undefined)
    return 'refusal'
  }

  #terminal(type: string, fields: JsonObject): void {
    // opencode takes an end without counts for none and sends the paid request again, for ever
    this.#usage ??= { input: 0, cacheRead: 0, cacheWrite5m: 0, cacheWrite1h: 0, output: 0 }
    this.#final = { ...this.#response('completed', this.#output), ...fields }
    this.#log.emit(type, { response: this.#final })
  }

  #fail(error: RelayError): void {
    const response = this.#response('failed', this.#output)
    this.#log.fail(error, response)
    this.#final = { ...response, error: failedError(error) }
  }

  #addItem(index: number, item: JsonObject): void {
    this.#log.emit('response.output_item.added', { output_index: index, item })
  }

  #endItem(index: number, item: JsonObject): void {
    this.#log.emit('response.output_item.done', { output_index: index, item })
    this.#output.push(item)
  }

  #endMessage(status: 'completed' | 'incomplete'): void {
    const message = this.#message
    if (message === undefined) return
    this.#message = undefined
    this.#endItem(message.index, messageItem(message, status))
  }

  #response(status: string, output: readonly JsonObject[]): JsonObject {
    return responseObject(this.#request, {
      id: this.#ids.response,
      ...this.#head,
      status,
      output,
      usage: status === 'in_progress' ? undefined : this.#usage,
      serviceTier: this.#serviceTier,
    })
  }
}
