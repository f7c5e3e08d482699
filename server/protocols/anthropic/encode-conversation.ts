import type { AssistantPart, ChatRequest, Message, ToolCallPart, ToolResultPart } from '../../model/request.ts'
import type { EncodeContext } from '../codec.ts'
import { wrapInputObject } from '../custom-tools.ts'
import { asString } from '../narrow.ts'
import { mayReplay } from '../signature.ts'
import { textBlock, toolResultBlock, unreadable, userBlock } from './encode-content.ts'
import type { ModelTraits } from './models.ts'
import { CallIds, wireToolName } from './names.ts'
import { inputOf, type Block } from './wire.ts'

export interface Turn {
  readonly role: 'user' | 'assistant' | 'system'
  content: Block[]
}

export interface EncodedConversation {
  readonly system: Block[]
  readonly turns: Turn[]
}

/**
 * The model's messages as turns of this API: system text hoisted, one turn for neighbours of one role, and behind every turn with
 * calls a user turn that begins with one result for each of them, in their order, wherever the client had put the results.
 */
export function encodeConversation(
  request: ChatRequest,
  context: EncodeContext,
  traits: ModelTraits,
): EncodedConversation {
  return new Conversation(request.messages, context, traits).encode()
}

class Conversation {
  readonly #messages: readonly Message[]
  readonly #context: EncodeContext
  readonly #traits: ModelTraits
  readonly #ids = new CallIds()
  readonly #system: Block[] = []
  readonly #turns: Turn[] = []
  /** Results that no call has claimed yet, in the order of the conversation. */
  readonly #results = new Map<string, ToolResultPart[]>()
  readonly #claimed = new Set<ToolResultPart>()

  constructor(messages: readonly Message[], context: EncodeContext, traits: ModelTraits) {
    this.#messages = messages
    this.#context = context
    this.#traits = traits
    for (const message of messages) {
      if (message.role !== 'tool') continue
      for (const part of message.content) {
        const waiting = this.#results.get(part.callId)
        if (waiting === undefined) this.#results.set(part.callId, [part])
        else waiting.push(part)
      }
    }
  }

  encode(): EncodedConversation {
    let leading = true
    let calls: ToolCallBlock[] = []
    for (const [at, message] of this.#messages.entries()) {
      if (message.role !== 'assistant' && calls.length > 0) {
        this.#answer(calls)
        calls = []
      }
      if (message.role !== 'system') leading = false
      switch (message.role) {
        case 'system':
          this.#systemMessage(message, leading, at)
          break
        case 'user':
          this.#add(
            'user',
            message.content.map((part) => userBlock(part, this.#context.loss)),
          )
          break
        case 'assistant':
          calls.push(...this.#assistant(message.content))
          break
        case 'tool':
          this.#orphans(message.content)
      }
    }
    if (calls.length > 0) this.#answer(calls)
    this.#beginWithUser()
    this.#trimEnd()
    return { system: this.#system, turns: this.#turns }
  }

  #add(role: Turn['role'], blocks: readonly (Block | undefined)[]): void {
    const content = blocks.filter((block) => block !== undefined)
    if (content.length === 0) return
    const last = this.#turns.at(-1)
    if (last?.role === role) last.content.push(...content)
    else this.#turns.push({ role, content })
  }

  /** Newer models take a system turn behind a user's; elsewhere its words stand in the user's turn, so that the order is kept. */
  #systemMessage(message: Extract<Message, { role: 'system' }>, leading: boolean, at: number): void {
    const blocks = message.content.map(textBlock).filter((block) => block !== undefined)
    if (leading) {
      this.#system.push(...blocks)
      return
    }
    const next = this.#messages.slice(at + 1).find(({ role }) => role !== 'system')
    const last = this.#turns.at(-1)?.role
    if (this.#traits.systemTurns && last !== 'assistant' && (next === undefined || next.role === 'assistant')) {
      this.#add('system', blocks)
      return
    }
    for (const block of blocks) block.text = `<system>\n${asString(block.text) ?? ''}\n</system>`
    this.#context.loss({
      field: 'messages[].role (system)',
      reason: 'within the conversation the instruction is told in the user’s turn',
    })
    this.#add('user', blocks)
  }

  #assistant(content: readonly AssistantPart[]): ToolCallBlock[] {
    const calls: ToolCallBlock[] = []
    const blocks = content.map((part) => {
      switch (part.type) {
        case 'text':
          return textBlock(part)
        case 'media':
          return unreadable(part, this.#context.loss)
        case 'reasoning':
          return this.#thought(part)
        case 'tool-call': {
          const id = this.#ids.next(part.id)
          calls.push({ part, id })
          const input = part.custom === true ? wrapInputObject(part.arguments) : inputOf(part.arguments)
          return { type: 'tool_use', id, name: wireToolName(part.name), input }
        }
      }
    })
    this.#add('assistant', blocks)
    return calls
  }

  /** Only what this channel signed may come back to it: any other signature is a 400, and thoughts without one too. */
  #thought(part: Extract<AssistantPart, { type: 'reasoning' }>): Block | undefined {
    const { opaque, text } = part
    if (opaque === undefined || !mayReplay(opaque, 'anthropic', this.#context.origin)) {
      this.#context.loss({
        field: 'messages[].content[] (reasoning)',
        reason: 'thoughts are valid at the channel that made them only',
      })
      return undefined
    }
    return part.redacted === true
      ? { type: 'redacted_thinking', data: opaque.value }
      : { type: 'thinking', thinking: text, signature: opaque.value }
  }

  #answer(calls: readonly ToolCallBlock[]): void {
    const { loss } = this.#context
    this.#add(
      'user',
      calls.map(({ part, id }): Block => {
        const result = this.#results.get(part.id)?.shift()
        if (result !== undefined) {
          this.#claimed.add(result)
          return toolResultBlock(result, id, loss)
        }
        loss({ field: 'messages[].tool_calls', reason: `the call '${part.id}' has no result: one was made up` })
        return { type: 'tool_result', tool_use_id: id, is_error: true, content: 'This call has no result.' }
      }),
    )
  }

  #orphans(content: readonly ToolResultPart[]): void {
    const { loss } = this.#context
    for (const part of content) {
      if (this.#claimed.has(part)) continue
      loss({ field: 'messages[] (tool result)', reason: `no call '${part.callId}' stands before it: told as text` })
      this.#add('user', [
        { type: 'text', text: `Result of an earlier tool call${part.name === undefined ? '' : ` (${part.name})`}:` },
        ...part.content.map((inner) => userBlock(inner, loss)),
      ])
    }
  }

  /** There must be a first turn, and it must be the user's. */
  #beginWithUser(): void {
    const [first] = this.#turns
    if (first?.role === 'user') return
    const last = this.#turns.length === 0 ? this.#system.pop() : undefined
    this.#context.loss({ field: 'messages', reason: 'the conversation must begin with the user: a turn was put first' })
    this.#turns.unshift({ role: 'user', content: [last ?? { type: 'text', text: 'Continue.' }] })
  }

  /** "final assistant content cannot end with trailing whitespace" */
  #trimEnd(): void {
    const last = this.#turns.at(-1)
    const block = last?.content.at(-1)
    if (last?.role === 'assistant' && block?.type === 'text') block.text = (asString(block.text) ?? '').trimEnd()
  }
}

interface ToolCallBlock {
  readonly part: ToolCallPart
  /** The call's id in this request. */
  readonly id: string
}

function isThought(block: Block): boolean {
  return block.type === 'thinking' || block.type === 'redacted_thinking'
}

/**
 * With a thinking budget "a final assistant message must start with a thinking block": the turn that the last tool results answer,
 * from the user's last own words on, begins with one that is signed.
 */
export function lacksThought(turns: readonly Turn[]): boolean {
  let first: Turn | undefined
  for (let at = turns.length - 1; at >= 0; at--) {
    const turn = turns[at]
    if (turn?.role === 'assistant') first = turn
    else if (turn?.role === 'user' && turn.content.every(({ type }) => type !== 'tool_result')) break
  }
  const opening = first?.content[0]
  return opening !== undefined && !isThought(opening)
}

export function withoutThoughts(turns: readonly Turn[]): Turn[] {
  return turns
    .map((turn) => ({ ...turn, content: turn.content.filter((block) => !isThought(block)) }))
    .filter((turn) => turn.content.length > 0)
}
