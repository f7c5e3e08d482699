import {
  closeSync,
  constants,
  fdatasync,
  fdatasyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  rmSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import type { FinishedRequest } from './record.ts'
import { encodeLine } from './spool-line.ts'
import { Pending } from './spool-pending.ts'
import { Tail } from './spool-tail.ts'
import {
  identify,
  listSegments,
  readSegment,
  segmentFile,
  type ReadLimit,
  type SpooledRecord,
  type SpoolPosition,
} from './spool-segment.ts'

/** What accounting tells about itself; the gateway's logger fulfils it. */
export interface AccountingLog {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export interface SpoolOptions {
  readonly directory: string
  readonly log: AccountingLog
  /** A new segment is begun when this one would grow beyond. Default 8 MB. */
  readonly segmentBytes?: number
  /**
   * How long a drained segment is kept. A power cut may take back what SQLite has committed last (WAL, synchronous NORMAL): then the
   * position falls back too, and the records must still be here. Default: a minute, longer than systems keep written pages in memory.
   */
  readonly keepDrainedMs?: number
  /** Bytes of records that are kept in memory while the disk refuses them. Default 32 MB. */
  readonly pendingBytes?: number
  /** Writes to an open segment; a test puts a full disk here. */
  readonly write?: (fd: number, bytes: Buffer) => number
}

export interface SpoolState {
  /** Whether the disk took the last record. */
  readonly ok: boolean
  /** The disk's own words; '' while all is well. */
  readonly reason: string
  /** Records that wait in memory for the disk. */
  readonly pending: number
  /** Records that memory could not hold any longer, since the start. */
  readonly lost: number
}

export interface SpoolBatch {
  readonly records: readonly SpooledRecord[]
  /** Where to read on. Equal to the position asked for when nothing is there. */
  readonly next: SpoolPosition
  /** Lines that were not whole. */
  readonly damaged: number
}

const RETRY_MS = 500
const SYNC_MS = 1000

/**
 * The append-only record of what was relayed, on disk, in segments. `append` puts a line into the kernel before it returns, so a killed
 * process loses nothing; the disk is synced at most once a second, so a power cut may lose the last second.
 *
 * One process per directory (data-lock.ts). Each opening begins a segment of its own, so only the last line of a segment can be torn.
 */
export class Spool {
  readonly directory: string
  /** Names this spool for ever: under this name a database keeps how far it was drained. */
  readonly id: string
  /** Where this process's own appends begin; what lies before was left by an earlier one. */
  readonly begin: SpoolPosition
  readonly #options: Required<SpoolOptions>
  /** Sizes of the segments that are complete, by number. */
  readonly #closed: Map<number, number>
  readonly #listeners = new Set<() => void>()
  /** Complete segments that are drained, and since when (Unix ms). */
  readonly #drained = new Map<number, number>()
  readonly #pending: Pending
  readonly #tail = new Tail()
  #fd: number
  #segment: number
  #offset = 0
  #end: SpoolPosition
  /** The segment ends in half a line that could not be cut off: it must not be written to again. */
  #torn = false
  #reason = ''
  #retryAt = 0
  #retryTimer: NodeJS.Timeout | null = null
  #syncTimer: NodeJS.Timeout | null = null
  #open = true

  /** Use `openSpool`. */
  constructor(
    options: Required<SpoolOptions>,
    begin: { readonly id: string; readonly closed: Map<number, number>; readonly segment: number },
  ) {
    this.directory = options.directory
    this.id = begin.id
    this.begin = { segment: begin.segment, offset: 0 }
    this.#options = options
    this.#closed = begin.closed
    this.#segment = begin.segment
    this.#end = this.begin
    this.#pending = new Pending(options.pendingBytes)
    this.#fd = openSegment(options.directory, begin.segment)
  }

  /** Never throws. The record is in the kernel when this returns, unless `state()` says that the disk refuses. */
  append(record: FinishedRequest): void {
    if (this.#reason !== '') {
      this.#keep(record)
      if (Date.now() >= this.#retryAt) this.#retry()
      return
    }
    const refused = this.#write(record)
    if (refused !== null) {
      this.#keep(record)
      this.#refuse(refused)
    }
    for (const listener of this.#listeners) listener()
  }

  state(): SpoolState {
    return {
      ok: this.#reason === '',
      reason: this.#reason,
      pending: this.#pending.size,
      lost: this.#pending.lost,
    }
  }

  /** Where the next record will stand. */
  get end(): SpoolPosition {
    return this.#end
  }

  /** Called after each append, in the same tick. Returns the unsubscribe function. */
  onAppend(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * Where reading begins after a start: at what the database says was drained, unless no such place exists in this spool; then at the
   * oldest line there is (the drain counts no record twice).
   */
  resume(stored: SpoolPosition | null): SpoolPosition {
    const oldest = { segment: Math.min(...this.#closed.keys(), this.#segment), offset: 0 }
    if (stored === null || stored.segment < oldest.segment) return oldest
    const size = stored.segment === this.#segment ? this.#offset : this.#closed.get(stored.segment)
    if (stored.segment > this.#segment || (size !== undefined && stored.offset > size)) {
      this.#options.log.warn({ stored, end: this.end }, 'the spool is older than what the database has seen of it')
      return oldest
    }
    return this.#hop(stored)
  }

  /**
   * The records behind `from`, oldest first; none when `from` is the end. Torn lines are skipped and reported.
   * @throws the file system's own errors
   */
  async read(from: SpoolPosition, limit: ReadLimit): Promise<SpoolBatch> {
    const at = this.#hop(from)
    const fresh = this.#tail.take(at, limit)
    if (fresh !== null) return { records: fresh.records, next: this.#hop(fresh.end), damaged: 0 }
    const to = at.segment === this.#segment ? this.#offset : (this.#closed.get(at.segment) ?? 0)
    if (at.offset >= to) return { records: [], next: at, damaged: 0 }
    const file = segmentFile(this.#options.directory, at.segment)
    const slice = await readSegment(file, { from: at.offset, to }, limit)
    for (const { offset, bytes } of slice.damaged)
      this.#options.log.warn({ file, offset, bytes }, 'a line of the spool is not whole and was skipped')
    return {
      records: slice.records,
      next: this.#hop({ segment: at.segment, offset: slice.end }),
      damaged: slice.damaged.length,
    }
  }

  /**
   * Deletes the segments that lie wholly before `drained` and have done so for a while; at once where the disk is full. Call it with
   * what the database has committed.
   */
  release(drained: SpoolPosition): void {
    const now = Date.now()
    for (const [segment, size] of this.#closed) {
      if (segment > drained.segment || (segment === drained.segment && drained.offset < size)) continue
      if (!this.#drained.has(segment)) this.#drained.set(segment, now)
    }
    this.#deleteDrained(this.#reason === '' ? now - this.#options.keepDrainedMs : Infinity)
  }

  #deleteDrained(before: number): void {
    for (const [segment, since] of this.#drained) {
      if (since > before) continue
      const file = segmentFile(this.#options.directory, segment)
      try {
        rmSync(file, { force: true })
      } catch (error) {
        this.#options.log.warn({ file, error: wordsOf(error) }, 'a drained segment of the spool could not be deleted')
        continue
      }
      this.#drained.delete(segment)
      this.#closed.delete(segment)
    }
  }

  /** Writes what still waits, syncs and closes. What the disk refuses even now is told as lost. */
  close(): void {
    if (!this.#open) return
    this.#open = false
    if (this.#reason !== '') this.#retry()
    if (this.#pending.size > 0)
      this.#options.log.error(
        { records: this.#pending.size },
        'the disk refused these records until the end: they are lost',
      )
    clearTimeout(this.#retryTimer ?? undefined)
    clearTimeout(this.#syncTimer ?? undefined)
    try {
      fdatasyncSync(this.#fd)
    } catch (error) {
      this.#options.log.warn({ error: wordsOf(error) }, 'the spool could not be synced')
    }
    closeSync(this.#fd)
  }

  /** Null when the line is in the kernel, else what stood in the way. */
  #write(record: FinishedRequest): unknown {
    const line = this.#encode(record)
    if (line === null) return null
    try {
      if (this.#torn || (this.#offset > 0 && this.#offset + line.length > this.#options.segmentBytes)) this.#rotate()
      const start = this.#end
      const written = this.#options.write(this.#fd, line)
      if (written < line.length) throw new Error(`the disk took ${written} of ${line.length} bytes`)
      this.#offset += line.length
      this.#end = { segment: this.#segment, offset: this.#offset }
      this.#tail.remember({ record, bytes: line.length, start, end: this.#end })
      this.#syncSoon()
      return null
    } catch (error) {
      this.#cutBack()
      return error
    }
  }

  #encode(record: FinishedRequest): Buffer | null {
    try {
      return encodeLine(record)
    } catch (error) {
      this.#options.log.error({ id: record.id, error: wordsOf(error) }, 'a record is no JSON and cannot be accounted')
      return null
    }
  }

  /** Takes half a line back. Where even that fails the segment is left as it is, and a reader skips the torn line. */
  #cutBack(): void {
    try {
      ftruncateSync(this.#fd, this.#offset)
    } catch {
      this.#torn = true
    }
  }

  #rotate(): void {
    const next = this.#segment + 1
    const fd = openSegment(this.#options.directory, next)
    const finished = this.#fd
    // a segment that cannot be cut may hold more bytes than were counted
    this.#closed.set(
      this.#segment,
      this.#torn ? statSync(segmentFile(this.#options.directory, this.#segment)).size : this.#offset,
    )
    fdatasync(finished, () => closeSync(finished))
    this.#fd = fd
    this.#segment = next
    this.#offset = 0
    this.#end = { segment: next, offset: 0 }
    this.#torn = false
  }

  #keep(record: FinishedRequest): void {
    const before = this.#pending.lost
    this.#pending.push(record)
    if (before === 0 && this.#pending.lost > 0)
      this.#options.log.error(
        { reason: this.#reason },
        'the disk still refuses the spool and memory is full: the oldest records are lost',
      )
  }

  #refuse(error: unknown): void {
    const reason = wordsOf(error)
    if (this.#reason === '')
      this.#options.log.error({ reason }, 'the disk refuses the spool: records wait in memory until it takes them')
    this.#reason = reason
    this.#deleteDrained(Infinity)
    this.#retryAt = Date.now() + RETRY_MS
    this.#retryTimer ??= setTimeout(() => {
      this.#retryTimer = null
      this.#retry()
    }, RETRY_MS).unref()
  }

  #retry(): void {
    for (;;) {
      const record = this.#pending.first()
      if (record === null) break
      const refused = this.#write(record)
      if (refused !== null) {
        if (this.#open) this.#refuse(refused)
        return
      }
      this.#pending.shift()
    }
    this.#reason = ''
    this.#options.log.info({ lost: this.#pending.lost }, 'the disk takes the spool again')
    for (const listener of this.#listeners) listener()
  }

  #syncSoon(): void {
    this.#syncTimer ??= setTimeout(() => {
      this.#syncTimer = null
      fdatasync(this.#fd, (error) => {
        if (error !== null && this.#open)
          this.#options.log.warn({ error: wordsOf(error) }, 'the spool could not be synced')
      })
    }, SYNC_MS).unref()
  }

  /** From the end of a complete segment to the beginning of the next one that is there. */
  #hop(position: SpoolPosition): SpoolPosition {
    let { segment, offset } = position
    while (segment < this.#segment && offset >= (this.#closed.get(segment) ?? 0)) {
      segment = Math.min(this.#segment, ...[...this.#closed.keys()].filter((other) => other > segment))
      offset = 0
    }
    return segment === position.segment ? position : { segment, offset }
  }
}

/**
 * Opens (and makes) the spool's directory and begins a new segment.
 * @throws the file system's own errors: without a spool the gateway does not start
 */
export async function openSpool(options: SpoolOptions): Promise<Spool> {
  mkdirSync(options.directory, { recursive: true, mode: 0o700 })
  const closed = new Map<number, number>()
  for (const segment of await listSegments(options.directory)) {
    const file = segmentFile(options.directory, segment)
    const { size } = statSync(file)
    if (size === 0) unlinkSync(file)
    else closed.set(segment, size)
  }
  // Numbers begin at the clock: a directory that was emptied never comes back to a position that the database has already noted.
  const segment = closed.size === 0 ? Date.now() : Math.max(...closed.keys()) + 1
  return new Spool(
    {
      segmentBytes: 8 * 1024 * 1024,
      pendingBytes: 32 * 1024 * 1024,
      keepDrainedMs: 60_000,
      write: writeSync,
      ...options,
    },
    { id: identify(options.directory), closed, segment },
  )
}

/** Records may hold what people wrote to a model: for the owner's eyes only. */
function openSegment(directory: string, segment: number): number {
  const { O_APPEND, O_CREAT, O_EXCL, O_WRONLY } = constants
  return openSync(segmentFile(directory, segment), O_APPEND | O_CREAT | O_EXCL | O_WRONLY, 0o600)
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
