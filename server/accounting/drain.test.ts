import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { zstdDecompressSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Secret } from '../secret.ts'
import type { DatabaseConfig } from '../store/database.ts'
import type { SqlDriver, SqlRow } from '../store/driver.ts'
import { openDriver } from '../store/drivers/open.ts'
import { migrate } from '../store/migrate.ts'
import { startServer, testKinds, type TestServer } from '../store/testing/databases.ts'
import { WriteQueue } from '../store/write-queue.ts'
import { startDrain, type Drain, type DrainOptions } from './drain.ts'
import type { FinishedRequest } from './record.ts'
import { openSpool, type Spool } from './spool.ts'
import { startCutProxy } from './testing/cut-proxy.ts'
import { HeardLog, aRecord, numbered } from './testing/records.ts'

const patience = { timeout: 20_000, interval: 20 }
const HOUR = 3_600_000

describe.each(testKinds())('on %s', (kind) => {
  let server: TestServer
  let database: DatabaseConfig
  let driver: SqlDriver
  let directory: string
  let log: HeardLog
  const spools: Spool[] = []
  const drains: Drain[] = []

  beforeAll(async () => {
    server = await startServer(kind)
  })
  afterAll(async () => {
    await server.stop()
  })
  beforeEach(async () => {
    log = new HeardLog()
    directory = mkdtempSync(path.join(tmpdir(), 'octopus-drain-'))
    database = await server.fresh()
    await migrate(database, log.plain)
    driver = await openDriver(database, new WriteQueue(), log.plain)
    log.lines.length = 0
  })
  afterEach(async () => {
    for (const drain of drains.splice(0)) await drain.close(0)
    for (const spool of spools.splice(0)) spool.close()
    await driver.close()
    rmSync(directory, { recursive: true, force: true })
  })

  async function open(segmentBytes = 20_000): Promise<Spool> {
    const spool = await openSpool({ directory, log, segmentBytes, keepDrainedMs: 0 })
    spools.push(spool)
    return spool
  }
  function drainOf(spool: Spool, options: Partial<DrainOptions> = {}): Drain {
    const drain = startDrain({ spool, driver, log, ...options })
    drains.push(drain)
    return drain
  }
  const rows = (table: string, order = 'id'): Promise<readonly SqlRow[]> =>
    driver.query(`SELECT * FROM ${table} ORDER BY ${order}`)
  async function sums(): Promise<{ logged: unknown; requests: unknown; input: unknown; cost: unknown }> {
    const [log] = await driver.query('SELECT COUNT(*) AS logged FROM relay_log')
    const [stat] = await driver.query(
      `SELECT COALESCE(SUM(requests), 0) AS requests, COALESCE(SUM(input_tokens), 0) AS input_sum,
       COALESCE(SUM(cost_nano_usd), 0) AS cost FROM hour_stat`,
    )
    return { logged: log?.['logged'], requests: stat?.['requests'], input: stat?.['input_sum'], cost: stat?.['cost'] }
  }
  const counted = (records: number) => ({
    logged: records,
    requests: records,
    input: records * 1200,
    cost: records * 13_875_000,
  })
  const segments = (): string[] => readdirSync(directory).filter((name) => /^spool-\d+\.jsonl$/.test(name))
  /** The database's own way to refuse one kind of record for ever. */
  async function refuse(column: string, value: string): Promise<void> {
    const name = column === 'requested_model' ? 'relay_log' : 'relay_log_body'
    if (kind === 'sqlite')
      await driver.execute(
        `CREATE TRIGGER poison BEFORE INSERT ON ${name} WHEN NEW.${column} = '${value}' BEGIN SELECT RAISE(ABORT, 'poison'); END`,
      )
    else await driver.execute(`ALTER TABLE ${name} ADD CONSTRAINT poison CHECK (${column} <> '${value}')`)
  }

  test('every field has its column', async () => {
    const spool = await open()
    const drain = drainOf(spool)
    const bodies = { request: 'eyJhIjoxfQ==', response: 'e30=', truncated: true }
    spool.append(numbered(1, { bodies }))
    spool.append(
      numbered(2, {
        upstreamFormat: null,
        groupId: null,
        apiKeyId: null,
        channelId: null,
        channelName: '',
        upstreamModel: '',
        outcome: 'failure',
        httpStatus: 503,
        error: { kind: 'no_channel', message: 'none' },
        attempts: [],
        costNanoUsd: null,
        firstTokenMs: null,
        durationMs: 0.4,
        losses: [],
        stream: false,
      }),
    )
    await drain.flush()
    const [first, second] = await rows('relay_log')
    const { attempts, losses, usage_raw, ...plain } = first!
    expect(plain).toEqual({
      id: numbered(1).id,
      at: numbered(1).at,
      client_format: 'anthropic',
      upstream_format: 'openai-chat',
      group_id: 3,
      group_name: 'sonnet',
      requested_model: 'sonnet',
      api_key_id: 2,
      api_key_name: 'laptop',
      client_software: 'claude-cli/2.1.3',
      stream: 1,
      outcome: 'success',
      http_status: 200,
      error_kind: null,
      error_message: null,
      attempt_count: 1,
      channel_id: 5,
      channel_name: 'OpenRouter',
      upstream_model: 'anthropic/claude-sonnet-4.5',
      input_tokens: 1200,
      cache_read_tokens: 8000,
      cache_write_5m_tokens: 300,
      cache_write_1h_tokens: 0,
      output_tokens: 450,
      reasoning_tokens: 90,
      usage_estimated: 0,
      cost_nano_usd: 13_875_000,
      first_token_ms: 640,
      duration_ms: 2120,
      loss_count: 1,
      has_body: 1,
    })
    expect(JSON.parse(String(attempts))).toEqual(aRecord().attempts)
    expect(JSON.parse(String(losses))).toEqual(aRecord().losses)
    expect(JSON.parse(String(usage_raw))).toEqual(aRecord().usage?.raw)
    expect(second).toMatchObject({
      upstream_format: null,
      group_id: 0,
      api_key_id: 0,
      channel_id: 0,
      error_kind: 'no_channel',
      error_message: 'none',
      attempts: '[]',
      cost_nano_usd: null,
      first_token_ms: null,
      duration_ms: 0,
      has_body: 0,
    })
    const [body, none] = await rows('relay_log_body', 'log_id')
    expect(body).toMatchObject({ log_id: numbered(1).id, at: numbered(1).at, encoding: 'zstd' })
    const packed = body?.['body']
    if (!(packed instanceof Uint8Array)) throw new Error('no bytes')
    expect(body?.['size']).toBe(packed.length)
    expect(JSON.parse(zstdDecompressSync(packed).toString())).toEqual(bodies)
    expect(none).toBeUndefined()
  })

  test('counters are sums by hour, channel, key, group and upstream model', async () => {
    const spool = await open()
    const drain = drainOf(spool)
    const { at } = aRecord()
    const some: Partial<FinishedRequest>[] = [
      {},
      { at: at + 60_000, outcome: 'failure', usage: { ...aRecord().usage!, estimated: true }, costNanoUsd: null },
      { at: at + 61_000, outcome: 'cancelled', firstTokenMs: null },
      { at: at + HOUR },
      { channelId: 6 },
      { apiKeyId: 9 },
      { groupId: null },
      { upstreamModel: 'other' },
      { channelId: null, upstreamModel: '', requestedModel: 'asked' },
    ]
    for (const [n, changes] of some.entries()) {
      spool.append(numbered(n, changes))
      await drain.flush() // each adds to what is there
    }
    const stats = await rows('hour_stat', 'hour, channel_id, api_key_id, group_id, model')
    expect(stats).toHaveLength(7)
    const main = stats.find(
      (row) =>
        row['hour'] === Math.floor(at / HOUR) * HOUR &&
        row['channel_id'] === 5 &&
        row['api_key_id'] === 2 &&
        row['group_id'] === 3 &&
        row['model'] === aRecord().upstreamModel,
    )
    expect(main).toMatchObject({
      requests: 3,
      failures: 1,
      cancelled: 1,
      input_tokens: 3600,
      cache_read_tokens: 24_000,
      cache_write_5m_tokens: 900,
      cache_write_1h_tokens: 0,
      output_tokens: 1350,
      reasoning_tokens: 270,
      cost_nano_usd: 27_750_000,
      unpriced: 1,
      estimated: 1,
      first_token_count: 2,
      first_token_ms: 1280,
      first_token_b4: 2,
      duration_count: 1,
      duration_ms: 2120,
      duration_b4: 1,
    })
    expect(stats.map((row) => row['model'])).toContain('asked')
  })

  test('many records, in order, over segments, which are deleted behind', async () => {
    const spool = await open()
    const drain = drainOf(spool)
    for (let n = 0; n < 1000; n++) spool.append(numbered(n))
    await drain.flush()
    expect(await sums()).toEqual(counted(1000))
    expect(segments()).toHaveLength(1)
    expect(log.lines).toEqual([])
  })

  test('without a flush a record is there within a second or two', async () => {
    const spool = await open()
    drainOf(spool)
    await sleep(50)
    spool.append(numbered(1))
    await expect.poll(async () => (await sums()).logged, patience).toBe(1)
  })

  test('a repeated id is counted once: in one batch, in another, and after a restart', async () => {
    const spool = await open()
    const drain = drainOf(spool)
    spool.append(numbered(1))
    spool.append(numbered(1))
    await drain.flush()
    spool.append(numbered(1))
    spool.append(numbered(2))
    await drain.flush()
    expect(await sums()).toEqual(counted(2))
    await drain.close()
    spool.append(numbered(2))
    spool.append(numbered(3))
    spool.close()
    const again = await open()
    again.append(numbered(3))
    await drainOf(again).flush()
    expect(await sums()).toEqual(counted(3))
  })

  test('goes on where an earlier process had stopped, and tells what it found', async () => {
    const first = await open()
    for (let n = 0; n < 10; n++) first.append(numbered(n))
    const drain = drainOf(first)
    await drain.flush()
    await drain.close()
    for (let n = 10; n < 30; n++) first.append(numbered(n))
    first.close()
    const second = await open()
    const recovered: string[] = []
    second.append(numbered(30))
    await drainOf(second, { onRecovered: ({ id }) => recovered.push(id) }).flush()
    expect(await sums()).toEqual(counted(31))
    expect(recovered).toEqual(Array.from({ length: 20 }, (_, n) => numbered(10 + n).id))
  })

  test('a spool that meets an empty database writes everything that it still has', async () => {
    const first = await open()
    for (let n = 0; n < 10; n++) first.append(numbered(n))
    const drain = drainOf(first)
    await drain.flush()
    await drain.close()
    await driver.execute('DELETE FROM relay_log')
    await driver.execute('DELETE FROM hour_stat')
    await driver.execute('DELETE FROM spool_position')
    await drainOf(first).flush()
    expect(await sums()).toEqual(counted(10))
  })

  test('text that columns do not hold is fitted', async () => {
    const spool = await open()
    const drain = drainOf(spool)
    const long = '漢😀'.repeat(5000)
    spool.append(
      numbered(1, {
        groupName: long,
        requestedModel: `${long}\0`,
        apiKeyName: long,
        clientSoftware: 'a\0b\ud800',
        channelName: long,
        upstreamModel: ` ${long} `,
        error: { kind: 'upstream_failed', message: long },
        attempts: [{ ...aRecord().attempts[0]!, error: { kind: 'upstream_failed', message: `\0${long}` } }],
        losses: [{ field: 'x\0', reason: long }],
      }),
    )
    await drain.flush()
    expect(await sums()).toEqual(counted(1))
    expect(log.lines).toEqual([])
  })

  test('a record that the database refuses is set aside and stops nobody', async () => {
    await refuse('requested_model', 'poison')
    const spool = await open()
    const drain = drainOf(spool)
    for (let n = 0; n < 250; n++)
      spool.append(numbered(n, n === 20 || n === 120 ? ({ requestedModel: 'poison', bodies: undefined } as never) : {}))
    await drain.flush()
    expect(await sums()).toEqual(counted(248))
    const kept = readFileSync(path.join(directory, 'rejected.jsonl'), 'utf8').trim().split('\n')
    expect(kept.map((line) => (JSON.parse(line) as { record: FinishedRequest }).record.id)).toEqual([
      numbered(20).id,
      numbered(120).id,
    ])
    expect(log.lines.filter((line) => line.includes('kept aside'))).toHaveLength(2)
    spool.append(numbered(250))
    await drain.flush()
    expect(await sums()).toEqual(counted(249))
  })

  test('a record whose bodies alone are refused is logged without', async () => {
    await refuse('log_id', numbered(1).id)
    const spool = await open()
    const drain = drainOf(spool)
    const bodies = { request: '', response: '', truncated: false }
    for (let n = 0; n < 3; n++) spool.append(numbered(n, { bodies }))
    await drain.flush()
    expect(await sums()).toEqual(counted(3))
    expect((await rows('relay_log')).map((row) => row['has_body'])).toEqual([1, 0, 1])
    expect(existsSync(path.join(directory, 'rejected.jsonl'))).toBe(false)
  })

  test('a database that takes nothing for a while loses nothing and is not blamed on a record', async () => {
    const spool = await open()
    const errors: unknown[] = []
    const drain = drainOf(spool, { onError: (error) => errors.push(error) })
    spool.append(numbered(0))
    await drain.flush()
    await driver.execute('ALTER TABLE hour_stat RENAME TO hour_stat_away')
    for (let n = 1; n < 150; n++) spool.append(numbered(n))
    await expect.poll(() => errors.length, patience).toBeGreaterThan(1)
    expect(drain.state().ok).toBe(false)
    spool.append(numbered(150))
    await driver.execute('ALTER TABLE hour_stat_away RENAME TO hour_stat')
    await drain.flush()
    expect(drain.state()).toEqual({ ok: true, reason: '' })
    expect(await sums()).toEqual(counted(151))
    expect(existsSync(path.join(directory, 'rejected.jsonl'))).toBe(false)
    expect(log.lines).toEqual([
      'error the database takes no records: they wait in the spool',
      'info the database takes records again',
    ])
  })

  test.skipIf(kind === 'sqlite')('a line that is cut again and again, also in a commit', async () => {
    if (database.kind === 'sqlite') return
    const address = new URL(database.url.reveal())
    const proxy = await startCutProxy({ host: address.hostname, port: Number(address.port) })
    address.port = String(proxy.port)
    address.hostname = '127.0.0.1'
    const far = await openDriver({ ...database, url: new Secret(address.href) }, new WriteQueue(), log.plain)
    const spool = await open()
    const drain = drainOf(spool, { driver: far })
    let appended = 0
    for (let cut = 0; cut < 8; cut++) {
      for (let n = 0; n < 300; n++) spool.append(numbered(appended++))
      await sleep(Math.random() * 60)
      proxy.cut()
      spool.append(numbered(appended++))
      await sleep(100)
      proxy.mend()
      void drain.flush()
      await sleep(Math.random() * 100)
    }
    await drain.flush()
    expect(await sums()).toEqual(counted(appended))
    await drain.close()
    await far.close()
    await proxy.close()
  })

  test('closing while the database is down keeps the rest for the next start', async () => {
    await driver.execute('ALTER TABLE hour_stat RENAME TO hour_stat_away')
    const spool = await open()
    const drain = drainOf(spool)
    spool.append(numbered(0))
    await expect.poll(() => drain.state().ok, patience).toBe(false)
    await drain.close()
    spool.close()
    await driver.execute('ALTER TABLE hour_stat_away RENAME TO hour_stat')
    await drainOf(await open()).flush()
    expect(await sums()).toEqual(counted(1))
  })

  test('two spools on one database count together', async () => {
    const other = mkdtempSync(path.join(tmpdir(), 'octopus-drain-'))
    const [one, two] = [await open(), await openSpool({ directory: other, log })]
    spools.push(two)
    const [first, second] = [drainOf(one), drainOf(two)]
    for (let n = 0; n < 300; n++) {
      one.append(numbered(n))
      two.append(numbered(1000 + n))
      if (n % 50 === 0) await sleep(1)
    }
    await Promise.all([first.flush(), second.flush()])
    expect(await sums()).toEqual(counted(600))
    expect(await rows('spool_position', 'instance')).toHaveLength(2)
    rmSync(other, { recursive: true, force: true })
  })
})

describe('kill -9', () => {
  test('at random moments: appended = logged = counted', { timeout: 120_000 }, async () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'octopus-kill-'))
    const file = path.join(directory, 'octopus.db')
    const notes = path.join(directory, 'appended')
    const log = new HeardLog()
    await migrate({ kind: 'sqlite', file }, log.plain)
    const spoolDirectory = path.join(directory, 'spool')
    const appended = (): string[] => (existsSync(notes) ? readFileSync(notes, 'utf8').split('\n').slice(0, -1) : [])
    const rounds = 12
    for (let round = 0; round < rounds; round++) {
      const before = appended().length
      const child = spawn(
        process.execPath,
        [fileURLToPath(import.meta.resolve('./testing/drainer.ts')), spoolDirectory, file, notes],
        { stdio: 'inherit' },
      )
      await expect.poll(() => appended().length, { ...patience, interval: 2 }).toBeGreaterThan(before)
      await sleep(Math.random() * 120)
      child.kill('SIGKILL')
      await once(child, 'close')
    }
    const spool = await openSpool({ directory: spoolDirectory, log })
    const driver = await openDriver({ kind: 'sqlite', file }, new WriteQueue(), log.plain)
    const drain = startDrain({ spool, driver, log })
    await drain.flush()
    const logged = (await driver.query('SELECT id FROM relay_log')).map((row) => String(row['id']))
    const [stat] = await driver.query('SELECT SUM(requests) AS requests, SUM(input_tokens) AS input_sum FROM hour_stat')
    const [bodies] = await driver.query('SELECT COUNT(*) AS stored FROM relay_log_body')
    const [flagged] = await driver.query('SELECT COUNT(*) AS flagged FROM relay_log WHERE has_body = 1')
    await drain.close()
    spool.close()
    await driver.close()
    const ids = appended()
    expect(ids.length).toBeGreaterThan(rounds * 20)
    const missing = new Set(ids).difference(new Set(logged))
    expect([...missing]).toEqual([])
    // the one that was appended and not yet noted when the process died
    expect(logged.length - ids.length).toBeLessThanOrEqual(rounds)
    expect(new Set(logged).size).toBe(logged.length)
    expect(stat).toEqual({ requests: logged.length, input_sum: logged.length * 1200 })
    expect(bodies?.['stored']).toBe(flagged?.['flagged'])
    rmSync(directory, { recursive: true, force: true })
  })
})
