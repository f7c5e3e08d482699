// A start-up of its own: node migrate-once.ts KIND FILE-OR-URL prints how many migrations it ran.
import { Secret } from '../../secret.ts'
import type { DatabaseConfig } from '../database.ts'
import { migrate } from '../migrate.ts'

const [kind, address = ''] = process.argv.slice(2)
const database: DatabaseConfig =
  kind === 'sqlite'
    ? { kind, file: address }
    : { kind: kind === 'mysql' ? 'mysql' : 'postgresql', url: new Secret(address) }
const silent = { info: () => undefined, warn: () => undefined }
console.log((await migrate(database, silent)).length)
