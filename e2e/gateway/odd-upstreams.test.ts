import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { launchGateway, type RunningGateway } from './launch.ts'

/** Upstreams that answer in another manner than they were asked, as compatible servers really do. */
const KEY = 'sk-octopus-odd-upstreams-1'
let upstream: Server
let gateway: RunningGateway

const whole = {
  id: 'c1',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hé' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
}
const chunk = (delta: object, finish: string | null): string =>
  `data: ${JSON.stringify({ id: 'c1', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`
const streamed = `${chunk({ role: 'assistant', content: 'Hé' }, null)}${chunk({}, 'stop')}data: [DONE]\n\n`
const empty = { ...whole, choices: [{ index: 0, message: { role: 'assistant', content: '' }, finish_reason: 'stop' }] }
const emptyStream = `${chunk({ role: 'assistant', content: '' }, null)}${chunk({}, 'stop')}data: [DONE]\n\n`

const answers: Readonly<Record<string, readonly [contentType: string, body: string]>> = {
  'always-whole': ['application/json', JSON.stringify(whole)],
  'always-streams': ['text/event-stream', streamed],
  'says-nothing': ['application/json', JSON.stringify(empty)],
  'streams-nothing': ['text/event-stream', emptyStream],
  page: ['text/html', '<html>'],
}

async function modelOf(request: IncomingMessage): Promise<string> {
  let body = ''
  for await (const piece of request) body += String(piece)
  return (JSON.parse(body) as { model: string }).model
}

beforeAll(async () => {
  upstream = createServer((request, response) => {
    void modelOf(request).then((model) => {
      const [type, body] = answers[model] ?? ['application/json', '{}']
      response.writeHead(200, { 'content-type': type }).end(body)
    })
  })
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
  const baseUrl = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}/v1`
  gateway = await launchGateway({
    provision: {
      channels: [
        { name: 'odd', type: 'openai-chat', endpoints: [{ format: 'openai-chat', baseUrl }], keys: ['sk-odd'] },
        { name: 'good', type: 'demo' },
      ],
      groups: [
        ...Object.keys(answers).map((model) => ({ name: model, items: [{ channel: 'odd', model }] })),
        {
          name: 'nothing-then-good',
          mode: 'failover',
          items: [
            { channel: 'odd', model: 'says-nothing', priority: 1 },
            { channel: 'good', model: 'demo-echo', priority: 2 },
          ],
        },
      ],
      apiKeys: [{ name: 'odd', key: KEY }],
    },
  })
})

afterAll(async () => {
  await gateway.stop()
  upstream.close()
})

async function post(path: string, body: object): Promise<{ status: number; type: string; text: string }> {
  const response = await fetch(gateway.url + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  return { status: response.status, type: response.headers.get('content-type') ?? '', text: await response.text() }
}

const chat = (model: string, stream: boolean): object => ({
  model,
  stream,
  messages: [{ role: 'user', content: 'hello' }],
})

describe('an upstream that always answers in one piece', () => {
  it('streams to a client of its own format', async () => {
    const { type, text } = await post('/v1/chat/completions', chat('always-whole', true))
    expect(type).toMatch(/^text\/event-stream/)
    expect(text).toContain('"content":"Hé"')
    expect(text).toContain('"finish_reason":"stop"')
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true)
  })

  it('streams to a client of another format', async () => {
    const { text } = await post('/v1/messages', { ...chat('always-whole', true), max_tokens: 9 })
    expect(text).toContain('"text_delta","text":"Hé"')
    expect(text).toContain('event: message_stop')
  })

  it('comes as one JSON array to a Gemini client that did not ask for events', async () => {
    const { type, text } = await post('/v1beta/models/always-whole:streamGenerateContent', {
      contents: [{ role: 'user', parts: [{ text: 'hello' }] }],
    })
    expect(type).toMatch(/^application\/json/)
    const parsed = JSON.parse(text) as { candidates: { content: { parts: { text: string }[] } }[] }[]
    expect(parsed[0]?.candidates[0]?.content.parts[0]?.text).toBe('Hé')
  })
})

describe('an upstream that always streams', () => {
  it('answers in one piece to a client of its own format', async () => {
    const { type, text } = await post('/v1/chat/completions', chat('always-streams', false))
    expect(type).toMatch(/^application\/json/)
    expect(JSON.parse(text)).toMatchObject({
      choices: [{ message: { role: 'assistant', content: 'Hé' }, finish_reason: 'stop' }],
    })
  })

  it('answers in one piece to a client of another format', async () => {
    const { text } = await post('/v1/messages', { ...chat('always-streams', false), max_tokens: 9 })
    expect(JSON.parse(text)).toMatchObject({ content: [{ type: 'text', text: 'Hé' }], stop_reason: 'end_turn' })
  })

  it('comes as one JSON array to a Gemini client that did not ask for events', async () => {
    const { type, text } = await post('/v1beta/models/always-streams:streamGenerateContent', {
      contents: [{ role: 'user', parts: [{ text: 'hello' }] }],
    })
    expect(type).toMatch(/^application\/json/)
    const texts = (JSON.parse(text) as { candidates?: { content?: { parts?: { text?: string }[] } }[] }[]).map(
      (one) => one.candidates?.[0]?.content?.parts?.[0]?.text ?? '',
    )
    expect(texts.join('')).toBe('Hé')
  })
})

describe('an upstream that says nothing', () => {
  it('is passed over while another is there', async () => {
    const { text } = await post('/v1/chat/completions', chat('nothing-then-good', false))
    expect(JSON.parse(text)).toMatchObject({
      choices: [{ message: { content: expect.stringContaining('hello') as unknown } }],
    })
  })

  it.each([
    ['says-nothing', false, JSON.stringify(empty)],
    ['streams-nothing', true, emptyStream],
  ])('is passed on byte for byte when it is alone: %s', async (model, stream, expected) => {
    const { status, text } = await post('/v1/chat/completions', chat(model, stream))
    expect(status).toBe(200)
    expect(text).toBe(expected)
  })

  it('is an error to a client of another format', async () => {
    const { status, text } = await post('/v1/messages', { ...chat('says-nothing', false), max_tokens: 9 })
    expect(status).toBe(502)
    expect(JSON.parse(text)).toMatchObject({ type: 'error', error: { type: 'api_error' } })
  })
})

it('does not take a web page for an answer', async () => {
  for (const stream of [true, false])
    expect((await post('/v1/chat/completions', chat('page', stream))).status).toBe(502)
})
