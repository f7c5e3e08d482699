import type { ServerResponse } from 'node:http'
import { recordedCase } from './cases.ts'
import type { WireFormat } from './target.ts'

/** How the bytes of a reply are cut into writes. `event` keeps SSE events whole; `random` cuts anywhere, the same for the same seed. */
export type Chunking = 'whole' | 'event' | { readonly bytes: number } | { readonly random: number }

/** What is played when the events are over: the proper end, silence, a missing end, or a reset of the connection. */
export type Ending = 'end' | 'stall' | 'cut' | 'reset'

/** One reply, and how it goes wrong. */
export interface Play {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  readonly chunking?: Chunking
  /** Milliseconds before each write of the body. */
  readonly delayMs?: number
  /** Nothing is sent at all: neither status nor header. */
  readonly silent?: boolean
  /** Only so many events (SSE) or bytes (others) of the body are sent. */
  readonly after?: number
  /** With `after`: half of the next event is sent too. */
  readonly midEvent?: boolean
  readonly ending?: Ending
  /** The request is not held against the provider's rules: a recorded refusal is what is wanted. */
  readonly lenient?: boolean
}

export type PlayOptions = Partial<Omit<Play, 'body' | 'status'>>

/** A recorded case as it came over the wire. Requests to compatible providers may hold more than the original allows. */
export function recorded(format: WireFormat, id: string, options: PlayOptions = {}): Play {
  const found = recordedCase(format, id)
  const contentType = found.stream ? 'text/event-stream' : 'application/json'
  return {
    status: found.status,
    body: found.reply(),
    ...(found.cut && { ending: 'cut' as const }),
    lenient: found.status >= 400 || !ORIGINALS.test(found.host),
    ...options,
    headers: { 'content-type': contentType, ...found.headers, ...options.headers },
  }
}

const ORIGINALS =
  /^(api\.openai\.com|api\.anthropic\.com|generativelanguage\.googleapis\.com|.*aiplatform\.googleapis\.com)$/

/** Any body as JSON. */
export function json(status: number, body: unknown, options: PlayOptions = {}): Play {
  return {
    status,
    body: Buffer.from(JSON.stringify(body)),
    ...options,
    headers: { 'content-type': 'application/json', ...options.headers },
  }
}

/**
 * A model name chooses the recording: `case:<id>`, with what is done to it behind semicolons:
 * `case:<id>;chunk=event|whole|<bytes>|random-<seed>;delay=<ms>;after=<events>;mid=1;then=end|stall|cut|reset;silent=1`.
 */
export function playOfModel(format: WireFormat, model: string): Play | undefined {
  const [, id, rest = ''] = /^case:([^;]+)(?:;(.*))?$/.exec(model) ?? []
  if (id === undefined) return undefined
  const words = new Map(rest.split(';').map((word) => word.split('=', 2) as [string, string | undefined]))
  const chunk = words.get('chunk')
  const ending = (['end', 'stall', 'cut', 'reset'] as const).find((one) => one === words.get('then'))
  return recorded(format, id, {
    ...(chunk !== undefined && { chunking: chunkingOf(chunk) }),
    ...(words.has('delay') && { delayMs: Number(words.get('delay')) }),
    ...(words.has('after') && { after: Number(words.get('after')) }),
    ...(words.has('mid') && { midEvent: true }),
    ...(words.has('silent') && { silent: true }),
    ...(ending && { ending }),
  })
}

function chunkingOf(word: string): Chunking {
  if (word === 'whole' || word === 'event') return word
  if (word.startsWith('random-')) return { random: Number(word.slice(7)) }
  return { bytes: Number(word) }
}

/** SSE events with their blank lines; everything else is cut after every byte that `after` counts. */
export function events(body: Buffer): readonly Buffer[] {
  const found: Buffer[] = []
  let start = 0
  for (const blank of body.toString('latin1').matchAll(/\r?\n\r?\n/g)) {
    const end = blank.index + blank[0].length
    found.push(body.subarray(start, end))
    start = end
  }
  if (start < body.length) found.push(body.subarray(start))
  return found
}

/** The part of the body that is sent at all. */
function sent(play: Play): Buffer {
  if (play.after === undefined) return play.body
  const isStream = play.headers['content-type']?.startsWith('text/event-stream') === true
  if (!isStream) return play.body.subarray(0, play.after)
  const all = events(play.body)
  const next = play.midEvent === true ? all[play.after] : undefined
  return Buffer.concat([...all.slice(0, play.after), ...(next ? [next.subarray(0, next.length >> 1)] : [])])
}

export function chunks(body: Buffer, chunking: Chunking): readonly Buffer[] {
  if (chunking === 'whole') return body.length > 0 ? [body] : []
  if (chunking === 'event') return events(body)
  const size = 'bytes' in chunking ? () => chunking.bytes : sizes(chunking.random)
  const found: Buffer[] = []
  for (let at = 0; at < body.length;) {
    const end = at + Math.max(1, size())
    found.push(body.subarray(at, end))
    at = end
  }
  return found
}

/** Mulberry32: small, seeded, the same on every machine. Mostly small pieces, sometimes large ones. */
function sizes(seed: number): () => number {
  let state = seed >>> 0
  const random = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return () => Math.floor(random() < 0.9 ? 1 + random() * 97 : 200 + random() * 4000)
}

/** Plays a reply. Stops quietly when the client goes away. */
export async function perform(play: Play, response: ServerResponse): Promise<void> {
  if (play.silent === true) return
  const closed = new Promise<void>((resolve) => response.once('close', resolve))
  response.writeHead(play.status, play.headers)
  response.flushHeaders()
  response.socket?.setNoDelay(true)
  const pieces = chunks(sent(play), play.chunking ?? 'whole')
  for (const piece of pieces) {
    if (play.delayMs !== undefined) await pause(play.delayMs)
    else if (pieces.length > 1) await turn()
    if (response.destroyed) return
    // A piece is with the kernel before what follows it happens: a reset would swallow it otherwise.
    await Promise.race([closed, new Promise<void>((resolve) => response.write(piece, () => resolve()))])
  }
  switch (play.ending ?? 'end') {
    case 'end':
      response.end()
      return
    case 'stall':
      return
    case 'cut':
      response.socket?.destroy()
      return
    case 'reset':
      response.socket?.resetAndDestroy()
      return
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
