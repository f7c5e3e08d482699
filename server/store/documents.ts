import type { Secret } from '../secret.ts'
import { text } from './columns.ts'
import type { StoreContext } from './context.ts'
import type { SqlValue } from './driver.ts'
import { insert } from './sql.ts'

/** Where the secret of the user's OAuth client for Antigravity is kept; its id is a setting. */
export const oauthSecretName = 'antigravity.oauth-client'

/**
 * Texts that parts of the program keep between starts and share between instances: a synchronised price book, an OAuth client's
 * secret, a cached token. Not configuration: writing one raises no revision.
 */
export class Documents {
  readonly #context: StoreContext

  constructor(context: StoreContext) {
    this.#context = context
  }

  async get(name: string): Promise<string | null> {
    return this.#read(`document.${name}`)
  }

  /** null deletes. */
  async set(name: string, value: string | null): Promise<void> {
    await this.#write(`document.${name}`, value)
  }

  async getSecret(name: string): Promise<Secret | null> {
    const sealed = await this.#read(`secret.${name}`)
    return sealed === null ? null : this.#context.dataKey.open(sealed, `setting.${name}`)
  }

  /** Stored sealed; null deletes. */
  async setSecret(name: string, value: Secret | null): Promise<void> {
    const sealed = value === null ? null : this.#context.dataKey.seal(value.reveal(), `setting.${name}`)
    await this.#write(`secret.${name}`, sealed)
  }

  async #read(name: string): Promise<string | null> {
    const [row] = await this.#context.driver.query('SELECT value FROM setting WHERE name = ?', [name])
    return row === undefined ? null : text(row, 'value')
  }

  async #write(name: string, value: string | null): Promise<void> {
    const { driver } = this.#context
    if (value === null) return driver.execute('DELETE FROM setting WHERE name = ?', [name])
    const row: SqlValue[] = [name, value, Date.now()]
    await driver.transaction((connection) =>
      insert(
        connection,
        { table: 'setting', columns: ['name', 'value', 'updated_at'], rows: [row] },
        { key: ['name'], set: ['value', 'updated_at'] },
      ),
    )
  }
}
