/** A value that all three drivers bind alike. Booleans are 0/1, times Unix ms, JSON is text. */
export type SqlValue = string | number | bigint | null | Uint8Array
export type SqlRow = Readonly<Record<string, unknown>>

/**
 * The thin way to the database, for what Prisma is too slow for (log rows, counters) and for the start (Prisma's client costs
 * 0.4 s and 50 MB to load). Placeholders are `?` on all three; no name in the schema needs quotes. Integers and sums come back as
 * numbers while they are safe, else as bigints; booleans as 0/1.
 */
export interface SqlConnection {
  readonly kind: 'sqlite' | 'postgresql' | 'mysql'
  query(sql: string, values?: readonly SqlValue[]): Promise<readonly SqlRow[]>
  execute(sql: string, values?: readonly SqlValue[]): Promise<void>
  /**
   * One statement for each of the rows, in one go: only where a statement costs no round trip (SQLite), and only on the connection of a
   * transaction.
   */
  executeEach?(sql: string, rows: readonly (readonly SqlValue[])[]): Promise<void>
}

export interface SqlDriver extends SqlConnection {
  /**
   * One transaction; commits when `work` resolves, rolls back when it rejects. Writers of this process queue behind each other.
   * After a deadlock with another process `work` is run again, so it must not change anything but the database. Inside it, only the
   * connection that it is given may be used: the driver itself would wait for this very transaction to end.
   */
  transaction<T>(work: (connection: SqlConnection) => Promise<T>): Promise<T>
  close(): Promise<void>
}
