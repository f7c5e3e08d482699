import { RelayError } from '../errors.ts'
import type { Protocol } from '../protocols/codec.ts'
import { visibleGroups } from './access.ts'
import type { ApiKey, Configuration } from '../store/configuration.ts'

/**
 * The groups that a key may use, as the caller's dialect lists models.
 * @throws RelayError `model_not_found` for an id that the key cannot see
 */
export function answerCatalogue(
  protocol: Protocol,
  asked: { readonly configuration: Configuration; readonly caller: ApiKey; readonly id: string | null },
): unknown {
  const { configuration, caller, id } = asked
  const models = visibleGroups(configuration, caller).map((group) => ({
    id: group.name,
    created: Math.floor(group.createdAt / 1000),
  }))
  if (id === null) return protocol.encodeCatalogue(models)
  const model = models.find((one) => one.id === id)
  if (model === undefined)
    throw new RelayError('model_not_found', `the model '${id}' does not exist`, { param: 'model' })
  return protocol.encodeCatalogueEntry(model)
}
