import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { RelayError } from '../errors.ts'
import { wireFormats, type JsonObject, type WireFormat } from '../model/request.ts'
import { anthropic } from '../protocols/anthropic/index.ts'
import { antigravity } from '../protocols/antigravity/index.ts'
import type { Protocol } from '../protocols/codec.ts'
import { gemini } from '../protocols/gemini/index.ts'
import { asObject, asString, parseObject } from '../protocols/narrow.ts'
import { openaiChat } from '../protocols/openai-chat/index.ts'
import { openaiResponses } from '../protocols/openai-responses/index.ts'
import { decodeFrame, SseSplitter, type SseFrame } from '../protocols/sse.ts'
import type { Exchange, HeaderMap, Send, UpstreamRequest } from '../upstream/exchange.ts'
import { createDemoSend, demoModels } from './index.ts'

const protocols: Record<WireFormat, Protocol> = {
  'openai-chat': openaiChat,
  'openai-responses': openaiResponses,
  anthropic,
  gemini,
  antigravity,
}
const bases: Record<WireFormat, string> = {
  'openai-chat': '/v1',
  'openai-responses': '/v1',
  anthropic: '/v1',
  gemini: '/v1beta',
  antigravity: '',
}
const schema = {
  type: 'object',
  properties: { path: { type: 'string' }, lines: { type: 'integer', minimum: 3 }, mode: { enum: ['r', 'w'] } },
  required: ['path', 'lines', 'mode'],
}
const exampleInput = { path: 'demo', lines: 3, mode: 'r' }

const user = 'Repeat “this”: äöü 🐙'
const contents = [{ role: 'user', parts: [{ text: user }] }]
const geminiTools = [{ functionDeclarations: [{ name: 'read', parameters: schema }] }]
const bodies: Record<WireFormat, (model: string, stream: boolean) => JsonObject> = {
  'openai-chat': (model, stream) => ({
    model,
    stream,
    ...(stream && { stream_options: { include_usage: true } }),
    messages: [
      { role: 'system', content: 'short' },
      { role: 'user', content: [{ type: 'text', text: user }] },
    ],
    tools: [{ type: 'function', function: { name: 'read', parameters: schema } }],
  }),
  'openai-responses': (model, stream) => ({
    model,
    stream,
    input: [{ role: 'user', content: [{ type: 'input_text', text: user }] }],
    tools: [{ type: 'function', name: 'read', parameters: schema }],
  }),
  anthropic: (model, stream) => ({
    model,
    stream,
    max_tokens: 100,
    messages: [{ role: 'user', content: user }],
    tools: [{ name: 'read', input_schema: schema }],
  }),
  gemini: () => ({ contents, tools: geminiTools }),
  antigravity: (model) => ({ model, project: 'p', request: { contents, tools: geminiTools } }),
}

function request(format: WireFormat, model: string, stream: boolean): UpstreamRequest {
  return {
    method: 'POST',
    origin: 'http://demo.invalid',
    path: `${bases[format]}${protocols[format].endpoint({ model, stream, operation: 'generate' }).path}`,
    headers: {},
    body: Buffer.from(JSON.stringify(bodies[format](model, stream))),
    proxy: { mode: 'none' },
    connectMs: 0,
    headersMs: 0,
    idleMs: 0,
  }
}

class Listener {
  status = 0
  headers: HeaderMap = {}
  body = ''
  chunks = 0
  ended = false
  error: unknown
  onHead(status: number, headers: HeaderMap): void {
    this.status = status
    this.headers = headers
  }
  onData(chunk: Buffer): void {
    this.body += chunk.toString('utf8')
    this.chunks++
  }
  onEnd(): void {
    this.ended = true
  }
  onError(error: Error): void {
    this.error = error
  }
}

async function ask(upstream: UpstreamRequest, send: Send = createDemoSend()): Promise<Listener> {
  const listener = new Listener()
  send(upstream, listener)
  await vi.runAllTimersAsync()
  return listener
}

function frames(body: string): readonly SseFrame[] {
  const found: SseFrame[] = []
  const splitter = new SseSplitter()
  splitter.push(Buffer.from(body), (raw) => found.push(decodeFrame(raw)))
  splitter.end(() => expect.fail('a frame was not closed'))
  return found
}

const json = (text: string): JsonObject => parseObject(text) ?? expect.fail(`no JSON object: ${text}`)
const dataOf = (body: string): readonly JsonObject[] =>
  frames(body)
    .filter((frame) => frame.data !== '[DONE]')
    .map((frame) => json(frame.data))

beforeEach(() => vi.useFakeTimers())
afterEach(() => {
  const left = vi.getTimerCount()
  vi.useRealTimers()
  expect(left, 'timers left behind').toBe(0)
})

const answering = ['demo-normal', 'demo-slow', 'demo-think', 'demo-tool', 'demo-echo', 'demo-flaky', 'some-model']
const table = wireFormats.flatMap((format) => answering.map((model) => ({ format, model })))

describe.each(table)('$format $model', ({ format, model }) => {
  const protocol = protocols[format]

  test('streams a complete answer with usage', async () => {
    const { status, headers, body, ended } = await ask(request(format, model, true))
    expect({ status, ended, type: headers['content-type'] }).toEqual({
      status: 200,
      ended: true,
      type: 'text/event-stream',
    })
    const reading = protocol.reader()
    const meanings = frames(body).map((frame) => reading.read(frame))
    expect(meanings.filter((meaning) => meaning instanceof RelayError)).toEqual([])
    expect(meanings).toContain('content')
    expect(reading.complete).toBe(true)
    expect(reading.usage?.input).toBeGreaterThan(0)
    expect(reading.usage?.output).toBeGreaterThan(0)
  })

  test('says the same at once as in a stream', async () => {
    const streamed = protocol.reader()
    for (const frame of frames((await ask(request(format, model, true))).body)) streamed.read(frame)
    const { status, body } = await ask(request(format, model, false))
    const summary = protocol.summarise(json(body))
    expect(status).toBe(200)
    expect(summary.empty).toBe(false)
    expect({ ...summary.usage, raw: null }).toEqual({ ...streamed.usage, raw: null })
  })
})

describe.each(wireFormats)('%s', (format) => {
  const protocol = protocols[format]

  test('an empty answer is complete and says nothing', async () => {
    const reading = protocol.reader()
    const { body } = await ask(request(format, 'demo-empty', true))
    for (const frame of frames(body)) expect(reading.read(frame)).not.toBeInstanceOf(RelayError)
    expect(reading.complete).toBe(true)
    expect(reading.usage?.output).toBe(0)
    const whole = await ask(request(format, 'demo-empty', false))
    expect(protocol.summarise(json(whole.body))).toMatchObject({ usage: { output: 0 } })
    expect(`${body}${whole.body}`).not.toMatch(/demo provider|"text":"|content_block|output_item/)
  })

  test.each([0, 1, 3, 12])('a cut after %i events ends the connection but not the reply', async (count) => {
    const reading = protocol.reader()
    const { body, ended } = await ask(request(format, `demo-cut-${count}`, true))
    for (const frame of frames(body)) reading.read(frame)
    expect(ended).toBe(true)
    expect(frames(body)).toHaveLength(count)
    expect(reading.complete).toBe(false)
    const whole = await ask(request(format, `demo-cut-${count}`, false))
    expect(parseObject(whole.body)).toBeUndefined()
  })

  test('a stall shows tokens and then nothing, until the idle limit', async () => {
    const { body, ended, error } = await ask(request(format, 'demo-stall', true))
    expect(frames(body).length).toBe(8)
    expect({ ended, error }).toEqual({ ended: false, error: undefined })
    const limited = await ask({ ...request(format, 'demo-stall', true), idleMs: 5000 })
    expect(limited.ended).toBe(false)
    expect(limited.error).toMatchObject({ kind: 'upstream_timeout' })
  })

  test('silence has not even a header, until the header limit', async () => {
    const quiet = await ask(request(format, 'demo-silent', true))
    expect(quiet).toMatchObject({ status: 0, ended: false, error: undefined })
    const limited = await ask({ ...request(format, 'demo-silent', true), headersMs: 5000 })
    expect(limited).toMatchObject({ status: 0, ended: false, error: { kind: 'upstream_timeout' } })
  })

  test.each([
    { model: 'demo-401', kind: 'key_refused', status: 401, retryAfterMs: undefined },
    { model: 'demo-429', kind: 'rate_limited', status: 429, retryAfterMs: 2000 },
    { model: 'demo-500', kind: 'upstream_failed', status: 500, retryAfterMs: undefined },
  ])('$model is an error in the words of the format', async ({ model, kind, status, retryAfterMs }) => {
    for (const stream of [true, false]) {
      const heard = await ask(request(format, model, stream))
      expect(heard).toMatchObject({ status, ended: true, headers: { 'content-type': 'application/json' } })
      const error = protocol.decodeError(heard.status, heard.headers, heard.body)
      expect(error).toMatchObject({ kind, detail: { retryAfterMs } })
      expect(error.message).toContain('demo provider pretends')
    }
  })

  test('a malformed reply is no JSON, streamed or whole', async () => {
    const streamed = await ask(request(format, 'demo-malformed', true))
    expect(frames(streamed.body).map((frame) => parseObject(frame.data))).toEqual([undefined])
    const whole = await ask(request(format, 'demo-malformed', false))
    expect(whole.status).toBe(200)
    expect(parseObject(whole.body)).toBeUndefined()
  })

  test('every second request to the flaky model fails', async () => {
    const send = createDemoSend()
    const seen: number[] = []
    for (let n = 0; n < 4; n++) seen.push((await ask(request(format, 'demo-flaky', true), send)).status)
    expect(seen).toEqual([200, 503, 200, 503])
  })

  test('the model that echoes repeats the user, whole characters only', async () => {
    const { body } = await ask(request(format, 'demo-echo', false))
    expect(body).toContain(JSON.stringify(user).slice(1, -1))
  })

  test('an unknown model is answered and told who answers', async () => {
    const { body } = await ask(request(format, 'gpt-99', false))
    expect(body).toContain('demo provider of Octopus answering for the model gpt-99')
  })

  test('an abort ends everything, a pause holds the tokens back', async () => {
    const listener = new Listener()
    const exchange: Exchange = createDemoSend()(request(format, 'demo-slow', true), listener)
    expect(listener.status, 'nothing is told before send returns').toBe(0)
    await vi.advanceTimersByTimeAsync(1000)
    const before = listener.chunks
    expect(before).toBeGreaterThan(1)
    exchange.pause()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(listener.chunks).toBe(before)
    exchange.resume()
    exchange.resume()
    await vi.advanceTimersByTimeAsync(1000)
    const after = listener.chunks
    expect(after).toBeGreaterThan(before)
    exchange.abort()
    exchange.resume()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(listener).toMatchObject({ chunks: after, ended: false, error: undefined })
  })

  test('the listing names every model', async () => {
    const { path } = protocol.catalogue
    const heard = await ask({
      ...request(format, '', false),
      ...(format === 'antigravity' ? {} : { method: 'GET' as const, body: null }),
      path: `${bases[format]}${path}`,
      headers: protocol.authorize('demo'),
    })
    expect(protocol.catalogue.decode(json(heard.body)).models).toEqual(demoModels)
  })
})

test('chat: role first, finish reason, usage alone in its chunk, [DONE] last', async () => {
  const { body } = await ask(request('openai-chat', 'demo-tool', true))
  expect(frames(body).at(-1)?.data).toBe('[DONE]')
  const chunks = dataOf(body)
  expect(chunks[0]).toMatchObject({ choices: [{ delta: { role: 'assistant' } }] })
  expect(chunks.at(-2)).toMatchObject({ choices: [{ delta: {}, finish_reason: 'tool_calls' }] })
  expect(chunks.at(-1)?.choices).toEqual([])
  expect(asObject(chunks.at(-1)?.usage)?.total_tokens).toBeGreaterThan(0)
})

test('chat: no usage that was not asked for', async () => {
  const upstream = request('openai-chat', 'demo-normal', true)
  const body = Buffer.from(JSON.stringify({ model: 'demo-normal', stream: true, messages: [] }))
  expect((await ask({ ...upstream, body })).body).not.toContain('usage')
})

test.each(['demo-think', 'demo-tool'])('anthropic %s: every block is opened and closed in its turn', async (model) => {
  const { body } = await ask(request('anthropic', model, true))
  let open: unknown = null
  let count = 0
  for (const frame of frames(body)) {
    const data = json(frame.data)
    expect(data.type).toBe(frame.event)
    if (data.type === 'content_block_start') {
      expect({ open, index: data.index }).toEqual({ open: null, index: count++ })
      open = data.index
    } else if (data.type === 'content_block_delta') expect(data.index).toBe(open)
    else if (data.type === 'content_block_stop') {
      expect(data.index).toBe(open)
      open = null
    }
  }
  expect(count).toBeGreaterThan(0)
  expect(open).toBeNull()
})

test.each(['demo-think', 'demo-tool'])('responses %s: numbered, and the deltas add up to the items', async (model) => {
  const { body } = await ask(request('openai-responses', model, true))
  const events = dataOf(body)
  expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, index) => index))
  expect(frames(body).map((frame) => frame.event)).toEqual(events.map((event) => event.type))
  const items = events.filter((event) => event.type === 'response.output_item.done').map((event) => event.item)
  expect(asObject(events.at(-1)?.response)?.output).toEqual(items)
  const deltas = new Map<string, string>()
  for (const event of events) {
    if (typeof event.delta !== 'string') continue
    const id = asString(event.item_id) ?? ''
    deltas.set(id, (deltas.get(id) ?? '') + event.delta)
  }
  expect(deltas.size).toBe(items.length)
  for (const item of items.map((value) => asObject(value)))
    expect(JSON.stringify(item)).toContain(JSON.stringify(deltas.get(asString(item?.id) ?? '')).slice(1, -1))
})

test('gemini: without alt=sse the stream is one JSON array', async () => {
  const upstream = {
    ...request('gemini', 'demo-normal', true),
    path: '/v1beta/models/demo-normal:streamGenerateContent',
  }
  const { body, headers, chunks } = await ask(upstream)
  expect(headers['content-type']).toMatch(/^application\/json/)
  expect(chunks).toBeGreaterThan(10)
  const replies: unknown = JSON.parse(body)
  expect(replies).toContainEqual(
    expect.objectContaining({ candidates: [expect.objectContaining({ finishReason: 'STOP' })] }),
  )
})

test.each(wireFormats)('%s: the tool is called with arguments that its schema allows', async (format) => {
  const { body } = await ask(request(format, 'demo-tool', false))
  const quoted = JSON.stringify(exampleInput)
  expect(body.includes(quoted) || body.includes(JSON.stringify(quoted).slice(1, -1))).toBe(true)
  expect(body).toContain('"read"')
})

test.each<{ format: WireFormat; last: JsonObject }>([
  { format: 'openai-chat', last: { messages: [{ role: 'tool', tool_call_id: 'c', content: 'x' }] } },
  { format: 'openai-responses', last: { input: [{ type: 'function_call_output', call_id: 'c', output: 'x' }] } },
  {
    format: 'anthropic',
    last: { messages: [{ role: 'user', content: [{ type: 'tool_result', tool_use_id: 'c', content: 'x' }] }] },
  },
  {
    format: 'gemini',
    last: { contents: [{ role: 'user', parts: [{ functionResponse: { name: 'read', response: {} } }] }] },
  },
])('$format: after a tool result the demo ends the loop', async ({ format, last }) => {
  const body = Buffer.from(JSON.stringify({ ...bodies[format]('demo-tool', false), ...last }))
  const heard = await ask({ ...request(format, 'demo-tool', false), body })
  expect(heard.body).toContain('The tool has answered')
})

test('token counting and unknown paths', async () => {
  const count = { ...request('anthropic', 'demo-normal', false), path: '/v1/messages/count_tokens' }
  expect(json((await ask(count)).body).input_tokens).toBeGreaterThan(0)
  const counted = { ...request('gemini', 'demo-normal', false), path: '/v1beta/models/demo-normal:countTokens' }
  expect(json((await ask(counted)).body).totalTokens).toBeGreaterThan(0)
  expect(await ask({ ...count, path: '/v1/embeddings' })).toMatchObject({ status: 404, ended: true })
})

describe.each(wireFormats)('%s', (format) => {
  test.each([
    ['torn JSON', '{'],
    ['no JSON object', '[1]'],
    ['nothing', ''],
  ])("%s in the body is the request's fault", async (_, text) => {
    const heard = await ask({ ...request(format, 'demo-normal', false), body: Buffer.from(text) })
    expect(heard).toMatchObject({ status: 400, ended: true })
    const error = protocols[format].decodeError(heard.status, heard.headers, heard.body)
    expect(error.detail.upstreamStatus).toBe(400)
    expect(error.message).toContain('it is no JSON object')
    const { error: said } = json(heard.body)
    expect(said).toMatchObject(
      {
        'openai-chat': { type: 'invalid_request_error', code: null },
        'openai-responses': { type: 'invalid_request_error', code: null },
        anthropic: { type: 'invalid_request_error' },
        gemini: { code: 400, status: 'INVALID_ARGUMENT' },
        antigravity: { code: 400, status: 'INVALID_ARGUMENT' },
      }[format],
    )
  })
})
