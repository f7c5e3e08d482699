import { closeSync, openSync } from 'node:fs'

/** Makes the file readable for its owner alone; SQLite's journals inherit that. A file that is there keeps its mode. */
export function createPrivate(file: string): void {
  closeSync(openSync(file, 'a', 0o600))
}
