import { z } from 'zod'
import { wireFormats } from '../model/request.ts'

/** Names are keys of lookups and of provisioning: trimmed, and never empty. */
export const Name = z.string().trim().min(1, 'must not be empty').max(128)

export const WireFormatName = z.enum(wireFormats)

export const BaseUrl = z
  .string()
  .trim()
  .max(2048)
  .refine((url) => {
    const bare = url.replace(/##$/, '')
    if (!URL.canParse(bare)) return false
    const { protocol, username, password } = new URL(bare)
    return (protocol === 'http:' || protocol === 'https:') && username === '' && password === ''
  }, 'must be an http:// or https:// address without user name and password; end it with ## to use it verbatim')

/** One address of a channel and the dialect spoken there. Several with the same format are alternatives: the fastest healthy one is used. */
export const EndpointRow = z.object({ format: WireFormatName, baseUrl: BaseUrl })
export type EndpointRow = z.output<typeof EndpointRow>

export const HeaderName = z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'must be a header name')
const HeaderValue = z
  .string()
  .max(8192)
  // eslint-disable-next-line no-control-regex -- these are exactly the characters that HTTP forbids in a value
  .regex(/^[^\u0000-\u0008\u000a-\u001f\u007f]*$/, 'must not contain line breaks or control characters')

/** A header that the operator sets on (or removes from) every request to the channel. */
export const HeaderRule = z.discriminatedUnion('action', [
  z.object({ action: z.literal('set'), name: HeaderName, value: HeaderValue }),
  z.object({ action: z.literal('remove'), name: HeaderName }),
])
export type HeaderRule = z.output<typeof HeaderRule>

/** Each timer in milliseconds; absent: the setting's default; 0: off. */
export const Timeouts = z.object({
  connectMs: z.int().min(0).optional(),
  headersMs: z.int().min(0).optional(),
  /** From the request's arrival at the gateway to the first meaningful event. */
  firstTokenMs: z.int().min(0).optional(),
  /** Between two events. */
  idleMs: z.int().min(0).optional(),
  totalMs: z.int().min(0).optional(),
})
export type Timeouts = z.output<typeof Timeouts>

export const ProxyChoice = z.discriminatedUnion('mode', [
  z.object({ mode: z.literal('none') }),
  z.object({ mode: z.literal('system') }),
  z.object({ mode: z.literal('global') }),
  /** `url` is `http://`, `https://` or `socks5://`, with credentials if it needs them; it is stored sealed and read back masked. */
  z.object({
    mode: z.literal('own'),
    url: z.string().regex(/^(https?|socks5h?):\/\/\S+$/, 'must begin with http://, https:// or socks5://'),
  }),
])

export const AutoGroupMode = z.enum(['none', 'exact', 'fuzzy', 'regex'])

const RegexText = z.string().max(1000).refine(isRegex, 'must be a regular expression')

function isRegex(source: string): boolean {
  try {
    new RegExp(source, 'u')
    return true
  } catch {
    return false
  }
}

/** JSON merge patch (RFC 7396) applied to each request body sent to the channel. */
export const ParamOverride = z.record(z.string(), z.json())

/** A key as it is read back: never the secret, only its hint. */
export const ChannelKeyRow = z.object({
  id: z.int(),
  hint: z.string(),
  enabled: z.boolean(),
  note: z.string(),
  /** Upstream models that this key may be used for; null: all. */
  models: z.array(z.string()).nullable(),
  /** Suspended after 401/402/403 until then (Unix ms), or null. */
  suspendedUntil: z.number().nullable(),
  lastStatus: z.int().nullable(),
})

/** A key as it is written. With `id` and without `secret` the stored secret stays: a masked secret is never written back. */
export const ChannelKeyInput = z.object({
  id: z.int().optional(),
  secret: z.string().trim().min(1, 'must not be empty').max(8192).optional(),
  enabled: z.boolean().default(true),
  note: z.string().max(500).default(''),
  models: z.array(z.string().trim().min(1)).nullable().default(null),
})

/** What a channel is, apart from its keys and synced models. */
const ChannelFields = z.object({
  name: Name,
  /** A row of the type registry: `openai-chat`, `anthropic`, `demo`, `openrouter` … */
  type: z.string().min(1),
  enabled: z.boolean().default(true),
  endpoints: z.array(EndpointRow).max(32).default([]),
  /** Typed by the user; never touched by sync. */
  customModels: z.array(z.string().trim().min(1).max(256)).max(5000).default([]),
  /** Only synced models that match are kept; '' keeps all. */
  modelFilter: RegexText.or(z.literal('')).default(''),
  autoSync: z.boolean().default(false),
  autoGroup: AutoGroupMode.default('none'),
  headers: z.array(HeaderRule).max(64).default([]),
  paramOverride: ParamOverride.nullable().default(null),
  proxy: ProxyChoice.default({ mode: 'none' }),
  priceMultiplier: z.number().min(0).max(1000).default(1),
  notes: z.string().max(10_000).default(''),
  timeouts: Timeouts.default({}),
})

export const ChannelRow = ChannelFields.extend({
  id: z.int(),
  keys: z.array(ChannelKeyRow),
  /** Found by sync. `missedSyncs` counts listings in which it was absent: removed only after 3. */
  models: z.array(z.object({ name: z.string(), missedSyncs: z.int() })),
  createdAt: z.number(),
  updatedAt: z.number(),
})
export type ChannelRow = z.output<typeof ChannelRow>

export const ChannelCreate = ChannelFields.extend({
  keys: z.array(ChannelKeyInput).max(1000).default([]),
  models: z.array(z.string().trim().min(1).max(256)).max(5000).default([]),
})
export type ChannelCreate = z.output<typeof ChannelCreate>

/** An absent field stays as it is. `keys`, when given, is the whole new list: rows with an `id` are kept or changed, others added, missing ones removed. */
export const ChannelUpdate = z.object({
  id: z.coerce.number().int(),
  name: Name.optional(),
  type: z.string().min(1).optional(),
  enabled: z.boolean().optional(),
  endpoints: z.array(EndpointRow).max(32).optional(),
  customModels: z.array(z.string().trim().min(1).max(256)).max(5000).optional(),
  models: z.array(z.string().trim().min(1).max(256)).max(5000).optional(),
  modelFilter: RegexText.or(z.literal('')).optional(),
  autoSync: z.boolean().optional(),
  autoGroup: AutoGroupMode.optional(),
  headers: z.array(HeaderRule).max(64).optional(),
  paramOverride: ParamOverride.nullable().optional(),
  proxy: ProxyChoice.optional(),
  priceMultiplier: z.number().min(0).max(1000).optional(),
  notes: z.string().max(10_000).optional(),
  timeouts: Timeouts.optional(),
  keys: z.array(ChannelKeyInput).max(1000).optional(),
})
export type ChannelUpdate = z.output<typeof ChannelUpdate>

/** One row of the type registry: the form is drawn from it. */
export const ChannelTypeRow = z.object({
  id: z.string(),
  label: z.string(),
  /** The vendor's name in the price book, or null when prices must be matched by model alone. */
  vendor: z.string().nullable(),
  endpoints: z.array(z.object({ format: WireFormatName, baseUrl: z.string() })),
  /** Whether a channel of this type works without any key (local servers, the demo). */
  keyRequired: z.boolean(),
  /** `null`: this type has no listing and models are typed by hand. */
  listing: WireFormatName.nullable(),
  keyHint: z.string(),
  /** Shown, and to be accepted, before the first save. */
  warning: z.string().nullable(),
  /** Answers inside the gateway: nothing is dialled, nothing costs anything. */
  inProcess: z.boolean(),
})
export type ChannelTypeRow = z.output<typeof ChannelTypeRow>

/** What a provider is asked with: a channel that stands, a form that is still being filled in, or a form over a channel (its stored keys serve where none is typed). */
export const FetchModels = z
  .object({
    id: z.int().optional(),
    draft: z
      .object({
        type: z.string().min(1),
        endpoints: z.array(EndpointRow).max(32).default([]),
        keys: z.array(ChannelKeyInput).max(1000).default([]),
        headers: z.array(HeaderRule).max(64).default([]),
        proxy: ProxyChoice.default({ mode: 'none' }),
        modelFilter: RegexText.or(z.literal('')).default(''),
      })
      .optional(),
  })
  .refine(({ id, draft }) => id !== undefined || draft !== undefined, 'must name a channel by id, or describe a draft')
export type FetchModels = z.output<typeof FetchModels>
