import type { Protocol } from '../codec.ts'
import { decodeCatalogue, encodeCatalogue, encodeCatalogueEntry } from './catalogue.ts'
import { codec } from './codec.ts'
import { decodeError, encodeError, errorFrame } from './errors.ts'
import { MessageReader, summarise } from './reader.ts'
import { withoutForeignThoughts } from './foreign-thoughts.ts'
import { match, peek } from './routes.ts'

/** The only version there is of the API's shape; additions come as betas. */
const VERSION = '2023-06-01'

/** Anthropic's Messages API. */
export const anthropic: Protocol = {
  format: 'anthropic',
  family: 'anthropic',
  codec,
  match,
  peek,
  endpoint: ({ operation }) => ({ path: operation === 'count-tokens' ? '/messages/count_tokens' : '/messages' }),
  authorize: (credential) =>
    // a subscription's token is a bearer, and the API takes it under this beta only
    credential.startsWith('sk-ant-oat')
      ? {
          authorization: `Bearer ${credential}`,
          'anthropic-version': VERSION,
          'anthropic-beta': 'oauth-2025-04-20',
        }
      : { 'x-api-key': credential, 'anthropic-version': VERSION },
  forwardedHeaders: ['anthropic-version', 'anthropic-beta', 'x-claude-code-session-id'],
  withoutForeignThoughts,
  reader: () => new MessageReader(),
  summarise,
  decodeError,
  encodeError,
  encodeStreamError: errorFrame,
  keepAlive: 'event: ping\ndata: {"type": "ping"}\n\n',
  acceptsUrl({ mediaType, source }) {
    if (source.kind !== 'url') return true
    return /^https?:/i.test(source.url) && /^$|^image\/(jpeg|png|gif|webp)$|^application\/pdf$/.test(mediaType)
  },
  listsFor: ({ version, headers }) => version === 'v1' && headers['anthropic-version'] !== undefined,
  catalogue: { path: '/models?limit=1000', decode: decodeCatalogue },
  encodeTokenCount: (tokens) => ({ input_tokens: tokens }),
  encodeCatalogue,
  encodeCatalogueEntry,
}
