import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  chunks,
  events,
  json,
  recorded,
  recordedCase,
  recordedCases,
  startFakeUpstream,
  type FakeUpstream,
  type WireFormat,
} from './index.ts'

let upstream: FakeUpstream
beforeAll(async () => {
  upstream = await startFakeUpstream()
})
beforeEach(() => upstream.reset())
afterAll(() => upstream.close())

const user = [{ role: 'user', content: 'hi' }]
const contents = [{ role: 'user', parts: [{ text: 'hi' }] }]

interface Ask {
  readonly format: WireFormat
  readonly model: string
  readonly headers?: Readonly<Record<string, string>>
}

function address({ format, model }: Ask): string {
  const base = upstream.baseUrl(format, 'one')
  switch (format) {
    case 'openai-chat':
      return `${base}/chat/completions`
    case 'openai-responses':
      return `${base}/responses`
    case 'anthropic':
      return `${base}/messages`
    case 'gemini':
      return `${base}/models/${encodeURIComponent(model)}:generateContent`
    case 'antigravity':
      return `${base}/v1internal:generateContent`
  }
}

const keys: Record<WireFormat, Readonly<Record<string, string>>> = {
  'openai-chat': { authorization: 'Bearer upstream-a' },
  'openai-responses': { authorization: 'Bearer upstream-a' },
  anthropic: { 'x-api-key': 'upstream-a', 'anthropic-version': '2023-06-01' },
  gemini: { 'x-goog-api-key': 'upstream-a' },
  antigravity: { authorization: 'Bearer ya29.upstream-a' },
}
const bodies: Record<WireFormat, (model: string) => object> = {
  'openai-chat': (model) => ({ model, messages: user }),
  'openai-responses': (model) => ({ model, input: 'hi' }),
  anthropic: (model) => ({ model, max_tokens: 9, messages: user }),
  gemini: () => ({ contents }),
  antigravity: (model) => ({ model, project: 'p', request: { contents } }),
}

function ask(question: Ask, body: object = bodies[question.format](question.model)): Promise<Response> {
  return fetch(address(question), {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...keys[question.format], ...question.headers },
    body: JSON.stringify(body),
  })
}

const samples = (['openai-chat', 'openai-responses', 'anthropic', 'gemini', 'antigravity'] as const).map((format) => ({
  format,
  one: recordedCases.find((each) => each.format === format && each.stream && each.status === 200),
}))

test.each(samples)(
  '$format: the model names the recording, and its bytes come back at any chunking',
  async ({ format, one }) => {
    if (one === undefined) return expect.fail('no recorded stream')
    for (const words of ['', ';chunk=event', ';chunk=7', ';chunk=random-3']) {
      const reply = await ask({ format, model: `case:${one.id}${words}` })
      expect(reply.status).toBe(200)
      expect(reply.headers.get('content-type')).toMatch(/^text\/event-stream/)
      expect(Buffer.from(await reply.arrayBuffer()).equals(one.reply())).toBe(true)
    }
    expect(upstream.violations().filter((words) => !words.includes('sec-fetch'))).toEqual([])
    expect(upstream.requests[0]).toMatchObject({ at: 'one', target: { format, model: `case:${one.id}` } })
  },
)

describe('a request that its provider would not take is refused in its words', () => {
  test.each<Ask & { body?: object; status: number; error: object }>([
    {
      format: 'openai-chat',
      model: 'm',
      body: { model: 'm' },
      status: 400,
      error: {
        message: "Missing required parameter: 'messages'.",
        type: 'invalid_request_error',
        param: 'messages',
        code: 'missing_required_parameter',
      },
    },
    {
      format: 'anthropic',
      model: 'm',
      body: { model: 'm', messages: user },
      status: 400,
      error: { type: 'invalid_request_error', message: 'max_tokens: Field required' },
    },
    {
      format: 'gemini',
      model: 'm',
      body: { contents, top_k: 1 },
      status: 400,
      error: {
        code: 400,
        message: 'Invalid JSON payload received. Unknown name "top_k": Cannot find field.',
        status: 'INVALID_ARGUMENT',
      },
    },
    {
      format: 'openai-responses',
      model: 'm',
      headers: { authorization: 'Bearer sk-octopus-1' },
      status: 401,
      error: { message: 'Incorrect API key provided.', type: 'invalid_request_error', param: null, code: null },
    },
  ])('$format $status', async ({ body, status, error, ...question }) => {
    const reply = await ask(question, body ?? bodies[question.format]('m'))
    expect(reply.status).toBe(status)
    expect(await reply.json()).toMatchObject({ error })
    expect(upstream.requests[0]?.violations).toContain((error as { message: string }).message)
  })
})

test('what should never leave the gateway is noticed', async () => {
  await ask({
    format: 'openai-chat',
    model: 'case:err-401-invalid-key',
    headers: { cookie: 'a=b', 'x-forwarded-for': '1.2.3.4', 'x-api-key': 'sk-octopus-secret', 'x-octopus-hop': '1' },
  })
  expect(upstream.requests[0]?.violations).toEqual(
    expect.arrayContaining([
      'the header cookie reached the provider',
      'the header x-forwarded-for reached the provider',
      'a gateway key reached the provider in x-api-key',
      'two credentials were sent: authorization, x-api-key',
    ]),
  )
  expect(upstream.violations().join()).not.toContain('x-octopus-hop')
})

describe('faults', () => {
  const one = recordedCase('anthropic', 'mid-529-overloaded')
  const model = 'm'
  const stream = async (): Promise<{ text: string; broken: boolean }> => {
    const reply = await ask({ format: 'anthropic', model })
    const decoder = new TextDecoder()
    let text = ''
    try {
      for await (const part of reply.body ?? []) text += decoder.decode(part, { stream: true })
      return { text, broken: false }
    } catch {
      return { text, broken: true }
    }
  }
  const first = (count: number): string => Buffer.concat(events(one.reply()).slice(0, count)).toString('utf8')

  test.each([
    { ending: 'end' as const, broken: false },
    { ending: 'cut' as const, broken: true },
    { ending: 'reset' as const, broken: true },
  ])('$ending after two events', async ({ ending, broken }) => {
    upstream.on(model, recorded('anthropic', one.id, { after: 2, ending }))
    const heard = await stream()
    // A reset may overtake bytes that the client's side has not yet read.
    if (ending === 'reset') expect(first(2)).toContain(heard.text)
    else expect(heard.text).toBe(first(2))
    expect(heard.broken).toBe(broken)
  })

  test('an event cut in its middle', async () => {
    upstream.on(model, recorded('anthropic', one.id, { after: 1, midEvent: true }))
    const { text } = await stream()
    expect(text.startsWith(first(1))).toBe(true)
    expect(text.length).toBeGreaterThan(first(1).length)
    expect(text.length).toBeLessThan(first(2).length)
  })

  test('a stall and silence end when the client gives up, and that is told', async () => {
    upstream.queue(
      recorded('anthropic', one.id, { after: 1, ending: 'stall' }),
      recorded('anthropic', one.id, { silent: true }),
    )
    for (let n = 0; n < 2; n++) {
      const giveUp = new AbortController()
      const asked = fetch(address({ format: 'anthropic', model }), {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...keys.anthropic },
        body: JSON.stringify(bodies.anthropic(model)),
        signal: giveUp.signal,
      })
      if (n === 0) expect((await asked).status).toBe(200)
      else await expect.poll(() => upstream.requests.length).toBe(2)
      giveUp.abort()
      await asked.catch(() => undefined)
      expect(await upstream.requests[n]?.outcome).toBe('aborted')
    }
  })

  test('the queue goes first, then the model', async () => {
    upstream.on(model, json(503, {}))
    upstream.queue(json(429, {}, { headers: { 'retry-after': '7' } }))
    const limited = await ask({ format: 'anthropic', model })
    expect([limited.status, limited.headers.get('retry-after')]).toEqual([429, '7'])
    expect((await ask({ format: 'anthropic', model })).status).toBe(503)
  })
})

test('chunking never changes the bytes', () => {
  const body = Buffer.from('event: a\ndata: 1\n\ndata: ü\r\n\r\nrest')
  for (const chunking of ['whole', 'event', { bytes: 1 }, { bytes: 5 }, { random: 1 }, { random: 2 }] as const)
    expect(Buffer.concat(chunks(body, chunking)).equals(body)).toBe(true)
  expect(events(body).map(String)).toEqual(['event: a\ndata: 1\n\n', 'data: ü\r\n\r\n', 'rest'])
  const cuts = (seed: number): number[] => chunks(Buffer.alloc(5000), { random: seed }).map((piece) => piece.length)
  expect(cuts(4)).toEqual(cuts(4))
  expect(cuts(4)).not.toEqual(cuts(5))
})
