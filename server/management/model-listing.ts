import type { FetchModels } from '../contract/channels.ts'
import { ContractError } from '../contract/define.ts'
import { Secret } from '../secret.ts'
import type { Channel, Configuration } from '../store/configuration.ts'
import { channelTypes } from '../upstream/channel-types.ts'
import type { Send } from '../upstream/exchange.ts'
import { proxyOf, type TargetChannel } from '../upstream/target.ts'
import { fetchModels, type CatalogueTools } from './catalogue.ts'
import { addressProblem, type Listener } from './channel-rules.ts'
import { refuseIf } from './configuration.ts'

type Draft = NonNullable<FetchModels['draft']>

export interface ListingContext {
  readonly protocols: CatalogueTools['protocols']
  readonly sendFor: (type: string) => Send
  readonly configuration: () => Configuration
  readonly listener: () => Listener
}

/**
 * The models that a provider offers, for a channel that stands, a draft, or a draft over a channel (whose stored secrets serve where
 * the draft has none). Saves nothing. Throws ContractError.
 */
export async function listModels(
  { id, draft }: FetchModels,
  context: ListingContext,
  signal: AbortSignal,
): Promise<string[]> {
  const configuration = context.configuration()
  const standing = id === undefined ? undefined : configuration.channels.get(id)
  if (id !== undefined && standing === undefined) throw new ContractError('not_found', `there is no channel ${id}`)

  const typeId = draft?.type ?? standing?.type ?? ''
  const type = channelTypes.get(typeId)
  if (type === undefined) throw unusable('type', `is not a known type: ${JSON.stringify(typeId)}`)
  if (type.listing === null) {
    throw unusable('type', `${type.label} does not list its models: type them by hand`)
  }
  const given = draft?.endpoints ?? standing?.endpoints ?? []
  const endpoints = given.length > 0 ? given : type.endpoints
  const endpoint = endpoints.find(({ format }) => format === type.listing) ?? endpoints[0]
  if (endpoint === undefined) throw unusable('endpoints', 'must not be empty')
  const problem = addressProblem(endpoint.baseUrl, context.listener())
  refuseIf(problem === null ? [] : [{ path: `endpoints[${endpoints.indexOf(endpoint)}].baseUrl`, message: problem }])

  const key = keyOf(draft, standing)
  if (key === null && type.keyRequired) throw unusable('keys', 'must have a key to ask with')
  const globalProxy = configuration.settings.network.proxyUrl
  const models = await fetchModels(
    {
      ...endpoint,
      key,
      headers: draft?.headers ?? standing?.headers ?? [],
      proxy: proxyOf(proxyTarget(draft, standing), globalProxy === '' ? null : new Secret(globalProxy)),
    },
    { protocols: context.protocols, send: context.sendFor(type.id) },
    signal,
  )
  const filter = draft?.modelFilter ?? ''
  return filter === '' ? models : models.filter((model) => new RegExp(filter, 'u').test(model))
}

/** The first key that is switched on: typed now, or stored under the id that the form kept. */
function keyOf(draft: Draft | undefined, standing: Channel | undefined): Secret | null {
  const stored = (standing?.keys ?? []).filter(({ enabled }) => enabled)
  if (draft === undefined || (draft.keys.length === 0 && standing !== undefined)) return stored[0]?.secret ?? null
  for (const key of draft.keys) {
    if (!key.enabled) continue
    if (key.secret !== undefined) return new Secret(key.secret)
    const kept = standing?.keys.find(({ id }) => id === key.id)
    if (kept !== undefined) return kept.secret
  }
  return null
}

function proxyTarget(draft: Draft | undefined, standing: Channel | undefined): TargetChannel {
  const none: TargetChannel = { headers: [], proxy: { mode: 'none' } }
  if (draft === undefined) return standing ?? none
  const { proxy } = draft
  if (proxy.mode !== 'own') return { headers: [], proxy }
  // a form reads the stored address back masked, and sends it like that
  if (proxy.url.includes('***') && standing !== undefined) return standing
  return { headers: [], proxy: { mode: 'own', url: new Secret(proxy.url) } }
}

function unusable(path: string, message: string): ContractError {
  return new ContractError('invalid_input', `${path} ${message}`, { issues: [{ path, message }] })
}
