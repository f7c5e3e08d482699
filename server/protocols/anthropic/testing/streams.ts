import { readdirSync, readFileSync } from 'node:fs'
import type { ChatRequest, JsonObject } from '../../../model/request.ts'
import type { ChatResponse, StreamEvent } from '../../../model/response.ts'
import { parseObject } from '../../narrow.ts'
import { decodeFrame, SseSplitter, type SseFrame } from '../../sse.ts'
import { codec } from '../codec.ts'

const folder = `${import.meta.dirname}/../fixtures/`
const files = readdirSync(folder)
/** Recorded streams that come to their end, and recorded whole replies. */
export const streams = files.filter((name) => name.endsWith('.sse.txt') && !name.startsWith('mid-'))
export const replies = files.filter((name) => name.endsWith('.response.json'))
export const recorded = (name: string): Buffer => readFileSync(folder + name)

export const request: ChatRequest = { model: 'm', stream: true, messages: [], tools: [], sampling: {} }
export const context = { origin: '7', loss: () => undefined }

export function framesOf(chunks: readonly Buffer[]): SseFrame[] {
  const frames: SseFrame[] = []
  const splitter = new SseSplitter()
  for (const chunk of chunks) splitter.push(chunk, (raw) => frames.push(decodeFrame(raw)))
  splitter.end((raw) => frames.push(decodeFrame(raw)))
  return frames
}

export function decode(...chunks: readonly (Buffer | string)[]): StreamEvent[] {
  const decoder = codec.decodeStream(context)
  const frames = framesOf(chunks.map((chunk) => Buffer.from(chunk)))
  return [...frames.flatMap((frame) => decoder.push(frame)), ...decoder.end()]
}

export function encode(events: readonly StreamEvent[]): string {
  const encoder = codec.encodeStream(request)
  return events.map((event) => encoder.push(event)).join('') + encoder.end()
}

/** The answer as a message. */
export const encodeWhole = (answer: ChatResponse) => codec.encodeResponse(answer, request)

/** Bodies of the frames of a stream. */
export function bodies(text: string): JsonObject[] {
  return framesOf([Buffer.from(text)]).map(({ event, data }) => {
    const body = parseObject(data)
    if (body?.type !== event) throw new Error(`an event line says ${event ?? 'nothing'}, its data ${data}`)
    return body ?? {}
  })
}

/** What must survive: spacing of arguments may change, blocks without a word may go. */
export function essence({ content, finish, usage, model }: ChatResponse) {
  return {
    model,
    finish,
    usage: { ...usage, raw: undefined },
    content: content
      .filter((part) => part.type !== 'text' || part.text !== '' || part.opaque !== undefined)
      .map((part) =>
        part.type === 'tool-call' ? { ...part, arguments: JSON.parse(part.arguments) as unknown } : part,
      ),
  }
}
