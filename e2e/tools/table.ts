import type { Cell, CellResult } from './cell.ts'
import type { Installed } from './install.ts'
import type { CodingTool } from './tools.ts'
import type { Upstream } from './upstreams.ts'

/** What the gateway's own log says about a request. */
export interface LogRow {
  readonly id: string
  readonly apiKeyName: string
  readonly requestedModel: string
  readonly outcome: string
  readonly errorMessage: string | null
  readonly attemptCount: number
  readonly lossCount: number
}

/** A log line with the fields that its conversion had to leave out. */
export interface LoggedRequest extends LogRow {
  readonly losses: readonly { readonly field: string; readonly reason: string }[]
}

export interface Outcome {
  readonly cells: readonly Cell[]
  readonly results: readonly CellResult[]
  readonly installed: ReadonlyMap<CodingTool, Installed | string>
  readonly upstreams: readonly Upstream[]
  readonly logs: readonly LoggedRequest[]
}

/** Prints tools × upstreams, then what was left out on the way, then every fault. Gives whether all cells are good. */
export function printTable({ cells, results, installed, upstreams, logs }: Outcome): boolean {
  const faults = new Map(results.map((result) => [result.cell, [...result.faults, ...troubles(result.cell, logs)]]))
  const columns = upstreams.filter((upstream) => cells.some((cell) => cell.upstream === upstream))
  const rows = [...new Set(cells.map(({ tool, task }) => `${tool.name}\0${task}`))].map((row) => {
    const inRow = cells.filter(({ tool, task }) => `${tool.name}\0${task}` === row)
    return [
      row.replace('\0', ': '),
      ...columns.map((upstream) => {
        const cell = inRow.find((one) => one.upstream === upstream)
        const result = results.find((one) => one.cell === cell)
        if (cell === undefined || result === undefined) return 'not run'
        const { task, beside } = result.requests
        const count = beside === 0 ? `${task}` : `${task}+${beside}`
        const own = cell.tool.format === upstream.format ? ' =' : ''
        return `${(faults.get(cell) ?? []).length === 0 ? 'ok' : 'FAIL'} ${count}${own}`
      }),
    ]
  })
  console.log('\nRequests in the task, + beside it (titles); = is the same format on both sides.\n')
  printRows([['', ...columns.map(({ label }) => label)], ...rows])

  console.log('\nThoughts that came back to their provider, of those that were sealed:')
  for (const tool of new Set(cells.map((cell) => cell.tool))) {
    const mine = results.filter(({ cell }) => cell.tool === tool)
    const told = columns.map(({ label }) => {
      const here = mine.filter(({ cell }) => cell.upstream.label === label)
      const sum = (pick: (result: CellResult) => number): number => here.reduce((total, one) => total + pick(one), 0)
      return `${label} ${sum(({ thoughts }) => thoughts.returned)}/${sum(({ thoughts }) => thoughts.sent)}`
    })
    console.log(`  ${tool.name}: ${told.join(', ')}`)
  }

  console.log('\nLeft out by the conversion, as the log tells:')
  for (const tool of new Set(cells.map((cell) => cell.tool)))
    for (const { label } of columns) {
      const ids = cells.filter((cell) => cell.tool === tool && cell.upstream.label === label).map(({ id }) => id)
      const losses = logs.filter(({ apiKeyName }) => ids.includes(apiKeyName)).flatMap((log) => log.losses)
      const words = [...new Set(losses.map(({ field, reason }) => `${field.replaceAll(/\d+/g, 'N')} (${reason})`))]
      if (words.length > 0) console.log(`  ${tool.name} → ${label}: ${words.join('; ')}`)
    }

  for (const [tool, found] of installed)
    if (typeof found === 'string') console.log(`\n${tool.name} did not install: ${found}`)
  const bad = [...faults].filter(([, found]) => found.length > 0)
  if (bad.length > 0) console.log('')
  for (const [{ tool, task, upstream }, found] of bad)
    console.log(`FAIL ${tool.name} → ${upstream.label}, ${task}: ${found.join('; ')}`)
  console.log(`\n${results.length - bad.length} of ${cells.length} cells are good.`)
  return bad.length === 0 && results.length > 0
}

/** What the gateway itself counted as trouble. */
function troubles(cell: Cell, logs: readonly LoggedRequest[]): readonly string[] {
  const words = logs
    .filter(({ apiKeyName }) => apiKeyName === cell.id)
    .filter(({ outcome, attemptCount }) => outcome !== 'success' || attemptCount !== 1)
    .map((row) => `logged as ${row.outcome} after ${row.attemptCount} attempts: ${row.errorMessage ?? ''}`)
  return [...new Set(words)]
}

function printRows(rows: readonly (readonly string[])[]): void {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  for (const [index, row] of rows.entries()) {
    console.log(`| ${row.map((word, column) => word.padEnd(widths[column] ?? 0)).join(' | ')} |`)
    if (index === 0) console.log(`|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`)
  }
}
