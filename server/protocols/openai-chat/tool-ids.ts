import { hash, randomUUID } from 'node:crypto'

/** OpenAI answers a longer `tool_call_id` in the history with a 400. */
const LONGEST = 40

/**
 * Tool call ids of a conversation as the upstream accepts them: each call and its result get the same id, the same on every turn
 * (the prompt's cached prefix must not change). Ids that fit stay as they are.
 */
export class ToolIds {
  readonly #nineCharacters: boolean

  constructor(options: { readonly nineCharacters: boolean }) {
    this.#nineCharacters = options.nineCharacters
  }

  of(id: string): string {
    if (this.#nineCharacters) return /^[a-zA-Z0-9]{9}$/.test(id) ? id : digest(id).slice(0, 9)
    return id.length <= LONGEST ? id : `call_${digest(id).slice(0, 24)}`
  }
}

/**
 * An id for a call that came without one: the same for the same answer and place, another for every other answer. Where the answer
 * has no id either, chance keeps it unique: two calls of one id in a conversation are refused by every target.
 */
export function inventToolId(answerId: string, place: string): string {
  if (answerId === '') return `call_${randomUUID().replaceAll('-', '').slice(0, 24)}`
  return `call_${digest(`${answerId}\n${place}`).slice(0, 24)}`
}

/** Letters and digits only. */
function digest(text: string): string {
  return BigInt(`0x${hash('sha256', text, 'hex')}`)
    .toString(36)
    .padStart(50, '0')
}
