/** A value that all three drivers bind alike. Booleans are 0/1, times Unix ms, JSON is text. */
export type SqlValue = string | number | bigint | null | Uint8Array
export type SqlRow = Readonly<Record<string, unknown>>

/**
 * The thin way to the database, for what Prisma is too slow for (log rows, counters) and for the start (Prisma's client costs
 * 0.4 s and 50 MB to load). Placeholders are `?` on all three; names are quoted by the caller with `name()`.
 */
export interface SqlConnection {
  readonly kind: 'sqlite' | 'postgresql' | 'mysql'
  query(sql: string, values?: readonly SqlValue[]): Promise<readonly SqlRow[]>
  execute(sql: string, values?: readonly SqlValue[]): Promise<void>
}

export interface SqlDriver extends SqlConnection {
  /** One transaction; commits when `work` resolves, rolls back when it rejects. Writers of this process queue behind each other. */
  transaction<T>(work: (connection: SqlConnection) => Promise<T>): Promise<T>
  close(): Promise<void>
}
