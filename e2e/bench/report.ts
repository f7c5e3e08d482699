import { readFileSync } from 'node:fs'
import { z } from 'zod'
import type { Row } from './pairs.ts'

/** What a figure of the gateway must hold: a ratio to the floor, an absolute value, a ratio to the peer of the same run. */
const bounds = z.record(
  z.string(),
  z.strictObject({
    ratio: z.number().optional(),
    value: z.number().optional(),
    ofPeer: z.number().optional(),
    /** More is better: the numbers are least ones. */
    atLeast: z.boolean().optional(),
  }),
)
export type Bounds = z.infer<typeof bounds>

export function readBounds(file: URL): Bounds {
  return bounds.parse(JSON.parse(readFileSync(file, 'utf8')))
}

/** One line of the table: a figure of the gateway beside the floor and the peer. */
export interface Line extends Row {
  readonly peer: number | null
  readonly wanted: string
  /** null: nothing is wanted of it. */
  readonly held: boolean | null
}

export function linesOf(rows: readonly Row[], wanted: Bounds): readonly Line[] {
  const ours = rows.filter(({ who }) => who !== 'portkey')
  return ours.map((row) => {
    const same = ({ scenario, figure }: Row): boolean => scenario === row.scenario && figure === row.figure
    const peer = rows.find((other) => other.who === 'portkey' && same(other))?.value ?? null
    const bound = wanted[`${row.scenario}: ${row.figure}`] ?? {}
    const { ratio, value, ofPeer, atLeast = false } = bound
    const asked: (readonly [text: string, limit: number, actual: number])[] = []
    if (ratio !== undefined) asked.push([`${ratio}x`, ratio, row.ratio])
    if (value !== undefined) asked.push([String(value), value, row.value])
    if (ofPeer !== undefined && peer !== null) asked.push([`${ofPeer}x peer`, ofPeer, row.value / peer])
    const sign = atLeast ? '≥' : '≤'
    return {
      ...row,
      peer,
      wanted: asked.map(([text]) => `${sign} ${text}`).join(', '),
      held:
        asked.length === 0 ? null : asked.every(([, limit, actual]) => (atLeast ? actual >= limit : actual <= limit)),
    }
  })
}

export function table(lines: readonly Line[]): string {
  const cells = lines.map((line) => [
    line.who === 'gateway' ? line.scenario : `${line.scenario} (${line.who})`,
    line.figure,
    number(line.floor),
    number(line.value),
    ratioOf(line),
    line.wanted,
    line.held === null ? '' : line.held ? 'ok' : 'MISSED',
    line.peer === null ? '' : number(line.peer),
    line.peer === null ? '' : number(line.value / line.peer),
  ])
  const head = ['scenario', 'figure', 'floor', 'gateway', 'x floor [min-max]', 'wanted', '', 'portkey', 'x portkey']
  const widths = head.map((title, at) => Math.max(...[head, ...cells].map((row) => (row[at] ?? title).length), 3))
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ')} |`
  return [line(head), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...cells.map(line)].join('\n')
}

function ratioOf({ ratio, ratioMin, ratioMax }: Row): string {
  if (!Number.isFinite(ratio)) return ''
  return ratioMin === ratioMax ? number(ratio) : `${number(ratio)} [${number(ratioMin)}-${number(ratioMax)}]`
}

function number(value: number): string {
  if (!Number.isFinite(value)) return ''
  const size = Math.abs(value)
  return size >= 1000 ? Math.round(value).toLocaleString('en') : value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2)
}
