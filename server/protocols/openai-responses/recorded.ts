import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { JsonObject } from '../../model/request.ts'
import type { StreamEvent } from '../../model/response.ts'
import { asObject } from '../narrow.ts'
import { decodeFrame, SseSplitter, type SseFrame } from '../sse.ts'
import { codec } from './codec.ts'

const directory = join(import.meta.dirname, 'fixtures')

/** Names of the recorded files with this ending. */
export function recorded(ending: '.sse.txt' | '.request.json' | '.response.json'): string[] {
  return readdirSync(directory).filter((name) => name.endsWith(ending))
}

export function bytesOf(name: string): Buffer {
  return readFileSync(join(directory, name))
}

export function jsonOf(name: string): JsonObject {
  return asObject(JSON.parse(bytesOf(name).toString('utf8'))) ?? {}
}

/** Frames of a stream that arrives in pieces of the sizes that `size` gives. */
export function frames(bytes: Buffer, size: () => number): SseFrame[] {
  const splitter = new SseSplitter()
  const all: SseFrame[] = []
  for (let at = 0; at < bytes.length;) {
    const next = at + Math.max(1, size())
    splitter.push(bytes.subarray(at, next), (frame) => all.push(decodeFrame(frame)))
    at = next
  }
  splitter.end((frame) => all.push(decodeFrame(frame)))
  return all
}

/** The data objects of an encoded stream. */
export function eventsOf(text: string): JsonObject[] {
  return frames(Buffer.from(text, 'utf8'), () => text.length * 4).map((frame) => asObject(JSON.parse(frame.data)) ?? {})
}

export function decodeAll(all: readonly SseFrame[], origin?: string): StreamEvent[] {
  const decoder = codec.decodeStream({ loss: () => undefined, ...(origin === undefined ? {} : { origin }) })
  return [...all.flatMap((frame) => decoder.push(frame)), ...decoder.end()]
}

/** Frames of events that a test writes by hand. */
export function told(...events: readonly JsonObject[]): SseFrame[] {
  return events.map((event) => ({ data: JSON.stringify(event) }))
}
