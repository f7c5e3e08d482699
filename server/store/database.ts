import type { Secret } from '../secret.ts'

/** Where the data lives. URLs are secrets because they carry a password. */
export type DatabaseConfig =
  | { readonly kind: 'sqlite'; readonly file: string }
  /** `postgresql://user:password@host:port/database?sslmode=…` */
  | { readonly kind: 'postgresql'; readonly url: Secret }
  /** `mysql://user:password@host:port/database?ssl=true`; MySQL and MariaDB alike. */
  | { readonly kind: 'mysql'; readonly url: Secret }

/** What the store says while it works; pino's loggers fit. */
export interface StoreLog {
  info(message: string): void
  warn(message: string): void
}

/** The database, or the key to it, cannot be used as it is; the message is a whole sentence for the person who starts the program. */
export class DatabaseRefusal extends Error {
  override readonly name = 'DatabaseRefusal'
}
