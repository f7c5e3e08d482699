import { measure, type Ask, type Load, type Slice, type Target } from './load.ts'

/** One figure of the report. `ratio` is to the floor, taken in the same seconds. */
export interface Row {
  readonly scenario: string
  readonly figure: string
  readonly who: string
  readonly floor: number
  readonly value: number
  readonly ratio: number
  readonly ratioMin: number
  readonly ratioMax: number
}

export interface Figure {
  readonly name: string
  readonly of: (slice: Slice) => number
  /** Only what is added to the mock's own answer, asked directly, counts. */
  readonly added?: boolean
}

export interface Scenario {
  readonly name: string
  readonly load: Load
  readonly ask: Ask
  readonly figures: readonly Figure[]
}

/** What the measuring itself noticed: lost chunks and failures (none may be), and how much the machine was disturbed. */
export interface Notes {
  readonly faults: string[]
  readonly disturbed: number[]
}

/**
 * Short slices in turn, floor and contestants: F A B F A B … F. A contestant's slice is divided by the mean of the floor's slices
 * around it, and the median of these ratios counts: other load on the machine comes and goes slower than that.
 */
export async function inTurn(
  scenario: Scenario,
  who: { readonly floor: Target; readonly mock: Target; readonly others: readonly Target[] },
  { pairs, notes }: { readonly pairs: number; readonly notes: Notes },
): Promise<readonly Row[]> {
  const { name, load, ask, figures } = scenario
  const needsBase = figures.some(({ added }) => added === true)
  const take = async (target: Target): Promise<Slice> => {
    const slice = await measure(target, load, ask)
    note(`${name}/${target.name}`, slice, { ask, notes })
    return slice
  }
  const base: Slice[] = []
  const floor = [await take(who.floor)]
  const slices = new Map<string, Slice[]>(who.others.map((target) => [target.name, []]))
  for (let pair = 0; pair < pairs; pair++) {
    for (const target of who.others) slices.get(target.name)?.push(await take(target))
    if (needsBase) base.push(await take(who.mock))
    floor.push(await take(who.floor))
  }
  return [...slices].flatMap(([other, taken]) =>
    figures.map((figure) => {
      const without = figure.added === true ? median(base.map(figure.of)) : 0
      const floors = floor.map((slice) => figure.of(slice) - without)
      const values = taken.map((slice) => figure.of(slice) - without)
      const ratios = values.map((value, at) => value / mean(floors.slice(at, at + 2)))
      return {
        scenario: name,
        figure: figure.name,
        who: other,
        floor: median(floors),
        value: median(values),
        ratio: median(ratios),
        ratioMin: Math.min(...ratios),
        ratioMax: Math.max(...ratios),
      }
    }),
  )
}

/** Looks whether all answers were whole; a slice with a lost chunk is no measurement. */
export function note(where: string, slice: Slice, { ask, notes }: { readonly ask: Ask; readonly notes: Notes }): void {
  if (slice.cpu > 0) notes.disturbed.push(slice.waited / slice.cpu)
  const chunks = ask.stream === true ? slice.ok * ask.n : slice.ok
  if (slice.ok > 0 && slice.failed === 0 && slice.incomplete === 0 && slice.stamps === chunks) return
  const counts = `${slice.failed} failed, ${slice.incomplete} incomplete, ${slice.stamps} of ${chunks} chunks`
  notes.faults.push(`${where}: ${counts} ${slice.firstError}`)
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? (sorted[middle] ?? NaN) : mean(sorted.slice(middle - 1, middle + 1))
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
