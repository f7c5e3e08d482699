import { describe, expect, test } from 'vitest'
import { RelayError } from '../../errors.ts'
import { collect, replay } from '../../model/collect.ts'
import type { JsonObject, Loss } from '../../model/request.ts'
import type { ChatResponse, StreamEvent } from '../../model/response.ts'
import { unwrapOpaque, wrapOpaque } from '../signature.ts'
import { chunk, codec, decodeRequest, decodeStream, encodeStream, quiet, request, signed } from './test-codec.ts'

describe('gemini-4: usage', () => {
  test('the last of a stream wins; absent counts are 0; tool prompts are input', () => {
    const usage = (usageMetadata: object, finishReason?: string) => ({
      ...chunk([{ text: 'a' }], finishReason),
      usageMetadata,
    })
    const { usage: counted } = collect(
      decodeStream([
        usage({ promptTokenCount: 30, candidatesTokenCount: 9, totalTokenCount: 39 }),
        usage(
          {
            promptTokenCount: 20,
            cachedContentTokenCount: 5,
            toolUsePromptTokenCount: 7,
            thoughtsTokenCount: 4,
            totalTokenCount: 31,
          },
          'STOP',
        ),
      ]),
    )
    expect(counted).toMatchObject({ input: 22, cacheRead: 5, output: 4, reasoning: 4 })
  })
  test('counts without overlap become inclusive ones', () => {
    const response: ChatResponse = {
      id: 'r',
      model: 'm',
      createdAt: 0,
      finish: { reason: 'stop' },
      content: [{ type: 'text', text: 'x' }],
      usage: { input: 10, cacheRead: 20, cacheWrite5m: 3, cacheWrite1h: 0, output: 9, reasoning: 4 },
    }
    expect(codec.encodeResponse(response, request({}))['usageMetadata']).toEqual({
      promptTokenCount: 33,
      candidatesTokenCount: 5,
      thoughtsTokenCount: 4,
      totalTokenCount: 42,
      cachedContentTokenCount: 20,
    })
  })
})

describe('gemini-5: verdicts without content', () => {
  test.each([
    ['MAX_TOKENS', 'length'],
    ['SAFETY', 'content-filter'],
    ['RECITATION', 'content-filter'],
    ['PROHIBITED_CONTENT', 'content-filter'],
    ['A_NEW_WORD', 'other'],
  ])('%s is %s, also without index and content', (raw, reason) => {
    expect(collect(decodeStream([{ candidates: [{ finishReason: raw }] }]))).toMatchObject({
      content: [],
      finish: { reason, raw },
    })
  })
  test('a blocked prompt has no candidates', () => {
    const { finish } = collect(
      decodeStream([{ promptFeedback: { blockReason: 'SAFETY' }, usageMetadata: { promptTokenCount: 3 } }]),
    )
    expect(finish).toEqual({ reason: 'content-filter', raw: 'SAFETY' })
  })
  test.each([
    ['stop', 'STOP'],
    ['tool-calls', 'STOP'],
    ['length', 'MAX_TOKENS'],
    ['content-filter', 'SAFETY'],
    ['refusal', 'SAFETY'],
    ['error', 'OTHER'],
    ['other', 'OTHER'],
  ] as const)('%s is said as %s', (reason, word) => {
    const text = encodeStream([
      { type: 'start', id: 'r', model: 'm', createdAt: 0 },
      { type: 'finish', finish: { reason, raw: 'end_turn' } },
    ])
    expect(text).toContain(`"finishReason":"${word}"`)
  })
})

describe('gemini-9: framing', () => {
  const events = decodeStream([chunk([{ text: 'é' }]), chunk([{ text: '' }], 'STOP')])
  test('SSE has CRLF, no comment, no event line, no [DONE]', () => {
    expect(encodeStream(events)).toMatch(/^(data: \{[^\r\n]*\}\r\n\r\n)+$/)
  })
  test('without alt=sse the stream is one array', () => {
    expect(JSON.parse(encodeStream(events, true))).toHaveLength(2)
    expect(encodeStream([], true)).toBe('[]')
  })
  test('the route says which', () => {
    const route = { operation: 'generate', model: 'm', stream: true } as const
    const array = (sse: boolean) =>
      codec.decodeRequest({ headers: {}, body: { contents: 'Hi' }, route: { ...route, sse } }, quiet.loss).arrayStream
    expect([array(true), array(false)]).toEqual([undefined, true])
  })
  test.each([false, true])('an error ends the stream as its form demands (array: %s)', (arrayStream) => {
    const error = new RelayError('upstream_failed', 'gone')
    const text = encodeStream([...events.slice(0, 3), { type: 'error', error }], arrayStream)
    const last = { error: { code: 502, message: 'gone', status: 'INTERNAL' } }
    if (arrayStream) expect((JSON.parse(text) as unknown[]).at(-1)).toEqual(last)
    else expect(text.endsWith(`data: ${JSON.stringify(last)}\r\n\r\n`)).toBe(true)
  })
  test('snake_case is read, with the names that the client wrote in errors', () => {
    const body = {
      contents: [{ parts: [{ text: 'Hi' }] }],
      system_instruction: { parts: [{ text: 'Be kind' }] },
      generation_config: { max_output_tokens: 5, stop_sequences: ['x'] },
    }
    expect(decodeRequest(body)).toMatchObject({
      messages: [{ role: 'system' }, { role: 'user' }],
      sampling: { maxTokens: 5, stop: ['x'] },
    })
    const wrong = { contents: 'Hi', generation_config: { max_output_tokens: 'many' } }
    expect(() => decodeRequest(wrong)).toThrow(
      expect.objectContaining({ detail: { param: 'generation_config.max_output_tokens' } }),
    )
  })
})

describe('gemini-10: malformed calls', () => {
  test('the turn ends with an error, whatever came before', () => {
    const response = collect(
      decodeStream([
        chunk([{ text: 'Hm', thought: true }]),
        { candidates: [{ finishReason: 'MALFORMED_FUNCTION_CALL', index: 0 }] },
      ]),
    )
    expect(response).toMatchObject({
      content: [{ type: 'reasoning' }],
      finish: { reason: 'error', raw: 'MALFORMED_FUNCTION_CALL' },
    })
    expect(encodeStream(decodeStream([{ candidates: [{ finishReason: 'MALFORMED_FUNCTION_CALL' }] }]))).toContain(
      '"finishReason":"MALFORMED_FUNCTION_CALL"',
    )
  })
  test.each([
    ['tool-calls', 'MALFORMED_FUNCTION_CALL'],
    ['length', 'MAX_TOKENS'],
  ] as const)('a call whose arguments are no object cannot be said: %s', (reason, word) => {
    const response: ChatResponse = {
      id: 'r',
      model: 'm',
      createdAt: 0,
      finish: { reason },
      content: [{ type: 'tool-call', id: '1', name: 'f', arguments: '{"a":' }],
    }
    expect(codec.encodeResponse(response, request({}))['candidates']).toMatchObject([
      { content: { parts: [{ text: '' }] }, finishReason: word },
    ])
  })
})

describe('streams', () => {
  test('a stream that stops without a finish reason is an error, with what was open closed', () => {
    const events = decodeStream([chunk([{ text: 'Hal' }])])
    expect(events.map((event) => event.type)).toEqual(['start', 'block-start', 'block-delta', 'block-end', 'error'])
  })
  test('an error inside a stream is the error', () => {
    const events = decodeStream([
      chunk([{ text: 'a' }]),
      { error: { code: 429, message: 'slow', status: 'RESOURCE_EXHAUSTED' } },
      chunk([{ text: 'b' }], 'STOP'),
    ])
    expect(events.at(-1)).toMatchObject({ type: 'error', error: { kind: 'rate_limited', message: 'slow' } })
  })
  test('thoughts, text and calls keep their order', () => {
    const { content } = collect(
      decodeStream([
        chunk([{ text: 'Hm', thought: true }]),
        chunk([{ text: ' hm', thought: true }, { text: 'A' }]),
        chunk([{ text: 'B' }, { functionCall: { name: 'f', args: {} } }, { text: 'C' }], 'STOP'),
      ]),
    )
    expect(
      content.map((part) => (part.type === 'tool-call' ? part.name : part.type === 'media' ? '' : part.text)),
    ).toEqual(['Hm hm', 'AB', 'f', 'C'])
  })
  test('several candidates are choices of their own', () => {
    const candidate = (index: number, text: string, finishReason?: string) => ({
      index,
      content: { parts: [{ text }] },
      finishReason,
    })
    const events = decodeStream([
      { candidates: [candidate(0, 'a'), candidate(1, 'x')] },
      { candidates: [candidate(1, 'y', 'STOP')] },
      { candidates: [candidate(0, 'b', 'MAX_TOKENS')] },
    ])
    const response = collect(events)
    expect(response).toMatchObject({
      content: [{ text: 'ab' }],
      finish: { reason: 'length' },
      alternatives: [{ content: [{ text: 'xy' }], finish: { reason: 'stop' } }],
    })
    const again = encodeStream(events)
      .split('\r\n\r\n')
      .filter((frame) => frame !== '')
      .map((frame) => JSON.parse(frame.slice(6)) as object)
    expect(collect(decodeStream(again))).toMatchObject({
      content: [{ text: 'ab' }],
      alternatives: [{ content: [{ text: 'xy' }] }],
    })
  })
  test('arguments that Vertex streams in pieces become whole', () => {
    const call = (functionCall: object) => chunk([{ functionCall }])
    const { content } = collect(
      decodeStream([
        call({ name: 'f', willContinue: true }),
        call({
          partialArgs: [{ jsonPath: '$.list[0].name', stringValue: 'app', willContinue: true }],
          willContinue: true,
        }),
        call({ partialArgs: [{ jsonPath: '$.list[0].name', stringValue: 'le' }], willContinue: true }),
        call({
          partialArgs: [
            { jsonPath: '$.list[1].price', numberValue: 0.5 },
            { jsonPath: "$['a b']", boolValue: false },
            { jsonPath: '$.none', nullValue: null },
          ],
          willContinue: true,
        }),
        chunk([{ text: 'done' }], 'STOP'),
      ]),
    )
    expect(content[0]).toMatchObject({
      name: 'f',
      arguments: '{"list":[{"name":"apple"},{"price":0.5}],"a b":false,"none":null}',
    })
  })
  test('a path that leads nowhere is the fault of the upstream', () => {
    const events = decodeStream([
      chunk([{ functionCall: { name: 'f', partialArgs: [{ jsonPath: '$.a[999999999]', stringValue: 'x' }] } }]),
    ])
    expect(events.at(-1)).toMatchObject({ type: 'error', error: { kind: 'upstream_failed' } })
  })
  test('code that the provider ran is text', () => {
    const losses: Loss[] = []
    const decoder = codec.decodeStream({ loss: (loss) => losses.push(loss) })
    decoder.push({
      data: JSON.stringify(
        chunk([
          { executableCode: { language: 'PYTHON', code: 'print(1)' } },
          { codeExecutionResult: { outcome: 'OUTCOME_OK', output: '1\n' } },
        ]),
      ),
    })
    decoder.push({ data: JSON.stringify(chunk([{ text: 'One.' }], 'STOP')) })
    expect(losses).toHaveLength(2)
    expect(decoder.end().some((event) => event.type === 'finish')).toBe(true)
  })
  test('a call of 2 MB in small pieces goes out once, whole', () => {
    const piece = 'x'.repeat(64)
    const events: StreamEvent[] = [
      { type: 'start', id: 'r', model: 'm', createdAt: 0 },
      { type: 'block-start', index: 0, block: { type: 'tool-call', id: '1', name: 'write' } },
      { type: 'block-delta', index: 0, text: '{"text":"' },
      ...Array.from({ length: 32_768 }, () => ({ type: 'block-delta', index: 0, text: piece }) as const),
      { type: 'block-delta', index: 0, text: '"}' },
      { type: 'block-end', index: 0 },
      { type: 'finish', finish: { reason: 'tool-calls' } },
    ]
    const frames = encodeStream(events).split('\r\n\r\n')
    expect(frames).toHaveLength(3)
    expect(frames[0]?.length).toBeGreaterThan(2_097_152)
  })
})

describe('citations', () => {
  const text = 'Es ist 20 °C. Schön.'
  const candidate = {
    content: { parts: [{ text }] },
    finishReason: 'STOP',
    groundingMetadata: {
      groundingChunks: [{ web: { uri: 'https://a.example', title: 'A' } }, { web: { uri: 'https://b.example' } }],
      groundingSupports: [{ segment: { startIndex: 15, endIndex: 22, text: 'Schön.' }, groundingChunkIndices: [0] }],
    },
  }
  test('offsets are bytes there and UTF-16 here', () => {
    const { content } = collect(decodeStream([{ candidates: [candidate] }]))
    expect(content).toEqual([
      {
        type: 'text',
        text,
        citations: [
          { url: 'https://a.example', title: 'A', quoted: 'Schön.', start: 14, end: 20 },
          { url: 'https://b.example' },
        ],
      },
    ])
  })
  test.each([
    ['with the signature', [[{ text: '', thoughtSignature: 'c2ln' }]]],
    ['after it', [[{ text: '', thoughtSignature: 'c2ln' }], [{ text: '' }]]],
  ])('gemini-3: sources that come %s belong to the signed text', (_, rest) => {
    const chunks = [[{ text }], ...rest].map((parts) => ({ candidates: [{ content: { parts } }] }))
    const last = { candidates: [{ ...candidate, content: chunks.at(-1)?.candidates[0]?.content }] }
    const [part, ...others] = collect(decodeStream([...chunks.slice(0, -1), last])).content
    expect(others).toEqual([])
    expect(part).toMatchObject({ text, opaque: { value: 'c2ln' }, citations: [{ start: 14, end: 20 }, {}] })
  })

  test('and back, in streams and whole', () => {
    const events = decodeStream([{ candidates: [candidate] }])
    const frames = encodeStream(events).split('\r\n\r\n')
    expect(JSON.parse(frames.at(-2)?.slice(6) ?? '')).toMatchObject({
      candidates: [{ groundingMetadata: candidate.groundingMetadata }],
    })
    expect(codec.encodeResponse(collect(events), request({}))).toMatchObject({
      candidates: [{ groundingMetadata: candidate.groundingMetadata }],
    })
  })
})

test.each([1e308, 4e9, -1, 0.5, '7'])('gemini-5: a candidate with the index %s is the one at its place', (index) => {
  const events = decodeStream([{ candidates: [{ content: { parts: [{ text: 'a' }] }, finishReason: 'STOP', index }] }])
  expect(collect(events)).toMatchObject({ content: [{ text: 'a' }] })
})

test('logprobs, both ways', () => {
  const logprobsResult = {
    chosenCandidates: [{ token: 'é', logProbability: -0.5 }],
    topCandidates: [
      {
        candidates: [
          { token: 'é', logProbability: -0.5 },
          { token: 'e', logProbability: -2 },
        ],
      },
    ],
  }
  const events = decodeStream([
    { candidates: [{ content: { parts: [{ text: 'é' }] }, finishReason: 'STOP', logprobsResult }] },
  ])
  const response = collect(events)
  expect(response.logprobs).toEqual({
    content: [
      {
        token: 'é',
        logprob: -0.5,
        bytes: [195, 169],
        top_logprobs: [
          { token: 'é', logprob: -0.5, bytes: [195, 169] },
          { token: 'e', logprob: -2, bytes: [101] },
        ],
      },
    ],
  })
  expect(codec.encodeResponse(response, request({}))).toMatchObject({ candidates: [{ logprobsResult }] })
  expect(encodeStream(events)).toContain(JSON.stringify({ logprobsResult }).slice(1, -1))
})

test('a wrapped thought of another provider is plain base64 for the SDKs', () => {
  const wrapped = wrapOpaque(signed('a+/=', 'openai-responses'))
  expect(wrapped).toMatch(/^[A-Za-z0-9+/]+$/)
  expect(unwrapOpaque(wrapped, 'gemini')).toEqual(signed('a+/=', 'openai-responses'))
})

describe('gemini-2: a foreign thought that rides on a call keeps its place', () => {
  const thought = { type: 'reasoning' as const, text: 'Hm', opaque: signed('sig', 'anthropic', 'claude') }
  const text = { type: 'text' as const, text: 'I look.' }
  const call = { type: 'tool-call' as const, id: 'toolu_1', name: 'a', arguments: '{}' }

  test.each([
    ['before text', [thought, text, call]],
    ['after text', [text, thought, call]],
  ])('%s', (_, content) => {
    const response: ChatResponse = { id: 'r', model: 'm', createdAt: 0, content, finish: { reason: 'tool-calls' } }
    const candidates = [
      codec.encodeResponse(response, request({})),
      ...encodeStream(replay(response))
        .split('\r\n\r\n')
        .filter((frame) => frame !== '')
        .map((frame) => JSON.parse(frame.slice(6)) as object),
    ].map((body) => body as { candidates: { content: { parts: JsonObject[] } }[] })
    const [whole = [], ...streamed] = candidates.map((body) => body.candidates[0]?.content.parts ?? [])
    for (const parts of [whole, streamed.flat()]) {
      const kept = parts.filter((part) => part['thought'] !== true && part['text'] !== '')
      expect(decodeRequest({ contents: [{ role: 'model', parts: kept }] }).messages[0]?.content).toEqual(content)
    }
  })
})
