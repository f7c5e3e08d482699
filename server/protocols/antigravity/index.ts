import type { Protocol } from '../codec.ts'
import { gemini, streamError } from '../gemini/index.ts'
import { errorBody } from '../gemini/errors.ts'
import { GeminiReader, summarise } from '../gemini/reader.ts'
import { codec } from './codec.ts'
import {
  bindAccount,
  catalogue,
  encodeCatalogue,
  encodeCatalogueEntry,
  endpoint,
  match,
  peek,
  unwrap,
} from './envelope.ts'

/**
 * Google's Code Assist endpoint (`v1internal`), Gemini in an envelope: spoken by Antigravity's server and, as a client, by Gemini CLI
 * with a Google login. The credential here is an access token; credential.ts makes one of what the user entered.
 */
export const antigravity: Protocol = {
  ...gemini,
  format: 'antigravity',
  family: 'google',
  codec,
  match,
  peek,
  endpoint,
  authorize: (credential) => ({ authorization: `Bearer ${credential}` }),
  forwardedHeaders: [],
  reader: () => new GeminiReader(unwrap),
  summarise: (body) => summarise(body, unwrap),
  encodeStreamError: (error, route) => streamError(JSON.stringify(errorBody(error)), route.sse),
  bindAccount,
  listsFor: () => false,
  catalogue,
  encodeTokenCount: (tokens) => ({ totalTokens: tokens }),
  encodeCatalogue,
  encodeCatalogueEntry,
}
