import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  json,
  recorded,
  recordedCase,
  recordedCases,
  refusalBody,
  wireFormats,
  type Play,
  type RecordedCase,
  type WireFormat,
} from '../fake-upstream/index.ts'
import { send, type Heard } from './http.ts'
import {
  addressOf,
  channel,
  emptyProvision,
  gatewayKey,
  keyHeader,
  plainBody,
  readError,
  startWorld,
  type World,
} from './world.ts'

// Until the first meaningful event another channel may answer instead; after it the client hears the truth in its own format.

/** A recorded stream of text, and how many of its events hold the first words but not the last. */
const streams: Record<WireFormat, { readonly id: string; readonly firstWords: number }> = {
  'openai-chat': { id: 'vercel-openai-text-s', firstWords: 5 },
  'openai-responses': { id: 'pyd-openai-responses-stream-1', firstWords: 6 },
  anthropic: { id: 'vercel-anthropic-json-output-format-1-s', firstWords: 6 },
  gemini: { id: 'genai-chats-tests-sendmessage-vertex-ai-multilple-messages-stream-0', firstWords: 3 },
  antigravity: { id: 'agw-gcli-context-compress-interactive-compress-1', firstWords: 3 },
}
const streamOf = (format: WireFormat): RecordedCase => recordedCase(format, streams[format].id)
const wholeOf = (format: WireFormat): RecordedCase =>
  recordedCases.find((one) => one.format === format && one.status === 200 && !one.stream) ??
  expect.fail(`no recorded reply of ${format}`)

const good = (format: WireFormat, stream: boolean): Play =>
  recorded(format, (stream ? streamOf(format) : wholeOf(format)).id, { lenient: true })
const refusal = (format: WireFormat, status: number, headers: Record<string, string> = {}): Play =>
  json(status, refusalBody(format, { status, message: 'the first channel says no' }), { headers })

interface Fault {
  readonly name: string
  readonly play: (format: WireFormat, stream: boolean) => Play
}

/** Before anything meaningful came. */
const early: readonly Fault[] = [
  { name: '500', play: (format) => refusal(format, 500) },
  { name: '503', play: (format) => refusal(format, 503) },
  { name: '529', play: (format) => refusal(format, 529) },
  { name: '429 with Retry-After', play: (format) => refusal(format, 429, { 'retry-after': '30' }) },
  { name: '401', play: (format) => refusal(format, 401) },
  { name: '403', play: (format) => refusal(format, 403) },
  { name: '404 (no such model there)', play: (format) => refusal(format, 404) },
  { name: '400 (a dialect it does not take)', play: (format) => refusal(format, 400) },
  {
    name: 'an error page',
    play: () => ({ status: 502, headers: { 'content-type': 'text/html' }, body: Buffer.from('<h1>Bad gateway</h1>') }),
  },
  {
    name: 'a page instead of an answer',
    play: () => ({ status: 200, headers: { 'content-type': 'text/html' }, body: Buffer.from('<h1>Log in</h1>') }),
  },
  {
    name: 'malformed JSON',
    play: (_format, stream) => ({
      status: 200,
      headers: { 'content-type': stream ? 'text/event-stream' : 'application/json' },
      body: Buffer.from(stream ? 'data: {"id": "x", \n\n' : '{"id": "x", '),
    }),
  },
  {
    name: 'an empty body',
    play: (_format, stream) => ({
      status: 200,
      headers: { 'content-type': stream ? 'text/event-stream' : 'application/json' },
      body: Buffer.alloc(0),
    }),
  },
  {
    name: 'a reset before the headers',
    play: (format, stream) => ({ ...good(format, stream), after: 0, ending: 'reset' }),
  },
  {
    name: 'a cut before the first event',
    play: (format, stream) => ({ ...good(format, stream), after: 0, ending: 'cut' }),
  },
  { name: 'silence', play: (format, stream) => ({ ...good(format, stream), silent: true }) },
  {
    name: 'headers and then silence',
    play: (format, stream) => ({ ...good(format, stream), after: 0, ending: 'stall' }),
  },
]

let world: World
const nameOf = (format: WireFormat, { name }: Fault, stream: boolean): string =>
  `${format}-${String(early.findIndex((fault) => fault.name === name))}-${stream ? 's' : 'w'}`

beforeAll(async () => {
  world = await startWorld((upstream) => {
    const provision = emptyProvision()
    for (const format of wireFormats) {
      provision.channels.push(channel(upstream, format, { name: `${format}-good`, models: ['good'] }))
      // Each fault has a channel of its own: one that has failed is rightly avoided afterwards.
      for (const fault of early)
        for (const stream of [true, false]) {
          const name = nameOf(format, fault, stream)
          provision.channels.push(
            channel(upstream, format, {
              name,
              models: ['bad'],
              timeouts: { headersMs: 400, idleMs: 400, firstTokenMs: 400 },
            }),
          )
          provision.groups.push({
            name,
            mode: 'failover',
            items: [
              { channel: name, model: 'bad', priority: 1 },
              { channel: `${format}-good`, model: 'good', priority: 2 },
            ],
          })
        }
      provision.channels.push(
        channel(upstream, format, { name: `${format}-late`, models: ['late'], timeouts: { idleMs: 500 } }),
      )
      provision.groups.push({
        name: `${format}-late`,
        mode: 'failover',
        items: [
          { channel: `${format}-late`, model: 'late', priority: 1 },
          { channel: `${format}-good`, model: 'good', priority: 2 },
        ],
      })
      provision.channels.push(channel(upstream, format, { name: `${format}-slow`, models: ['slow'] }))
      provision.groups.push({ name: `${format}-slow`, items: [{ channel: `${format}-slow`, model: 'slow' }] })
    }
    return provision
  })
})
beforeEach(() => {
  world.upstream.reset()
  world.upstream.on('good', ({ target }) => good(target?.format ?? 'openai-chat', target?.stream === true))
})
afterAll(() => world.close())

function ask(
  format: WireFormat,
  {
    model,
    stream,
    ...rest
  }: { model: string; stream: boolean; signal?: AbortSignal; onData?: (soFar: Buffer) => void },
): Promise<Heard> {
  return send(`${world.gateway.url}${addressOf(format, { model, stream })}`, {
    headers: { 'content-type': 'application/json', ...keyHeader(format, gatewayKey) },
    body: JSON.stringify(plainBody(format, { model, stream })),
    ...rest,
  })
}

const generated = (): readonly string[] =>
  world.upstream.requests.filter(({ target }) => target?.operation === 'generate').map(({ at }) => at)

describe.each(wireFormats)('%s: the second channel answers after', (format) => {
  describe.each([true, false])('(stream: %s)', (stream) => {
    test.each(early)('$name', async (fault) => {
      const name = nameOf(format, fault, stream)
      world.upstream.on('bad', fault.play(format, stream))
      const heard = await ask(format, { model: name, stream })
      expect(heard.status, heard.body.toString('utf8').slice(0, 300)).toBe(200)
      expect(heard.body.equals(good(format, stream).body)).toBe(true)
      expect(generated()).toEqual([name, `${format}-good`])
    })
  })
})

describe.each(wireFormats)('%s, after the first word', (format) => {
  const one = streamOf(format)
  const { firstWords } = streams[format]
  const cuts = [
    { what: 'ends without its end', ending: 'end' },
    { what: 'is cut', ending: 'cut' },
    { what: 'is reset', ending: 'reset' },
    { what: 'falls silent', ending: 'stall' },
  ] as const

  test.each(cuts)('a stream that $what is told as a failure, and nobody else is asked', async ({ ending }) => {
    world.upstream.on(
      'late',
      recorded(format, one.id, { after: firstWords, ending, chunking: 'event', delayMs: 10, lenient: true }),
    )
    const heard = await ask(format, { model: `${format}-late`, stream: true })
    expect(heard.status).toBe(200)
    expect(heard.broken, 'the connection itself ends properly').toBe(false)
    const text = heard.body.toString('utf8')
    expect(one.reply().toString('utf8').startsWith(text.slice(0, 60))).toBe(true)
    expect(toldError(format, text)).not.toBe('')
    expect(text).not.toMatch(/\[DONE\]|message_stop|response\.completed/)
    expect(generated()).toEqual([`${format}-late`])
  })

  test('an event that was torn does not reach the client as one', async () => {
    world.upstream.on(
      'late',
      recorded(format, one.id, {
        after: firstWords,
        midEvent: true,
        ending: 'cut',
        chunking: 'event',
        delayMs: 10,
        lenient: true,
      }),
    )
    const { body } = await ask(format, { model: `${format}-late`, stream: true })
    expect(toldError(format, body.toString('utf8'))).not.toBe('')
  })

  test('a client that hangs up ends the work of the provider', async () => {
    world.upstream.on(
      'slow',
      recorded(format, one.id, { after: firstWords, ending: 'stall', chunking: 'event', lenient: true }),
    )
    const hangUp = new AbortController()
    const heard = await ask(format, {
      model: `${format}-slow`,
      stream: true,
      signal: hangUp.signal,
      onData: () => hangUp.abort(),
    })
    expect(heard.broken).toBe(true)
    expect(await world.upstream.requests.at(-1)?.outcome).toBe('aborted')
  })

  test('so does one that hangs up before the first word', async () => {
    world.upstream.on('slow', recorded(format, one.id, { silent: true, lenient: true }))
    const hangUp = new AbortController()
    const asked = ask(format, { model: `${format}-slow`, stream: true, signal: hangUp.signal })
    await expect.poll(generated).toHaveLength(1)
    hangUp.abort()
    await expect(asked).rejects.toThrow()
    expect(await world.upstream.requests.at(-1)?.outcome).toBe('aborted')
  })
})

/** The error at the end of a stream, where this format's clients look for it; '' when there is none. Every event must be whole. */
function toldError(format: WireFormat, body: string): string {
  const events = body.split(/\r?\n\r?\n/).filter((event) => event.trim() !== '')
  const last = events.at(-1) ?? ''
  const name = /^event: ?(.*)$/m.exec(last)?.[1]
  const data = [...last.matchAll(/^data: ?(.*)$/gm)].map(([, line]) => line).join('\n')
  for (const event of events)
    for (const [, line = ''] of event.matchAll(/^data: ?(.*)$/gm))
      expect(() => void JSON.parse(line), line).not.toThrow()
  const parsed = JSON.parse(data) as Record<string, unknown>
  switch (format) {
    case 'openai-responses':
      expect(name).toBe(parsed['type'])
      return parsed['type'] === 'error' || parsed['type'] === 'response.failed' ? data : ''
    case 'anthropic':
      expect(name).toBe('error')
      return readError(format, data).message
    case 'openai-chat':
    case 'gemini':
    case 'antigravity':
      return readError(format, data).message
  }
}

test('every channel refuses: the last words are told, in the format of the caller', async () => {
  for (const format of wireFormats) {
    world.upstream.on('slow', refusal(format, 500))
    const heard = await ask(format, { model: `${format}-slow`, stream: true })
    expect(heard.status).toBeGreaterThanOrEqual(500)
    expect(readError(format, heard.body.toString('utf8')).message).toContain('the first channel says no')
  }
})
