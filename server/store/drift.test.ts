import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { diffSqliteFile, isEmpty } from '../../scripts/prisma/engine.mjs'
import { embed, scripts, statementsOf } from '../../scripts/prisma/migration.mjs'
import { readSchema, render } from '../../scripts/prisma/schema.mjs'
import type { DatabaseConfig } from './database.ts'
import { migrate } from './migrate.ts'
import { startServer, testKinds, type TestServer } from './testing/databases.ts'
import { runSql, shapeOf } from './testing/shapes.ts'

const silent = { info: () => undefined, warn: () => undefined }
const schema = readSchema()

/** What a later version might do to the schema: every kind of step that the MySQL translation knows. */
const later = schema
  .replace(
    '  notes            String // @mysql: @db.Text',
    '  notes            String? // @mysql: @db.LongText\n  region String? // @mysql: @db.VarChar(32)',
  )
  .replace('  affinity_seconds Int\n', '  affinity_seconds BigInt @default(5)\n')
  .replace('  @@index([expires_at])\n', '')
  .replace('  last_seen_at BigInt\n', '  @@index([user_agent])\n')
  .concat(
    '\nmodel Extra {\n  id Int @id @default(autoincrement())\n  channel_id Int\n  channel Channel @relation(fields: [channel_id], references: [id])\n  @@map("extra")\n}\n',
  )
  .replace(
    '  items            GroupItem[]\n\n  @@map("channel")',
    '  items            GroupItem[]\n  extras Extra[]\n\n  @@map("channel")',
  )

async function run(database: DatabaseConfig, written: Awaited<ReturnType<typeof scripts>>): Promise<void> {
  if (written === null) throw new Error('nothing to write')
  await runSql(database, statementsOf(written[database.kind]))
}

describe.each(testKinds())('schema.prisma on %s', (kind) => {
  let server: TestServer
  beforeAll(async () => {
    server = await startServer(kind)
  })
  afterAll(async () => {
    await server.stop()
  })

  /** How a database differs from a schema: by the schema engine on SQLite, elsewhere from one that is made of it whole. */
  async function difference(database: DatabaseConfig, of: string): Promise<readonly string[]> {
    if (database.kind === 'sqlite') {
      const sql = await diffSqliteFile(database.file, render(of, 'sqlite'))
      return isEmpty(sql) ? [] : [sql]
    }
    const whole = await server.fresh()
    await run(whole, await scripts(null, of))
    const [there, meant] = [await shapeOf(database), await shapeOf(whole)]
    return [...there.filter((fact) => !meant.includes(fact)), ...meant.filter((fact) => !there.includes(fact))]
  }

  it('is what the migrations make', async () => {
    const database = await server.fresh()
    await migrate(database, silent)
    expect(await difference(database, schema)).toEqual([])
  })

  it.each([
    ['a column is missing', 'ALTER TABLE api_key DROP COLUMN hint'],
    [
      'an index is missing',
      kind === 'mysql' ? 'DROP INDEX session_expires_at_idx ON session' : 'DROP INDEX session_expires_at_idx',
    ],
    ['a table is too much', 'CREATE TABLE surplus (id INTEGER)'],
  ])('is seen to differ when %s', async (_name, sql) => {
    const database = await server.fresh()
    await migrate(database, silent)
    await runSql(database, [sql])
    expect(await difference(database, schema)).not.toEqual([])
  })

  it('can be changed by a migration that the tool writes', async () => {
    const database = await server.fresh()
    await migrate(database, silent)
    expect(await difference(database, later)).not.toEqual([])
    const written = await scripts(schema, later)
    for (const step of [
      'ADD COLUMN `region`',
      'DROP COLUMN `last_seen_at`',
      'MODIFY COLUMN `notes`',
      'DROP INDEX',
      'CREATE TABLE `extra`',
      'FOREIGN KEY',
    ])
      expect(written?.mysql).toContain(step)
    await run(database, written)
    expect(await difference(database, later)).toEqual([])
  })
})

it('the migrations in the program are those of prisma/migrations', async () => {
  expect(await readFile(path.join(import.meta.dirname, 'migrations.ts'), 'utf8')).toBe(await embed())
})

it('a schema without a change gives no migration', async () => {
  expect(await scripts(schema, schema)).toBeNull()
})
