import { setImmediate as turn } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Secret } from '../secret.ts'
import { DatabaseRefusal, type DatabaseConfig } from './database.ts'
import type { SqlDriver } from './driver.ts'
import { mysqlOptions } from './drivers/mysql.ts'
import { openDriver } from './drivers/open.ts'
import { numbered } from './drivers/postgresql.ts'
import { columnText, containing, insert } from './sql.ts'
import { startServer, testKinds, type TestServer } from './testing/databases.ts'
import { WriteQueue } from './write-queue.ts'

const silent = { info: () => undefined, warn: () => undefined }

describe.each(testKinds())('the driver of %s', (kind) => {
  let server: TestServer
  let database: DatabaseConfig
  let driver: SqlDriver
  beforeAll(async () => {
    server = await startServer(kind)
  })
  afterAll(async () => {
    await server.stop()
  })
  beforeEach(async () => {
    database = await server.fresh()
    driver = await openDriver(database, new WriteQueue(), silent)
    const bytes = { sqlite: 'BLOB', postgresql: 'BYTEA', mysql: 'LONGBLOB' }[kind]
    await driver.execute(
      `CREATE TABLE thing (id BIGINT NOT NULL PRIMARY KEY, word VARCHAR(100), number DOUBLE PRECISION, flag BOOLEAN, data ${bytes})${kind === 'mysql' ? ' DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin' : ''}`,
    )
  })
  afterEach(async () => {
    await driver.close()
  })
  const count = async (): Promise<unknown> => (await driver.query('SELECT COUNT(*) AS n FROM thing'))[0]?.['n']

  it('gives back what it was given', async () => {
    const data = Uint8Array.from([0, 255, 39, 92])
    await driver.execute('INSERT INTO thing VALUES (?, ?, ?, ?, ?)', [1_799_999_999_999, `it's "ok"?`, 0.25, 1, data])
    await driver.execute('INSERT INTO thing VALUES (?, ?, ?, ?, ?)', [2n ** 60n, null, null, 0, null])
    const rows = await driver.query('SELECT * FROM thing ORDER BY id')
    expect(rows[0]).toMatchObject({ id: 1_799_999_999_999, word: `it's "ok"?`, number: 0.25, flag: 1 })
    expect(Buffer.from(rows[0]?.['data'] as Uint8Array).equals(data)).toBe(true)
    expect(rows[1]).toEqual({ id: 2n ** 60n, word: null, number: null, flag: 0, data: null })
  })

  it('gives sums and counts as numbers while they are safe', async () => {
    await driver.execute('INSERT INTO thing (id) VALUES (?), (?)', [2 ** 40, 2 ** 40 + 1])
    const sums = 'SELECT SUM(id) AS total, COUNT(*) AS n, COALESCE(SUM(number), 0) AS none FROM thing'
    expect(await driver.query(sums)).toEqual([{ total: 2 ** 41 + 1, n: 2, none: 0 }])
    await driver.execute('INSERT INTO thing (id) VALUES (?)', [2n ** 62n])
    expect((await driver.query(sums))[0]?.['total']).toBe(2n ** 62n + BigInt(2 ** 41 + 1))
  })

  it('divides integers as integers', async () => {
    await driver.execute('INSERT INTO thing (id) VALUES (?)', [7_200_001])
    const half = kind === 'mysql' ? 'id DIV ?' : 'id / ?'
    expect(await driver.query(`SELECT ${half} AS hour FROM thing`, [3_600_000])).toEqual([{ hour: 2 }])
  })

  it('commits all of a transaction or nothing', async () => {
    await driver.transaction(async (connection) => {
      await connection.execute('INSERT INTO thing (id) VALUES (?)', [1])
      expect(await connection.query('SELECT id FROM thing')).toEqual([{ id: 1 }])
    })
    const failing = driver.transaction(async (connection) => {
      await connection.execute('INSERT INTO thing (id) VALUES (?)', [2])
      throw new Error('changed my mind')
    })
    await expect(failing).rejects.toThrow('changed my mind')
    expect(await driver.query('SELECT id FROM thing')).toEqual([{ id: 1 }])
    // and it can be used afterwards
    await driver.execute('INSERT INTO thing (id) VALUES (?)', [3])
    expect(await count()).toBe(2)
  })

  it('hides an open transaction from readers, and keeps other writers waiting', async () => {
    let letGo: () => void = () => undefined
    const held = new Promise<void>((resolve) => (letGo = resolve))
    let begun: () => void = () => undefined
    const inside = new Promise<void>((resolve) => (begun = resolve))
    const long = driver.transaction(async (connection) => {
      await connection.execute('INSERT INTO thing (id) VALUES (?)', [1])
      begun()
      await held
      throw new Error('rolled back')
    })
    await inside
    const other = driver.execute('INSERT INTO thing (id) VALUES (?)', [2])
    expect(await count()).toBe(0)
    letGo()
    await expect(long).rejects.toThrow('rolled back')
    await other
    expect(await driver.query('SELECT id FROM thing')).toEqual([{ id: 2 }])
  })

  it('counts up what is there, inserts what is not, and ignores on demand', async () => {
    const rows = {
      table: 'thing',
      columns: ['id', 'number'],
      rows: [
        [1, 10],
        [2, 20],
      ],
    }
    await insert(driver, rows)
    await insert(
      driver,
      {
        ...rows,
        rows: [
          [2, 5],
          [3, 30],
        ],
      },
      { key: ['id'], add: ['number'] },
    )
    await insert(driver, { ...rows, rows: [[3, 99]] }, 'ignore')
    await insert(driver, { ...rows, rows: [[1, 11]] }, { key: ['id'], set: ['number'] })
    const sql = 'SELECT id, number FROM thing ORDER BY id'
    expect(await driver.query(sql)).toEqual([
      { id: 1, number: 11 },
      { id: 2, number: 25 },
      { id: 3, number: 30 },
    ])
  })

  it('inserts more rows than one statement takes', async () => {
    const rows = Array.from({ length: 1777 }, (_, id) => [id, `word ${id}`])
    await driver.transaction((connection) => insert(connection, { table: 'thing', columns: ['id', 'word'], rows }))
    expect(await count()).toBe(1777)
  })

  it('finds text that looks like a pattern', async () => {
    for (const [id, word] of ['100%', '100 per cent', 'a_b', 'aXb', 'wow!', 'back\\slash'].entries())
      await driver.execute('INSERT INTO thing (id, word) VALUES (?, ?)', [id, word])
    const find = async (text: string) =>
      (
        await driver.query(`SELECT word FROM thing WHERE LOWER(word) LIKE ? ESCAPE '!' ORDER BY id`, [containing(text)])
      ).map((row) => row['word'])
    expect(await find('0%')).toEqual(['100%'])
    expect(await find('A_')).toEqual(['a_b'])
    expect(await find('W!')).toEqual(['wow!'])
    expect(await find('k\\s')).toEqual(['back\\slash'])
  })

  it('takes what columnText made of any text', async () => {
    const word = columnText(`  nul\0 and 🐙${'x'.repeat(200)} `, 100)
    await driver.execute('INSERT INTO thing (id, word) VALUES (?, ?)', [1, word])
    expect((await driver.query('SELECT word FROM thing'))[0]?.['word']).toBe(word)
    expect(Array.from(word)).toHaveLength(100)
  })

  it('does not put values into the message of an error', async () => {
    const twice = () => driver.execute('INSERT INTO thing (id, word) VALUES (?, ?)', [1, 'private words'])
    await twice()
    const error: unknown = await twice().catch((failure: unknown) => failure)
    expect(error).toBeInstanceOf(Error)
    expect(String(error)).not.toContain('private')
  })

  it('waits for another process that writes', async () => {
    const other = await openDriver(database, new WriteQueue(), silent)
    try {
      await driver.execute('INSERT INTO thing (id, number) VALUES (1, 0)')
      await Promise.all(
        [driver, other].map(async (each) => {
          for (let round = 0; round < 20; round++)
            await each.transaction(async (connection) => {
              await connection.execute('UPDATE thing SET number = number + 1 WHERE id = 1')
              await turn()
            })
        }),
      )
      expect((await driver.query('SELECT number FROM thing'))[0]?.['number']).toBe(40)
    } finally {
      await other.close()
    }
  })

  it.skipIf(kind === 'sqlite')('runs a transaction again that a deadlock has ended', async () => {
    const other = await openDriver(database, new WriteQueue(), silent)
    try {
      await driver.execute('INSERT INTO thing (id, number) VALUES (1, 0), (2, 0)')
      const add = (each: SqlDriver, order: readonly number[]) =>
        each.transaction(async (connection) => {
          for (const id of order) await connection.execute('UPDATE thing SET number = number + 1 WHERE id = ?', [id])
        })
      const rounds = Array.from({ length: 10 }, () => [add(driver, [1, 2]), add(other, [2, 1])]).flat()
      await Promise.all(rounds)
      expect(await driver.query('SELECT number FROM thing')).toEqual([{ number: 20 }, { number: 20 }])
    } finally {
      await other.close()
    }
  })
})

describe('placeholders of PostgreSQL', () => {
  it.each([
    ['SELECT 1', 'SELECT 1'],
    ['a = ? AND b = ?', 'a = $1 AND b = $2'],
    [`a = '?' AND "b?" = ? AND c = 'it''s ?'`, `a = '?' AND "b?" = $1 AND c = 'it''s ?'`],
  ])('of %s', (given, expected) => {
    expect(numbered(given)).toBe(expected)
  })
})

describe('a MySQL address', () => {
  const options = (url: string) => mysqlOptions(new Secret(url))

  it('gives host, user and database, percent signs decoded', () => {
    expect(options('mysql://us%40er:p%2Fw@db.example:3307/octo%20pus')).toMatchObject({
      host: 'db.example',
      port: 3307,
      user: 'us@er',
      password: 'p/w',
      database: 'octo pus',
    })
  })

  it('keeps the server key to itself unless the server is this machine', () => {
    expect(options('mysql://u:p@127.0.0.1/d').allowPublicKeyRetrieval).toBe(true)
    expect(options('mysql://u:p@db.example/d').allowPublicKeyRetrieval).toBe(false)
  })

  it.each([
    ['mysql://u:p@h/d?ssl=true', true],
    ['mysql://u:p@h/d?ssl-mode=REQUIRED', true],
    ['mysql://u:p@h/d?ssl=insecure', { rejectUnauthorized: false }],
    ['mysql://u:p@h/d', undefined],
  ])('%s asks for TLS: %o', (url, ssl) => {
    expect(options(url).ssl).toEqual(ssl)
  })

  it.each(['mysql://u:p@h', 'mysql://u:p@h/', 'nonsense'])('%s is refused without showing the password', (url) => {
    expect(() => options(url)).toThrow(DatabaseRefusal)
    expect(() => options(url)).not.toThrow(/u:p/)
  })
})
