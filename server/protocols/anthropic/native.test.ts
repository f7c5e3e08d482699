import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { failures, RelayError, type ErrorKind } from '../../errors.ts'
import type { FrameMeaning } from '../codec.ts'
import { parseObject } from '../narrow.ts'
import { decodeFrame, SseSplitter, type RawFrame } from '../sse.ts'
import { anthropic } from './index.ts'

const fixtures = `${import.meta.dirname}/fixtures/`
const streams = readdirSync(fixtures).filter((name) => name.endsWith('.sse.txt'))

function framesOf(bytes: Buffer): RawFrame[] {
  const frames: RawFrame[] = []
  const splitter = new SseSplitter()
  splitter.push(bytes, (frame) => frames.push(frame))
  splitter.end((frame) => frames.push(frame))
  return frames
}

function readAlong(frames: readonly { event?: string | undefined; data: string }[]) {
  const reader = anthropic.reader()
  const meanings = frames.map(({ event, data }) => reader.read(event === undefined ? { data } : { event, data }))
  return { reader, meanings }
}

const frame = (data: object) => ({ data: JSON.stringify(data) })

describe('reader', () => {
  test.each(streams.filter((name) => !name.startsWith('mid-')))('%s is read to its end', (name) => {
    const frames = framesOf(readFileSync(fixtures + name)).map(decodeFrame)
    const { reader, meanings } = readAlong(frames)
    expect(meanings.some((meaning) => meaning instanceof RelayError)).toBe(false)
    expect(meanings[0]).toBe('preamble')
    expect(meanings.at(-1)).toBe('end')
    expect(meanings).toContain('content')
    expect(reader.complete).toBe(true)
    expect(reader.usage?.output).toBeGreaterThan(0)
  })

  test.each(streams)('%s: after the commit, reading only what is wanted tells the same', (name) => {
    const frames = framesOf(readFileSync(fixtures + name))
    const all = readAlong(frames.map(decodeFrame))
    const reader = anthropic.reader()
    let committed = false
    for (const raw of frames) {
      if (committed && !reader.wants(raw.data)) continue
      committed = reader.read(decodeFrame(raw)) === 'content' || committed
    }
    expect(reader.usage).toEqual(all.reader.usage)
    expect(reader.complete).toBe(all.reader.complete)
  })

  test('anthropic-4: message_delta repeats input_tokens, the later value wins, output is cumulative', () => {
    const { reader } = readAlong([
      frame({
        type: 'message_start',
        message: {
          content: [],
          usage: {
            input_tokens: 100,
            cache_read_input_tokens: 5,
            cache_creation_input_tokens: 30,
            cache_creation: { ephemeral_5m_input_tokens: 10, ephemeral_1h_input_tokens: 20 },
            output_tokens: 1,
          },
        },
      }),
      frame({ type: 'message_delta', delta: { stop_reason: null }, usage: { output_tokens: 7 } }),
      frame({
        type: 'message_delta',
        delta: { stop_reason: 'end_turn' },
        usage: { input_tokens: 120, cache_read_input_tokens: null, output_tokens: 9 },
      }),
    ])
    expect(reader.usage).toMatchObject({ input: 120, cacheRead: 5, cacheWrite5m: 10, cacheWrite1h: 20, output: 9 })
    expect(reader.complete).toBe(false)
  })

  test('usage is a partition: thinking is within the output, a compaction is billed on top', () => {
    const summary = anthropic.summarise({
      content: [{ type: 'text', text: 'x' }],
      usage: {
        input_tokens: 10,
        output_tokens: 20,
        output_tokens_details: { thinking_tokens: 5 },
        iterations: [
          { type: 'compaction', input_tokens: 1000, output_tokens: 100, cache_read_input_tokens: 3 },
          { type: 'message', input_tokens: 10, output_tokens: 20 },
          { type: 'advisor_message', input_tokens: 7, output_tokens: 7 },
        ],
      },
    })
    expect(summary.usage).toMatchObject({ input: 1010, cacheRead: 3, output: 120, reasoning: 5 })
  })

  const text = { type: 'text', text: '' }
  test.each<[string, object | string, FrameMeaning]>([
    ['an opening', { type: 'message_start', message: { content: [], usage: {} } }, 'preamble'],
    ['an opening with content', { type: 'message_start', message: { content: [{ type: 'tool_use' }] } }, 'content'],
    ['an empty text block', { type: 'content_block_start', index: 0, content_block: text }, 'preamble'],
    ['a thinking block', { type: 'content_block_start', index: 0, content_block: { type: 'thinking' } }, 'content'],
    ['a delta', { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'x' } }, 'content'],
    ['a refusal without content', { type: 'message_delta', delta: { stop_reason: 'refusal' }, usage: {} }, 'content'],
    ['ping', { type: 'ping' }, 'ignored'],
    ['unknown', { type: 'brand_new' }, 'ignored'],
    ['a foreign end mark', '[DONE]', 'ignored'],
    ['the end', { type: 'message_stop' }, 'end'],
  ])('%s', (_, data, meaning) => {
    expect(anthropic.reader().read({ data: typeof data === 'string' ? data : JSON.stringify(data) })).toBe(meaning)
  })

  test('anthropic-6: an error may come as `event: error` after a 200; padding does not matter', () => {
    const name = 'mid-529-overloaded.sse.txt'
    const { reader, meanings } = readAlong(framesOf(readFileSync(fixtures + name)).map(decodeFrame))
    expect(meanings.at(-1)).toMatchObject({ kind: 'upstream_overloaded', message: 'Overloaded' })
    expect(reader.complete).toBe(false)
    expect(anthropic.reader().read({ event: 'error', data: 'it broke' })).toMatchObject({ kind: 'upstream_failed' })
    expect(anthropic.reader().read({ data: '  {"type" : "message_stop"   }  ' })).toBe('end')
    expect(anthropic.reader().wants('  {"type" : "error"}')).toBe(true)
  })

  test('a stream cut before message_stop is not complete', () => {
    expect(readAlong(framesOf(readFileSync(`${fixtures}mid-cut.sse.txt`)).map(decodeFrame)).reader.complete).toBe(false)
  })
})

describe('whole replies', () => {
  test.each(readdirSync(fixtures).filter((name) => name.endsWith('.response.json')))('%s', (name) => {
    const body = parseObject(readFileSync(fixtures + name, 'utf8'))
    const summary = anthropic.summarise(body!)
    if (body?.type === 'error') expect(summary.error).toBeInstanceOf(RelayError)
    else {
      expect(summary).toMatchObject({ empty: false, usage: { raw: body?.usage } })
      expect(summary.error).toBeUndefined()
    }
  })

  test('nothing at all is empty; an ended turn without a word and a token count are not', () => {
    expect(anthropic.summarise({ type: 'message', content: [] }).empty).toBe(true)
    expect(anthropic.summarise({}).empty).toBe(true)
    expect(anthropic.summarise({ content: [], stop_reason: 'refusal' }).empty).toBe(false)
    expect(anthropic.summarise({ input_tokens: 12 }).empty).toBe(false)
  })
})

describe('routes', () => {
  test.each([
    ['/v1/messages', { operation: 'generate' }],
    ['/messages', { operation: 'generate' }],
    ['/v1/messages/count_tokens', { operation: 'count-tokens' }],
    ['/messages/count_tokens', { operation: 'count-tokens' }],
    ['/v1/messages/batches', null],
    ['/v1/chat/completions', null],
    ['/constructor', null],
  ])('%s', (path, route) => {
    expect(anthropic.match(path, new URLSearchParams('beta=true'))).toEqual(route)
  })

  test('model and stream are found without parsing', () => {
    const body = Buffer.from('{"messages":[{"model":"no"}],"model":"claude-ü","stream":true}')
    const peek = anthropic.peek(body, { operation: 'generate' })
    expect(peek).toMatchObject({ model: 'claude-ü', stream: true })
    expect(body.toString('utf8', peek.modelSpan?.start, peek.modelSpan?.end)).toBe('claude-ü')
    expect(anthropic.peek(body, { operation: 'count-tokens' }).stream).toBe(false)
    expect(anthropic.peek(Buffer.from('{"model":"m","stream":null}'), { operation: 'generate' }).stream).toBe(false)
  })

  test.each([
    ['{}', 'model'],
    ['{"model":""}', 'model'],
    ['{"model":5}', 'model'],
    ['{"model":"a","model":"b"}', 'model'],
    ['{"model":"a","stream":"yes"}', 'stream'],
    ['[]', 'body'],
  ])('%s names %s', (body, param) => {
    expect(() => anthropic.peek(Buffer.from(body), { operation: 'generate' })).toThrow(
      expect.objectContaining({ kind: 'invalid_request', detail: expect.objectContaining({ param }) as unknown }),
    )
  })

  test('addresses and credentials', () => {
    const call = { model: 'm', stream: true } as const
    expect(anthropic.endpoint({ ...call, operation: 'generate' }).path).toBe('/messages')
    expect(anthropic.endpoint({ ...call, operation: 'count-tokens' }).path).toBe('/messages/count_tokens')
    expect(anthropic.authorize('sk-ant-api03-x')).toEqual({
      'x-api-key': 'sk-ant-api03-x',
      'anthropic-version': '2023-06-01',
    })
    expect(anthropic.authorize('sk-ant-oat01-x')).toMatchObject({ authorization: 'Bearer sk-ant-oat01-x' })
  })

  test.each([
    ['image/png', 'https://a/b.png', true],
    ['', 'https://a/b', true],
    ['application/pdf', 'https://a/b.pdf', true],
    ['image/bmp', 'https://a/b', false],
    ['audio/wav', 'https://a/b', false],
    ['image/png', 'gs://bucket/b', false],
  ])('%s at %s: %s', (mediaType, url, may) => {
    expect(anthropic.acceptsUrl({ type: 'media', mediaType, source: { kind: 'url', url } })).toBe(may)
  })
})

describe('errors', () => {
  test.each<[number, string, ErrorKind]>([
    [400, 'err-400-tool-result-missing', 'upstream_rejected'],
    [401, 'err-401-invalid-key', 'key_refused'],
    [404, 'pyd-model-name-suggestion-anthropic-0', 'upstream_model_missing'],
    [413, 'err-413-too-large', 'upstream_rejected'],
  ])('%s %s', (status, name, kind) => {
    const body = readFileSync(`${fixtures}${name}.response.json`, 'utf8')
    const error = anthropic.decodeError(status, {}, body)
    expect(error).toMatchObject({ kind, detail: { upstreamStatus: status } })
    expect(body).toContain(JSON.stringify(error.message))
  })

  const told = (type: string, message: string) => JSON.stringify({ type: 'error', error: { type, message } })
  test.each<[string, number, string, ErrorKind, string]>([
    ['overloaded', 529, told('overloaded_error', 'Overloaded'), 'upstream_overloaded', 'Overloaded'],
    ['overloaded behind a cloud', 500, told('overloaded_error', 'Overloaded'), 'upstream_overloaded', 'Overloaded'],
    ['rate', 429, told('rate_limit_error', 'slow'), 'rate_limited', 'slow'],
    ['no credit', 400, told('invalid_request_error', 'Your credit balance is too low'), 'key_refused', 'Your credit'],
    ['too long', 400, told('invalid_request_error', 'prompt is too long: 2 > 1'), 'context_overflow', 'prompt is'],
    ['a lean body', 500, '{"error":{"message":"oh"}}', 'upstream_failed', 'oh'],
    ['text', 502, 'bad gateway', 'upstream_failed', 'bad gateway'],
    ['a page', 502, '<html>', 'upstream_failed', 'the upstream answered 502'],
  ])('%s', (...row) => {
    const [, status, body, kind, message] = row
    const error = anthropic.decodeError(status, { 'retry-after': '3' }, body)
    expect(error.kind).toBe(kind)
    expect(error.message).toMatch(message)
    expect(error.detail.retryAfterMs).toBe(3000)
  })

  test.each(Object.keys(failures) as ErrorKind[])('%s has a body, and a frame that ends a stream', (kind) => {
    const error = new RelayError(kind, 'why "so"', { retryAfterMs: 1200 })
    const wire = anthropic.encodeError(error)
    expect(wire.body).toEqual({ type: 'error', error: { type: failures[kind].anthropic, message: 'why "so"' } })
    expect(wire.headers).toEqual({ 'retry-after': '2' })
    const [told] = framesOf(Buffer.from(anthropic.encodeStreamError(error, { operation: 'generate' })))
    expect(told?.event).toBe('error')
    expect(parseObject(told?.data ?? '')).toEqual(wire.body)
  })

  test('anthropic-9: overloaded is 529', () => {
    expect(anthropic.encodeError(new RelayError('upstream_overloaded', 'x')).status).toBe(529)
    expect(anthropic.encodeError(new RelayError('rate_limited', 'x'))).toMatchObject({ status: 429, headers: {} })
  })

  test('an error behind a 200 is none of an answer', () => {
    const { error } = anthropic.summarise({ type: 'error', error: { type: 'authentication_error', message: 'no' } })
    expect(error?.kind).toBe('key_refused')
  })
})

describe('model list', () => {
  test('pages', () => {
    const row = { type: 'model', id: 'claude-a' }
    expect(anthropic.catalogue.decode({ data: [row], has_more: false, last_id: 'claude-a' })).toEqual({
      models: ['claude-a'],
    })
    expect(anthropic.catalogue.decode({ data: [row, { id: 5 }], has_more: true, last_id: 'claude a' })).toEqual({
      models: ['claude-a'],
      next: 'limit=1000&after_id=claude%20a',
    })
    expect(anthropic.catalogue.decode({})).toEqual({ models: [] })
  })

  test('public models in words of this format', () => {
    expect(anthropic.encodeCatalogue([{ id: 'a', created: 0 }])).toEqual({
      data: [{ type: 'model', id: 'a', display_name: 'a', created_at: '1970-01-01T00:00:00Z' }],
      has_more: false,
      first_id: 'a',
      last_id: 'a',
    })
    expect(anthropic.encodeCatalogue([])).toMatchObject({ data: [], first_id: null, last_id: null })
  })
})
