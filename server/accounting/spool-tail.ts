import type { ReadLimit, SpooledRecord, SpoolPosition } from './spool-segment.ts'

interface TailEntry extends SpooledRecord {
  readonly start: SpoolPosition
  readonly end: SpoolPosition
}

const MOST_RECORDS = 2000
const MOST_BYTES = 8 * 1024 * 1024

/** Freshly appended records: handed to the drain without being read back, as long as it keeps up. Beyond its size it forgets all. */
export class Tail {
  #entries: TailEntry[] = []
  #bytes = 0

  remember(entry: TailEntry): void {
    if (this.#entries.length >= MOST_RECORDS || this.#bytes + entry.bytes > MOST_BYTES) {
      this.#entries = []
      this.#bytes = 0
    }
    if (entry.bytes > MOST_BYTES) return
    this.#entries.push(entry)
    this.#bytes += entry.bytes
  }

  /** What begins at `at`, and where it ends; null when the tail begins elsewhere and the disk must be asked. Forgets what is before. */
  take(at: SpoolPosition, limit: ReadLimit): { records: readonly SpooledRecord[]; end: SpoolPosition } | null {
    const passed = this.#entries.findIndex((entry) => !isBefore(entry.start, at))
    for (const { bytes } of this.#entries.splice(0, passed < 0 ? this.#entries.length : passed)) this.#bytes -= bytes
    const first = this.#entries[0]
    if (first === undefined || isBefore(at, first.start)) return null
    const records: SpooledRecord[] = []
    let bytes = 0
    let end = at
    for (const entry of this.#entries) {
      if (records.length >= limit.records || (records.length > 0 && bytes + entry.bytes > limit.bytes)) break
      records.push(entry)
      bytes += entry.bytes
      end = entry.end
    }
    return { records, end }
  }
}

function isBefore(a: SpoolPosition, b: SpoolPosition): boolean {
  return a.segment < b.segment || (a.segment === b.segment && a.offset < b.offset)
}
