import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { HeardLog, aRecord, numbered } from './testing/records.ts'
import { openSpool, type Spool, type SpoolOptions } from './spool.ts'
import type { SpoolPosition } from './spool-segment.ts'
import { decodeLine, encodeLine } from './spool-line.ts'

let directory: string
let log: HeardLog
const opened: Spool[] = []
const patience = { timeout: 20_000 }

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'octopus-spool-'))
  log = new HeardLog()
})
afterEach(() => {
  for (const spool of opened.splice(0)) spool.close()
  rmSync(directory, { recursive: true, force: true })
})

async function open(options: Partial<SpoolOptions> = {}): Promise<Spool> {
  const spool = await openSpool({ directory, log, ...options })
  opened.push(spool)
  return spool
}

/** Everything behind a position, a few records at a time. */
async function readAll(
  spool: Spool,
  from: SpoolPosition,
): Promise<{ ids: string[]; end: SpoolPosition; damaged: number }> {
  const ids: string[] = []
  let [at, damaged] = [from, 0]
  for (;;) {
    const batch = await spool.read(at, { records: 7, bytes: 64 * 1024 })
    ids.push(...batch.records.map(({ record }) => record.id))
    damaged += batch.damaged
    if (batch.next.segment === at.segment && batch.next.offset === at.offset) return { ids, end: at, damaged }
    at = batch.next
  }
}

const idsOf = (count: number, from = 0): string[] => Array.from({ length: count }, (_, n) => numbered(from + n).id)
const segments = (): string[] =>
  readdirSync(directory)
    .filter((name) => name.endsWith('.jsonl'))
    .sort()

describe('a line', () => {
  test('is JSON and comes back whole', () => {
    const record = aRecord({
      groupName: 'Größe 漢字 😀 "\\\n\u2028',
      error: { kind: 'rate_limited', message: 'slow down' },
      bodies: { request: 'e30=', response: 'e30=', truncated: false },
    })
    const line = encodeLine(record)
    expect(line.at(-1)).toBe(10)
    expect(line.indexOf(10)).toBe(line.length - 1)
    expect(JSON.parse(line.toString())).toMatchObject({ v: 1, r: record })
    expect(decodeLine(line.subarray(0, -1))).toEqual(record)
  })

  test('with any byte changed, or cut anywhere, is not whole', () => {
    const line = encodeLine(aRecord()).subarray(0, -1)
    for (let at = 0; at < line.length; at++) {
      expect(decodeLine(line.subarray(0, at))).toBeNull()
      const changed = Buffer.from(line)
      changed[at] = (changed[at] ?? 0) ^ 1
      expect(decodeLine(changed)).toBeNull()
    }
  })

  test.each([
    ['no object', 'null'],
    ['another version', JSON.stringify({ v: 2, crc: '00000000', r: aRecord() })],
    ['an empty line', ''],
  ])('%s is not whole', (_, text) => expect(decodeLine(Buffer.from(text))).toBeNull())

  test('whose record lacks what is counted is not whole', () => {
    for (const name of ['id', 'at', 'outcome', 'groupId', 'attempts', 'durationMs', 'clientFormat'] as const) {
      const record: Record<string, unknown> = { ...aRecord(), [name]: undefined } // JSON leaves it out
      expect(decodeLine(encodeLine(record as never).subarray(0, -1))).toBeNull()
    }
  })
})

describe('reading', () => {
  test('gives every record once and in order, from memory and from disk, over segments', async () => {
    const first = await open({ segmentBytes: 4000 })
    for (let n = 0; n < 40; n++) first.append(numbered(n))
    const start = first.resume(null)
    expect(segments().length).toBeGreaterThan(5)
    expect((await readAll(first, start)).ids).toEqual(idsOf(40))
    first.close()

    const second = await open({ segmentBytes: 4000 })
    for (let n = 40; n < 60; n++) second.append(numbered(n))
    const all = await readAll(second, second.resume(null))
    expect(all.ids).toEqual(idsOf(60))
    expect(all.end).toEqual(second.end)
    expect(all.damaged).toBe(0)
  })

  test('goes on from any position that was given', async () => {
    const spool = await open({ segmentBytes: 3000 })
    for (let n = 0; n < 20; n++) spool.append(numbered(n))
    const positions = [spool.resume(null)]
    for (let n = 0; n < 20; n++) positions.push((await spool.read(positions[n]!, { records: 1, bytes: 1 })).next)
    spool.close()
    const again = await open()
    for (const [n, position] of positions.entries())
      expect((await readAll(again, again.resume(position))).ids).toEqual(idsOf(20 - n, n))
  })

  test('comes back to what memory has let go', async () => {
    const spool = await open()
    for (let n = 0; n < 5000; n++) spool.append(numbered(n))
    const { ids } = await readAll(spool, spool.resume(null))
    expect(ids).toEqual(idsOf(5000))
    spool.append(numbered(5000))
    expect((await readAll(spool, spool.end)).ids).toEqual([])
  })

  test('a record longer than the reading step and than a segment passes', async () => {
    const bodies = { request: 'A'.repeat(300_000), response: 'B'.repeat(300_000), truncated: false }
    const first = await open({ segmentBytes: 10_000 })
    for (let n = 0; n < 3; n++) first.append(numbered(n, { bodies }))
    first.close()
    const second = await open()
    const batch = await second.read(second.resume(null), { records: 10, bytes: 1000 })
    expect(batch.records[0]?.record).toEqual(numbered(0, { bodies }))
    expect((await readAll(second, second.resume(null))).ids).toEqual(idsOf(3))
  })

  test('from where the database is ahead of the spool begins anew and says so', async () => {
    const spool = await open()
    spool.append(numbered(0))
    const far = { segment: spool.end.segment + 5, offset: 0 }
    expect((await readAll(spool, spool.resume(far))).ids).toEqual(idsOf(1))
    expect(log.lines.join()).toContain('older than what the database has seen')
  })

  test('a spool whose directory was emptied does not fall behind the position noted before', async () => {
    const first = await open()
    first.append(numbered(0))
    const noted = first.end
    first.close()
    rmSync(directory, { recursive: true })
    await sleep(5)
    const second = await open()
    second.append(numbered(1))
    expect((await readAll(second, second.resume(noted))).ids).toEqual(idsOf(1, 1))
  })
})

describe('damage', () => {
  /** Two segments, three records each. */
  async function twoSegments(): Promise<string[]> {
    for (const from of [0, 3]) {
      const spool = await open()
      for (let n = from; n < from + 3; n++) spool.append(numbered(n))
      spool.close()
    }
    return segments().map((name) => path.join(directory, name))
  }

  test('a last line torn at any place is skipped and told, the rest is read', async () => {
    const [first = ''] = await twoSegments()
    const whole = readFileSync(first)
    const lastLine = whole.lastIndexOf(10, whole.length - 2) + 1
    for (let size = lastLine; size < whole.length; size += 37) {
      truncateSync(first, size)
      log.lines.length = 0
      const spool = await open()
      const all = await readAll(spool, spool.resume(null))
      expect(all.ids).toEqual([...idsOf(2), ...idsOf(3, 3)])
      expect(all.damaged).toBe(size === lastLine ? 0 : 1)
      expect(log.lines.filter((line) => line.includes('not whole'))).toHaveLength(all.damaged)
      spool.close()
      writeFileSync(first, whole)
    }
  })

  test('a spoiled line in the middle costs that line alone', async () => {
    const [first = ''] = await twoSegments()
    const bytes = readFileSync(first)
    bytes[bytes.indexOf(10) + 60] = 0
    writeFileSync(first, bytes)
    const spool = await open()
    const all = await readAll(spool, spool.resume(null))
    expect(all.ids).toEqual([numbered(0).id, ...idsOf(4, 2)])
    expect(all.damaged).toBe(1)
  })

  test('foreign bytes at the end, without a newline, are skipped', async () => {
    const [first = ''] = await twoSegments()
    appendFileSync(first, Buffer.alloc(5000))
    const spool = await open()
    expect(await readAll(spool, spool.resume(null))).toMatchObject({ ids: idsOf(6), damaged: 1 })
  })
})

describe('release', () => {
  test('deletes a segment only when all of it is drained, and never the open one', async () => {
    const spool = await open({ segmentBytes: 3000, keepDrainedMs: 0 })
    for (let n = 0; n < 20; n++) spool.append(numbered(n))
    const before = segments().length
    let at = spool.resume(null)
    let smallest = before
    for (;;) {
      const batch = await spool.read(at, { records: 1, bytes: 1 })
      if (batch.records.length === 0) break
      at = batch.next
      spool.release(at)
      // what is left holds everything that comes after
      expect(existsSync(path.join(directory, `spool-${at.segment}.jsonl`))).toBe(true)
      expect(segments().length).toBeLessThanOrEqual(smallest)
      smallest = segments().length
    }
    expect(before).toBeGreaterThan(4)
    expect(smallest).toBe(1)
    spool.append(numbered(20))
    expect((await readAll(spool, at)).ids).toEqual(idsOf(1, 20))
  })
})

test('a drained segment stays for a while: a power cut may set the database back', async () => {
  const spool = await open({ segmentBytes: 3000, keepDrainedMs: 300 })
  for (let n = 0; n < 20; n++) spool.append(numbered(n))
  const start = spool.resume(null)
  const before = segments().length
  spool.release(spool.end)
  expect(segments()).toHaveLength(before)
  expect((await readAll(spool, spool.resume(start))).ids).toEqual(idsOf(20))
  await expect
    .poll(() => {
      spool.release(spool.end)
      return segments().length
    }, patience)
    .toBe(1)
})

describe('a disk that refuses', () => {
  const bodies = { request: 'A'.repeat(4000), response: 'B'.repeat(4000), truncated: false }

  /** The kernel's own "no space left on device", with a part of the line written first, for as long as it is full. */
  function fillable(): { full: boolean; write: (fd: number, bytes: Buffer) => number } {
    const device = existsSync('/dev/full') ? openSync('/dev/full', 'w') : null
    const disk = {
      full: false,
      write(fd: number, bytes: Buffer): number {
        if (!disk.full) return writeSync(fd, bytes)
        writeSync(fd, bytes, 0, 100)
        if (device === null) throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
        return writeSync(device, bytes)
      },
    }
    return disk
  }

  test('loses nothing, is told, and leaves no half lines', async () => {
    const disk = fillable()
    const spool = await open({ write: (fd, bytes) => disk.write(fd, bytes) })
    spool.append(numbered(0))
    disk.full = true
    for (let n = 1; n < 50; n++) spool.append(numbered(n, { bodies }))
    expect(spool.state()).toMatchObject({ ok: false, pending: 49, lost: 0 })
    expect(spool.state().reason).toContain('ENOSPC')
    expect((await readAll(spool, spool.resume(null))).ids).toEqual(idsOf(1))
    disk.full = false
    await expect.poll(() => spool.state(), patience).toEqual({ ok: true, reason: '', pending: 0, lost: 0 })
    spool.append(numbered(50))
    spool.close()
    const again = await open()
    expect(await readAll(again, again.resume(null))).toMatchObject({ ids: idsOf(51), damaged: 0 })
    expect(log.lines).toEqual([
      'error the disk refuses the spool: records wait in memory until it takes them',
      'info the disk takes the spool again',
    ])
  })

  test('gives up bodies before records, the oldest first, and counts what is lost', async () => {
    const disk = fillable()
    const spool = await open({ write: (fd, bytes) => disk.write(fd, bytes), pendingBytes: 20 * 1024 })
    disk.full = true
    for (let n = 0; n < 10; n++) spool.append(numbered(n, { bodies }))
    expect(spool.state()).toMatchObject({ pending: 10, lost: 0 })
    for (let n = 10; n < 30; n++) spool.append(numbered(n))
    expect(spool.state()).toMatchObject({ pending: 20, lost: 10 })
    disk.full = false
    spool.close()
    const again = await open()
    expect((await readAll(again, again.resume(null))).ids).toEqual(idsOf(20, 10))
  })

  test('a full file system of its own', async (context) => {
    const mount = path.join(directory, 'tiny')
    mkdirSync(mount)
    try {
      execFileSync('/bin/mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', mount], { stdio: 'ignore' })
    } catch {
      context.skip('this machine lets nobody mount a file system')
    }
    try {
      const spool = await open({ directory: mount, segmentBytes: 10_000 })
      for (let n = 0; n < 200; n++) spool.append(numbered(n))
      expect(spool.state()).toMatchObject({ ok: false, lost: 0 })
      const { pending } = spool.state()
      const { ids, end } = await readAll(spool, spool.resume(null))
      expect(ids).toEqual(idsOf(200 - pending))
      spool.release(end) // as the drain does: room again
      await expect.poll(() => spool.state().pending, patience).toBeLessThan(pending)
      let [seen, at] = [ids.length, end]
      await expect
        .poll(async () => {
          const more = await readAll(spool, at)
          seen += more.ids.length
          at = more.end
          spool.release(at)
          return seen
        }, patience)
        .toBe(200)
    } finally {
      for (const spool of opened.splice(0)) spool.close()
      execFileSync('/bin/umount', [mount])
    }
  })
})

describe('kill -9', () => {
  test('loses no record whose append had returned', async () => {
    const child = spawn(process.execPath, [fileURLToPath(import.meta.resolve('./testing/appender.ts')), directory], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let said = ''
    child.stdout.on('data', (bytes: Buffer) => (said += bytes.toString()))
    await expect.poll(() => said.length, patience).toBeGreaterThan(1000)
    await sleep(Math.random() * 50)
    child.kill('SIGKILL')
    await once(child, 'close')
    const appended = said.slice(0, said.lastIndexOf('\n')).split('\n')
    const spool = await open()
    const { ids } = await readAll(spool, spool.resume(null))
    expect(appended.length).toBeGreaterThan(20)
    // what the child told is there; at most the one that it was about to tell comes on top
    expect(ids.slice(0, appended.length)).toEqual(appended)
    expect(ids.length - appended.length).toBeLessThan(1000)
  })

  test('segments are for the owner alone', async () => {
    await open()
    for (const name of segments()) expect(statSync(path.join(directory, name)).mode & 0o077).toBe(0)
    closeSync(openSync(path.join(directory, 'unrelated.txt'), 'w'))
    expect(segments()).toHaveLength(1)
  })
})
