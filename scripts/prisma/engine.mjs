// Prisma's schema engine as WebAssembly: differences between two schemas as SQL, offline and without a server.
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils'
import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3'
import * as glue from '@prisma/schema-engine-wasm/schema_engine_bg'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { root } from './schema.mjs'

const require = createRequire(import.meta.url)
// The glue reports a panic through this global before it traps.
globalThis.PRISMA_WASM_PANIC_REGISTRY = { set_message: (message) => console.error(message) }
const binary = require.resolve('@prisma/schema-engine-wasm/schema_engine_bg').replace(/\.js$/, '.wasm')
const wasm = await WebAssembly.instantiate(readFileSync(binary), { './schema_engine_bg.js': glue })
glue.__wbg_set_wasm(wasm.instance.exports)
wasm.instance.exports.__wbindgen_start()

/** PostgreSQL's engine asks the database one thing when it compares two schemas: its version. */
const versionOnly = {
  provider: 'postgres',
  adapterName: '@prisma/adapter-pg',
  connectToShadowDb: () => versionOnly.connect(),
  connect: () =>
    Promise.resolve({
      provider: 'postgres',
      adapterName: '@prisma/adapter-pg',
      getConnectionInfo: () => ({ supportsRelationJoins: true }),
      dispose: () => Promise.resolve(),
      executeRaw: () => Promise.resolve(0),
      executeScript: () => Promise.resolve(),
      startTransaction: () => Promise.reject(new Error('there is no database here')),
      queryRaw: (query) =>
        query.sql.includes('numeric_version')
          ? Promise.resolve({
              columnNames: ['exists', 'version', 'numeric_version'],
              columnTypes: [5, 7, 0],
              rows: [[true, 'PostgreSQL 15.0', 150000]],
            })
          : Promise.reject(new Error(`there is no database here for: ${query.sql}`)),
    }),
}

const factory = {
  sqlite: (url) => new PrismaBetterSqlite3({ url }),
  postgresql: () => versionOnly,
}
const model = (content) => ({ tag: 'schemaDatamodel', files: [{ path: 'schema.prisma', content }] })

async function run(kind, url, input) {
  const schema = (input.to.files ?? input.from.files)[0].content
  const engine = await glue.SchemaEngine.new(
    { datamodels: [['schema.prisma', schema]] },
    () => undefined,
    bindMigrationAwareSqlAdapterFactory(factory[kind](url)),
  )
  const { stdout } = await engine.diff({
    ...input,
    script: true,
    exitCode: null,
    shadowDatabaseUrl: null,
    filters: { externalTables: kind === 'sqlite' ? ['schema_migration'] : [], externalEnums: [] },
  })
  return stdout.replace(/^-- CreateSchema\nCREATE SCHEMA IF NOT EXISTS "public";\n\n/, '')
}

/** The SQL that leads from one rendered schema (null: nothing) to another. MySQL is not known here: see mysql.mjs. */
export const diff = (kind, from, to) =>
  run(kind, ':memory:', { from: from === null ? { tag: 'empty' } : model(from), to: model(to) })

/** The SQL that leads from a SQLite file to the rendered schema; says "empty migration" where they agree. */
export const diffSqliteFile = (file, schema) =>
  run('sqlite', file, {
    from: { tag: 'schemaDatasource', files: [{ path: 'schema.prisma', content: schema }], configDir: root },
    to: model(schema),
  })

export const isEmpty = (sql) => /^\s*$|This is an empty migration/.test(sql)
