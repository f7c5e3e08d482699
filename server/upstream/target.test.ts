import { describe, expect, it } from 'vitest'
import { clientHeaders, completeUrl, upstreamHeaders } from './target.ts'

describe('completeUrl', () => {
  it.each([
    ['https://api.openai.com/v1', '/chat/completions', 'https://api.openai.com/v1/chat/completions'],
    ['https://api.openai.com/v1/', '/responses', 'https://api.openai.com/v1/responses'],
    ['http://127.0.0.1:11434', '/chat/completions', 'http://127.0.0.1:11434/chat/completions'],
    [
      'https://g.example/v1beta',
      '/models/m:streamGenerateContent?alt=sse',
      'https://g.example/v1beta/models/m:streamGenerateContent?alt=sse',
    ],
    [
      'https://x.example/openai?api-version=1',
      '/chat/completions',
      'https://x.example/openai/chat/completions?api-version=1',
    ],
    ['https://x.example/v1?a=1', '/m:s?alt=sse', 'https://x.example/v1/m:s?a=1&alt=sse'],
    ['https://x.example/exactly/this##', '/chat/completions', 'https://x.example/exactly/this'],
  ])('%s + %s', (base, path, expected) => {
    const { origin, path: rest } = completeUrl(base, path)
    expect(origin + rest).toBe(expected)
  })
})

describe('upstreamHeaders', () => {
  const sources = {
    client: {
      'anthropic-beta': 'a',
      cookie: 'c',
      authorization: 'Bearer client',
      'x-forwarded-for': '1.2.3.4',
      'x-app': 'cli',
    },
    forwarded: ['anthropic-beta', 'cookie', 'authorization', 'x-forwarded-for'],
    own: { 'Content-Type': 'application/json', 'x-api-key': 'secret' },
    rules: [],
  }

  it("sends what the format knows of the client's, and never credentials, cookies or forwarding headers", () => {
    expect(upstreamHeaders(sources)).toEqual({
      'anthropic-beta': 'a',
      'content-type': 'application/json',
      'x-api-key': 'secret',
    })
  })

  it("keeps the client's version and joins trial features", () => {
    const own = { 'anthropic-version': '2023-06-01', 'anthropic-beta': 'oauth, a' }
    const client = { 'anthropic-version': '2026-01-01', 'anthropic-beta': 'a,b' }
    const forwarded = ['anthropic-version', 'anthropic-beta']
    expect(upstreamHeaders({ client, forwarded, own, rules: [] })).toEqual({
      'anthropic-version': '2026-01-01',
      'anthropic-beta': 'a,b,oauth',
    })
  })

  it("gives the operator's rules the last word", () => {
    const rules = [
      { action: 'set', name: 'X-Api-Key', value: 'theirs' },
      { action: 'remove', name: 'Anthropic-Beta' },
    ] as const
    expect(upstreamHeaders({ ...sources, rules })).toEqual({
      'content-type': 'application/json',
      'x-api-key': 'theirs',
    })
  })
})

describe('clientHeaders', () => {
  it('drops what belongs to one connection or would set state in a browser', () => {
    expect(
      clientHeaders({
        'content-type': 'text/event-stream',
        'x-request-id': 'r',
        'retry-after': '3',
        'set-cookie': 's=1',
        'transfer-encoding': 'chunked',
        'content-length': '3',
      }),
    ).toEqual({ 'content-type': 'text/event-stream', 'x-request-id': 'r', 'retry-after': '3' })
  })
})
