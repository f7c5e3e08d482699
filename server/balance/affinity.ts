import { hash } from 'node:crypto'

/** Where a conversation was answered last. */
export interface Seat {
  readonly itemId: number
  readonly keyId: number | null
}

/** A conversation's name for one API key and group, and where it was answered last (null: nowhere yet). */
export interface Session {
  readonly name: string
  readonly seat: Seat | null
}

const CAP = 10_000

/**
 * Which member answered a conversation last, for as long as the group wants. It only prefers: providers keep prompts in a cache of
 * their own, and the same member and key find it again. The least recently used are forgotten first.
 */
export class Affinity {
  readonly #seats = new Map<string, { readonly seat: Seat; readonly until: number }>()
  readonly #now: () => number
  readonly #cap: number

  constructor(now: () => number = Date.now, cap = CAP) {
    this.#now = now
    this.#cap = cap
  }

  find(name: string): Session {
    const known = this.#seats.get(name)
    if (known === undefined) return { name, seat: null }
    if (known.until > this.#now()) return { name, seat: known.seat }
    this.#seats.delete(name)
    return { name, seat: null }
  }

  remember(name: string, seat: Seat, seconds: number): void {
    this.#seats.delete(name)
    this.#seats.set(name, { seat, until: this.#now() + seconds * 1000 })
    if (this.#seats.size <= this.#cap) return
    const oldest = this.#seats.keys().next()
    if (oldest.done !== true) this.#seats.delete(oldest.value)
  }

  get size(): number {
    return this.#seats.size
  }
}

/**
 * Headers in which coding tools name their conversation: Claude Code, Amp, Codex (`session_id`, now `session-id`, and the
 * conversation's), and what gateways and other tools agreed on. Node gives names in lower case.
 */
const SESSION_HEADERS = [
  'x-claude-code-session-id',
  'x-amp-thread-id',
  'session_id',
  'session-id',
  'conversation_id',
  'thread-id',
  'x-codex-session-id',
  'x-codex-conversation-id',
  'x-session-id',
  'x-session-affinity',
] as const

/** The name that a client itself gave its conversation, in a header; null: none. */
export function sessionHeader(headers: Readonly<Record<string, string | undefined>>): string | null {
  for (const name of SESSION_HEADERS) {
    const value = headers[name]
    if (value !== undefined && value !== '') return value
  }
  return null
}

/** Names are kept short, and nothing of a prompt is kept at all. */
export function sessionName(owner: { readonly apiKeyId: number; readonly groupId: number }, words: string): string {
  return `${owner.apiKeyId}/${owner.groupId}/${words.length <= 64 ? words : hash('sha1', words, 'base64url')}`
}

const QUOTE = 34
const BACKSLASH = 92
/** So much of a conversation is walked through in search of the person's first words. */
const WALK_CAP_BYTES = 256 * 1024
const WORDS_CAP_BYTES = 4096

/**
 * The person's first words in a JSON list of messages (its bytes between `start` and `end`), hashed: equal in every turn of a
 * conversation. Only text counts, for clients move their cache marks about in between. Nothing is parsed: elements are told apart by
 * their brackets. '' when the list has no words.
 */
export function openingOf(body: Buffer, { start, end }: { readonly start: number; readonly end: number }): string {
  if (body[start] === QUOTE) return digest([body.subarray(start, Math.min(end, start + WORDS_CAP_BYTES))])
  const limit = Math.min(end, start + WALK_CAP_BYTES)
  let at = start + 1
  while (at < limit) {
    const from = body.indexOf(0x7b, at)
    if (from < 0 || from >= limit) return ''
    const element = elementAt(body, from, limit)
    if (isPersons(element) || element.next >= limit) {
      const words = wordsIn(element.bytes)
      if (words.length > 0) return digest(words)
    }
    at = element.next
  }
  return ''
}

interface Element {
  readonly bytes: Buffer
  readonly next: number
}

function elementAt(body: Buffer, from: number, limit: number): Element {
  let depth = 0
  let at = from
  while (at < limit) {
    const byte = body[at]
    if (byte === QUOTE) {
      at = endOfString(body, at)
      continue
    }
    if (byte === 0x7b || byte === 0x5b) depth++
    else if (byte === 0x7d || byte === 0x5d) {
      depth--
      if (depth === 0) return { bytes: body.subarray(from, at + 1), next: at + 1 }
    }
    at++
  }
  return { bytes: body.subarray(from, limit), next: limit }
}

/** OpenAI, Anthropic and Google all write `"role":"user"`. */
const isPersons = ({ bytes }: Element): boolean => /"role"\s*:\s*"user"/.test(bytes.toString('latin1'))

const TEXT_FIELD = /"(?:text|content)"\s*:\s*"/g

function wordsIn(bytes: Buffer): Buffer[] {
  const text = bytes.toString('latin1')
  const words: Buffer[] = []
  let left = WORDS_CAP_BYTES
  for (const match of text.matchAll(TEXT_FIELD)) {
    const open = match.index + match[0].length - 1
    const end = Math.min(endOfString(bytes, open), open + left)
    words.push(bytes.subarray(open, end))
    left -= end - open
    if (left <= 0) break
  }
  return words
}

/** Offset behind the string that opens at `open`; a string that is cut off ends with the bytes. */
function endOfString(body: Buffer, open: number): number {
  for (let at = open + 1; ;) {
    const quote = body.indexOf(QUOTE, at)
    if (quote < 0) return body.length
    let backslashes = 0
    while (body[quote - 1 - backslashes] === BACKSLASH && quote - 1 - backslashes > open) backslashes++
    if (backslashes % 2 === 0) return quote + 1
    at = quote + 1
  }
}

const digest = (words: readonly Buffer[]): string => `start:${hash('sha1', Buffer.concat(words), 'base64url')}`
