import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { collect } from '../../model/collect.ts'
import type { ChatRequest, JsonObject } from '../../model/request.ts'
import type { ChatResponse, StreamEvent } from '../../model/response.ts'
import { RelayError } from '../../errors.ts'
import { asArray, asObject, parseObject } from '../narrow.ts'
import { decodeFrame, SseSplitter, type SseFrame } from '../sse.ts'
import { DeltaTemplate } from './delta-template.ts'
import { openaiChat } from './index.ts'

const folder = new URL('./fixtures/', import.meta.url)
const names = (ending: string): string[] => readdirSync(folder).filter((name) => name.endsWith(ending))
const read = (name: string): Buffer => readFileSync(new URL(name, folder))
const object = (name: string): JsonObject => parseObject(read(name).toString('utf8'))!

const { codec } = openaiChat
const loss = (): void => undefined
const request: ChatRequest = { model: 'm', stream: true, messages: [], tools: [], sampling: {}, includeUsage: true }

function framesOf(bytes: Buffer, cuts: readonly number[] = []): SseFrame[] {
  const splitter = new SseSplitter()
  const frames: SseFrame[] = []
  const take = (raw: { readonly event: string | undefined; readonly data: string }): number =>
    frames.push(decodeFrame(raw))
  let from = 0
  for (const cut of [...cuts, bytes.length].sort((a, b) => a - b)) {
    splitter.push(bytes.subarray(from, cut), take)
    from = cut
  }
  splitter.end(take)
  return frames
}

function decode(frames: readonly SseFrame[]): StreamEvent[] {
  const decoder = codec.decodeStream({ loss, origin: '7' })
  return [...frames.flatMap((frame) => decoder.push(frame)), ...decoder.end()]
}

function encode(events: readonly StreamEvent[], asked: ChatRequest = request): string {
  const encoder = codec.encodeStream(asked)
  let text = ''
  for (const event of events) {
    text += encoder.push(event)
    if (event.type === 'error') return text
  }
  return text + encoder.end()
}

/** Deltas joined, so that only what is said is compared. */
function outcome(events: readonly StreamEvent[]): ChatResponse | { readonly error: string; readonly kind: string } {
  try {
    return collect(events)
  } catch (error) {
    if (error instanceof RelayError) return { error: error.message, kind: error.kind }
    throw error
  }
}

/** What a second trip over this format keeps: thoughts leave their field and come back in ours. */
function spoken(response: ChatResponse): unknown {
  const parts = (content: ChatResponse['content']): unknown[] =>
    content
      .filter((part) => part.type !== 'reasoning' || part.text !== '')
      .map((part) => ({
        ...part,
        opaque: undefined,
        ...(part.type === 'tool-call' && part.arguments === '' ? { arguments: '{}' } : {}),
      }))
  return {
    ...response,
    content: parts(response.content),
    alternatives: response.alternatives?.map((choice) => ({
      ...choice,
      content: parts(choice.content),
      finish: choice.finish.reason,
    })),
    finish: response.finish.reason,
    usage: response.usage === undefined ? undefined : { ...response.usage, raw: undefined },
  }
}

const broken = new Map<string, string>([
  ['mid-cut.sse.txt', 'upstream_failed'],
  ['mid-server-error.sse.txt', 'upstream_failed'],
  ['pyd-tool-use-failed-error-streaming-0.sse.txt', 'upstream_rejected'],
])

describe.each(names('.sse.txt'))('%s', (name) => {
  const bytes = read(name)
  const frames = framesOf(bytes)
  const events = decode(frames)

  test('the outcome is the recorded one', () => {
    const result = outcome(events)
    const kind = broken.get(name)
    if (kind !== undefined) expect(result).toMatchObject({ kind })
    else expect(result).toMatchObject({ finish: { reason: expect.any(String) as string }, usage: { raw: {} } })
  })

  test('all-1: cutting the bytes anywhere changes nothing', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 40 }), (cuts) => {
        expect(decode(framesOf(bytes, cuts))).toEqual(events)
      }),
      { numRuns: bytes.length > 50_000 ? 5 : 25 },
    )
  })

  test('all-1: CRLF and comments change nothing', () => {
    const text = bytes
      .toString('utf8')
      .replaceAll('\n', '\r\n')
      .replaceAll('\r\n\r\ndata:', '\r\n\r\n: comment\r\n\r\ndata:')
    expect(decode(framesOf(Buffer.from(text)))).toEqual(events)
  })

  test('text cut out and text parsed are the same', () => {
    // a frame with an event name is always parsed
    const parsed = decode(frames.map((frame) => ({ event: 'message', ...frame })))
    expect(parsed).toEqual(events)
  })

  test('the reader sees the same usage and the same end', () => {
    const reader = openaiChat.reader()
    const errors = frames.map((frame) => reader.read(frame)).filter((meaning) => meaning instanceof RelayError)
    const result = outcome(events)
    expect(reader.complete).toBe(!('error' in result))
    if (name !== 'mid-cut.sse.txt') expect(errors.length > 0).toBe('error' in result)
    if (!('error' in result)) expect(reader.usage).toEqual(result.usage)
  })

  test('the reader wants every frame that changes what it knows', () => {
    const all = openaiChat.reader()
    const wanted = openaiChat.reader()
    for (const frame of frames) {
      all.read(frame)
      if (wanted.wants(frame.data)) wanted.read(frame)
    }
    expect([wanted.usage, wanted.complete]).toEqual([all.usage, all.complete])
  })

  test('chat-9: encoded again, it says the same and keeps the rules of the format', () => {
    const text = encode(events)
    const result = outcome(events)
    const again = outcome(decode(framesOf(Buffer.from(text))))
    if ('error' in result) {
      expect(again).toMatchObject({ error: result.error })
      expect(text).not.toContain('[DONE]')
      return
    }
    if ('error' in again) throw new Error(again.error)
    expect(spoken(again)).toEqual(spoken(result))
    obeysTheFormat(framesOf(Buffer.from(text)))
  })
})

/** First delta with the role, last with a finish reason, for each choice; then usage with `choices: []`; then `[DONE]`. */
function obeysTheFormat(frames: readonly SseFrame[]): void {
  expect(frames.at(-1)?.data).toBe('[DONE]')
  const chunks = frames.slice(0, -1).map((frame) => parseObject(frame.data)!)
  const last = chunks.at(-1)!
  expect(last.choices).toEqual([])
  expect(asObject(last.usage)).toBeDefined()
  const seen = new Map<unknown, 'open' | 'finished'>()
  for (const chunk of chunks.slice(0, -1)) {
    expect(chunk).toMatchObject({
      object: 'chat.completion.chunk',
      id: last.id ?? '',
      model: last.model ?? '',
      usage: null,
    })
    const choices = asArray(chunk.choices)!
    expect(choices).toHaveLength(1)
    const choice = asObject(choices[0])!
    const state = seen.get(choice.index)
    expect(state).not.toBe('finished')
    if (state === undefined) expect(choice.delta).toMatchObject({ role: 'assistant' })
    seen.set(choice.index, choice.finish_reason === null ? 'open' : 'finished')
  }
  expect(seen.has(0)).toBe(true)
  expect([...seen.values()].every((state) => state === 'finished')).toBe(true)
}

test('plain deltas of a real stream are cut out, not parsed', () => {
  for (const name of [
    'vercel-openai-text-s.sse.txt',
    'vercel-deepseek-tool-call-s.sse.txt',
    'axon-openai-tool-s.sse.txt',
  ]) {
    const frames = framesOf(read(name)).filter((frame) => frame.data.startsWith('{'))
    let template: DeltaTemplate | undefined
    let cut = 0
    for (const { data } of frames) {
      if (template?.read(data) !== undefined) cut++
      else template = DeltaTemplate.learn(parseObject(data)!, data) ?? template
    }
    expect(cut / frames.length).toBeGreaterThan(name.startsWith('axon') ? 0.4 : 0.7)
  }
})

describe.each(names('.response.json'))('%s', (name) => {
  const body = object(name)
  if (body.error !== undefined) {
    test('an error body is thrown as what it says', () => {
      expect(() => codec.decodeResponse(body, { loss })).toThrow(RelayError)
      expect(openaiChat.summarise(body)).toMatchObject({
        empty: true,
        error: { message: expect.any(String) as string },
      })
    })
    return
  }
  const response = codec.decodeResponse(body, { loss, origin: '7' })

  test('holds what the summary promises', () => {
    expect(openaiChat.summarise(body)).toEqual({ usage: response.usage, empty: false })
    expect(response.usage?.raw).toEqual(body.usage)
  })

  test('encoded and decoded again, it says the same', () => {
    const again = codec.decodeResponse(codec.encodeResponse(response, request), { loss })
    expect(spoken(again)).toEqual(spoken(response))
  })

  test('whole and streamed are the same to a client', () => {
    const chunk = {
      ...body,
      choices: asArray(body.choices)!.map((value) => {
        const { message, ...choice } = asObject(value)!
        return { ...choice, delta: message }
      }),
    }
    const streamed = outcome(decode([{ data: JSON.stringify(chunk) }, { data: '[DONE]' }]))
    expect({ ...streamed, serviceTier: undefined }).toEqual({ ...response, serviceTier: undefined })
  })
})

describe.each(names('.request.json'))('%s', (name) => {
  const body = object(name)

  test('model-1: decoded and encoded for its own format, it is the same request', () => {
    const losses: string[] = []
    const asked = codec.decodeRequest({ headers: {}, body, route: { operation: 'generate' } }, ({ field }) =>
      losses.push(field),
    )
    const again = codec.encodeRequest(asked, { loss: ({ field }) => losses.push(field) })
    expect(losses).toEqual([])
    expect(canonical(again)).toEqual(canonical(body))
  })
})

/** The same request in one spelling: what is absent, null, false or the default says nothing. */
function canonical(body: JsonObject): unknown {
  // every stream is asked for usage; a limit has two names, an effort has three
  const { max_completion_tokens: long, max_tokens: short, reasoning } = body
  const other = {
    stream_options: undefined,
    max_completion_tokens: undefined,
    thinking: undefined,
    reasoning: undefined,
  }
  const effort = asObject(reasoning)?.effort
  return JSON.parse(
    JSON.stringify(
      { reasoning_effort: effort, ...body, ...other, max_tokens: long ?? short },
      (key, value: unknown) => {
        if (value === null || (key === 'stream' && value === false)) return undefined
        if (key === 'tools' && asArray(value)?.length === 0) return undefined
        if (key === 'ttl' && value === '5m') return undefined
        // thoughts go back only to the channel that made them; the field itself must be there (DeepSeek)
        if (key === 'reasoning_content') return ' '
        const only = key === 'content' && asArray(value)?.length === 1 ? asObject(asArray(value)?.[0]) : undefined
        if (only?.type === 'text' && only.cache_control === undefined) return only.text
        const fields = asObject(value)
        return fields === undefined
          ? value
          : Object.fromEntries(Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1)))
      },
    ),
  )
}
