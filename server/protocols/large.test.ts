import { expect, test } from 'vitest'
import { collect } from '../model/collect.ts'
import { wireFormats, type ChatRequest, type WireFormat } from '../model/request.ts'
import type { StreamEvent } from '../model/response.ts'
import { protocols } from './index.ts'
import { decodeFrame, SseSplitter } from './sse.ts'
import { quiet } from './testing/recordings.ts'

// A file that a model writes as one tool call of megabytes passes in full, at a cost that grows with its length and not faster.

const MB = 1024 * 1024
const PIECE = 512

const plain: ChatRequest = { model: 'm', stream: true, messages: [], tools: [], sampling: {} }
const custom: ChatRequest = { ...plain, tools: [{ type: 'custom', name: 'write' }] }

/** The free text, with all that JSON has to escape. */
const content = (bytes: number): string =>
  'He said “ü”: "no\\n"\n\t{[🙂]}\n'.repeat(Math.ceil(bytes / 40)).slice(0, bytes)

function eventsOf(args: string): StreamEvent[] {
  const events: StreamEvent[] = [
    { type: 'start', id: 'r', model: 'm', createdAt: 1 },
    { type: 'block-start', index: 0, block: { type: 'tool-call', id: 'call_1', name: 'write' } },
  ]
  for (let at = 0; at < args.length; at += PIECE)
    events.push({ type: 'block-delta', index: 0, text: args.slice(at, at + PIECE) })
  events.push({ type: 'block-end', index: 0 }, { type: 'finish', finish: { reason: 'tool-calls' } })
  return events
}

/** The bytes of a stream of this format with one call, in network-sized chunks. */
function recordedCall(format: WireFormat, args: string): Buffer[] {
  const encoder = protocols[format].codec.encodeStream(plain)
  const pieces = eventsOf(args).map((event) => encoder.push(event))
  const bytes = Buffer.from(pieces.join('') + encoder.end())
  const chunks: Buffer[] = []
  for (let at = 0; at < bytes.length; at += 16_384) chunks.push(bytes.subarray(at, at + 16_384))
  return chunks
}

interface Way {
  readonly from: WireFormat
  readonly to: WireFormat
  readonly request?: ChatRequest
}

/** As the relay does it: each chunk is decoded and encoded before the next is looked at. */
function convert(chunks: readonly Buffer[], { from, to, request = plain }: Way): string[] {
  const decoder = protocols[from].codec.decodeStream({ ...quiet, request })
  const encoder = protocols[to].codec.encodeStream(request)
  const splitter = new SseSplitter()
  const out: string[] = []
  const give = (events: readonly StreamEvent[]): void => {
    for (const event of events) out.push(encoder.push(event))
  }
  for (const chunk of chunks) splitter.push(chunk, (raw) => give(decoder.push(decodeFrame(raw))))
  splitter.end((raw) => give(decoder.push(decodeFrame(raw))))
  give(decoder.end())
  out.push(encoder.end())
  return out
}

/** The call that a stream of this format tells. */
function callIn(format: WireFormat, text: readonly string[]): { readonly name: string; readonly arguments: string } {
  const decoder = protocols[format].codec.decodeStream(quiet)
  const events: StreamEvent[] = []
  const splitter = new SseSplitter()
  splitter.push(Buffer.from(text.join('')), (raw) => events.push(...decoder.push(decodeFrame(raw))))
  const call = collect([...events, ...decoder.end()]).content.find((part) => part.type === 'tool-call')
  return call ?? expect.fail('there is no call')
}

/** The streams of each source, made once. */
const calls = new Map(
  wireFormats.map((from) => {
    const of = (size: number): { readonly args: string; readonly chunks: readonly Buffer[] } => {
      const args = JSON.stringify({ input: content(size) })
      return { args, chunks: recordedCall(from, args) }
    }
    return [from, { short: of(MB / 2), long: of(2 * MB) }]
  }),
)

test.each(wireFormats.flatMap((from) => wireFormats.map((to) => ({ from, to }))))(
  'two megabytes, $from → $to',
  ({ from, to }) => {
    const { short, long } = calls.get(from) ?? expect.fail('no stream')
    // other work on the machine makes single measurements worthless: one fair try is enough, quadratic work has none (ratio 16)
    const ratios: number[] = []
    let told: readonly string[] = []
    for (let tries = 0; tries < 5 && (ratios.at(-1) ?? 9) >= 9; tries++) {
      const base = cpuOf(() => convert(short.chunks, { from, to }))
      ratios.push(cpuOf(() => (told = convert(long.chunks, { from, to }))) / Math.max(base, 2000))
    }
    expect(Math.min(...ratios)).toBeLessThan(9)
    const call = callIn(to, told)
    expect(call.name).toBe('write')
    expect(call.arguments === long.args).toBe(true)

    const unwrapped = callIn(to, convert(short.chunks, { from, to, request: custom })).arguments
    // formats without free-form tools keep the function that stands for one
    expect(unwrapped === content(MB / 2) || unwrapped === short.args).toBe(true)
  },
)

/** CPU time in microseconds. */
function cpuOf(work: () => unknown): number {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return user + system
}
