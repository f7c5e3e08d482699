import type { Protocol } from '../codec.ts'
import { ArrayForm } from './array-form.ts'
import { codec } from './codec.ts'
import { decodeError, encodeError, errorBody } from './errors.ts'
import { GeminiReader, summarise } from './reader.ts'
import { acceptsUrl, catalogue, encodeCatalogue, encodeCatalogueEntry, endpoint, match, peek } from './routes.ts'
import { bare } from './wire.ts'

/** Google's Gemini API (`generateContent`), as https://ai.google.dev/api/generate-content tells it; Vertex AI speaks the same. */
export const gemini: Protocol = {
  format: 'gemini',
  family: 'google',
  codec,
  match,
  peek,
  endpoint,
  authorize: (credential) =>
    credential.startsWith('ya29.') ? { authorization: `Bearer ${credential}` } : { 'x-goog-api-key': credential },
  forwardedHeaders: ['x-vertex-ai-llm-request-type', 'x-vertex-ai-llm-shared-request-type'],
  reader: () => new GeminiReader(bare),
  summarise: (body) => summarise(body, bare),
  decodeError,
  encodeError,
  encodeStreamError: (error, route) => streamError(JSON.stringify(errorBody(error)), route.sse),
  reframe: (route) => (route.sse === false ? new ArrayForm() : null),
  // @google/genai drops the event behind a comment and throws at an `event:` line.
  keepAlive: '',
  acceptsUrl: (part) => part.source.kind !== 'url' || acceptsUrl(part.source.url),
  // @google/genai may be set to `/v1`, where only its key header tells it
  listsFor: ({ version, headers }) => version === 'v1beta' || headers['x-goog-api-key'] !== undefined,
  catalogue,
  encodeTokenCount: (tokens) => ({ totalTokens: tokens }),
  encodeCatalogue,
  encodeCatalogueEntry,
}

/** Behind the commit the array form has at least one element, so its tail begins with a comma. */
export function streamError(data: string, sse: boolean | undefined): string {
  return sse === false ? `,\n${data}]` : `data: ${data}\r\n\r\n`
}
