import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { agentSessions, wireFormats, type ReceivedRequest, type WireFormat } from '../fake-upstream/index.ts'
import { send, type Sending } from '../gateway/http.ts'
import { gatewayKey, provisionModels, startWorld, type World } from '../gateway/world.ts'
import { playTurn } from '../tools/answer.ts'
import type { ScriptedCall, Turn } from '../tools/turn.ts'
import { nextTurn } from './agents/history.ts'
import { opening, toolsOf, type Opening } from './agents/session.ts'
import { object, text, type JsonObject } from './recording/json.ts'

// What coding agents send reaches channels of every other format in a shape that their providers take, and so does the next turn
// that is made of our answer: thoughts, calls and results as that agent keeps them.

/** Models whose names decide what their provider takes. */
const models: Readonly<Record<WireFormat, readonly string[]>> = {
  'openai-chat': ['gpt-5.1', 'gpt-4o', 'deepseek-reasoner'],
  'openai-responses': ['gpt-5.1-codex', 'gpt-4.1'],
  anthropic: ['claude-sonnet-4-5', 'claude-opus-4-7', 'claude-3-5-haiku-latest'],
  gemini: ['gemini-3-pro-preview', 'gemini-2.5-flash'],
  antigravity: ['gemini-3-pro-high', 'claude-sonnet-4-5-thinking'],
}

let world: World
let serial = 0
beforeAll(async () => {
  world = await startWorld((upstream) => provisionModels(upstream, models))
  for (const format of wireFormats)
    for (const model of models[format]) world.upstream.on(model, (request) => playFor(format, request))
})
afterAll(() => world.close())

/** What the provider that is asked answers next. */
let script: 'calls' | 'text' = 'text'
const sealOf = (format: WireFormat): string => Buffer.from(`sealed by ${format} ${'x'.repeat(80)}`).toString('base64')

function playFor(format: WireFormat, { json: body, target }: ReceivedRequest) {
  const manner = {
    model: target?.model ?? '',
    stream: target?.stream ?? false,
    includeUsage: object(body.stream_options).include_usage === true,
    serial: ++serial,
  }
  const play = playTurn(format, turnFor(format, body, manner.model), manner)
  return givesThoughts(manner.model) ? { ...play, lenient: true } : play
}

function turnFor(format: WireFormat, body: JsonObject, model: string): Turn {
  const tools = toolsOf(format, body)
  const [first, second = first] = tools
  const custom = tools.find(({ name }) => name === 'apply_patch')
  const calls = [first, custom ?? second].flatMap((tool): readonly ScriptedCall[] => {
    if (tool === undefined) return []
    const input = '*** Begin Patch\n"ü"\n*** End Patch'
    if (tool.name !== 'apply_patch') return [{ name: tool.name, arguments: { path: 'a “b”.txt', n: 1 } }]
    return [tool.custom ? { name: tool.name, input } : { name: tool.name, arguments: { input } }]
  })
  const thinks = thinksIn[format](body, model)
  return {
    ...(thinks && { thought: { text: 'I think: first\nthe file.', seal: sealOf(format) } }),
    text: script === 'calls' ? 'I look.' : 'All done.',
    calls: script === 'calls' ? calls : [],
  }
}

/** A provider that speaks Chat with thoughts in it, which it wants back; OpenAI's own rules know nothing of them. */
const givesThoughts = (model: string): boolean => model.startsWith('deepseek')

const thinksIn: Readonly<Record<WireFormat, (body: JsonObject, model: string) => boolean>> = {
  'openai-chat': (_, model) => givesThoughts(model),
  'openai-responses': () => true,
  anthropic: (body) => ['enabled', 'adaptive'].includes(text(object(body.thinking).type)),
  gemini: () => true,
  antigravity: () => true,
}

const headersAnd = ({ headers }: Opening, body: JsonObject): Sending => ({
  headers: { ...headers, authorization: `Bearer ${gatewayKey}` },
  body: JSON.stringify(body),
})

async function ask(from: Opening, body: JsonObject): Promise<Buffer> {
  const heard = await send(`${world.gateway.url}${from.path}`, headersAnd(from, body))
  expect(heard.status, heard.body.toString('utf8').slice(0, 400)).toBe(200)
  return heard.body
}

/** The request that arrived last, which its provider must take. */
function arrived(): ReceivedRequest {
  const request = world.upstream.requests.at(-1) ?? expect.fail('nothing arrived')
  const faults = request.violations.filter(
    (fault) => !(givesThoughts(request.target?.model ?? '') && /reasoning_content/.test(fault)),
  )
  expect(faults, request.body.toString('utf8').slice(0, 3000)).toEqual([])
  return request
}

const targets = wireFormats.flatMap((format) => models[format].map((model) => ({ format, model })))

describe.each(targets)('through $format/$model', ({ format, model }) => {
  const foreign = agentSessions.filter((name) => opening(name, '').format !== format)
  test.each(foreign)('%s', async (name) => {
    const first = opening(name, `${format}.${model}`)
    if (first.counts) {
      const counted: unknown = JSON.parse((await ask(first, first.body)).toString('utf8'))
      expect(object(counted).input_tokens ?? object(counted).totalTokens).toBeGreaterThan(0)
      return
    }
    script = 'calls'
    let reply = await ask(first, first.body)
    const asked = arrived()
    if (asked.target?.stream !== true) return

    const results = nextTurn(first.format, { client: first.client, body: first.body, reply })
    expect(results.calls).toBe(Math.min(2, toolsOf(format, asked.json).length))
    script = 'text'
    reply = await ask(first, results.body)
    const second = arrived()
    if (results.calls > 0 && carriesSeals(first) && thinksIn[format](asked.json, model))
      expect(thoughtsIn(second), 'thoughts go back to their maker').toContain(format)

    const question = nextTurn(first.format, { client: first.client, body: results.body, reply })
    await ask(first, question.body)
    arrived()

    // the person chooses another model: what the first provider sealed stays away from it
    for (const other of targets.filter((one) => one.format !== format)) {
      const moved = opening(name, `${other.format}.${other.model}`)
      const body =
        first.format === 'gemini' ? question.body : { ...question.body, model: `${other.format}.${other.model}` }
      if (other.format === first.format) {
        // bytes of the client's own format pass: what it says wrong there is its own
        await send(`${world.gateway.url}${moved.path}`, headersAnd(moved, body))
        expect(world.upstream.requests.at(-1)?.leaks).toEqual([])
      } else await ask(moved, body)
      const request = other.format === first.format ? world.upstream.requests.at(-1) : arrived()
      expect(request === undefined ? [] : thoughtsIn(request)).not.toContain(format)
    }
  })
})

/** Chat agents send back at most the thoughts' text. */
const carriesSeals = ({ format }: Opening): boolean => format !== 'openai-chat'

const thoughtsIn = ({ body }: ReceivedRequest): readonly WireFormat[] =>
  wireFormats.filter((format) => body.includes(format === 'openai-chat' ? 'reasoning_content' : sealOf(format)))
