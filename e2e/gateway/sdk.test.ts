import Anthropic from '@anthropic-ai/sdk'
import { GoogleGenAI, type GenerateContentParameters } from '@google/genai'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { recorded, recordedCases, wireFormats, type RecordedCase, type WireFormat } from '../fake-upstream/index.ts'
import { gatewayKey, provisionModels, startWorld, upstreamKey, type World } from './world.ts'

// The vendors' own clients read the same through the gateway as they read from the provider.

type SdkFormat = Exclude<WireFormat, 'antigravity'>
const sdkFormats = wireFormats.filter((format): format is SdkFormat => format !== 'antigravity')

const cases = (format: WireFormat): readonly RecordedCase[] =>
  recordedCases.filter((one) => one.format === format && one.status === 200 && !one.tags.includes('miderror'))

let world: World
beforeAll(async () => {
  world = await startWorld((upstream) =>
    provisionModels(
      upstream,
      Object.fromEntries(sdkFormats.map((format) => [format, cases(format).map(({ id }) => `case:${id}`)])),
    ),
  )
  for (const format of sdkFormats)
    for (const { id } of cases(format))
      world.upstream.on(`case:${id}`, ({ target }) =>
        recorded(target?.format ?? format, id, { lenient: true, chunking: { random: 7 } }),
      )
})
afterAll(() => world.close())

interface Where {
  readonly baseUrl: string
  readonly key: string
  readonly model: string
}

async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const event of stream) found.push(event)
  return found
}

const messages = [{ role: 'user' as const, content: 'hello' }]

/** All that an SDK's user can see of the answer. */
const decode: Record<SdkFormat, (where: Where, stream: boolean) => Promise<unknown>> = {
  async 'openai-chat'({ baseUrl, key, model }, stream) {
    const { chat } = new OpenAI({ baseURL: `${baseUrl}/v1`, apiKey: key, maxRetries: 0 })
    if (!stream) return chat.completions.create({ model, messages })
    const chunks = await collect(await chat.completions.create({ model, messages, stream }))
    return { chunks, helped: await settled(chat.completions.stream({ model, messages }).finalChatCompletion()) }
  },
  async 'openai-responses'({ baseUrl, key, model }, stream) {
    const { responses } = new OpenAI({ baseURL: `${baseUrl}/v1`, apiKey: key, maxRetries: 0 })
    if (!stream) return responses.create({ model, input: 'hello' })
    const events = await collect(await responses.create({ model, input: 'hello', stream }))
    return { events, helped: await settled(responses.stream({ model, input: 'hello' }).finalResponse()) }
  },
  async anthropic({ baseUrl, key, model }, stream) {
    const client = new Anthropic({ baseURL: baseUrl, apiKey: key, maxRetries: 0 })
    const request = { model, max_tokens: 100, messages }
    if (!stream) return client.messages.create(request)
    const events = await collect(await client.messages.create({ ...request, stream }))
    return { events, helped: await settled(client.messages.stream(request).finalMessage()) }
  },
  async gemini({ baseUrl, key, model }, stream) {
    const client = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl } })
    const request: GenerateContentParameters = { model, contents: 'hello' }
    if (!stream) return answerOf(await client.models.generateContent(request))
    return (await collect(await client.models.generateContentStream(request))).map(answerOf)
  },
}

/** Without the HTTP response that the SDK hangs onto its answers: its headers are the gateway's own. */
function answerOf(response: object): object {
  return { ...response, sdkHttpResponse: undefined }
}

/** The SDKs' helpers are stricter than their streams: what they throw on a recording is compared as well. */
const settled = (work: Promise<unknown>): Promise<unknown> =>
  work.catch((error: unknown) => ({ thrown: error instanceof Error ? error.message : String(error) }))

/** What an SDK throws on a recording is compared as well. */
async function outcome(format: SdkFormat, where: Where, stream: boolean): Promise<unknown> {
  try {
    return plain(await decode[format](where, stream))
  } catch (error) {
    return { thrown: error instanceof Error ? error.message : String(error) }
  }
}

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value ?? null))

describe.each(sdkFormats)('%s', (format) => {
  const direct = (model: string): Where => ({ baseUrl: world.upstream.url, key: upstreamKey(format, 'direct'), model })
  const relayed = (model: string): Where => ({
    baseUrl: world.gateway.url,
    key: gatewayKey,
    model: `${format}.${model}`,
  })
  test.each(cases(format).map((one) => ({ name: one.id, stream: one.stream })))('$name', async ({ name, stream }) => {
    const model = `case:${name}`
    const expected = await outcome(format, direct(model), stream)
    expect(expected, 'the recording itself can be read').not.toHaveProperty('thrown')
    expect(await outcome(format, relayed(model), stream)).toEqual(expected)
  })
})

describe('models', () => {
  test('openai lists the groups and finds one', async () => {
    const { models } = new OpenAI({ baseURL: `${world.gateway.url}/v1`, apiKey: gatewayKey, maxRetries: 0 })
    const ids = (await collect(models.list())).map(({ id }) => id)
    const wanted = sdkFormats.flatMap((format) => cases(format).map(({ id }) => `${format}.case:${id}`))
    expect(new Set(ids)).toEqual(new Set(wanted))
    expect((await models.retrieve(wanted[0] ?? '')).id).toBe(wanted[0])
  })

  test('anthropic lists the groups', async () => {
    const { models } = new Anthropic({ baseURL: world.gateway.url, apiKey: gatewayKey, maxRetries: 0 })
    expect((await collect(models.list())).length).toBe(sdkFormats.flatMap(cases).length)
  })

  test('google lists the groups', async () => {
    const { models } = new GoogleGenAI({
      apiKey: gatewayKey,
      apiVersion: 'v1beta',
      httpOptions: { baseUrl: world.gateway.url },
    })
    expect((await collect(await models.list())).length).toBe(sdkFormats.flatMap(cases).length)
  })
})

describe('counting tokens', () => {
  test('anthropic', async () => {
    const client = new Anthropic({ baseURL: world.gateway.url, apiKey: gatewayKey, maxRetries: 0 })
    const model = `anthropic.case:${cases('anthropic')[0]?.id ?? ''}`
    expect(await client.messages.countTokens({ model, messages })).toMatchObject({ input_tokens: 42 })
  })

  test('google', async () => {
    const client = new GoogleGenAI({ apiKey: gatewayKey, httpOptions: { baseUrl: world.gateway.url } })
    const model = `gemini.case:${cases('gemini')[0]?.id ?? ''}`
    expect(await client.models.countTokens({ model, contents: 'hello' })).toMatchObject({ totalTokens: 42 })
  })
})

describe('errors are those of the vendor', () => {
  const unknown = (): Where => ({ baseUrl: world.gateway.url, key: gatewayKey, model: 'no-such-model' })
  const stranger = (): Where => ({ ...unknown(), key: 'sk-octopus-wrong' })

  test.each([true, false])('openai (stream: %s)', async (stream) => {
    for (const format of ['openai-chat', 'openai-responses'] as const) {
      await expect(decode[format](unknown(), stream)).rejects.toBeInstanceOf(OpenAI.NotFoundError)
      await expect(decode[format](stranger(), stream)).rejects.toBeInstanceOf(OpenAI.AuthenticationError)
    }
  })

  test.each([true, false])('anthropic (stream: %s)', async (stream) => {
    await expect(decode.anthropic(unknown(), stream)).rejects.toBeInstanceOf(Anthropic.NotFoundError)
    await expect(decode.anthropic(stranger(), stream)).rejects.toBeInstanceOf(Anthropic.AuthenticationError)
  })

  test.each([true, false])('google (stream: %s)', async (stream) => {
    await expect(decode.gemini(unknown(), stream)).rejects.toMatchObject({ name: 'ApiError', status: 404 })
    await expect(decode.gemini(stranger(), stream)).rejects.toMatchObject({ name: 'ApiError', status: 401 })
  })
})

test("an SDK that hangs up ends the provider's work", async () => {
  const { id } = cases('anthropic').find(({ stream }) => stream) ?? expect.fail('no stream recorded')
  const model = `case:${id}`
  world.upstream.queue(recorded('anthropic', id, { chunking: 'event', after: 6, ending: 'stall', lenient: true }))
  const client = new Anthropic({ baseURL: world.gateway.url, apiKey: gatewayKey, maxRetries: 0 })
  const stream = client.messages.stream({ model: `anthropic.${model}`, max_tokens: 100, messages })
  await new Promise<void>((resolve) => stream.once('streamEvent', () => resolve()))
  const request = world.upstream.requests.at(-1)
  stream.abort()
  await stream.done().catch(() => undefined)
  expect(await request?.outcome).toBe('aborted')
})
