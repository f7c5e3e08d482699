import { startFakeUpstream, wireFormats, type FakeUpstream, type WireFormat } from '../fake-upstream/index.ts'
import { launchGateway, type LaunchOptions, type RunningGateway } from './launch.ts'

/** The key that clients present in these tests. */
export const gatewayKey = `sk-octopus-${'e2e'.repeat(16)}`

/** Keys that the fake provider takes, and that may never be seen by a client. */
export const upstreamKey = (format: WireFormat, name: string): string =>
  format === 'antigravity' ? `ya29.upstream-${name}` : `upstream-${name}`

export interface Member {
  readonly channel: string
  readonly model: string
  readonly priority?: number
}

export interface Provision {
  channels: { name: string; [field: string]: unknown }[]
  groups: { name: string; items: readonly Member[]; [field: string]: unknown }[]
  apiKeys: { name: string; key: string; [field: string]: unknown }[]
  settings: Record<string, object>
}

export const emptyProvision = (): Provision => ({
  channels: [],
  groups: [],
  apiKeys: [{ name: 'e2e', key: gatewayKey }],
  // The private endpoints are accepted; nothing is fetched from the network while tests run.
  settings: { antigravity: { accepted: true }, sync: { modelsEveryHours: 0, pricesEveryHours: 0 } },
})

/** A channel of this format on the fake upstream; the fake sees its name as `at`, and its key. */
export function channel(
  upstream: FakeUpstream,
  format: WireFormat,
  {
    name,
    models,
    ...rest
  }: { readonly name: string; readonly models: readonly string[]; readonly [field: string]: unknown },
): Provision['channels'][number] {
  return {
    name,
    type: format,
    endpoints: [{ format, baseUrl: upstream.baseUrl(format, name) }],
    keys: [upstreamKey(format, name)],
    models,
    ...rest,
  }
}

/** A channel for each format, named after it, with one group of one member for each model: `<format>.<model>`. */
export function provisionModels(
  upstream: FakeUpstream,
  models: Readonly<Partial<Record<WireFormat, readonly string[]>>>,
): Provision {
  const provision = emptyProvision()
  for (const format of wireFormats) {
    const names = models[format] ?? []
    if (names.length === 0) continue
    provision.channels.push(channel(upstream, format, { name: format, models: names }))
    for (const model of names)
      provision.groups.push({ name: `${format}.${model}`, items: [{ channel: format, model }] })
  }
  return provision
}

export interface World {
  readonly upstream: FakeUpstream
  readonly gateway: RunningGateway
  close(): Promise<void>
}

/** A fake provider, and a gateway whose channels point at it. */
export async function startWorld(
  provision: (upstream: FakeUpstream) => Provision,
  options: Omit<LaunchOptions, 'provision'> = {},
): Promise<World> {
  const upstream = await startFakeUpstream()
  const gateway = await launchGateway({ ...options, provision: provision(upstream) })
  return {
    upstream,
    gateway,
    close: async () => {
      await gateway.stop()
      await upstream.close()
    },
  }
}

/** How a client of this format asks for `model`; Gemini puts it into the path. */
export function addressOf(
  format: WireFormat,
  { model, stream }: { readonly model: string; readonly stream: boolean },
): string {
  const method = stream ? 'streamGenerateContent?alt=sse' : 'generateContent'
  switch (format) {
    case 'openai-chat':
      return '/v1/chat/completions'
    case 'openai-responses':
      return '/v1/responses'
    case 'anthropic':
      return '/v1/messages'
    case 'gemini':
      return `/v1beta/models/${encodeURIComponent(model)}:${method}`
    case 'antigravity':
      return `/v1internal:${method}`
  }
}

/** The header in which clients of this format send their key. */
export function keyHeader(format: WireFormat, key: string): Readonly<Record<string, string>> {
  switch (format) {
    case 'anthropic':
      return { 'x-api-key': key, 'anthropic-version': '2023-06-01' }
    case 'gemini':
      return { 'x-goog-api-key': key }
    case 'openai-chat':
    case 'openai-responses':
    case 'antigravity':
      return { authorization: `Bearer ${key}` }
  }
}

/** A smallest request that the provider takes. */
export function plainBody(
  format: WireFormat,
  { model, stream }: { readonly model: string; readonly stream: boolean },
): object {
  const streaming = stream ? { stream } : {}
  switch (format) {
    case 'openai-chat':
      return { model, messages: [{ role: 'user', content: 'hello' }], ...streaming }
    case 'openai-responses':
      return { model, input: 'hello', ...streaming }
    case 'anthropic':
      return { model, max_tokens: 100, messages: [{ role: 'user', content: 'hello' }], ...streaming }
    case 'gemini':
      return { contents: [{ role: 'user', parts: [{ text: 'hello' }] }] }
    case 'antigravity':
      return { model, project: 'p', request: { contents: [{ role: 'user', parts: [{ text: 'hello' }] }] } }
  }
}

/** An error body's words, wherever the format has them. */
export interface ToldError {
  readonly message: string
  /** OpenAI's code or type, Anthropic's type, Google's status. */
  readonly words: readonly unknown[]
}

/** Reads an error as the format's own clients do; fails when it has another format's shape. */
export function readError(format: WireFormat, body: string): ToldError {
  const parsed: unknown = JSON.parse(body)
  const top = record(parsed)
  const error = record(top['error'])
  if (typeof error['message'] !== 'string') throw new Error(`no error message in ${body}`)
  const message = error['message']
  switch (format) {
    case 'openai-chat':
    case 'openai-responses':
      if (!('param' in error) || !('code' in error)) throw new Error(`not OpenAI's error: ${body}`)
      return { message, words: [error['type'], error['code']] }
    case 'anthropic':
      if (top['type'] !== 'error') throw new Error(`not Anthropic's error: ${body}`)
      return { message, words: [error['type']] }
    case 'gemini':
    case 'antigravity':
      if (typeof error['code'] !== 'number') throw new Error(`not Google's error: ${body}`)
      return { message, words: [error['status']] }
  }
}

const record = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
