import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { collect } from '../../model/collect.ts'
import type { JsonObject } from '../../model/request.ts'
import type { ChatResponse, StreamEvent } from '../../model/response.ts'
import { antigravity } from '../antigravity/index.ts'
import type { Protocol, RouteMatch } from '../codec.ts'
import { parseObject } from '../narrow.ts'
import { decodeFrame, SseSplitter } from '../sse.ts'
import { gemini } from './index.ts'

const loss = (): void => undefined

/** Older models take other fields; the names of the recordings say which were older. */
function routeOf(name: string): RouteMatch {
  const model = /max-tokens|2-5/.test(name) ? 'gemini-2.5-flash' : 'gemini-3-pro'
  return { operation: 'generate', model, stream: true, sse: true }
}

interface Recording {
  readonly name: string
  readonly protocol: Protocol
  readonly bytes: Buffer
}

/** What a recording says, read by a few lines that share nothing with the decoder. */
interface Reading {
  readonly text: string
  readonly thoughts: string
  readonly calls: readonly string[]
  readonly signatures: readonly string[]
  readonly finish: string
  readonly usage: readonly (number | undefined)[]
}

function recordings(ending: string): readonly Recording[] {
  return [gemini, antigravity].flatMap((protocol) => {
    const folder = new URL(`../${protocol.format}/fixtures/`, import.meta.url)
    return readdirSync(folder)
      .filter((name) => name.endsWith(ending))
      .map((name) => ({ name: `${protocol.format}/${name}`, protocol, bytes: readFileSync(new URL(name, folder)) }))
  })
}

/** A generator of small numbers that is the same on every run. */
function dice(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff
    return state
  }
}

function decode({ protocol, bytes }: Recording, seed: number): readonly StreamEvent[] {
  const splitter = new SseSplitter()
  const decoder = protocol.codec.decodeStream({ loss, origin: 'channel' })
  const events: StreamEvent[] = []
  const roll = dice(seed)
  const largest = 1 + (roll() % 200)
  for (let at = 0; at < bytes.length;) {
    const end = at + 1 + (roll() % largest)
    splitter.push(bytes.subarray(at, end), (raw) => events.push(...decoder.push(decodeFrame(raw))))
    at = end
  }
  splitter.end((raw) => events.push(...decoder.push(decodeFrame(raw))))
  events.push(...decoder.end())
  return events
}

interface Chunk {
  readonly response?: Chunk
  readonly error?: unknown
  readonly promptFeedback?: { readonly blockReason?: string }
  readonly candidates?: readonly {
    readonly finishReason?: string
    readonly content?: { readonly parts?: readonly Record<string, unknown>[] }
  }[]
  readonly usageMetadata?: Record<string, number>
}

function chunksOf({ name, bytes }: Recording): readonly Chunk[] {
  const text = bytes.toString()
  const lines = name.endsWith('.json')
    ? [text]
    : text.split(/\r?\n/).flatMap((line) => (line.startsWith('data:') ? [line.slice(5)] : []))
  return lines.map((line): Chunk => {
    const chunk = JSON.parse(line) as Chunk
    return chunk.response ?? chunk
  })
}

function readingOf(recording: Recording): Reading {
  const chunks = chunksOf(recording)
  const parts = chunks.flatMap((chunk) => chunk.candidates?.[0]?.content?.parts ?? [])
  const said = parts.filter((part) => typeof part['text'] === 'string')
  const last = chunks.findLast((chunk) => chunk.usageMetadata?.['totalTokenCount'] !== undefined)?.usageMetadata
  const join = (list: typeof said): string => list.map((part) => part['text']).join('')
  const reason = chunks.findLast((chunk) => chunk.candidates?.[0]?.finishReason !== undefined)
  return {
    text: join(said.filter((part) => part['thought'] !== true)),
    thoughts: join(said.filter((part) => part['thought'] === true)),
    calls: parts.flatMap((part) => {
      const call = part['functionCall'] as { name?: string; args?: object } | undefined
      return call?.name === undefined
        ? []
        : [`${call.name}(${call.args === undefined ? '…' : JSON.stringify(call.args)})`]
    }),
    signatures: parts.flatMap((part) => {
      const isOurs = ['text', 'functionCall'].some((kind) => part[kind] !== undefined)
      const signature = part['thoughtSignature']
      return isOurs && typeof signature === 'string' ? [signature] : []
    }),
    finish:
      reason?.candidates?.[0]?.finishReason ??
      chunks.find((chunk) => chunk.promptFeedback !== undefined)?.promptFeedback?.blockReason ??
      'none',
    usage: [
      (last?.['promptTokenCount'] ?? 0) + (last?.['toolUsePromptTokenCount'] ?? 0),
      last?.['cachedContentTokenCount'] ?? 0,
      (last?.['candidatesTokenCount'] ?? 0) + (last?.['thoughtsTokenCount'] ?? 0),
    ],
  }
}

/** The same of our answer; code that the provider ran is text for us, and pieces of arguments have no text in the recording. */
function readingBack(response: ChatResponse, recorded: Reading): Reading {
  const pick = (type: string): string =>
    response.content.map((part) => (part.type === type && 'text' in part ? part.text : '')).join('')
  const { usage } = response
  const calls = response.content.filter((part) => part.type === 'tool-call')
  return {
    text: pick('text').replace(/\n```(python)?\n[^`]*```\n/g, ''),
    thoughts: pick('reasoning'),
    calls: calls.map((call, index) =>
      recorded.calls[index]?.endsWith('(…)') === true ? `${call.name}(…)` : `${call.name}(${call.arguments})`,
    ),
    signatures: response.content.flatMap((part) => part.opaque?.value ?? []),
    finish: response.finish.raw ?? 'none',
    usage: usage === undefined ? [0, 0, 0] : [usage.input + usage.cacheRead, usage.cacheRead, usage.output],
  }
}

describe('streams', () => {
  test.each(recordings('.sse.txt').map((recording) => [recording.name, recording] as const))(
    '%s',
    (_name, recording) => {
      const events = decode(recording, 1)
      const response = collect(events)
      const recorded = readingOf(recording)
      expect(readingBack(response, recorded)).toEqual(recorded)
      for (let seed = 2; seed < 12; seed++) expect(decode(recording, seed)).toEqual(events)
      const ids = response.content.flatMap((part) => (part.type === 'tool-call' ? [part.id] : []))
      expect(new Set(ids).size).toBe(ids.length)
      expect(ids.every((id) => /^[A-Za-z0-9_-]{1,40}$/.test(id))).toBe(true)
    },
  )

  test.each(recordings('.sse.txt').map((recording) => [recording.name, recording] as const))(
    'the meter reads the same usage and end: %s',
    (_name, recording) => {
      const reader = recording.protocol.reader()
      const meanings: unknown[] = []
      const splitter = new SseSplitter()
      splitter.push(recording.bytes, (raw) => {
        const wanted = reader.wants(raw.data)
        if (wanted || meanings.length < 2) meanings.push(reader.read(decodeFrame(raw)))
      })
      expect(reader.complete).toBe(true)
      const { usage } = collect(decode(recording, 1))
      expect(reader.usage).toEqual(usage)
      const [input, , output] = readingOf(recording).usage
      expect([(usage?.input ?? 0) + (usage?.cacheRead ?? 0), usage?.output ?? 0]).toEqual([input, output])
    },
  )

  test.each(recordings('.sse.txt').map((recording) => [recording.name, recording] as const))(
    'written again for a client it says the same, as SSE and as an array: %s',
    (_name, recording) => {
      const events = decode(recording, 1)
      const { codec } = recording.protocol
      const write = (arrayStream: boolean): string => {
        const encoder = codec.encodeStream({
          model: 'm',
          stream: true,
          messages: [],
          tools: [],
          sampling: {},
          arrayStream,
        })
        return [...events.map((event) => encoder.push(event)), encoder.end()].join('')
      }
      const sse = write(false)
      const again = collect(decode({ ...recording, bytes: Buffer.from(sse) }, 7))
      expect(comparable(again)).toEqual(comparable(collect(events)))
      const lines = sse.split('\r\n')
      expect(lines.every((line) => line === '' || line.startsWith('data: {'))).toBe(true)
      expect(sse.endsWith('\r\n\r\n')).toBe(true)
      const elements: unknown = JSON.parse(write(true))
      expect(elements).toEqual(lines.flatMap((line) => (line === '' ? [] : [JSON.parse(line.slice(6)) as unknown])))
    },
  )
})

describe('whole answers', () => {
  const whole = recordings('.response.json').map((recording) => ({
    recording,
    name: recording.name,
    body: parseObject(recording.bytes.toString()) ?? {},
  }))
  test.each(whole.filter(({ body }) => body['error'] === undefined))('$name', ({ recording, body }) => {
    const { protocol } = recording
    const { codec } = protocol
    const response = codec.decodeResponse(body, { loss, origin: 'channel' })
    const recorded = readingOf(recording)
    expect(readingBack(response, recorded)).toEqual(recorded)
    expect(protocol.summarise(body)).toMatchObject({ empty: false })
    expect(protocol.summarise(body).usage).toEqual(response.usage)
    const again = codec.decodeResponse(
      codec.encodeResponse(response, { model: 'm', stream: false, messages: [], tools: [], sampling: {} }),
      { loss, origin: 'channel' },
    )
    if (response.content.length > 0) expect(comparable(again)).toEqual(comparable(response))
  })
  test.each(whole.filter(({ body }) => body['error'] !== undefined))('$name', ({ recording, body }) => {
    expect(recording.protocol.summarise(body)).toMatchObject({ empty: true, error: { kind: 'upstream_rejected' } })
    expect(recording.protocol.decodeError(400, {}, JSON.stringify(body)).kind).toBe('upstream_rejected')
  })
})

describe('requests', () => {
  const requests = recordings('.request.json').map((recording) => ({
    recording,
    name: recording.name,
    body: parseObject(recording.bytes.toString()) ?? {},
  }))
  test.each(requests)('$name survives the way through the model', ({ recording, body }) => {
    const { codec } = recording.protocol
    const route = routeOf(recording.name)
    const first = codec.decodeRequest({ headers: {}, body, route }, loss)
    const sent = codec.encodeRequest(first, { origin: 'channel', loss })
    const second = codec.decodeRequest({ headers: {}, body: sent, route }, loss)
    // thoughts without a signature are not sent, and so a turn of thoughts alone is none
    const messages = first.messages.map((message) =>
      message.role === 'assistant'
        ? {
            ...message,
            content: message.content.filter((part) => part.type !== 'reasoning' || part.opaque !== undefined),
          }
        : message,
    )
    expect(kept(second.messages)).toEqual(kept(messages.filter((message) => message.content.length > 0)))
    expect({ ...second, messages: [], tools: second.tools.map(({ type }) => type) }).toEqual({
      ...first,
      messages: [],
      tools: first.tools.map(({ type }) => type),
      model: recording.protocol.format === 'antigravity' ? second.model : first.model,
    })
    expect(codec.encodeRequest(second, { origin: 'channel', loss })).toEqual(sent)
  })
})

/** Result parts of media stand in a turn of their own for older models; all else must be equal. */
function kept(messages: readonly unknown[]): unknown {
  return JSON.parse(JSON.stringify(messages))
}

function comparable(response: ChatResponse): unknown {
  const usage: JsonObject = { ...response.usage, raw: undefined }
  return { ...response, usage: { ...usage }, content: response.content }
}
