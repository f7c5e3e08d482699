import { RelayError } from '../errors.ts'
import type { Protocol } from '../protocols/codec.ts'
import { findGroup, MODEL_NAME_CAP, visibleGroups } from './access.ts'
import type { ApiKey, Configuration, Group } from '../store/configuration.ts'

/**
 * The groups that a key may use, as the caller's dialect lists models.
 * @throws RelayError `model_not_found` for an id that the key cannot see
 */
export function answerCatalogue(
  protocol: Protocol,
  asked: { readonly configuration: Configuration; readonly caller: ApiKey; readonly id: string | null },
): unknown {
  const { configuration, caller, id } = asked
  if (id === null)
    return protocol.encodeCatalogue(
      [...visibleGroups(configuration, caller), ...channelModels(configuration, caller)].map(entry),
    )
  const group = id.length > MODEL_NAME_CAP ? undefined : findGroup(configuration, id)
  const mayUse = group !== undefined && (caller.allowedGroups === null || caller.allowedGroups.has(group.name))
  if (!mayUse)
    throw new RelayError('model_not_found', `the model '${id.slice(0, MODEL_NAME_CAP)}' does not exist`, {
      param: 'model',
    })
  return protocol.encodeCatalogueEntry({ ...entry(group), id })
}

const entry = ({
  name,
  createdAt,
}: Pick<Group, 'name' | 'createdAt'>): { readonly id: string; readonly created: number } => ({
  id: name,
  created: Math.floor(createdAt / 1000),
})

/** `channel/model`, where channels are offered without groups; a key that is bound to groups sees none of them. */
function channelModels(configuration: Configuration, caller: ApiKey): Pick<Group, 'name' | 'createdAt'>[] {
  if (!configuration.settings.relay.exposeChannelModels || caller.allowedGroups !== null) return []
  return [...configuration.channels.values()]
    .filter(({ enabled }) => enabled)
    .flatMap(({ name, models }) => models.map((model) => ({ name: `${name}/${model}`, createdAt: 0 })))
}
