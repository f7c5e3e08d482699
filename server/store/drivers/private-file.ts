import { closeSync, mkdirSync, openSync } from 'node:fs'
import path from 'node:path'

/** Makes the file (and its folder) for its owner alone; SQLite's journals inherit that. What is there keeps its mode. */
export function createPrivate(file: string): void {
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 })
  closeSync(openSync(file, 'a', 0o600))
}
