import { linkSync, mkdirSync, readFileSync, renameSync, statSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { hostname, uptime } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** Another gateway works on the data directory. */
export class DataDirectoryInUse extends Error {
  override readonly name = 'DataDirectoryInUse'
  readonly pid: number
  constructor(directory: string, holder: Holder) {
    const where = holder.host === hostname() ? '' : ` on ${holder.host}`
    super(
      `the data directory ${directory} is in use by the gateway with process id ${holder.pid}${where}: ` +
        'stop that one, or give this one a data directory of its own',
    )
    this.pid = holder.pid
  }
}

export interface DataLock {
  release(): void
}

/** Who holds the lock: the content of the file `lock`. */
interface Holder {
  readonly pid: number
  readonly host: string
  /** When the process began, as its system tells; '' where it does not. Tells a reused process id from the holder. */
  readonly born: string
  /** Unix ms. */
  readonly since: number
}

const HEARTBEAT_MS = 5000
/** Process ids of another host cannot be asked for; its gateway is gone when the file was not touched for so long. */
const SILENCE_MS = 2.5 * HEARTBEAT_MS
const TRIES = 5

/** Files that this very process holds. */
const held = new Set<string>()

/**
 * Makes the data directory this process's own until `release`, so that two gateways never share a spool or a SQLite file. The lock of a
 * process that is gone is taken over.
 * @throws DataDirectoryInUse when another gateway holds it; the file system's own errors
 */
export async function lockData(directory: string): Promise<DataLock> {
  mkdirSync(directory, { recursive: true })
  const file = path.resolve(directory, 'lock')
  const own: Holder = { pid: process.pid, host: hostname(), born: bornOf(process.pid), since: Date.now() }
  for (let tries = 0; tries < TRIES; tries++) {
    if (take(file, own)) return hold(file, own)
    const text = readIfThere(file)
    if (text === null) continue
    const holder = holderOf(text)
    if (holder !== null && (await isAlive(file, holder))) throw new DataDirectoryInUse(directory, holder)
    clear(file, text)
  }
  throw new Error(`${file} changes hands faster than it can be taken: another gateway is starting`)
}

/** `link` fails where the name exists, and the file appears with its whole content at once. */
function take(file: string, own: Holder): boolean {
  const draft = `${file}.${process.pid}`
  writeFileSync(draft, JSON.stringify(own), { mode: 0o600 })
  try {
    linkSync(draft, file)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    if (!['EPERM', 'ENOTSUP', 'ENOSYS', 'EOPNOTSUPP'].includes(String(codeOf(error)))) throw error
    return takeWithoutLinks(file, own)
  } finally {
    unlinkSync(draft)
  }
}

/** For file systems without hard links (exFAT, some network shares). */
function takeWithoutLinks(file: string, own: Holder): boolean {
  try {
    writeFileSync(file, JSON.stringify(own), { flag: 'wx', mode: 0o600 })
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
}

/** Removes a lock whose content is `expected`; one that somebody else has taken meanwhile is put back. */
function clear(file: string, expected: string): void {
  const aside = `${file}.stale.${process.pid}`
  try {
    renameSync(file, aside)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return
    throw error
  }
  if (readIfThere(aside) !== expected) {
    try {
      linkSync(aside, file)
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error
    }
  }
  unlinkSync(aside)
}

function hold(file: string, own: Holder): DataLock {
  const beat = setInterval(() => {
    const now = new Date()
    try {
      utimesSync(file, now, now)
    } catch {
      // somebody deleted the file, or the disk is away: the next beat tries again, and the pid still speaks for us on this host
    }
  }, HEARTBEAT_MS).unref()
  const text = JSON.stringify(own)
  held.add(file)
  return {
    release: () => {
      clearInterval(beat)
      held.delete(file)
      if (readIfThere(file) === text) unlinkSync(file)
    },
  }
}

async function isAlive(file: string, holder: Holder): Promise<boolean> {
  if (holder.host !== hostname()) {
    const before = mtimeOf(file)
    if (before !== null && Date.now() - before > 4 * SILENCE_MS) return false
    await sleep(SILENCE_MS)
    return mtimeOf(file) !== before
  }
  // our own id without our holding it: left by the same id in a container that was started anew
  if (holder.pid === process.pid) return held.has(file)
  // the minute forgives a clock that was set
  if (holder.since < Date.now() - uptime() * 1000 - 60_000) return false
  try {
    process.kill(holder.pid, 0)
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return false
  }
  if (isZombie(holder.pid)) return false
  return holder.born === '' || holder.born === bornOf(holder.pid)
}

/** Linux: ended, but its parent has not asked how (a container's first process often never does); signals still reach its id. */
function isZombie(pid: number): boolean {
  return statOf(pid)[0] === 'Z'
}

/** The fields of proc(5)'s stat from the third on, the state; [] where there is no procfs, or no such process. */
function statOf(pid: number): readonly string[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // the second field is the program's name, in which anything may stand
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch {
    return []
  }
}

/** Linux: the boot, and the tick at which the process began (proc(5), field 22 of stat). Elsewhere ''. */
function bornOf(pid: number): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    const tick = statOf(pid)[19]
    return tick === undefined ? '' : `${boot} ${tick}`
  } catch {
    return '' // no procfs here
  }
}

function holderOf(text: string): Holder | null {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null) return null
    if (!('pid' in value && 'host' in value && 'born' in value && 'since' in value)) return null
    const { pid, host, born, since } = value
    if (typeof pid !== 'number' || typeof host !== 'string' || typeof born !== 'string' || typeof since !== 'number')
      return null
    return { pid, host, born, since }
  } catch {
    return null
  }
}

function readIfThere(file: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    throw error
  }
}

function mtimeOf(file: string): number | null {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? null
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
