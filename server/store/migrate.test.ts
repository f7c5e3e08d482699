import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Secret } from '../secret.ts'
import { DatabaseRefusal, type DatabaseConfig } from './database.ts'
import { migrate } from './migrate.ts'
import { migrations, type Migration } from './migrations.ts'
import { startServer, testKinds, type TestServer } from './testing/databases.ts'
import { runSql, shapeOf } from './testing/shapes.ts'

const silent = { info: () => undefined, warn: () => undefined }
const names = migrations.map(({ name }) => name)

function step(name: string, statements: readonly string[]): Migration {
  const script = { checksum: `of-${name}`, statements }
  return { name, sqlite: script, postgresql: script, mysql: script }
}
const two = step('9001_two', [
  'CREATE TABLE first_made (id INTEGER NOT NULL)',
  'CREATE TABLE second_made (id INTEGER NOT NULL)',
  'CREATE TABLE third_made (id INTEGER NOT NULL)',
])

async function tables(database: DatabaseConfig): Promise<string> {
  return (await shapeOf(database)).join('\n')
}

describe.each(testKinds())('migrations on %s', (kind) => {
  let server: TestServer
  beforeAll(async () => {
    server = await startServer(kind)
  })
  afterAll(async () => {
    await server.stop()
  })

  it('run once', async () => {
    const database = await server.fresh()
    expect(await migrate(database, silent)).toEqual(names)
    expect(await migrate(database, silent)).toEqual([])
  })

  it('run exactly once when five processes start together', async () => {
    const database = await server.fresh()
    const address = database.kind === 'sqlite' ? database.file : database.url.reveal()
    const script = path.join(import.meta.dirname, 'testing/migrate-once.ts')
    const runs = await Promise.all(
      Array.from({ length: 5 }, () => promisify(execFile)(process.execPath, [script, kind, address])),
    )
    expect(runs.map(({ stdout }) => Number(stdout)).sort()).toEqual([0, 0, 0, 0, names.length])
  })

  it('run exactly once when five start-ups share one event loop', async () => {
    const database = await server.fresh()
    const runs = await Promise.all(Array.from({ length: 5 }, () => migrate(database, silent)))
    expect(runs.map((ran) => ran.length).sort()).toEqual([0, 0, 0, 0, names.length])
  })

  it('go on after an interruption between two statements', async () => {
    const database = await server.fresh()
    await migrate(database, silent)
    // what stands in the way of the second statement is the interruption
    await runSql(database, ['CREATE TABLE second_made (other INTEGER)'])
    await expect(migrate(database, silent, [...migrations, two])).rejects.toThrow(/exists/)
    // only MySQL keeps what was done
    expect((await tables(database)).includes('first_made')).toBe(kind === 'mysql')
    await runSql(database, ['DROP TABLE second_made'])
    expect(await migrate(database, silent, [...migrations, two])).toEqual(['9001_two'])
    const now = await tables(database)
    for (const table of ['first_made', 'second_made', 'third_made']) expect(now).toContain(table)
  })

  it.runIf(kind === 'mysql')('find a statement done whose mark was never written', async () => {
    const database = await server.fresh()
    await migrate(database, silent)
    await runSql(database, ['CREATE TABLE third_made (other INTEGER)'])
    await expect(migrate(database, silent, [...migrations, two])).rejects.toThrow(/exists/)
    await runSql(database, [
      'DROP TABLE third_made',
      `UPDATE schema_migration SET steps_done = 1 WHERE name = '9001_two'`,
    ])
    expect(await migrate(database, silent, [...migrations, two])).toEqual(['9001_two'])
    expect(await tables(database)).toContain('third_made')
  })

  it('refuse a database that a newer program has changed', async () => {
    const database = await server.fresh()
    await migrate(database, silent, [...migrations, two])
    const refusal = migrate(database, silent)
    await expect(refusal).rejects.toThrow(DatabaseRefusal)
    await expect(refusal).rejects.toThrow(/changed by a newer version of Octopus \(9001_two\)/)
  })

  it('refuse a migration that was changed after it ran', async () => {
    const database = await server.fresh()
    await migrate(database, silent, [...migrations, two])
    const changed = { ...two, [kind]: { ...two[kind], checksum: 'another' } }
    await expect(migrate(database, silent, [...migrations, changed])).rejects.toThrow(
      /9001_two in this database is not the one/,
    )
  })
})

describe('a database that cannot be opened', () => {
  it.each([
    [
      'postgresql',
      'postgresql://me:hunter2@127.0.0.1:1/octopus',
      /PostgreSQL database 127\.0\.0\.1:1\/octopus cannot be opened: .*ECONNREFUSED/,
    ],
    [
      'mysql',
      'mysql://me:hunter2@127.0.0.1:1/octopus',
      /MySQL database 127\.0\.0\.1:1\/octopus cannot be opened: .*ECONNREFUSED/,
    ],
    ['postgresql', 'hunter2', /address is not a URL/],
    ['mysql', 'hunter2', /address is not a URL/],
  ] as const)('%s at %s is named without its password', async (kind, url, sentence) => {
    const call = migrate({ kind, url: new Secret(url) }, silent)
    await expect(call).rejects.toThrow(DatabaseRefusal)
    await expect(call).rejects.toThrow(sentence)
    await expect(call).rejects.not.toThrow(/hunter2/)
  })

  it('is made with its folder, for the owner alone', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'octopus-new-'))
    const file = path.join(folder, 'deep/er/octopus.db')
    await migrate({ kind: 'sqlite', file }, silent)
    if (process.platform !== 'win32') {
      expect((await stat(file)).mode & 0o777).toBe(0o600)
      expect((await stat(path.dirname(file))).mode & 0o777).toBe(0o700)
    }
    await rm(folder, { recursive: true })
  })
})

describe('backups of a SQLite file', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startServer('sqlite')
  })
  afterAll(async () => {
    await server.stop()
  })

  async function sqliteFile(): Promise<Extract<DatabaseConfig, { kind: 'sqlite' }>> {
    const database = await server.fresh()
    if (database.kind !== 'sqlite') throw new Error('SQLite was asked for')
    return database
  }
  async function backups(file: string): Promise<string[]> {
    const all = await readdir(path.dirname(file))
    return all.filter((name) => name.startsWith(`${path.basename(file)}.`) && !/-(wal|shm)$/.test(name)).sort()
  }

  it('are not made of a new file', async () => {
    const database = await sqliteFile()
    await migrate(database, silent)
    expect(await backups(database.file)).toEqual([])
  })

  it('hold what stood before, for the owner alone, and only the last three stay', async () => {
    const database = await sqliteFile()
    const steps = [1, 2, 3, 4].map((n) => step(`900${n}_step`, [`CREATE TABLE made_${n} (id INTEGER)`]))
    await migrate(database, silent)
    await runSql(database, [`INSERT INTO setting (name, value, updated_at) VALUES ('mark', 'kept', 1)`])
    for (const count of [1, 2, 3, 4]) await migrate(database, silent, [...migrations, ...steps.slice(0, count)])

    const base = path.basename(database.file)
    expect(await backups(database.file)).toEqual([2, 3, 4].map((n) => `${base}.before-900${n}_step.bak`))
    const backup = { kind: 'sqlite', file: `${database.file}.before-9003_step.bak` } as const
    const [rows] = await runSql(backup, [`SELECT value FROM setting WHERE name = 'mark'`])
    expect(rows).toEqual([{ value: 'kept' }])
    expect(await tables(backup)).toContain('made_2')
    expect(await tables(backup)).not.toContain('made_3')
    if (process.platform !== 'win32') expect((await stat(backup.file)).mode & 0o777).toBe(0o600)
  })

  it('leave rows alone that refer to a table which is rebuilt', async () => {
    const database = await sqliteFile()
    const parent = step('9001_parent', [
      'CREATE TABLE parent (id INTEGER PRIMARY KEY)',
      'CREATE TABLE child (id INTEGER PRIMARY KEY, parent_id INTEGER REFERENCES parent (id) ON DELETE CASCADE)',
      'INSERT INTO parent VALUES (1)',
      'INSERT INTO child VALUES (1, 1)',
    ])
    const rebuild = step('9002_rebuild', [
      'CREATE TABLE new_parent (id INTEGER PRIMARY KEY, name TEXT)',
      'INSERT INTO new_parent (id) SELECT id FROM parent',
      'DROP TABLE parent',
      'ALTER TABLE new_parent RENAME TO parent',
    ])
    await migrate(database, silent, [...migrations, parent])
    await migrate(database, silent, [...migrations, parent, rebuild])
    const [rows] = await runSql(database, ['SELECT * FROM child'])
    expect(rows).toEqual([{ id: 1, parent_id: 1 }])
  })

  it('do not save a migration that leaves rows referring to nothing', async () => {
    const database = await sqliteFile()
    const broken = step('9001_broken', [
      'CREATE TABLE parent (id INTEGER PRIMARY KEY)',
      'CREATE TABLE child (id INTEGER PRIMARY KEY, parent_id INTEGER REFERENCES parent (id))',
      'INSERT INTO child VALUES (1, 7)',
    ])
    await expect(migrate(database, silent, [...migrations, broken])).rejects.toThrow(/1 rows that refer to nothing/)
    expect(await tables(database)).not.toContain('child')
  })
})
