import { ContractError } from '../contract/define.ts'
import type { ApiKeyCreate, ApiKeyRow, ApiKeyUpdate } from '../contract/access.ts'
import { Secret } from '../secret.ts'
import { apiKeyQuery, ModelMapping, toApiKeyRow } from './access-rows.ts'
import { Names } from './channel-rows.ts'
import { parsed, text } from './columns.ts'
import type { StoreContext } from './context.ts'
import type { Tx } from './prisma.ts'
import { isDuplicate, nameTaken, notFound, requireNone } from './refusals.ts'
import { hashApiKey, newApiKey } from './secrets.ts'

/** The keys that clients present. Methods throw ContractError: not_found, conflict (name, or the key itself), invalid_input. */
export class ApiKeys {
  readonly #context: StoreContext

  constructor(context: StoreContext) {
    this.#context = context
  }

  async list(): Promise<ApiKeyRow[]> {
    return (await this.#context.driver.query(apiKeyQuery)).map(toApiKeyRow)
  }

  async get(id: number): Promise<ApiKeyRow> {
    const [row] = await this.#context.driver.query('SELECT * FROM api_key WHERE id = ?', [id])
    if (row === undefined) throw notFound('API key', id)
    return toApiKeyRow(row)
  }

  /** Makes the key (or takes the given one) and returns it whole, this once. */
  async create(input: ApiKeyCreate): Promise<{ readonly row: ApiKeyRow; readonly key: Secret }> {
    const key = input.key === undefined ? newApiKey() : new Secret(input.key)
    const now = BigInt(Date.now())
    const id = await this.#write(input.name, async (tx) => {
      await requireFreeName(tx, input.name, 0)
      await requireGroups(tx, input.allowedGroups)
      const keyColumns = await this.#keyColumns(tx, key, 0)
      const created = await tx.apiKey.create({
        data: {
          name: input.name,
          ...keyColumns,
          enabled: input.enabled,
          expires_at: input.expiresAt === null ? null : BigInt(Math.trunc(input.expiresAt)),
          allowed_groups: input.allowedGroups && JSON.stringify(input.allowedGroups),
          model_mapping: JSON.stringify(input.modelMapping),
          budget: JSON.stringify(input.budget),
          limits: JSON.stringify(input.limits),
          created_at: now,
          updated_at: now,
        },
        select: { id: true },
      })
      return created.id
    })
    return { row: await this.get(id), key }
  }

  /** The whole key, for copying. */
  async reveal(id: number): Promise<Secret> {
    const [row] = await this.#context.driver.query('SELECT secret FROM api_key WHERE id = ?', [id])
    if (row === undefined) throw notFound('API key', id)
    return this.#context.dataKey.open(text(row, 'secret'), 'api_key.secret')
  }

  async update(input: ApiKeyUpdate): Promise<ApiKeyRow> {
    const { id, name, expiresAt, allowedGroups } = input
    await this.#write(name ?? '', async (tx) => {
      if (name !== undefined) await requireFreeName(tx, name, id)
      if (allowedGroups) await requireGroups(tx, allowedGroups)
      const { count } = await tx.apiKey.updateMany({
        where: { id },
        data: {
          ...(input.key !== undefined && (await this.#keyColumns(tx, new Secret(input.key), id))),
          ...(name !== undefined && { name }),
          ...(input.enabled !== undefined && { enabled: input.enabled }),
          ...(expiresAt !== undefined && { expires_at: expiresAt === null ? null : BigInt(Math.trunc(expiresAt)) }),
          ...(allowedGroups !== undefined && { allowed_groups: allowedGroups && JSON.stringify(allowedGroups) }),
          ...(input.modelMapping && { model_mapping: JSON.stringify(input.modelMapping) }),
          ...(input.budget && { budget: JSON.stringify(input.budget) }),
          ...(input.limits && { limits: JSON.stringify(input.limits) }),
          updated_at: BigInt(Date.now()),
        },
      })
      if (count === 0) throw notFound('API key', id)
    })
    return this.get(id)
  }

  async delete(id: number): Promise<void> {
    await this.#context.change(async (tx) => {
      const { count } = await tx.apiKey.deleteMany({ where: { id } })
      if (count === 0) throw notFound('API key', id)
    })
  }

  /** Throws conflict when another row has the same key. */
  async #keyColumns(tx: Tx, key: Secret, ownId: number) {
    const keyHash = hashApiKey(key.reveal())
    if ((await tx.apiKey.count({ where: { key_hash: keyHash, id: { not: ownId } } })) > 0) throw keyTaken()
    return { key_hash: keyHash, secret: this.#context.dataKey.seal(key.reveal(), 'api_key.secret'), hint: key.hint() }
  }

  #write<T>(name: string, work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#context.change(work).catch((error: unknown) => {
      throw isDuplicate(error) ? nameTaken('API key', name) : error
    })
  }
}

function keyTaken(): ContractError {
  const issues = [{ path: 'key', message: 'is taken: another API key has the same text' }]
  return new ContractError('conflict', 'key is taken: another API key has the same text', { issues })
}

async function requireFreeName(tx: Tx, name: string, ownId: number): Promise<void> {
  if ((await tx.apiKey.count({ where: { name, id: { not: ownId } } })) > 0) throw nameTaken('API key', name)
}

async function requireGroups(tx: Tx, names: readonly string[] | null): Promise<void> {
  if (names === null) return
  const found = await tx.modelGroup.findMany({ where: { name: { in: [...names] } }, select: { name: true } })
  const known = new Set(found.map((group) => group.name))
  requireNone(
    names.flatMap((name, at) =>
      known.has(name)
        ? []
        : [
            {
              path: `allowedGroups[${at}]`,
              message: `must be a group's name; there is no group ${JSON.stringify(name)}`,
            },
          ],
    ),
  )
}

/** API keys name groups: a rename is followed, a deletion (null) takes the name out of lists and mappings. */
export async function renameGroupInApiKeys(tx: Tx, before: string, after: string | null): Promise<void> {
  const keys = await tx.apiKey.findMany({ select: { id: true, allowed_groups: true, model_mapping: true } })
  for (const key of keys) {
    const names = key.allowed_groups === null ? null : (parsed(key.allowed_groups, Names) ?? [])
    const mapping = Object.entries(parsed(key.model_mapping, ModelMapping) ?? {})
    if (!names?.includes(before) && !mapping.some(([, group]) => group === before)) continue
    const renamed = (name: string): string[] => (name !== before ? [name] : after === null ? [] : [after])
    const newMapping = mapping.flatMap(([model, group]) => renamed(group).map((name) => [model, name]))
    await tx.apiKey.updateMany({
      where: { id: key.id },
      data: {
        allowed_groups: names && JSON.stringify(names.flatMap(renamed)),
        model_mapping: JSON.stringify(Object.fromEntries(newMapping)),
      },
    })
  }
}
