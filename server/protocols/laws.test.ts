import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { failures, RelayError, type ErrorKind } from '../errors.ts'
import { collect, replay } from '../model/collect.ts'
import { wireFormats, type ChatRequest, type WireFormat } from '../model/request.ts'
import type { ChatResponse, StreamEvent } from '../model/response.ts'
import { protocols } from './index.ts'
import { asObject, parseObject } from './narrow.ts'
import { endOf, grammarFault } from './testing/grammar.ts'
import { hello, scenarios } from './testing/scenarios.ts'
import { bodyOf, decodeFrames, essence, framesOf, quiet, recordings, type Recording } from './testing/recordings.ts'

// What holds for every codec, and so for the next one: the laws that ARCHITECTURE.md (section 7) names, over everything recorded.

const streams = recordings('stream')
const wholes = recordings('whole')
const request: ChatRequest = { model: 'm', stream: true, messages: [], tools: [], sampling: {}, includeUsage: true }

/** The answer that a recording tells; undefined where it tells an error. */
function answerOf(recording: Recording, kind: 'stream' | 'whole'): ChatResponse | undefined {
  try {
    if (kind === 'stream') return collect(decodeFrames(recording.format, framesOf([recording.bytes])))
    return protocols[recording.format].codec.decodeResponse(bodyOf(recording), { ...quiet, origin: '7' })
  } catch (error) {
    expect(error).toBeInstanceOf(RelayError)
    return undefined
  }
}

const answers = [
  ...streams.map((one) => ({ name: `${one.name} (stream)`, answer: answerOf(one, 'stream') })),
  ...wholes.map((one) => ({ name: one.name, answer: answerOf(one, 'whole') })),
].flatMap(({ name, answer }) => (answer === undefined ? [] : [{ name, answer }]))

function encodeStream(format: WireFormat, events: readonly StreamEvent[], asked = request): string {
  const encoder = protocols[format].codec.encodeStream(asked)
  let text = ''
  for (const event of events) text += encoder.push(event)
  return events.at(-1)?.type === 'error' ? text : text + encoder.end()
}

test('there is enough recorded to speak of laws', () => {
  expect(streams.length).toBeGreaterThan(100)
  expect(wholes.length).toBeGreaterThan(250)
  expect(answers.length).toBeGreaterThan(380)
})

describe.each(wireFormats)('recorded %s streams', (format) => {
  const mine = streams.filter((one) => one.format === format)

  test.each(mine)('$name keeps the grammar', ({ bytes }) => {
    expect(grammarFault(decodeFrames(format, framesOf([bytes])))).toBeUndefined()
  })

  test.each(mine)('$name says the same however its bytes are cut', ({ bytes }) => {
    const whole = decodeFrames(format, framesOf([bytes]))
    const sizes = fc.array(fc.integer({ min: 1, max: 4000 }), { minLength: 1, maxLength: 12 })
    fc.assert(
      fc.property(sizes, (cuts) => {
        const chunks: Buffer[] = []
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const end = at + (cuts[turn % cuts.length] ?? 1)
          chunks.push(bytes.subarray(at, end))
          at = end
        }
        // equal frames are equal events: only frames are compared, which costs a tenth
        expect(framesOf(chunks)).toEqual(framesOf([bytes]))
      }),
      { numRuns: 3 },
    )
    expect(decodeFrames(format, framesOf([...bytes].map((byte) => Buffer.of(byte))))).toEqual(whole)
  })

  test.each(mine)('$name cut after any frame is never a normal end', ({ name, bytes }) => {
    const frames = framesOf([bytes])
    const full = decodeFrames(format, frames)
    fc.assert(
      fc.property(fc.integer({ min: 0, max: frames.length - 1 }), (count) => {
        const events = decodeFrames(format, frames.slice(0, count))
        expect(grammarFault(events)).toBeUndefined()
        // some providers say that the answer is over before their last frame (usage, [DONE])
        if (events.at(-1)?.type === 'finish' && !saysSoTwice.test(name)) expect(textOf(events)).toEqual(textOf(full))
      }),
      { numRuns: 5 },
    )
  })
})

/** Tools that ran at Google's side: each step of the answer ends with a finish reason of its own. */
const saysSoTwice = /server-side-m/

/** All text, thought and argument; a cut stream that ends well must have told it all. */
const textOf = (events: readonly StreamEvent[]): string =>
  events.map((event) => (event.type === 'block-delta' ? event.text : '')).join('')

describe.each(wireFormats)('asked in %s', (format) => {
  test.each(scenarios)('$name', ({ request: fields, lost }) => {
    const { codec } = protocols[format]
    const asked: ChatRequest = { ...request, stream: false, messages: hello, sampling: { maxTokens: 100 }, ...fields }
    const body = codec.encodeRequest(asked, { ...quiet, origin: '7' })
    const route = { operation: 'generate', model: asked.model, stream: false } as const
    const again = codec.decodeRequest({ headers: {}, body, route }, quiet.loss)
    // a declared difference must be one: else the declaration is out of date
    if (lost?.[format] === undefined) expect(meant(again)).toEqual(meant(asked))
    else expect(meant(again), lost[format]).not.toEqual(meant(asked))
  })
})

/** Whether a system message was a developer's, and what a result's tool is called, only some formats say. */
function meant(asked: ChatRequest): unknown {
  const messages = asked.messages.map((message) => {
    if (message.role === 'system') return { ...message, origin: undefined }
    if (message.role !== 'tool') return message
    return { ...message, content: message.content.map((result) => ({ ...result, name: undefined })) }
  })
  return JSON.parse(JSON.stringify({ ...asked, messages, native: undefined, includeUsage: undefined }))
}

describe.each(wireFormats)('told in %s', (format) => {
  const { codec } = protocols[format]

  test('a stream says what a whole reply says', () => {
    for (const { name, answer } of answers) {
      if (answer.finish.reason === 'error') {
        // an answer that broke upstream: told as an error, or in the format's own word, but in both alike
        const told = [() => codec.decodeResponse(codec.encodeResponse(answer, request), quiet), () => streamed(answer)]
        const [whole, stream] = told.map((tell) => outcome(tell))
        expect(stream, name).toEqual(whole)
        continue
      }
      const whole = codec.decodeResponse(codec.encodeResponse(answer, request), { ...quiet, origin: '7' })
      expect(ordered(essence(streamed(answer))), name).toEqual(ordered(essence(whole)))
    }
  })

  const streamed = (answer: ChatResponse): ChatResponse =>
    collect(decodeFrames(format, framesOf([encodeStream(format, replay(answer))])))

  /** A chat message keeps calls apart from its text; only its stream tells which came first. */
  const ordered = (told: ReturnType<typeof essence>): unknown =>
    format === 'openai-chat'
      ? { ...told, content: told.content.toSorted((a, b) => kindOf(a).localeCompare(kindOf(b))) }
      : told

  test('every answer ends complete', () => {
    for (const { name, answer } of answers) {
      const text = encodeStream(format, replay(answer))
      // an answer that broke upstream: an error, or the format's own word for it
      const ends = answer.finish.reason === 'error' ? ['complete', 'error'] : ['complete']
      expect(ends, name).toContain(endOf(format, text))
    }
  })

  test('an answer that breaks anywhere ends as an error, and is complete as a stream', () => {
    const error = new RelayError('upstream_overloaded', 'Too many at once')
    fc.assert(
      fc.property(fc.constantFrom(...answers), fc.double({ min: 0, max: 1, noNaN: true }), ({ answer }, share) => {
        const events = replay(answer).filter(({ type }) => type !== 'finish')
        const told = events.slice(0, 1 + Math.floor(share * (events.length - 1)))
        expect(endOf(format, encodeStream(format, [...told, { type: 'error', error }]))).toBe('error')
        // the decoder ended without finish and without error: the encoder itself must say so
        if (told.some(({ type }) => type === 'block-start'))
          expect(endOf(format, encodeStream(format, told))).not.toBe('complete')
      }),
      { numRuns: 150 },
    )
  })

  test.each(Object.keys(failures) as ErrorKind[])('%s has a body, and words inside a stream', (kind) => {
    const error = new RelayError(kind, 'It did not work: “ü”.', { param: 'messages[0]', retryAfterMs: 1500 })
    const { status, headers, body } = protocols[format].encodeError(error)
    expect(status).toBeGreaterThanOrEqual(400)
    expect(asObject(body['error'])?.['message']).toContain('It did not work: “ü”.')
    if (status === 429 || status === 503) expect(headers['retry-after']).toBe('2')
    const again = protocols[format].decodeError(status, headers, JSON.stringify(body))
    expect(again.message).toContain('It did not work: “ü”.')

    const route = { operation: 'generate', stream: true, sse: true } as const
    const frames = framesOf([protocols[format].encodeStreamError(error, route)])
    const events = decodeFrames(format, frames)
    expect(events.at(-1)).toMatchObject({ type: 'error', error: { message: expect.stringContaining('“ü”') as string } })
    expect(
      endOf(
        format,
        encodeStream(format, [
          { type: 'start', id: 'a', model: 'm', createdAt: 1 },
          { type: 'error', error },
        ]),
      ),
    ).toBe('error')
  })
})

test('an array stream (Gemini without alt=sse) is one JSON array, whatever happens', () => {
  const asked: ChatRequest = { ...request, arrayStream: true }
  for (const { name, answer } of answers.slice(0, 100)) {
    const parsed: unknown = JSON.parse(encodeStream('gemini', replay(answer), asked))
    expect(Array.isArray(parsed) && parsed.length > 0, name).toBe(true)
    const error: StreamEvent = { type: 'error', error: new RelayError('upstream_failed', 'cut') }
    const broken: unknown = JSON.parse(encodeStream('gemini', [...replay(answer).slice(0, 3), error], asked))
    expect(Array.isArray(broken) && asObject(broken.at(-1))?.['error'], name).toBeTruthy()
  }
})

const kindOf = (part: object): string => ('type' in part ? String(part.type) : '')

function outcome(tell: () => ChatResponse): string {
  try {
    return tell().finish.reason
  } catch (error) {
    return error instanceof RelayError ? 'an error' : String(error)
  }
}

test('bodies of errors are JSON that every client of the format can read', () => {
  for (const format of wireFormats) {
    const { body } = protocols[format].encodeError(new RelayError('internal', 'x'))
    expect(parseObject(JSON.stringify(body))).toEqual(body)
  }
})
