import { RelayError } from '../../errors.ts'
import type { ChatRequest, Json, JsonObject, Opaque } from '../../model/request.ts'
import type { BlockHead, StreamEvent, Usage } from '../../model/response.ts'
import type { StreamEncoder } from '../codec.ts'
import { customToolNames, InputUnwrapper } from '../custom-tools.ts'
import { openAiErrorObject } from '../openai-error.ts'
import { encodeCitation } from './citations.ts'
import { encodeFinish } from './finish.ts'
import { signatureForClient, thoughtForClient } from './reasoning.ts'
import { encodeImage } from './response.ts'
import { encodeUsage } from './usage.ts'

/** The delta's fields into which a block's text goes. */
type Sink = 'content' | 'refusal' | 'reasoning_content' | 'arguments' | 'input' | 'function_call' | 'none'

interface Block {
  readonly head: BlockHead
  readonly sink: Sink
  /** The call's number within its choice. */
  readonly call: number
  readonly unwrapper: InputUnwrapper | undefined
  /** A call's beginning waits for one more event: a whole call with its signature goes out in one delta. */
  held: string | undefined
  announced: boolean
  /** UTF-16 units of text so far. */
  length: number
  /** Where the text begins in the message's content or thoughts. */
  readonly start: number
}

interface Choice {
  readonly number: number
  /** Everything of a chunk before the delta's fields, and everything behind them. */
  readonly before: string
  readonly after: string
  readonly blocks: Map<number, Block>
  calls: number
  contentLength: number
  thoughtsLength: number
  details: number
  refused: boolean
  finished: boolean
}

/**
 * Events → chunks, ready for the socket. The first delta of each choice has the role, the last a finish reason; the usage chunk comes
 * only if the client asked, with `choices: []`; then `[DONE]`.
 */
export class ChatStreamEncoder implements StreamEncoder {
  readonly #request: ChatRequest
  readonly #custom: ReadonlySet<string>
  readonly #choices = new Map<number, Choice>()
  #head = head({ id: '', model: '', createdAt: 0 })
  #usage: Usage | undefined
  #serviceTier: string | undefined
  #dead = false

  constructor(request: ChatRequest) {
    this.#request = request
    this.#custom = customToolNames(request.tools)
  }

  push(event: StreamEvent): string {
    if (this.#dead) return ''
    switch (event.type) {
      case 'block-delta':
        return this.#delta(this.#choiceOf(event), event)
      case 'start':
        this.#head = head(event)
        this.#usage = event.usage
        return this.#role(this.#choice(0))
      case 'block-start':
        return this.#introduce(event) + this.#start(this.#choiceOf(event), event.index, event.block)
      case 'citation': {
        const choice = this.#choiceOf(event)
        const annotation = encodeCitation(event.citation, choice.blocks.get(event.index)?.start ?? 0)
        return this.#chunk(choice, { annotations: [annotation] })
      }
      case 'block-end':
        return this.#end(this.#choiceOf(event), event.index, event.opaque)
      case 'usage':
        this.#usage = event.usage
        this.#serviceTier = event.serviceTier ?? this.#serviceTier
        return ''
      case 'finish': {
        const introduction = this.#introduce(event)
        const choice = this.#choiceOf(event)
        choice.finished = true
        const legacy = this.#request.legacyFunctions === true
        const reason = encodeFinish(event.finish, { legacy, refusalText: choice.refused })
        return `${introduction}${choice.before}${choice.after.replace('"finish_reason":null', `"finish_reason":"${reason}"`)}`
      }
      case 'error':
        this.#dead = true
        return `data: ${JSON.stringify({ error: openAiErrorObject(event.error) })}\n\n`
    }
  }

  end(): string {
    if (this.#dead) return ''
    this.#dead = true
    if (this.#choices.size === 0 || [...this.#choices.values()].some((choice) => !choice.finished)) {
      const error = new RelayError('upstream_failed', 'the answer ended before it was finished')
      return `data: ${JSON.stringify({ error: openAiErrorObject(error) })}\n\n`
    }
    return `${this.#usageChunk()}data: [DONE]\n\n`
  }

  #usageChunk(): string {
    if (this.#request.includeUsage !== true || this.#usage === undefined) return ''
    const tier = this.#serviceTier === undefined ? '' : `,"service_tier":${JSON.stringify(this.#serviceTier)}`
    return `data: {${this.#head}${tier},"choices":[],"usage":${JSON.stringify(encodeUsage(this.#usage))}}\n\n`
  }

  #choiceOf(event: { readonly choice?: number }): Choice {
    return this.#choice(event.choice ?? 0)
  }

  #choice(number: number): Choice {
    let choice = this.#choices.get(number)
    if (choice === undefined) {
      choice = {
        number,
        before: `data: {${this.#head},"choices":[{"index":${number},"delta":{`,
        // OpenAI says so in every chunk when usage was asked for
        after: `},"logprobs":null,"finish_reason":null}]${this.#request.includeUsage === true ? ',"usage":null' : ''}}\n\n`,
        blocks: new Map(),
        calls: 0,
        contentLength: 0,
        thoughtsLength: 0,
        details: 0,
        refused: false,
        finished: false,
      }
      this.#choices.set(number, choice)
    }
    return choice
  }

  /** The role, before anything else of a choice is told. */
  #introduce(event: { readonly choice?: number }): string {
    const number = event.choice ?? 0
    return this.#choices.has(number) ? '' : this.#role(this.#choice(number))
  }

  #role(choice: Choice): string {
    return this.#chunk(choice, { role: 'assistant', content: '' })
  }

  #chunk(choice: Choice, delta: JsonObject): string {
    return `${choice.before}${JSON.stringify(delta).slice(1, -1)}${choice.after}`
  }

  #start(choice: Choice, index: number, head: BlockHead): string {
    if (head.type === 'media') {
      const images = encodeImage(head)
      return images.length === 0 ? '' : this.#chunk(choice, { images })
    }
    const isCall = head.type === 'tool-call'
    const unwrap = isCall && head.custom !== true && this.#custom.has(head.name)
    choice.blocks.set(index, {
      head,
      sink: this.#sinkOf(head, choice),
      call: choice.calls,
      unwrapper: unwrap ? new InputUnwrapper() : undefined,
      held: isCall ? '' : undefined,
      announced: false,
      length: 0,
      start: head.type === 'reasoning' ? choice.thoughtsLength : choice.contentLength,
    })
    if (isCall) choice.calls++
    if (head.type === 'text' && head.refusal === true) choice.refused = true
    return ''
  }

  #sinkOf(head: BlockHead, choice: Choice): Sink {
    switch (head.type) {
      case 'text':
        return head.refusal === true ? 'refusal' : 'content'
      case 'reasoning':
        return 'reasoning_content'
      case 'tool-call':
        // the older form has room for one call only
        if (this.#request.legacyFunctions === true) return choice.calls === 0 ? 'function_call' : 'none'
        return head.custom === true || this.#custom.has(head.name) ? 'input' : 'arguments'
      case 'media':
        return 'none'
    }
  }

  #delta(choice: Choice, event: { readonly index: number; readonly text: string; readonly logprobs?: Json }): string {
    const block = choice.blocks.get(event.index)
    if (block === undefined) return ''
    const text = block.unwrapper === undefined ? event.text : block.unwrapper.push(event.text)
    block.length += text.length
    if (block.sink === 'content') {
      choice.contentLength += text.length
      const after = event.logprobs === undefined ? choice.after : withLogprobs(choice.after, event.logprobs)
      return `${choice.before}"content":${JSON.stringify(text)}${after}`
    }
    if (block.sink === 'reasoning_content') {
      choice.thoughtsLength += text.length
      return `${choice.before}"reasoning_content":${JSON.stringify(text)}${choice.after}`
    }
    if (block.sink === 'refusal') {
      const after = event.logprobs === undefined ? choice.after : withLogprobs(choice.after, event.logprobs)
      return `${choice.before}"refusal":${JSON.stringify(text)}${after}`
    }
    return text === '' ? '' : this.#callText(choice, block, text)
  }

  /** The first piece of a call is held back with its head; the second sends both. */
  #callText(choice: Choice, block: Block, text: string): string {
    if (block.held === '') {
      block.held = text
      return ''
    }
    const beginning = block.held === undefined ? '' : this.#announce(choice, block, {})
    return beginning + this.#callPiece(choice, block, text)
  }

  #callPiece(choice: Choice, block: Block, text: string): string {
    switch (block.sink) {
      case 'arguments':
        return `${choice.before}"tool_calls":[{"index":${block.call},"function":{"arguments":${JSON.stringify(text)}}}]${choice.after}`
      case 'input':
        return `${choice.before}"tool_calls":[{"index":${block.call},"custom":{"input":${JSON.stringify(text)}}}]${choice.after}`
      case 'function_call':
        return `${choice.before}"function_call":{"arguments":${JSON.stringify(text)}}${choice.after}`
      default:
        return ''
    }
  }

  /** A call's head with what was held back of its text. */
  #announce(choice: Choice, block: Block, extra: JsonObject): string {
    const { head, held = '' } = block
    block.held = undefined
    block.announced = true
    if (head.type !== 'tool-call') return ''
    const { id, name } = head
    const index = block.call
    switch (block.sink) {
      case 'arguments':
        return this.#chunk(choice, {
          tool_calls: [{ index, id, type: 'function', function: { name, arguments: held }, ...extra }],
        })
      case 'input':
        return this.#chunk(choice, {
          tool_calls: [{ index, id, type: 'custom', custom: { name, input: held }, ...extra }],
        })
      case 'function_call':
        return this.#chunk(choice, { function_call: { name, arguments: held } })
      default:
        return ''
    }
  }

  #end(choice: Choice, index: number, opaque: Opaque | undefined): string {
    const block = choice.blocks.get(index)
    if (block === undefined) return ''
    choice.blocks.delete(index)
    switch (block.head.type) {
      case 'tool-call':
        return this.#endCall(choice, block, opaque)
      case 'reasoning': {
        if (opaque === undefined) return ''
        const place = {
          start: block.start,
          callsBefore: choice.calls,
          afterText: choice.contentLength > 0,
        }
        const entry = thoughtForClient({ ...block.head, length: block.length, opaque }, place)
        if (entry === undefined) return ''
        return this.#chunk(choice, { reasoning_details: [{ ...entry, index: choice.details++ }] })
      }
      case 'text':
        return opaque === undefined ? '' : this.#chunk(choice, signatureForClient(opaque))
      case 'media':
        return ''
    }
  }

  #endCall(choice: Choice, block: Block, opaque: Opaque | undefined): string {
    const rest = block.unwrapper?.end() ?? ''
    block.length += rest.length
    const signature = signatureForClient(opaque)
    if (!block.announced) {
      block.held = (block.held ?? '') + rest
      // clients parse the arguments of every call
      if (block.held === '' && block.sink !== 'input') block.held = '{}'
      return this.#announce(choice, block, signature)
    }
    const ending = rest === '' ? '' : this.#callPiece(choice, block, rest)
    if (opaque === undefined || block.sink === 'function_call' || block.sink === 'none') return ending
    return ending + this.#chunk(choice, { tool_calls: [{ index: block.call, ...signature }] })
  }
}

/** What every chunk of an answer begins with. */
function head(answer: { readonly id: string; readonly model: string; readonly createdAt: number }): string {
  const { id, model, createdAt } = answer
  return `"id":${JSON.stringify(id)},"object":"chat.completion.chunk","created":${createdAt},"model":${JSON.stringify(model)}`
}

function withLogprobs(after: string, logprobs: Json): string {
  return after.replace('"logprobs":null', () => `"logprobs":${JSON.stringify(logprobs)}`)
}
