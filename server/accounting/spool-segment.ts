import { randomUUID } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { open, readdir } from 'node:fs/promises'
import path from 'node:path'
import type { FinishedRequest } from './record.ts'
import { decodeLine } from './spool-line.ts'

/** A place between two lines of the spool: the segment's number and a byte offset in it. */
export interface SpoolPosition {
  readonly segment: number
  readonly offset: number
}

export interface SpooledRecord {
  readonly record: FinishedRequest
  /** Bytes of its line. */
  readonly bytes: number
}

/** Bytes that hold no whole line. */
interface DamagedLine {
  readonly offset: number
  readonly bytes: number
}

/** What was read from one segment; `end` is the offset behind it. */
export interface SegmentSlice {
  readonly records: readonly SpooledRecord[]
  readonly damaged: readonly DamagedLine[]
  readonly end: number
}

export interface ReadLimit {
  readonly records: number
  readonly bytes: number
}

export function segmentFile(directory: string, segment: number): string {
  return path.join(directory, `spool-${segment}.jsonl`)
}

/** The numbers of the segments that are there, ascending. */
export async function listSegments(directory: string): Promise<readonly number[]> {
  const names = await readdir(directory)
  return names
    .map((name) => /^spool-(\d+)\.jsonl$/.exec(name)?.[1])
    .filter((number) => number !== undefined)
    .map(Number)
    .sort((a, b) => a - b)
}

const NEWLINE = 0x0a

/**
 * Reads whole lines from `from` until `to`, and at least one of them however long it is. What is not a whole line is skipped and told.
 * @throws the file system's own errors
 */
export async function readSegment(
  file: string,
  range: { readonly from: number; readonly to: number },
  limit: ReadLimit,
): Promise<SegmentSlice> {
  const handle = await open(file, 'r')
  try {
    for (let want = limit.bytes; ; want *= 2) {
      const length = Math.min(want, range.to - range.from)
      const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(length), 0, length, range.from)
      const bytes = buffer.subarray(0, bytesRead)
      // a file shorter than its known size was cut by somebody else: what is missing counts as read
      const last = bytesRead < length || range.from + length === range.to
      if (last || bytes.includes(NEWLINE)) return linesOf(bytes, { ...range, last, most: limit.records })
    }
  } finally {
    await handle.close()
  }
}

function linesOf(
  bytes: Buffer,
  at: { readonly from: number; readonly to: number; readonly last: boolean; readonly most: number },
): SegmentSlice {
  const records: SpooledRecord[] = []
  const damaged: DamagedLine[] = []
  let start = 0
  while (records.length < at.most) {
    const newline = bytes.indexOf(NEWLINE, start)
    if (newline < 0) {
      if (!at.last) break
      if (start < bytes.length) damaged.push({ offset: at.from + start, bytes: bytes.length - start })
      return { records, damaged, end: at.to }
    }
    const record = decodeLine(bytes.subarray(start, newline))
    const length = newline + 1 - start
    if (record === null) damaged.push({ offset: at.from + start, bytes: length })
    else records.push({ record, bytes: length })
    start = newline + 1
  }
  return { records, damaged, end: at.from + start }
}

/** The name in the file `id`, made at the first opening. A directory that was emptied is another spool. */
export function identify(directory: string): string {
  const file = path.join(directory, 'id')
  try {
    const id = readFileSync(file, 'utf8').trim()
    if (id !== '') return id
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
  }
  const id = randomUUID()
  writeFileSync(file, `${id}\n`, { mode: 0o600, flush: true })
  return id
}
