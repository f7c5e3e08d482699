import { GoogleGenAI } from '@google/genai'
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { describe, expect, test } from 'vitest'
import { startFakeUpstream, type WireFormat } from '../fake-upstream/index.ts'
import { object, parse } from '../fake-upstream/json.ts'
import { playTurn } from './answer.ts'
import { valueOf } from './conversation.ts'
import { ScriptedUpstream } from './scripted-upstream.ts'
import type { Turn } from './turn.ts'

// The scripted model is held against the official SDKs: what they read out of its answers is what the script says.

const turn: Turn = {
  thought: { text: 'I wonder about ü, and about 漢字.', seal: 'c2VhbA==' },
  text: 'Let me look at it: ü 漢字.',
  calls: [
    { name: 'read', arguments: { file: 'a "b" ü.txt' } },
    { name: 'read', arguments: { file: 'b.txt' } },
  ],
}

const answering =
  (format: WireFormat, stream: boolean): typeof fetch =>
  () => {
    const play = playTurn(format, turn, { model: 'm', stream, includeUsage: true, serial: 1 })
    return Promise.resolve(new Response(new Uint8Array(play.body), { status: play.status, headers: play.headers }))
  }

interface Read {
  readonly text: string
  readonly calls: readonly { readonly name: string; readonly arguments: unknown }[]
}

const asked = [{ role: 'user' as const, content: 'go' }]
const readers: Record<Exclude<WireFormat, 'gemini' | 'antigravity'>, (stream: boolean) => Promise<Read>> = {
  'openai-chat': async (stream) => {
    const client = new OpenAI({ apiKey: 'k', fetch: answering('openai-chat', stream) })
    const body = { model: 'm', messages: asked }
    const reply = stream
      ? await client.chat.completions.stream({ ...body, stream: true }).finalChatCompletion()
      : await client.chat.completions.create(body)
    const message = reply.choices[0]!.message
    const calls = (message.tool_calls ?? []).filter((call) => call.type === 'function')
    return {
      text: message.content ?? '',
      calls: calls.map((call) => ({
        name: call.function.name,
        arguments: JSON.parse(call.function.arguments) as unknown,
      })),
    }
  },
  'openai-responses': async (stream) => {
    const client = new OpenAI({ apiKey: 'k', fetch: answering('openai-responses', stream) })
    const body = { model: 'm', input: 'go' }
    const reply = stream
      ? await client.responses.stream(body).finalResponse()
      : await client.responses.create({ ...body, stream: false })
    const calls = reply.output.flatMap((item) => (item.type === 'function_call' ? [item] : []))
    return {
      text: reply.output_text,
      calls: calls.map((call) => ({ name: call.name, arguments: JSON.parse(call.arguments) as unknown })),
    }
  },
  anthropic: async (stream) => {
    const client = new Anthropic({ apiKey: 'k', fetch: answering('anthropic', stream) })
    const body = { model: 'm', max_tokens: 9, messages: asked }
    const reply = stream ? await client.messages.stream(body).finalMessage() : await client.messages.create(body)
    const calls = reply.content.filter((block) => block.type === 'tool_use')
    return {
      text: reply.content
        .filter((block) => block.type === 'text')
        .map((block) => block.text)
        .join(''),
      calls: calls.map((call) => ({ name: call.name, arguments: call.input })),
    }
  },
}

describe.each(Object.entries(readers))('%s', (_, read) => {
  test.each([false, true])('its SDK reads the turn, streamed: %s', async (stream) => {
    expect(await read(stream)).toEqual({ text: turn.text, calls: turn.calls })
  })
})

test('the fake Gemini plays a script turn by turn, answers beside it in the shape asked for, and wants its seal back', async () => {
  const upstream = await startFakeUpstream()
  try {
    const model = 'gemini-3-pro'
    const stage = { id: 'cell', model, upstream: { label: 'gemini', format: 'gemini', model, thinks: true } } as const
    const calls = [{ name: 'read', arguments: { file: 'a.txt' } }]
    const scene = new ScriptedUpstream(upstream).direct(stage, { turns: [calls], final: 'Done.' })
    const client = new GoogleGenAI({
      apiKey: 'upstream-cell',
      httpOptions: { baseUrl: `${upstream.url}/at/cell`, apiVersion: 'v1beta' },
    })
    const tools = [{ functionDeclarations: [{ name: 'read', parametersJsonSchema: { type: 'object' } }] }]
    const chat = client.chats.create({ model, config: { tools } })

    const asking = await chat.sendMessage({ message: 'go' })
    expect(asking.functionCalls).toMatchObject([{ name: 'read', args: { file: 'a.txt' } }])
    const parts: string[] = []
    const message = [{ functionResponse: { name: 'read', response: { output: 'x' } } }]
    for await (const chunk of await chat.sendMessageStream({ message })) parts.push(chunk.text ?? '')
    expect(parts.join('')).toBe('Done.')

    const responseJsonSchema = { type: 'object', properties: { choice: { type: 'string', enum: ['flash', 'pro'] } } }
    const config = { responseMimeType: 'application/json', responseJsonSchema }
    const beside = await client.models.generateContent({ model, contents: 'which?', config })
    expect(parse(beside.text ?? '')).toEqual({ choice: 'flash' })

    expect(scene.answered.map(({ played }) => played)).toEqual([0, 'final', 'side'])
    expect(scene.answered[1]).toMatchObject({ thoughts: { sent: 1, returned: 1 } })
  } finally {
    await upstream.close()
  }
})

test('Antigravity wraps what Gemini says; Claude behind it signs its thoughts, not its calls', () => {
  const whole = (format: WireFormat, model: string): unknown =>
    parse(playTurn(format, turn, { model, stream: false, includeUsage: false, serial: 1 }).body.toString('utf8'))
  expect(object(whole('antigravity', 'gemini-3-pro')).response).toEqual(whole('gemini', 'gemini-3-pro'))
  const claude = object(object(whole('antigravity', 'claude-opus-4-6-thinking')).response)
  expect(claude.candidates).toMatchObject([
    {
      content: {
        parts: [{ thought: true, thoughtSignature: 'c2VhbA==' }, {}, {}, { functionCall: { name: 'read' } }, {}],
      },
      finishReason: 'OTHER',
    },
  ])
})

test.each([
  [
    { type: 'object', properties: { a: { type: 'integer', minimum: 3 }, b: { type: 'array' } } },
    { a: 3, b: [] },
  ],
  [{ anyOf: [{ type: 'STRING' }, { type: 'NULL' }] }, 'word'],
  [{ type: ['boolean', 'null'] }, true],
  [{ const: 7 }, 7],
])('the smallest value of %j', (schema, value) => {
  expect(valueOf(schema)).toEqual(value)
})
