import Anthropic from '@anthropic-ai/sdk'
import { GoogleGenAI } from '@google/genai'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { wireFormats, type WireFormat } from '../fake-upstream/index.ts'
import { send, type Heard } from './http.ts'
import { launchGateway, type RunningGateway } from './launch.ts'
import { addressOf, emptyProvision, gatewayKey, keyHeader, plainBody, readError } from './world.ts'

// The demo provider needs no account: it is what a newcomer meets first, and what failover is rehearsed with.

const models = [
  'demo-normal',
  'demo-think',
  'demo-tool',
  'demo-echo',
  'demo-empty',
  'demo-malformed',
  'demo-401',
  'demo-429',
  'demo-500',
  'demo-cut-0',
  'demo-cut-12',
  'demo-stall',
  'demo-silent',
]

let gateway: RunningGateway
beforeAll(async () => {
  const provision = emptyProvision()
  for (const model of models) {
    // Each model has a channel of its own: what one fault does to its channel is not the next test's matter.
    const timeouts = { headersMs: 400, idleMs: 400 }
    provision.channels.push({ name: model, type: 'demo', models: [model, 'demo-normal'], timeouts })
    provision.groups.push({ name: model, items: [{ channel: model, model }] })
    provision.groups.push({
      name: `${model}-then-normal`,
      mode: 'failover',
      items: [
        { channel: model, model, priority: 1 },
        { channel: 'demo-echo', model: 'demo-normal', priority: 2 },
      ],
    })
  }
  gateway = await launchGateway({ provision })
})
afterAll(() => gateway.stop())

const question = 'Please repeat: äöü 🐙'
const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] }

interface Said {
  readonly text: string
  readonly call: unknown
  readonly tokens: number
}

async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const event of stream) found.push(event)
  return found
}

const clients: Record<string, (model: string, stream: boolean) => Promise<Said>> = {
  async 'openai chat'(model, stream) {
    const { chat } = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: gatewayKey, maxRetries: 0 })
    const request = {
      model,
      messages: [{ role: 'user' as const, content: question }],
      tools: [{ type: 'function' as const, function: { name: 'weather', parameters } }],
    }
    const answer = stream
      ? await chat.completions.stream({ ...request, stream_options: { include_usage: true } }).finalChatCompletion()
      : await chat.completions.create(request)
    const message = answer.choices[0]?.message
    const call = message?.tool_calls?.[0]
    return {
      text: message?.content ?? '',
      call: call?.type === 'function' ? JSON.parse(call.function.arguments) : null,
      tokens: answer.usage?.completion_tokens ?? 0,
    }
  },
  async 'openai responses'(model, stream) {
    const { responses } = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: gatewayKey, maxRetries: 0 })
    const request = {
      model,
      input: question,
      tools: [{ type: 'function' as const, name: 'weather', parameters, strict: false }],
    }
    const answer = stream ? await responses.stream(request).finalResponse() : await responses.create(request)
    const [call] = answer.output.flatMap((item) => (item.type === 'function_call' ? [item] : []))
    return {
      text: answer.output_text,
      call: call ? JSON.parse(call.arguments) : null,
      tokens: answer.usage?.output_tokens ?? 0,
    }
  },
  async anthropic(model, stream) {
    const { messages } = new Anthropic({ baseURL: gateway.url, apiKey: gatewayKey, maxRetries: 0 })
    const request = {
      model,
      max_tokens: 500,
      messages: [{ role: 'user' as const, content: question }],
      tools: [{ name: 'weather', input_schema: { ...parameters, type: 'object' as const } }],
    }
    const answer = stream ? await messages.stream(request).finalMessage() : await messages.create(request)
    return {
      text: answer.content.map((block) => (block.type === 'text' ? block.text : '')).join(''),
      call: answer.content.find((block) => block.type === 'tool_use')?.input ?? null,
      tokens: answer.usage.output_tokens,
    }
  },
  async google(model, stream) {
    const client = new GoogleGenAI({ apiKey: gatewayKey, httpOptions: { baseUrl: gateway.url } })
    const request = {
      model,
      contents: question,
      config: { tools: [{ functionDeclarations: [{ name: 'weather', parametersJsonSchema: parameters }] }] },
    }
    const answers = stream
      ? await collect(await client.models.generateContentStream(request))
      : [await client.models.generateContent(request)]
    const parts = answers.flatMap((answer) => answer.candidates?.[0]?.content?.parts ?? [])
    return {
      text: parts.map((part) => (part.thought === true ? '' : (part.text ?? ''))).join(''),
      call: parts.find((part) => part.functionCall !== undefined)?.functionCall?.args ?? null,
      tokens: answers.at(-1)?.usageMetadata?.candidatesTokenCount ?? 0,
    }
  },
}

describe.concurrent.each(Object.keys(clients))('%s reads the demo', (name) => {
  const say = (model: string, stream: boolean): Promise<Said> =>
    clients[name]?.(model, stream) ?? expect.fail('no such client')

  test.each([true, false])('(stream: %s)', async (stream) => {
    const normal = await say('demo-normal', stream)
    expect(normal).toMatchObject({ text: expect.stringContaining('Octopus') as unknown, call: null })
    expect(normal.tokens).toBeGreaterThan(10)
    expect((await say('demo-think', stream)).text).toContain('Octopus')
    expect((await say('demo-echo', stream)).text).toBe(question)
    expect(await say('demo-tool', stream)).toMatchObject({ text: '', call: { city: 'demo' } })
  })
})

function ask(
  format: WireFormat,
  { model, stream }: { readonly model: string; readonly stream: boolean },
): Promise<Heard> {
  return send(`${gateway.url}${addressOf(format, { model, stream })}`, {
    headers: { 'content-type': 'application/json', ...keyHeader(format, gatewayKey) },
    body: JSON.stringify(plainBody(format, { model, stream })),
  })
}

describe.concurrent.each(wireFormats)('%s', (format) => {
  test.each([
    { model: 'demo-401', status: 502 },
    { model: 'demo-429', status: 429 },
    { model: 'demo-500', status: 500 },
    { model: 'demo-malformed', status: 502 },
    { model: 'demo-silent', status: 504 },
  ])('$model alone: $status in the words of the format', async ({ model, status }) => {
    for (const stream of [true, false]) {
      const heard = await ask(format, { model, stream })
      expect(heard.status, heard.body.toString('utf8')).toBe(status)
      readError(format, heard.body.toString('utf8'))
      if (status === 429) expect(heard.headers['retry-after']).toBe('2')
    }
  })

  test.each(['demo-401', 'demo-429', 'demo-500', 'demo-malformed', 'demo-silent', 'demo-cut-0'])(
    '%s with another behind it: the other answers',
    async (model) => {
      for (const stream of [true, false]) {
        const heard = await ask(format, { model: `${model}-then-normal`, stream })
        expect(heard.status).toBe(200)
        expect(heard.body.toString('utf8')).toContain('Octopus')
      }
    },
  )

  test.each(['demo-cut-12', 'demo-stall'])('%s after its first words is told as an error', async (model) => {
    const { status, body, broken } = await ask(format, { model: `${model}-then-normal`, stream: true })
    expect({ status, broken }).toEqual({ status: 200, broken: false })
    expect(body.toString('utf8')).toMatch(/"error"/)
    expect(body.toString('utf8')).not.toMatch(/\[DONE\]|message_stop|response\.completed/)
  })
})
