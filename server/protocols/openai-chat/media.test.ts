import { expect, test } from 'vitest'
import type { ChatRequest, Loss, MediaPart } from '../../model/request.ts'
import { asArray, asObject } from '../narrow.ts'
import { openaiChat } from './index.ts'

function encode(part: MediaPart, model = 'gpt-4.1'): { readonly part: unknown; readonly losses: readonly Loss[] } {
  const losses: Loss[] = []
  const request: ChatRequest = {
    model,
    stream: false,
    messages: [{ role: 'user', content: [{ type: 'text', text: 'x' }, part] }],
    tools: [],
    sampling: {},
  }
  const body = openaiChat.codec.encodeRequest(request, { loss: (loss) => losses.push(loss) })
  return { part: asArray(asObject(asArray(body.messages)?.[0])?.content)?.[1], losses }
}

const media = (mediaType: string, source: MediaPart['source']): MediaPart => ({ type: 'media', mediaType, source })
test.each([
  [
    'an image by address',
    media('image/png', { kind: 'url', url: 'https://x/y' }),
    { type: 'image_url', image_url: { url: 'https://x/y' } },
  ],
  [
    'wav',
    media('audio/wav', { kind: 'base64', data: 'AA' }),
    { type: 'input_audio', input_audio: { data: 'AA', format: 'wav' } },
  ],
  ['flac', media('audio/flac', { kind: 'base64', data: 'AA' }), undefined],
  [
    'a PDF',
    media('application/pdf', { kind: 'base64', data: 'AA' }),
    { type: 'file', file: { filename: 'document.pdf', file_data: 'data:application/pdf;base64,AA' } },
  ],
  ['a PDF by address', media('application/pdf', { kind: 'url', url: 'https://x/y' }), undefined],
  ['plain text', media('text/plain', { kind: 'base64', data: 'aGk=' }), { type: 'text', text: 'hi' }],
  ['a video', media('video/mp4', { kind: 'url', url: 'https://x/y' }), undefined],
  [
    'a file of ours',
    media('', { kind: 'file', format: 'openai-chat', id: 'f' }),
    { type: 'file', file: { file_id: 'f' } },
  ],
  ['a file of another', media('', { kind: 'file', format: 'gemini', id: 'f' }), undefined],
  ['a zip', media('application/zip', { kind: 'base64', data: 'AA' }), undefined],
])('media: %s', (_what, part, expected) => {
  const encoded = encode(part)
  expect(encoded.part).toEqual(expected)
  expect(encoded.losses).toHaveLength(expected === undefined ? 1 : 0)
})

test('a video goes where there is video', () => {
  const part = media('video/mp4', { kind: 'url', url: 'https://x/y' })
  expect(encode(part, 'z-ai/glm-5v').part).toEqual({ type: 'video_url', video_url: { url: 'https://x/y' } })
})
