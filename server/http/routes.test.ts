import { describe, expect, it } from 'vitest'
import { protocols } from '../protocols/index.ts'
import { matchRoute, type Matched } from './routes.ts'

const all = Object.values(protocols)
const match = (method: string, url: string, headers: Record<string, string> = {}): Matched | null =>
  matchRoute({ method, url, headers }, all)

function said(matched: Matched | null): string {
  if (matched === null) return 'app'
  const format = matched.protocol?.format ?? '-'
  switch (matched.kind) {
    case 'relay': {
      const { operation, model, stream, sse } = matched.route
      return [format, operation, model, stream, sse].filter((part) => part !== undefined).join(' ')
    }
    case 'passthrough':
      return `${format} raw ${matched.raw.path}`
    case 'catalogue':
      return `${format} models ${matched.id ?? '*'}`
    case 'wrong-method':
      return `${format} only ${matched.allow}`
    case 'health':
    case 'alive':
      return matched.kind
  }
}

describe('POST', () => {
  it.each([
    ['/v1/chat/completions', 'openai-chat generate'],
    ['/chat/completions', 'openai-chat generate'],
    ['/v1/v1/chat/completions', 'openai-chat generate'],
    ['/v1/chat/completions/', 'openai-chat generate'],
    ['/v1/responses', 'openai-responses generate'],
    ['/responses', 'openai-responses generate'],
    ['/v1/messages?beta=true', 'anthropic generate'],
    ['/messages', 'anthropic generate'],
    ['/v1/v1/messages', 'anthropic generate'],
    ['/v1/messages/count_tokens', 'anthropic count-tokens'],
    ['/v1beta/models/g-1:generateContent', 'gemini generate g-1 false'],
    ['/v1beta/models/g-1:streamGenerateContent?alt=sse&key=k', 'gemini generate g-1 true true'],
    ['/v1beta/models/g-1:streamGenerateContent', 'gemini generate g-1 true false'],
    ['/v1/v1beta/models/a/b:generateContent', 'gemini generate a/b false'],
    ['/v1beta/models/a%2Fb:countTokens', 'gemini count-tokens a/b false'],
    ['/v1internal:generateContent', 'antigravity generate false'],
    ['/v1internal:streamGenerateContent?alt=sse', 'antigravity generate true true'],
    ['/api/provider/anthropic/v1/messages', 'anthropic generate'],
    ['/api/provider/openai/v1/chat/completions', 'openai-chat generate'],
    ['/api/provider/openai/responses', 'openai-responses generate'],
    ['/api/provider/google/v1beta/models/m:generateContent', 'gemini generate m false'],
    [
      '/api/provider/google/v1beta1/publishers/google/models/m:streamGenerateContent?alt=sse',
      'gemini generate m true true',
    ],
    ['/v1/embeddings', 'openai-chat raw /embeddings'],
    ['/embeddings', 'openai-chat raw /embeddings'],
    ['/v1/images/generations', 'openai-chat raw /images/generations'],
    ['/v1/audio/transcriptions?x=1&key=secret', 'openai-chat raw /audio/transcriptions?x=1'],
    ['/v1/rerank', 'openai-chat raw /rerank'],
    ['/v1/moderations', 'openai-chat raw /moderations'],
    ['/v1/completions', 'openai-chat raw /completions'],
    ['/v1/models', 'openai-chat only GET'],
    ['/api/v1/channels', 'app'],
    ['/v1/unknown', 'app'],
  ])('%s', (url, expected) => {
    expect(said(match('POST', url))).toBe(expected)
  })
})

describe('GET', () => {
  it.each([
    ['/v1/models', {}, 'openai-chat models *'],
    ['/v1/models', { 'anthropic-version': '2023-06-01' }, 'anthropic models *'],
    ['/v1/models', { 'x-goog-api-key': 'k' }, 'gemini models *'],
    ['/v1/models/vendor/model', {}, 'openai-chat models vendor/model'],
    ['/v1/models/vendor%2Fmodel', {}, 'openai-chat models vendor/model'],
    ['/v1/v1/models', {}, 'openai-chat models *'],
    ['/v1beta/models', {}, 'gemini models *'],
    ['/v1beta/models?pageSize=50', {}, 'gemini models *'],
    ['/api/provider/openai/v1/models', {}, 'openai-chat models *'],
    ['/healthz', {}, 'health'],
    ['/v1/chat/completions', {}, 'openai-chat only POST'],
    ['/', {}, 'app'],
    ['/channels', {}, 'app'],
  ])('%s %j', (url, headers, expected) => {
    expect(said(match('GET', url, headers))).toBe(expected)
  })

  it('answers a HEAD on the root, with which Claude Code probes', () => {
    expect(said(match('HEAD', '/'))).toBe('alive')
  })
})
