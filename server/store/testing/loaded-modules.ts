// node loaded-modules.ts FOLDER: opens a store on SQLite, writes once, and prints which database packages were loaded before and after.
import { createRequire } from 'node:module'
import path from 'node:path'
import { GroupCreate } from '../../contract/groups.ts'
import { DataKey } from '../secrets.ts'
import { openStore } from '../store.ts'

const { cache } = createRequire(import.meta.url)
const loaded = (): string[] => {
  const names = Object.keys(cache).map(
    (file) => /node_modules\/(@prisma\/[^/]+|pg|mariadb|better-sqlite3)\//.exec(file)?.[1],
  )
  return [...new Set(names.filter((name) => name !== undefined))].sort()
}

const store = await openStore({
  database: { kind: 'sqlite', file: path.join(process.argv[2] ?? '', 'octopus.db') },
  dataKey: new DataKey(Buffer.alloc(32)),
  log: { info: () => undefined, warn: () => undefined },
})
const atStart = loaded()
await store.groups.create(GroupCreate.parse({ name: 'g' }))
console.log(JSON.stringify({ atStart, afterWrite: loaded() }))
await store.close()
