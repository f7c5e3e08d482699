import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeFrame, encodeFrame, SseSplitter, type SseFrame } from './sse.ts'
import { WholeFrames } from './whole-frames.ts'

function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = []
  let at = 0
  for (let turn = 0; at < bytes.length; turn++) {
    const size = Math.max(1, sizes[turn % Math.max(1, sizes.length)] ?? 1)
    chunks.push(bytes.subarray(at, at + size))
    at += size
  }
  return chunks
}

function split(chunks: readonly Buffer[]): SseFrame[] {
  const frames: SseFrame[] = []
  const splitter = new SseSplitter()
  for (const chunk of chunks) splitter.push(chunk, (raw) => frames.push(decodeFrame(raw)))
  splitter.end((raw) => frames.push(decodeFrame(raw)))
  return frames
}

const lines = fc.stringMatching(/^[^\r\n]*$/)
const frame = fc
  .record({ data: fc.array(lines, { minLength: 1 }).map((parts) => parts.join('\n')) })
  .map((value) => value)
const named = fc.record({ event: fc.stringMatching(/^[a-z_.]+$/), data: lines })
const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 })

describe('SseSplitter', () => {
  it('gives the same frames at any chunking, with LF and with CRLF', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(frame, named)), sizes, fc.constantFrom('\n', '\r\n'), (frames, parts, end) => {
        const text = frames
          .map((one) => {
            const event = 'event' in one ? `event: ${one.event}\n` : ''
            const data = one.data.split('\n').map((line) => `data: ${line}\n`)
            return `: a comment\n${event}${data.join('')}\n`
          })
          .join('')
          .replaceAll('\n', end)
        expect(split(cut(Buffer.from(text), parts))).toEqual(frames)
      }),
    )
  })

  it.each([
    ['a byte order mark', '\ufeffdata: x\n\n', [{ data: 'x' }]],
    ['no space behind the colon', 'data:x\n\n', [{ data: 'x' }]],
    ['two spaces', 'data:  x\n\n', [{ data: ' x' }]],
    ['id and retry', 'id: 1\nretry: 5\ndata: x\n\n', [{ data: 'x' }]],
    ['an event without data', 'event: ping\n\ndata: x\n\n', [{ data: 'x' }]],
    ['a last frame without a blank line', 'data: x\n\ndata: y', [{ data: 'x' }, { data: 'y' }]],
    ['blank lines only', '\n\n\n', []],
  ])('reads %s', (_name, text, expected) => {
    expect(split([Buffer.from(text)])).toEqual(expected)
  })

  it('reads back what encodeFrame writes', () => {
    expect(split([Buffer.from(encodeFrame({ event: 'a', data: '{"é":1}' }) + encodeFrame({ data: 'b' }))])).toEqual([
      { event: 'a', data: '{"é":1}' },
      { data: 'b' },
    ])
  })

  it('joins a line of eight megabytes that comes in small pieces', () => {
    const line = 'x'.repeat(8 * 1024 * 1024)
    const frames = split(cut(Buffer.from(`data: ${line}\n\n`), [4096]))
    expect(frames.map(({ data }) => data.length)).toEqual([line.length])
  })
})

describe('WholeFrames', () => {
  it('gives all bytes, unchanged, and always ends at a blank line before the rest', () => {
    const text = fc
      .array(fc.constantFrom('data: é', '\n', '\r\n', '\n\n', '\r\n\r\n', ': c', 'x'), { minLength: 1 })
      .map((parts) => Buffer.from(parts.join('')))
    fc.assert(
      fc.property(text, sizes, (bytes, parts) => {
        const frames = new WholeFrames()
        const given = cut(bytes, parts).flatMap((chunk) => frames.push(chunk) ?? [])
        for (const piece of given) expect(piece.toString('latin1')).toMatch(/\n\r?\n$/)
        const rest = frames.rest() ?? Buffer.alloc(0)
        expect(Buffer.concat([...given, rest]).equals(bytes)).toBe(true)
        expect(rest.toString('latin1')).not.toMatch(/\n\r?\n/)
      }),
      { numRuns: 2000 },
    )
  })
})
