import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { DataDirectoryInUse, lockData } from './data-lock.ts'

let directory: string
const children: ChildProcess[] = []

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'octopus-lock-'))
})
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  rmSync(directory, { recursive: true, force: true })
})

/** A process that holds the lock until it is killed. */
async function holder(): Promise<ChildProcess> {
  const code = `const { lockData } = await import(process.argv[1]); await lockData(process.argv[2]); console.log('held'); setInterval(() => {}, 1e6)`
  const script = path.join(import.meta.dirname, 'data-lock.ts')
  const child = spawn(process.execPath, ['--input-type=module', '-e', code, script, directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(child)
  await once(child.stdout, 'data')
  return child
}

test('a living holder is named', async () => {
  const child = await holder()
  await expect(lockData(directory)).rejects.toThrow(DataDirectoryInUse)
  await expect(lockData(directory)).rejects.toThrow(String(child.pid))
  await expect(lockData(directory)).rejects.toThrow(directory)
})

test('the lock of a killed process is taken over, and leaves nothing behind', async () => {
  const child = await holder()
  child.kill('SIGKILL')
  await once(child, 'close')
  expect(existsSync(path.join(directory, 'lock'))).toBe(true)
  const lock = await lockData(directory)
  expect(JSON.parse(readFileSync(path.join(directory, 'lock'), 'utf8'))).toMatchObject({ pid: process.pid })
  expect(readdirSync(directory)).toEqual(['lock'])
  lock.release()
  expect(readdirSync(directory)).toEqual([])
})

test.runIf(existsSync('/proc/self/stat'))('a holder that died and whose parent never asked is dead', async () => {
  // `exec sleep` does not wait for the child that the shell began before
  const parent = spawn('sh', ['-c', 'sleep 0 & echo $!; exec sleep 1000'], { stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(parent)
  const [said] = (await once(parent.stdout, 'data')) as [Buffer]
  const pid = Number(said.toString())
  await vi.waitUntil(() => readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z '))
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  const born = `${boot} ${readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[19] ?? ''}`
  writeFileSync(path.join(directory, 'lock'), JSON.stringify({ pid, host: hostname(), born, since: Date.now() }))
  const lock = await lockData(directory)
  lock.release()
})

test('the same process does not get it twice, and gets it again after release', async () => {
  const lock = await lockData(directory)
  await expect(lockData(directory)).rejects.toThrow(DataDirectoryInUse)
  lock.release()
  const again = await lockData(directory)
  again.release()
})

test('of many that start at once over a stale lock exactly one wins', async () => {
  writeFileSync(path.join(directory, 'lock'), '')
  const results = await Promise.allSettled(Array.from({ length: 8 }, () => lockData(directory)))
  const won = results.filter((result) => result.status === 'fulfilled')
  expect(won).toHaveLength(1)
  won[0]!.value.release()
})

const now = (): number => Date.now()
test.each<[what: string, content: () => string]>([
  ['garbage', () => 'not a lock'],
  [
    'a process id that nobody has',
    () => JSON.stringify({ pid: 2 ** 22 + 5, host: hostname(), born: '', since: now() }),
  ],
  [
    'a reused process id',
    () => JSON.stringify({ pid: process.ppid, host: hostname(), born: 'another boot 1', since: now() }),
  ],
  [
    'our own id from an earlier life',
    () => JSON.stringify({ pid: process.pid, host: hostname(), born: 'x 1', since: now() }),
  ],
  ['before the machine was started', () => JSON.stringify({ pid: process.ppid, host: hostname(), born: '', since: 1 })],
])('%s is taken over', async (_, content) => {
  writeFileSync(path.join(directory, 'lock'), content())
  const lock = await lockData(directory)
  lock.release()
})
