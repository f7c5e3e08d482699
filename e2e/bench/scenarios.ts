import { setTimeout as sleep } from 'node:timers/promises'
import type { Contestant } from './contestants.ts'
import { firstAnswer, measure, type Ask, type Slice } from './load.ts'
import { median, note, type Figure, type Notes, type Row, type Scenario } from './pairs.ts'
import { cpuOf, rssMiB } from './programs.ts'

const perRequest: Figure = { name: 'CPU µs/request', of: (slice) => slice.cpu / Math.max(1, slice.ok) }
const perChunk: Figure = { name: 'CPU µs/chunk', of: (slice) => slice.cpu / Math.max(1, slice.stamps) }
const added = (name: string, of: (slice: Slice) => number): Figure => ({ name: `added ${name}`, of, added: true })

const json: Ask = { n: 200 }
const burst: Ask = { stream: true, n: 200 }
const lone: Ask = { stream: true, n: 200, pace: 5000 }

/** Answers in the client's own format. `quick` takes shorter slices. */
export function sameFormat(quick: boolean): readonly Scenario[] {
  const duration = quick ? 0.4 : 0.7
  return [
    { name: 'json', load: { conc: 16, duration }, ask: json, figures: [perRequest] },
    { name: 'big', load: { conc: 8, duration }, ask: { n: 200, pad: 200_000 }, figures: [perRequest] },
    {
      name: 'max',
      load: { conc: 64, duration },
      ask: json,
      figures: [{ name: 'requests/s', of: (slice) => slice.ok / slice.seconds }],
    },
    {
      name: 'latency',
      load: { rate: 100, n: quick ? 60 : 150 },
      ask: json,
      figures: [added('p50 µs', ({ latency }) => latency.p50), added('p90 µs', ({ latency }) => latency.p90)],
    },
    {
      name: 'paced',
      load: { conc: 20, n: quick ? 20 : 30, ramp: 500 },
      ask: lone,
      figures: [
        perChunk,
        added('first token p50 µs', ({ ttft }) => ttft.p50),
        added('chunk delay p50 µs', ({ delay }) => delay.p50),
      ],
    },
    { name: 'burst', load: { conc: 8, duration }, ask: burst, figures: [perChunk] },
  ]
}

/** The upstream speaks another format than the client; beside them the floor passes the same answers through unread. */
export function converted(quick: boolean): readonly Scenario[] {
  const duration = quick ? 0.4 : 0.7
  return [
    { name: 'conv-paced', load: { conc: 20, n: quick ? 20 : 30, ramp: 500 }, ask: lone, figures: [perChunk] },
    { name: 'conv-burst', load: { conc: 8, duration }, ask: burst, figures: [perChunk] },
    { name: 'conv-json', load: { conc: 16, duration }, ask: json, figures: [perRequest] },
  ]
}

/** Until V8 has compiled what is hot: a process that has just begun costs twice as much per request. */
export async function warmUp(contestant: Contestant, seconds: number): Promise<void> {
  for (const target of [contestant.same, contestant.converted]) {
    if (target === null) continue
    await firstAnswer(target)
    await measure(target, { conc: 16, duration: seconds }, json)
    await measure(target, { conc: 8, duration: seconds / 2 }, burst)
  }
}

/** Memory with nothing to do, soon after the start. */
export function idleMemory(floor: Contestant, others: readonly Contestant[]): readonly Row[] {
  const of = ({ program }: Contestant): number => rssMiB(program.pid)
  return others.map((other) => row('idle', 'RSS MiB', { who: other.name, floor: of(floor), value: of(other) }))
}

/** 500 streams at once, ten chunks a second each. */
export async function manyStreams(
  floor: Contestant,
  others: readonly Contestant[],
  notes: Notes,
): Promise<readonly Row[]> {
  const ask: Ask = { stream: true, n: 40, pace: 100_000 }
  const take = async ({ same }: Contestant): Promise<Slice> => {
    const slice = await measure(same, { conc: 500, n: 500, ramp: 1500 }, ask)
    note(`c500/${same.name}`, slice, { ask, notes })
    return slice
  }
  const yardstick = await take(floor)
  const rows: Row[] = []
  for (const other of others) {
    const slice = await take(other)
    rows.push(row('c500', 'RSS peak MiB', { who: other.name, floor: yardstick.peakRss, value: slice.peakRss }))
    rows.push(row('c500', perChunk.name, { who: other.name, floor: perChunk.of(yardstick), value: perChunk.of(slice) }))
  }
  return rows
}

/** From the start of the process to the end of its first relayed answer, in turn. */
export async function startUp(
  floor: () => Promise<Contestant>,
  others: readonly { readonly name: string; readonly start: () => Promise<Contestant> }[],
  times: number,
): Promise<readonly Row[]> {
  const once = async (start: () => Promise<Contestant>): Promise<{ readonly wall: number; readonly cpu: number }> => {
    const began = performance.now()
    const { program, same } = await start()
    await firstAnswer(same)
    const taken = { wall: performance.now() - began, cpu: cpuOf(program.pid).ran / 1e6 }
    await program.stop()
    await sleep(100)
    return taken
  }
  const floors: Awaited<ReturnType<typeof once>>[] = []
  const taken = new Map(others.map(({ name }) => [name, [] as typeof floors]))
  for (let time = 0; time < times; time++) {
    floors.push(await once(floor))
    for (const { name, start } of others) taken.get(name)?.push(await once(start))
  }
  const figures = { 'ms to the first answer': 'wall', 'CPU ms to the first answer': 'cpu' } as const
  return [...taken].flatMap(([who, values]) =>
    Object.entries(figures).map(([name, key]) =>
      row('start', name, {
        who,
        floor: median(floors.map((one) => one[key])),
        value: median(values.map((one) => one[key])),
      }),
    ),
  )
}

function row(
  scenario: string,
  figure: string,
  { who, floor, value }: { readonly who: string; readonly floor: number; readonly value: number },
): Row {
  const ratio = value / floor
  return { scenario, figure, who, floor, value, ratio, ratioMin: ratio, ratioMax: ratio }
}
