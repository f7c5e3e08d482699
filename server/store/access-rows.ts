import { z } from 'zod'
import { Budget, RateLimits, type ApiKeyRow } from '../contract/access.ts'
import { Names } from './channel-rows.ts'
import { bool, int, json, nullableInt, nullableJson, text } from './columns.ts'
import type { ApiKey } from './configuration.ts'
import type { SqlRow } from './driver.ts'

export const ModelMapping = z.record(z.string(), z.string())

export const apiKeyQuery = 'SELECT * FROM api_key ORDER BY id'

/** The API key as it is shown: its last characters only. */
export function toApiKeyRow(row: SqlRow): ApiKeyRow {
  return {
    id: int(row, 'id'),
    name: text(row, 'name'),
    hint: text(row, 'hint'),
    enabled: bool(row, 'enabled'),
    expiresAt: nullableInt(row, 'expires_at'),
    allowedGroups: nullableJson(row, 'allowed_groups', Names),
    modelMapping: json(row, 'model_mapping', ModelMapping),
    budget: json(row, 'budget', Budget),
    limits: json(row, 'limits', RateLimits),
    createdAt: int(row, 'created_at'),
    updatedAt: int(row, 'updated_at'),
  }
}

/** The API key as the relay needs it, and the hash by which it is found. */
export function toApiKey(row: SqlRow): { readonly hash: string; readonly apiKey: ApiKey } {
  const { allowedGroups, ...rest } = toApiKeyRow(row)
  return {
    hash: text(row, 'key_hash'),
    apiKey: { ...rest, allowedGroups: allowedGroups === null ? null : new Set(allowedGroups) },
  }
}
