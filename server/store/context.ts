import type { Configuration } from './configuration.ts'
import type { SqlDriver } from './driver.ts'
import type { Tx } from './prisma.ts'
import type { DataKey } from './secrets.ts'

/** What the store's parts share. */
export interface StoreContext {
  readonly driver: SqlDriver
  readonly dataKey: DataKey
  current(): Configuration
  /**
   * A change of the configuration: one transaction that raises the revision first (which also makes instances wait for each other),
   * then the new picture is loaded, swapped in and told.
   */
  change<T>(work: (tx: Tx) => Promise<T>): Promise<T>
}
