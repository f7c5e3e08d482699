import Database from 'better-sqlite3'
import { execFile } from 'node:child_process'
import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { GroupCreate } from '../contract/groups.ts'
import { DataKey } from './secrets.ts'
import { openStore } from './store.ts'
import { startServer, type TestServer } from './testing/databases.ts'

const log = { info: () => undefined, warn: () => undefined }
const dataKey = new DataKey(Buffer.alloc(32))
let server: TestServer

beforeAll(async () => {
  server = await startServer('sqlite')
})
afterAll(async () => {
  await server.stop()
})

async function freshFile() {
  const database = await server.fresh()
  if (database.kind !== 'sqlite') throw new Error('SQLite was asked for')
  return database
}

it('loads neither the other drivers nor, before the first write, Prisma', async () => {
  const { file } = await freshFile()
  const script = path.join(import.meta.dirname, 'testing/loaded-modules.ts')
  const { stdout } = await promisify(execFile)(process.execPath, [script, path.dirname(file)])
  const Lists = z.object({ atStart: z.array(z.string()), afterWrite: z.array(z.string()) })
  const { atStart, afterWrite } = Lists.parse(JSON.parse(stdout))
  expect(atStart).toEqual(['better-sqlite3'])
  expect(afterWrite).toContain('@prisma/client')
  expect(afterWrite.filter((name) => /^(pg|mariadb)$/.test(name))).toEqual([])
})

it.runIf(process.platform !== 'win32')('leaves every file to its owner alone', async () => {
  const database = await freshFile()
  const store = await openStore({ database, dataKey, log })
  await store.documents.set('a', 'b')
  const folder = path.dirname(database.file)
  const files = (await readdir(folder)).filter((name) => name.startsWith(path.basename(database.file)))
  expect(files.length).toBeGreaterThan(1)
  for (const name of files) expect((await stat(path.join(folder, name))).mode & 0o777).toBe(0o600)
  await store.close()
})

it('waits, with a free event loop, while another process holds the lock', async () => {
  const database = await freshFile()
  const store = await openStore({ database, dataKey, log })
  await store.groups.create(GroupCreate.parse({ name: 'first' })) // Prisma is open from here on
  const other = new Database(database.file)
  other.exec('BEGIN IMMEDIATE')
  const writes = Promise.all([
    store.groups.create(GroupCreate.parse({ name: 'second' })),
    store.documents.set('a', 'b'),
    store.driver.transaction(() => Promise.resolve()),
  ])
  // only a loop that turns lets this lock go
  await sleep(300)
  other.exec('COMMIT')
  other.close()
  await writes
  expect(store.current().groups.size).toBe(2)
  expect(await store.documents.get('a')).toBe('b')
  await store.close()
})

it('does not write a configuration that could not be completed', async () => {
  const database = await freshFile()
  const store = await openStore({ database, dataKey, log })
  const before = store.current()
  const items = [{ channelId: 5, model: 'm' }]
  await expect(store.groups.create(GroupCreate.parse({ name: 'g', items }))).rejects.toMatchObject({
    code: 'invalid_input',
  })
  await store.reload()
  expect(store.current()).toEqual(before)
  await store.close()
})
