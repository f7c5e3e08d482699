import Anthropic from '@anthropic-ai/sdk'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { RelayError } from '../../errors.ts'
import { collect, replay } from '../../model/collect.ts'
import type { StreamEvent } from '../../model/response.ts'
import { parseObject } from '../narrow.ts'
import { codec } from './codec.ts'
import {
  bodies,
  context,
  decode,
  encode,
  encodeWhole,
  essence,
  framesOf,
  recorded,
  replies,
  request,
  streams,
} from './testing/streams.ts'
import { writeUsage } from './usage.ts'

describe('recorded streams', () => {
  test.each(streams)('%s survives our own stream and message', (name) => {
    const answer = collect(decode(recorded(name)))
    expect(answer.usage?.output).toBeGreaterThan(0)
    expect(answer.model).toMatch(/claude/)
    expect(essence(collect(decode(encode(replay(answer)))))).toEqual(essence(answer))
    expect(essence(codec.decodeResponse(encodeWhole(answer), context))).toEqual(essence(answer))
  })

  test.each(streams)('%s says the same however its bytes are cut', (name) => {
    const bytes = recorded(name)
    const whole = decode(bytes)
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 10 }), (sizes) => {
        const chunks: Buffer[] = []
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const size = sizes[turn % sizes.length]!
          chunks.push(bytes.subarray(at, at + size))
          at += size
        }
        expect(decode(...chunks)).toEqual(whole)
      }),
      { numRuns: 5 },
    )
  })

  test.each(streams)('%s: the short way and the long way through a delta tell the same', (name) => {
    const text = recorded(name).toString('utf8')
    // another order of fields and a space are no JSON that the short way takes
    const long = text.replaceAll(/data: \{"type":"content_block_delta",/g, 'data: { "type":"content_block_delta",')
    expect(decode(long)).toEqual(decode(text))
  })

  test.each(['mid-529-overloaded', 'mid-cut'])('%s ends with an error, never as a normal stop', (name) => {
    const events = decode(recorded(`${name}.sse.txt`))
    expect(events.at(-1)?.type).toBe('error')
    expect(events.some(({ type }) => type === 'finish')).toBe(false)
    const told = bodies(encode(events))
    expect(told.at(-1)?.type).toBe('error')
    expect(told.some(({ type }) => type === 'message_stop')).toBe(false)
  })
})

describe('recorded messages', () => {
  test.each(replies)('%s', (name) => {
    const body = parseObject(recorded(name).toString('utf8'))!
    if (body.type === 'error') {
      expect(() => codec.decodeResponse(body, context)).toThrow(RelayError)
      return
    }
    const answer = codec.decodeResponse(body, context)
    expect(essence(codec.decodeResponse(encodeWhole(answer), context))).toEqual(essence(answer))
    expect(essence(collect(decode(encode(replay(answer)))))).toEqual(essence(answer))
  })
})

describe('what may come', () => {
  const all = streams.map((name) => framesOf([recorded(name)]))

  test('events spoilt anywhere end in an answer or an error, never in a defect', () => {
    fc.assert(
      fc.property(fc.constantFrom(...all), fc.nat(), fc.nat(30), fc.jsonValue(), (...[frames, at, depth, junk]) => {
        const decoder = codec.decodeStream(context)
        const encoder = codec.encodeStream(request)
        const spoilt = frames.map((frame, number) => {
          if (number !== at % frames.length) return frame
          let left = depth
          const value: unknown = JSON.parse(frame.data, (_, inner: unknown) => (left-- === 0 ? junk : inner))
          return { ...frame, data: JSON.stringify(value) }
        })
        const events = [...spoilt.flatMap((frame) => decoder.push(frame)), ...decoder.end()]
        expect(['finish', 'error']).toContain(events.at(-1)?.type)
        bodies(events.map((event) => encoder.push(event)).join('') + encoder.end())
      }),
      { numRuns: 1000 },
    )
  })
})

describe('the official SDK', () => {
  const sdk = (answer: string) =>
    new Anthropic({
      apiKey: 'k',
      maxRetries: 0,
      fetch: () => Promise.resolve(new Response(answer, { headers: { 'content-type': 'text/event-stream' } })),
    })
  const ask = { model: 'm', max_tokens: 9, messages: [{ role: 'user' as const, content: 'hi' }] }

  test.each(streams)('reads %s as we encode it like the message that we encode', async (name) => {
    const answer = collect(decode(recorded(name)))
    const message = encodeWhole({
      ...answer,
      content: answer.content.filter((part) => part.type !== 'text' || part.text !== ''),
    })
    const read = await sdk(encode(replay(answer)))
      .messages.stream(ask)
      .finalMessage()
    expect(read.content).toMatchObject(message.content as object[])
    expect(read.stop_reason).toBe(message.stop_reason)
    expect(read.usage).toMatchObject(writeUsage(answer.usage))
  })

  test('throws the error that ends a stream', async () => {
    const events: StreamEvent[] = [
      { type: 'start', id: 'a', model: 'm', createdAt: 0 },
      { type: 'error', error: new RelayError('upstream_overloaded', 'Overloaded') },
    ]
    await expect(sdk(encode(events)).messages.stream(ask).finalMessage()).rejects.toThrow(/overloaded_error/)
  })
})
