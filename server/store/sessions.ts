import { int, text } from './columns.ts'
import type { StoreContext } from './context.ts'
import type { SqlRow } from './driver.ts'
import { columnText, insert } from './sql.ts'

/** A login. Times are Unix ms. */
export interface SessionRecord {
  readonly id: number
  readonly userAgent: string
  readonly createdAt: number
  readonly lastSeenAt: number
  readonly expiresAt: number
}

/** The one password of the management surface. */
export class Admin {
  readonly #context: StoreContext

  constructor(context: StoreContext) {
    this.#context = context
  }

  /** null: none was ever set. */
  async passwordHash(): Promise<string | null> {
    const [row] = await this.#context.driver.query('SELECT password_hash FROM admin_credential WHERE id = 1')
    return row === undefined ? null : text(row, 'password_hash')
  }

  async setPasswordHash(hash: string): Promise<void> {
    await this.#context.driver.transaction((connection) =>
      insert(
        connection,
        { table: 'admin_credential', columns: ['id', 'password_hash', 'updated_at'], rows: [[1, hash, Date.now()]] },
        { key: ['id'], set: ['password_hash', 'updated_at'] },
      ),
    )
  }
}

/** Logins of the management surface; only a token's hash is stored. */
export class Sessions {
  readonly #context: StoreContext

  constructor(context: StoreContext) {
    this.#context = context
  }

  async create(session: {
    readonly tokenHash: string
    readonly userAgent: string
    readonly createdAt: number
    readonly expiresAt: number
  }): Promise<SessionRecord> {
    await this.#context.driver.execute(
      'INSERT INTO session (token_hash, user_agent, created_at, expires_at, last_seen_at) VALUES (?, ?, ?, ?, ?)',
      [session.tokenHash, columnText(session.userAgent, 512), session.createdAt, session.expiresAt, session.createdAt],
    )
    const created = await this.findByTokenHash(session.tokenHash)
    if (created === null) throw new Error('the session was ended while it was made')
    return created
  }

  /** Also finds one that has expired. */
  async findByTokenHash(tokenHash: string): Promise<SessionRecord | null> {
    const [row] = await this.#context.driver.query('SELECT * FROM session WHERE token_hash = ?', [tokenHash])
    return row === undefined ? null : toSession(row)
  }

  async touch(id: number, { lastSeenAt, expiresAt }: { lastSeenAt: number; expiresAt: number }): Promise<void> {
    await this.#context.driver.execute('UPDATE session SET last_seen_at = ?, expires_at = ? WHERE id = ?', [
      lastSeenAt,
      expiresAt,
      id,
    ])
  }

  /** Newest first. */
  async list(): Promise<readonly SessionRecord[]> {
    return (await this.#context.driver.query('SELECT * FROM session ORDER BY created_at DESC, id DESC')).map(toSession)
  }

  /** False when there was none. */
  async delete(id: number): Promise<boolean> {
    return this.#context.driver.transaction(async (connection) => {
      const found = await connection.query('SELECT id FROM session WHERE id = ?', [id])
      await connection.execute('DELETE FROM session WHERE id = ?', [id])
      return found.length > 0
    })
  }

  async deleteAll(): Promise<void> {
    await this.#context.driver.execute('DELETE FROM session')
  }

  async deleteExpired(now: number): Promise<void> {
    await this.#context.driver.execute('DELETE FROM session WHERE expires_at <= ?', [now])
  }
}

function toSession(row: SqlRow): SessionRecord {
  return {
    id: int(row, 'id'),
    userAgent: text(row, 'user_agent'),
    createdAt: int(row, 'created_at'),
    lastSeenAt: int(row, 'last_seen_at'),
    expiresAt: int(row, 'expires_at'),
  }
}
