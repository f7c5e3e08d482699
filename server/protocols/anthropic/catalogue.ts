import type { JsonObject } from '../../model/request.ts'
import { asArray, asObject, asString } from '../narrow.ts'

interface PublicModel {
  readonly id: string
  /** Unix seconds. */
  readonly created: number
}

/** One page of `GET /v1/models`; OpenAI's list, which many compatible services send instead, has its ids in the same place. */
export function decodeCatalogue(body: JsonObject): { readonly models: readonly string[]; readonly next?: string } {
  const ids = (asArray(body.data) ?? []).map((row) => asString(asObject(row)?.id) ?? '')
  const models = ids.filter((id) => id !== '')
  const last = asString(body.last_id) ?? models.at(-1)
  if (body.has_more !== true || last === undefined) return { models }
  return { models, next: `limit=1000&after_id=${encodeURIComponent(last)}` }
}

export function encodeCatalogue(models: readonly PublicModel[]): JsonObject {
  return {
    data: models.map(encodeCatalogueEntry),
    has_more: false,
    first_id: models[0]?.id ?? null,
    last_id: models.at(-1)?.id ?? null,
  }
}

export function encodeCatalogueEntry({ id, created }: PublicModel): JsonObject {
  return { type: 'model', id, display_name: id, created_at: new Date(created * 1000).toISOString().replace('.000', '') }
}
