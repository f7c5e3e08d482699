import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { wireFormats, type JsonObject, type WireFormat } from '../../model/request.ts'
import type { AssistantPart } from '../../model/request.ts'
import type { ChatResponse, StreamEvent } from '../../model/response.ts'
import { protocols } from '../index.ts'
import { asArray, asObject, asString, parseObject } from '../narrow.ts'
import { decodeFrame, SseSplitter, type SseFrame } from '../sse.ts'

/** One recorded reply. */
export interface Recording {
  readonly name: string
  readonly format: WireFormat
  readonly bytes: Buffer
}

const e2e = new URL('../../../e2e/fixtures/', import.meta.url)
const folders = new URL('../', import.meta.url)

/** Every recorded stream, or every whole reply with a 200: those of the e2e tests and those of the format folders, each once. */
export function recordings(kind: 'stream' | 'whole'): readonly Recording[] {
  const found = new Map<string, Recording>()
  const add = (recording: Recording): void => {
    const hash = createHash('sha256').update(recording.bytes).digest('hex')
    found.set(`${recording.format} ${hash}`, recording)
  }
  const index = parseObject(readFileSync(new URL('INDEX.json', e2e), 'utf8'))
  for (const value of asArray(index?.['cases']) ?? []) {
    const row = asObject(value) ?? {}
    const format = wireFormats.find((one) => one === row['format'])
    if (format === undefined || row['status'] !== 200 || row['stream'] !== (kind === 'stream')) continue
    const name = `${format}/${asString(row['id']) ?? ''}`
    add({ name, format, bytes: readFileSync(new URL(asString(row['reply']) ?? '', e2e)) })
  }
  const ending = kind === 'stream' ? '.sse.txt' : '.response.json'
  for (const format of wireFormats) {
    const folder = new URL(`${format}/fixtures/`, folders)
    for (const file of readdirSync(folder)) {
      if (!file.endsWith(ending) || file.startsWith('err-')) continue
      add({ name: `${format}/${file.slice(0, -ending.length)}`, format, bytes: readFileSync(new URL(file, folder)) })
    }
  }
  return [...found.values()]
}

export const quiet = { loss: () => undefined }

export function framesOf(chunks: readonly (Buffer | string)[]): SseFrame[] {
  const frames: SseFrame[] = []
  const splitter = new SseSplitter()
  for (const chunk of chunks) splitter.push(Buffer.from(chunk), (raw) => frames.push(decodeFrame(raw)))
  splitter.end((raw) => frames.push(decodeFrame(raw)))
  return frames
}

export function decodeFrames(format: WireFormat, frames: readonly SseFrame[]): StreamEvent[] {
  const decoder = protocols[format].codec.decodeStream({ ...quiet, origin: '7' })
  const events: StreamEvent[] = []
  for (const frame of frames) events.push(...decoder.push(frame))
  events.push(...decoder.end())
  return events
}

export function bodyOf({ bytes }: Recording): JsonObject {
  return parseObject(bytes.toString('utf8')) ?? {}
}

/** What must survive, whatever the blocks were cut into: consecutive texts are one, empty ones none, arguments what they mean. */
export function essence(answer: Pick<ChatResponse, 'content' | 'finish' | 'usage'>) {
  const content: object[] = []
  for (const part of answer.content) {
    const last = content.at(-1)
    if (part.type === 'text' && part.text === '' && part.opaque === undefined) continue
    if (part.type === 'text' && isPlain(part) && isPlain(last))
      content.splice(-1, 1, { ...last, text: last.text + part.text })
    else content.push(part.type === 'tool-call' ? { ...part, arguments: meaning(part) } : part)
  }
  const { raw: _, ...usage } = answer.usage ?? {}
  return { content, finish: answer.finish, usage }
}

function isPlain(part: object | undefined): part is { readonly text: string } {
  return part !== undefined && Object.keys(part).sort().join() === 'text,type' && 'text' in part
}

function meaning({ arguments: text, custom }: Extract<AssistantPart, { type: 'tool-call' }>): unknown {
  if (custom === true || text === '') return text === '' ? {} : text
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
