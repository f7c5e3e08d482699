import { describe, expect, it } from 'vitest'
import { collect } from '../../model/collect.ts'
import type { JsonObject } from '../../model/request.ts'
import type { ChatResponse, StreamEvent } from '../../model/response.ts'
import { asObject, asString } from '../narrow.ts'
import { codec } from './codec.ts'
import { bytesOf, decodeAll, frames, jsonOf, recorded, told } from './recorded.ts'

const ignore = (): void => undefined

/** A small generator of its own: the same pieces at every run. */
function sizes(seed: number, most: number): () => number {
  let state = seed
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return 1 + (state % most)
  }
}

/** Sealed thoughts are sealed anew in the last event, and some servers name items anew. */
function comparable(response: ChatResponse): unknown {
  return JSON.parse(
    JSON.stringify(response, (key, value: unknown) => (key === 'id' || key === 'value' ? undefined : value)),
  )
}

/** Grammar of a stream: one block open at a time, numbered from 0, one end. */
function checkGrammar(events: readonly StreamEvent[]): void {
  let open: number | undefined
  let next = 0
  expect(events[0]?.type).toBe('start')
  for (const event of events) {
    if (event.type === 'block-start') {
      expect(open).toBeUndefined()
      expect(event.index).toBe(next++)
      open = event.index
    } else if (event.type === 'block-delta' || event.type === 'citation') expect(event.index).toBe(open)
    else if (event.type === 'block-end') {
      expect(event.index).toBe(open)
      open = undefined
    } else expect(open).toBeUndefined()
  }
  expect(['finish', 'error']).toContain(events.at(-1)?.type)
}

describe('recorded streams', () => {
  it.each(recorded('.sse.txt'))('%s: cut anywhere, it says the same, in the grammar', (name) => {
    const bytes = bytesOf(name)
    const whole = decodeAll(frames(bytes, () => bytes.length))
    checkGrammar(whole)
    for (const seed of [1, 2, 3]) expect(decodeAll(frames(bytes, sizes(seed, 40)))).toEqual(whole)
    expect(decodeAll(frames(bytes, () => 1))).toEqual(whole)
  })

  it.each(recorded('.sse.txt'))('%s: the deltas tell what its last event tells', (name) => {
    const all = frames(bytesOf(name), () => 5000)
    const last = all.map((frame) => frame.data).findLast((data) => data.includes('"type":"response.completed"'))
    const body = asObject(asObject(JSON.parse(last ?? '{}'))?.response) ?? {}
    expect(comparable(collect(decodeAll(all)))).toEqual(comparable(codec.decodeResponse(body, { loss: ignore })))
  })

  it.each(recorded('.sse.txt'))('%s: CRLF and comments change nothing', (name) => {
    const text = bytesOf(name).toString('utf8')
    const dressed = `: hello\n\n${text}`.replaceAll('\n', '\r\n')
    expect(decodeAll(frames(Buffer.from(dressed), sizes(7, 50)))).toEqual(
      decodeAll(frames(Buffer.from(text), () => 99)),
    )
  })

  it.each(recorded('.sse.txt'))('%s: cut short, it ends with an error and no finish', (name) => {
    const bytes = bytesOf(name)
    const end = bytes.lastIndexOf('event: response.completed')
    const cut = end > 0 ? end : bytes.lastIndexOf('data: {"type":"response.completed"')
    const events = decodeAll(frames(bytes.subarray(0, cut), () => 1000))
    expect(events.at(-1)).toMatchObject({ type: 'error', error: { kind: 'upstream_failed' } })
    expect(events.some((event) => event.type === 'finish')).toBe(false)
  })
})

describe('recorded replies', () => {
  it.each(recorded('.response.json'))('%s is read, or throws what it says', (name) => {
    const body = jsonOf(name)
    if (body.output === undefined) {
      expect(() => codec.decodeResponse(body, { loss: ignore })).toThrow(
        expect.objectContaining({ message: asString(asObject(body.error)?.message) }),
      )
      return
    }
    const response = codec.decodeResponse(body, { loss: ignore, origin: 'c' })
    expect(response).toMatchObject({ id: body.id, model: body.model, createdAt: body.created_at })
    expect(response.usage?.output).toBeGreaterThan(0)
  })

  it('names what the provider ran itself as a loss, once for each kind', () => {
    const losses: string[] = []
    const body = jsonOf('vercel-openai-web-search-tool-1.response.json')
    codec.decodeResponse(body, { loss: (loss) => losses.push(loss.field) })
    expect(losses).toEqual(['output.web_search_call'])
  })

  it('carries logprobs and citations', () => {
    const logprobs = codec.decodeResponse(jsonOf('pyd-openai-instructions-with-responses-logprobs-0.response.json'), {
      loss: ignore,
    }).logprobs
    expect(asObject(logprobs)?.content).toContainEqual(
      expect.objectContaining({ logprob: expect.any(Number) as number }),
    )
    const search = jsonOf('vercel-openai-web-search-tool-1.response.json')
    const [text] = codec.decodeResponse(search, { loss: ignore }).content.filter((part) => part.type === 'text')
    expect(text?.citations?.[0]).toMatchObject({ url: expect.stringMatching(/^https:/) as string })
  })

  it.each<[JsonObject, string]>([
    [{ status: 'failed', output: [], error: { code: 'server_error', message: 'x' } }, 'upstream_failed'],
    [{ status: 'in_progress', output: [] }, 'upstream_failed'],
    [{}, 'upstream_failed'],
  ])('%j is no answer', (body, kind) => {
    expect(() => codec.decodeResponse(body, { loss: ignore })).toThrow(expect.objectContaining({ kind }))
  })
})

const done = (output: readonly JsonObject[], more: JsonObject = {}): JsonObject => ({
  type: 'response.completed',
  response: { id: 'resp_1', model: 'm', created_at: 5, status: 'completed', output, ...more },
})
const message = (...content: JsonObject[]): JsonObject => ({ type: 'message', id: 'msg_1', role: 'assistant', content })
const output = (text: string, more: JsonObject = {}): JsonObject => ({ type: 'output_text', text, ...more })
const added = (output_index: number, item: JsonObject): JsonObject => ({
  type: 'response.output_item.added',
  output_index,
  item,
})
const ended = (output_index: number, item: JsonObject): JsonObject => ({
  type: 'response.output_item.done',
  output_index,
  item,
})
const fc = (call_id: string, args: string): JsonObject => ({
  type: 'function_call',
  id: `fc_${call_id}`,
  call_id,
  name: 'f',
  arguments: args,
})

describe('gaps are filled from the fuller events', () => {
  it.each<[string, JsonObject[]]>([
    ['only the last event', [done([message(output('Hi'))])]],
    ['only output_item.done', [ended(0, message(output('Hi'))), done([])]],
    ['no added', [{ type: 'response.output_text.delta', output_index: 0, content_index: 0, delta: 'Hi' }, done([])]],
    ['no index at all', [{ type: 'response.output_text.delta', delta: 'Hi' }, done([])]],
    [
      'only text.done',
      [{ type: 'response.output_text.done', output_index: 0, content_index: 0, text: 'Hi' }, done([])],
    ],
    [
      'a delta lost on the way',
      [
        { type: 'response.output_text.delta', output_index: 0, content_index: 0, delta: 'H' },
        ended(0, message(output('Hi'))),
        done([message(output('Hi'))]),
      ],
    ],
  ])('%s', (_, events) => {
    const response = collect(decodeAll(told(...events)))
    expect(response.content).toEqual([{ type: 'text', text: 'Hi' }])
    expect(response.finish).toEqual({ reason: 'stop', raw: 'completed' })
  })

  it('calls: arguments in added, in done, in the item alone, or none', () => {
    const events = told(
      added(0, fc('a', '')),
      { type: 'response.function_call_arguments.delta', output_index: 0, delta: '{"x"', obfuscation: 'zzz' },
      { type: 'response.function_call_arguments.delta', output_index: 0, delta: ':1}' },
      { type: 'response.function_call_arguments.done', output_index: 0, arguments: '{"x":1}' },
      ended(0, fc('a', '{"x":1}')),
      added(1, fc('b', '{"y":2}')),
      { type: 'response.function_call_arguments.done', output_index: 1, arguments: '{"y":2}' },
      ended(2, fc('c', '{"z":3}')),
      ended(3, fc('d', '')),
      done([]),
    )
    expect(collect(decodeAll(events)).content).toEqual([
      { type: 'tool-call', id: 'a', name: 'f', arguments: '{"x":1}' },
      { type: 'tool-call', id: 'b', name: 'f', arguments: '{"y":2}' },
      { type: 'tool-call', id: 'c', name: 'f', arguments: '{"z":3}' },
      { type: 'tool-call', id: 'd', name: 'f', arguments: '' },
    ])
  })

  it('calls whose deltas come interleaved are told one after the other', () => {
    const delta = (output_index: number, text: string): JsonObject => ({
      type: 'response.function_call_arguments.delta',
      output_index,
      delta: text,
    })
    const events = decodeAll(
      told(
        added(0, fc('a', '')),
        added(1, fc('b', '')),
        delta(0, '{"x":'),
        delta(1, '{"y":'),
        delta(0, '1}'),
        delta(1, '2}'),
        ended(1, fc('b', '{"y":2}')),
        ended(0, fc('a', '{"x":1}')),
        done([fc('a', '{"x":1}'), fc('b', '{"y":2}')]),
      ),
    )
    checkGrammar(events)
    expect(collect(events).content).toMatchObject([{ arguments: '{"x":1}' }, { arguments: '{"y":2}' }])
    expect(collect(events).finish.reason).toBe('tool-calls')
  })

  it('paragraphs of a summary are joined, and a raw thought is not told twice', () => {
    const summary = (summary_index: number, delta: string): JsonObject => ({
      type: 'response.reasoning_summary_text.delta',
      output_index: 0,
      summary_index,
      delta,
    })
    const item = {
      type: 'reasoning',
      id: 'rs_1',
      summary: [{ text: 'one' }, { text: 'two' }],
      encrypted_content: 'AA==',
    }
    const events = told(
      added(0, { type: 'reasoning', id: 'rs_1', summary: [] }),
      summary(0, 'o'),
      summary(0, 'ne'),
      { type: 'response.reasoning_text.delta', output_index: 0, content_index: 0, delta: 'raw' },
      summary(1, 'two'),
      ended(0, item),
      done([item]),
    )
    const part = {
      type: 'reasoning',
      id: 'rs_1',
      text: 'one\n\ntwo',
      opaque: { format: 'openai-responses', value: 'AA==', origin: 'c' },
    }
    expect(collect(decodeAll(events, 'c')).content).toEqual([part])
    expect(codec.decodeResponse(asObject(done([item]).response) ?? {}, { loss: ignore, origin: 'c' }).content).toEqual([
      part,
    ])
  })
})

describe('rules', () => {
  it('responses-3: a thought without words keeps its seal and its channel', () => {
    const item = { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'AA==' }
    expect(collect(decodeAll(told(added(0, item), ended(0, item), done([item])), 'channel 3')).content).toEqual([
      {
        type: 'reasoning',
        text: '',
        id: 'rs_1',
        opaque: { format: 'openai-responses', value: 'AA==', origin: 'channel 3' },
      },
    ])
  })

  it('responses-6: truncation is a 200 with incomplete_details, failure is response.failed', () => {
    const incomplete = (reason: string): JsonObject => ({
      type: 'response.incomplete',
      response: { status: 'incomplete', incomplete_details: { reason }, output: [message(output('H'))] },
    })
    const finishOf = (event: JsonObject): unknown => collect(decodeAll(told(event))).finish
    expect(finishOf(incomplete('max_output_tokens'))).toEqual({ reason: 'length', raw: 'max_output_tokens' })
    expect(finishOf(incomplete('content_filter'))).toEqual({ reason: 'content-filter', raw: 'content_filter' })
    const failed = { type: 'response.failed', response: { error: { code: 'server_error', message: 'boom' } } }
    const events = decodeAll(told({ type: 'response.output_text.delta', delta: 'H' }, failed))
    expect(events.at(-1)).toMatchObject({ type: 'error', error: { kind: 'upstream_failed', message: 'boom' } })
    checkGrammar(events)
  })

  it('all-3: an error event ends the stream, whatever follows', () => {
    const events = decodeAll(
      told(
        { type: 'response.output_text.delta', delta: 'H' },
        { type: 'error', code: 'rate_limit_exceeded', message: 'slow' },
        done([message(output('H'))]),
      ),
    )
    expect(events.filter((event) => event.type === 'finish')).toEqual([])
    expect(events.at(-1)).toMatchObject({ type: 'error', error: { kind: 'rate_limited' } })
  })

  it('an event that is no JSON is a failure, an empty one and [DONE] are not', () => {
    expect(decodeAll([{ data: '' }, { data: '{"type":' }]).at(-1)).toMatchObject({ type: 'error' })
    expect(collect(decodeAll([...told(done([message(output('H'))])), { data: '[DONE]' }])).content).toHaveLength(1)
  })

  it('responses-7: a custom tool gives its text as it is', () => {
    const item = { type: 'custom_tool_call', id: 'ctc_1', call_id: 'c', name: 'p', input: 'free "text"' }
    const events = told(
      added(0, { ...item, input: '' }),
      { type: 'response.custom_tool_call_input.delta', output_index: 0, delta: 'free ' },
      { type: 'response.custom_tool_call_input.delta', output_index: 0, delta: '"text"' },
      { type: 'response.custom_tool_call_input.done', output_index: 0, input: 'free "text"' },
      ended(0, item),
      done([item]),
    )
    expect(collect(decodeAll(events)).content).toEqual([
      { type: 'tool-call', id: 'c', name: 'p', arguments: 'free "text"', custom: true },
    ])
  })

  it('responses-8: OpenRouter sends no event lines, thinks in plain text and says [DONE]', () => {
    const bytes = bytesOf('pyd-openai-responses-raw-cot-stream-openrouter-0.sse.txt')
    const response = collect(decodeAll(frames(bytes, () => 100)))
    expect(response.content).toMatchObject([{ type: 'reasoning' }, { type: 'text', text: '4' }])
    expect(response.content[0]).not.toHaveProperty('opaque')
  })

  it('a refusal is a text of its own kind and a finish of its own', () => {
    const events = told(
      { type: 'response.refusal.delta', output_index: 0, content_index: 0, delta: 'No' },
      done([message({ type: 'refusal', refusal: 'No' })]),
    )
    expect(collect(decodeAll(events))).toMatchObject({
      content: [{ type: 'text', text: 'No', refusal: true }],
      finish: { reason: 'refusal' },
    })
  })

  it('a generated image is a picture', () => {
    const item = { type: 'image_generation_call', id: 'ig_1', result: 'AAAA', output_format: 'webp' }
    expect(collect(decodeAll(told(ended(0, item), done([item])))).content).toEqual([
      { type: 'media', mediaType: 'image/webp', source: { kind: 'base64', data: 'AAAA' } },
    ])
  })

  it('all-4: usage comes apart into what never overlaps', () => {
    const usage = {
      input_tokens: 10,
      input_tokens_details: { cached_tokens: 4 },
      output_tokens: 6,
      output_tokens_details: { reasoning_tokens: 5 },
    }
    expect(collect(decodeAll(told(done([message(output('H'))], { usage, service_tier: 'flex' }))))).toMatchObject({
      usage: { input: 6, cacheRead: 4, output: 6, reasoning: 5 },
      serviceTier: 'flex',
    })
  })
})
