import { describe, expect, it } from 'vitest'
import { RelayError } from '../../errors.ts'
import type { JsonObject } from '../../model/request.ts'
import { decodeFrame, encodeFrame, SseSplitter } from '../sse.ts'
import { openaiResponses as protocol } from './index.ts'
import { bytesOf, eventsOf, frames, jsonOf, recorded } from './recorded.ts'

const route = { operation: 'generate' } as const
const body = (object: JsonObject): Buffer => Buffer.from(JSON.stringify(object))

describe('routes', () => {
  it.each([
    ['/v1/responses', true],
    ['/responses', true],
    ['/v1/responses/compact', false],
    ['/v1/responses/resp_1', false],
    ['/v1/chat/completions', false],
  ])('%s: %s', (path, ours) => {
    expect(protocol.match(path, new URLSearchParams()) !== null).toBe(ours)
  })

  it('goes below the base URL with a bearer', () => {
    expect(protocol.endpoint({ model: 'm', stream: true, operation: 'generate' })).toEqual({ path: '/responses' })
    expect(protocol.authorize('sk-1')).toEqual({ authorization: 'Bearer sk-1' })
  })

  it('finds the model for splicing, also behind escapes and long input', () => {
    const bytes = body({ input: 'x"model":"no"'.repeat(100), model: 'gpt-ü', stream: true })
    const peek = protocol.peek(bytes, route)
    expect(peek).toMatchObject({ model: 'gpt-ü', stream: true })
    expect(bytes.toString('utf8', peek.modelSpan?.start, peek.modelSpan?.end)).toBe('gpt-ü')
  })

  it.each<[JsonObject, string]>([
    [{ input: 'x' }, 'model'],
    [{ model: 1, input: 'x' }, 'model'],
    [{ model: '', input: 'x' }, 'model'],
    [{ model: 'm', stream: 'yes' }, 'stream'],
    [{ model: 'm', previous_response_id: 'resp_1' }, 'previous_response_id'],
  ])('refuses %j, naming %s', (object, param) => {
    expect(() => protocol.peek(body(object), route)).toThrow(
      expect.objectContaining({ kind: 'invalid_request', detail: expect.objectContaining({ param }) as unknown }),
    )
  })

  it('takes null for "not said"', () => {
    expect(protocol.peek(body({ model: 'm', stream: null, previous_response_id: null }), route).stream).toBe(false)
  })

  it('says that the gateway is stateless', () => {
    expect(() => protocol.peek(body({ model: 'm', previous_response_id: 'resp_1' }), route)).toThrow(/stateless/)
  })
})

describe('the reader', () => {
  it.each(recorded('.sse.txt'))('%s: preamble, content, end, usage', (name) => {
    const reader = protocol.reader()
    const meanings = frames(bytesOf(name), () => 1000).map((frame) => reader.read(frame))
    const shown = meanings.filter((meaning) => meaning !== 'ignored')
    expect(shown[0]).toBe('preamble')
    expect(shown).toContain('content')
    expect(shown.at(-1)).toBe('end')
    expect(reader.complete).toBe(true)
    expect(reader.usage?.output).toBeGreaterThan(0)
  })

  it.each(recorded('.sse.txt'))('%s: what ends it is wanted, deltas are not', (name) => {
    const splitter = new SseSplitter()
    const reader = protocol.reader()
    let deltas = 0
    splitter.push(bytesOf(name), (raw) => {
      const wanted = reader.wants(raw.data)
      const meaning = reader.read(decodeFrame(raw))
      if (meaning === 'end') expect(wanted).toBe(true)
      if (raw.data.startsWith('{"type":"response.output_text.delta"')) {
        deltas++
        expect(wanted).toBe(false)
      }
    })
    expect(deltas).toBeGreaterThanOrEqual(0)
  })

  it.each([
    '{"type":"response.completed","response":{}}',
    '{ "type" : "response.incomplete" }',
    '{"response":{"status":"failed"},"type":"response.failed"}',
    '{"type":"response.compl\\u0065ted"}',
    '{"\\u0074ype":"response.completed"}',
    '{"type":"error","message":"x"}',
    '{"error":{"message":"x"}}',
    '{"sequence_number":3,"error":{"message":"x"},"type":"error"}',
  ])('never misses %s', (data) => {
    expect(protocol.reader().wants(data)).toBe(true)
  })

  it.each<[string, JsonObject, string]>([
    ['a role alone', { type: 'response.output_item.added', item: { type: 'message', content: [] } }, 'preamble'],
    ['an empty part', { type: 'response.content_part.added', part: { type: 'output_text', text: '' } }, 'preamble'],
    ['an empty delta', { type: 'response.output_text.delta', delta: '' }, 'preamble'],
    ['a word', { type: 'response.output_text.delta', delta: 'a' }, 'content'],
    ['a call', { type: 'response.output_item.added', item: { type: 'function_call', name: 'f' } }, 'content'],
    ['a thought', { type: 'response.output_item.added', item: { type: 'reasoning', summary: [] } }, 'content'],
    ['a sign of life', { type: 'keepalive', sequence_number: 3 }, 'ignored'],
    ['an empty answer', { type: 'response.completed', response: { output: [] } }, 'end'],
    [
      'an answer in the last event only',
      { type: 'response.completed', response: { output: [{ type: 'message', content: [{ text: 'a' }] }] } },
      'content',
    ],
    ['a limit before the first word', { type: 'response.incomplete', response: { output: [] } }, 'content'],
  ])('%s', (_, event, meaning) => {
    expect(protocol.reader().read({ data: JSON.stringify(event) })).toBe(meaning)
  })

  it.each<[JsonObject, string]>([
    [
      {
        type: 'response.failed',
        response: { status: 'failed', error: { code: 'rate_limit_exceeded', message: 'Try again in 2.5s' } },
      },
      'rate_limited',
    ],
    [{ type: 'response.failed', response: { error: { code: 'server_error', message: 'x' } } }, 'upstream_failed'],
    [
      { type: 'error', code: 'context_length_exceeded', message: 'Your input exceeds the context window', param: null },
      'context_overflow',
    ],
    [{ type: 'error', error: { type: 'insufficient_quota', code: 'insufficient_quota', message: 'x' } }, 'key_refused'],
    [{ error: { message: 'Provider returned error', code: 502 } }, 'upstream_failed'],
    [{ type: 'response.failed', response: {} }, 'upstream_failed'],
  ])('an error inside the stream: %j is %s', (event, kind) => {
    const meaning = protocol.reader().read({ data: JSON.stringify(event) })
    expect(meaning).toBeInstanceOf(RelayError)
    expect(meaning).toMatchObject({ kind })
  })

  it('reads usage without overlaps', () => {
    const reader = protocol.reader()
    const usage = {
      input_tokens: 100,
      input_tokens_details: { cached_tokens: 60, cache_write_tokens: 30 },
      output_tokens: 50,
      output_tokens_details: { reasoning_tokens: 20 },
    }
    reader.read({ data: JSON.stringify({ type: 'response.completed', response: { output: [], usage } }) })
    expect(reader.usage).toEqual({
      input: 10,
      cacheRead: 60,
      cacheWrite5m: 30,
      cacheWrite1h: 0,
      output: 50,
      reasoning: 20,
      raw: usage,
    })
  })
})

describe('whole replies', () => {
  it.each(recorded('.response.json'))('%s is an answer or an error', (name) => {
    const reply = jsonOf(name)
    const summary = protocol.summarise(reply)
    expect(summary.empty).toBe(false)
    expect(summary.error === undefined).toBe(reply.error === null)
    expect(summary.usage === undefined).toBe(reply.usage === undefined)
  })

  it.each<[string, JsonObject, boolean]>([
    ['no items', { status: 'completed', output: [] }, true],
    ['an empty text', { status: 'completed', output: [{ type: 'message', content: [{ text: '' }] }] }, true],
    ['not a response', {}, true],
    ['cut before the first word', { status: 'incomplete', output: [] }, false],
    ['still running', { status: 'queued', output: [] }, false],
    ['a call', { status: 'completed', output: [{ type: 'function_call' }] }, false],
  ])('%s: empty is decided', (_, reply, empty) => {
    expect(protocol.summarise(reply).empty).toBe(empty)
  })

  it('finds a failure behind a 200', () => {
    const failed = { status: 'failed', output: [], error: { code: 'server_error', message: 'boom' } }
    expect(protocol.summarise(failed).error).toMatchObject({ kind: 'upstream_failed', message: 'boom' })
    expect(protocol.summarise({ error: { message: 'no', code: 'rate_limit_exceeded' } }).error).toMatchObject({
      kind: 'rate_limited',
    })
  })
})

describe('errors', () => {
  it.each([
    ['err-401-invalid-key.response.json', 401, 'key_refused'],
    ['err-429-rate-limit.response.json', 429, 'rate_limited'],
    ['err-500-server.response.json', 500, 'upstream_failed'],
    ['pyd-openai-responses-thinking-with-modified-history-1.response.json', 400, 'upstream_rejected'],
  ])('%s with %i is %s', (name, status, kind) => {
    expect(protocol.decodeError(status, {}, bytesOf(name).toString('utf8'))).toMatchObject({ kind })
  })

  it('ends a stream with the error event and with response.failed, which is what Codex reads', () => {
    const error = new RelayError('rate_limited', 'Slow down', { retryAfterMs: 2000 })
    const text = protocol.encodeStreamError(error, route)
    const [first, last] = eventsOf(text)
    expect(text).toMatch(/^event: error\ndata: .*\n\nevent: response\.failed\ndata: .*\n\n$/)
    expect(first).toMatchObject({ type: 'error', error: { message: 'Slow down', code: 'rate_limit_exceeded' } })
    expect(last).toMatchObject({
      type: 'response.failed',
      response: { status: 'failed', error: { code: 'rate_limit_exceeded', message: 'Slow down' } },
    })
    expect(Number(last?.sequence_number)).toBe(Number(first?.sequence_number) + 1)
    expect(Number(last?.sequence_number)).toBeLessThan(2 ** 31)
  })

  it('tells its own stream errors apart from answers', () => {
    const text = protocol.encodeStreamError(new RelayError('upstream_timeout', 'too slow'), route)
    const reader = protocol.reader()
    for (const event of eventsOf(text)) expect(reader.read({ data: JSON.stringify(event) })).toBeInstanceOf(RelayError)
  })

  it('keeps alive with a comment', () => {
    const seen: unknown[] = []
    const splitter = new SseSplitter()
    splitter.push(Buffer.from(protocol.keepAlive + encodeFrame({ data: '1' })), (frame) => seen.push(frame.data))
    expect(seen).toEqual(['1'])
  })
})

describe('lists and addresses', () => {
  it('reads and writes the list of models', () => {
    const models = [{ id: 'a/b', created: 5 }]
    expect(protocol.catalogue.decode(protocol.encodeCatalogue(models)).models).toEqual(['a/b'])
    expect(protocol.encodeCatalogueEntry({ id: 'a', created: 5 })).toMatchObject({ id: 'a', object: 'model' })
    expect(protocol.catalogue.decode({}).models).toEqual([])
  })

  it.each([
    ['image/png', 'https://example.com/a.png', true],
    ['application/pdf', 'https://example.com/a.pdf', true],
    ['', 'https://example.com/a', true],
    ['audio/wav', 'https://example.com/a.wav', false],
    ['image/png', 'gs://bucket/a.png', false],
  ])('%s at %s may stand as an address: %s', (mediaType, url, may) => {
    expect(protocol.acceptsUrl({ type: 'media', mediaType, source: { kind: 'url', url } })).toBe(may)
  })
})
