/**
 * What the gateway costs on this machine, beside the floor (a bare relay in Node) and a peer, in the same minutes.
 *
 *   npm run bench                     all scenarios, about five minutes; goals of targets.json
 *   npm run bench -- --quick          shorter slices, no peer, gates of gates.json: for CI
 *   npm run bench -- --only json,burst --also before=/tmp/before
 *
 * --only      some of: json big max latency paced burst conv-paced conv-burst conv-json idle c500 start log-row
 * --also      a further build in the same rounds, as often as wanted: NAME=DIR,FLAG,FLAG (DIR holds dist/ and resources/; flags are
 *             Node's, by default those of npm run start:headless)
 * --pairs N   slices of each (7; quick 3)
 * --gates     gates.json instead of targets.json
 * --no-peer   without Portkey
 *
 * Ends with 1 when something wanted was missed or a chunk was lost. Linux, for CPU times and memory are read from /proc.
 */
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import {
  gatewayFlags,
  keepBuild,
  prepareGateway,
  startFloor,
  startGateway,
  startMock,
  startPortkey,
  type Contestant,
  type Prepared,
} from './contestants.ts'
import type { Target } from './load.ts'
import { logRowCost } from './log-row.ts'
import { inTurn, median, type Notes, type Row } from './pairs.ts'
import { root, stopAll } from './programs.ts'
import { linesOf, readBounds, table } from './report.ts'
import { converted, idleMemory, manyStreams, sameFormat, startUp, warmUp } from './scenarios.ts'

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    gates: { type: 'boolean', default: false },
    'no-peer': { type: 'boolean', default: false },
    only: { type: 'string' },
    also: { type: 'string', multiple: true, default: [] },
    pairs: { type: 'string' },
  },
})
const { quick } = options
const pairs = Number(options.pairs ?? (quick ? 3 : 7))
const only = options.only?.split(',')
const wanted = (scenario: string): boolean => only === undefined || only.includes(scenario)
const notes: Notes = { faults: [], disturbed: [] }
const rows: Row[] = []
const progress = (scenario: string): boolean => process.stderr.write(`${scenario} `)

process.on('SIGINT', () => void stopAll().then(() => process.exit(130)))
try {
  const mock = await startMock()
  const builds = [
    { name: 'gateway', build: keepBuild('gateway'), flags: gatewayFlags },
    ...options.also.map((given) => {
      const [name = '', rest = ''] = given.split(/=(.*)/s)
      const [directory = '', ...flags] = rest.split(',')
      return { name, build: path.resolve(directory), flags: flags.length === 0 ? gatewayFlags : flags }
    }),
  ]
  const prepared: Prepared[] = []
  for (const build of builds) prepared.push(await prepareGateway(mock, build))
  const starters = [
    ...prepared.map((gateway) => ({ name: gateway.name, start: () => startGateway(gateway) })),
    ...(quick || options['no-peer'] ? [] : [{ name: 'portkey', start: () => startPortkey(mock) }]),
  ]
  if (wanted('start')) {
    rows.push(...(await startUp(() => startFloor(mock), starters, quick ? 1 : 5)))
    progress('start')
  }
  const floor = await startFloor(mock)
  const others: Contestant[] = []
  for (const { start } of starters) others.push(await start())
  if (wanted('idle')) rows.push(...idleMemory(floor, others))
  await measureLoads({ mock, floor, others })
} finally {
  await stopAll()
}
if (wanted('log-row')) rows.push(...(await logRowCost(quick ? 3 : 7)))
process.stderr.write('\n')
report()

async function measureLoads(given: {
  readonly mock: number
  readonly floor: Contestant
  readonly others: readonly Contestant[]
}): Promise<void> {
  const { floor, others } = given
  const mock: Target = { ...floor.same, name: 'mock', port: given.mock, pid: null }
  for (const one of [floor, ...others]) await warmUp(one, quick ? 1 : 2)
  for (const scenario of sameFormat(quick)) {
    if (!wanted(scenario.name)) continue
    const targets = { floor: floor.same, mock, others: others.map(({ same }) => same) }
    rows.push(...(await inTurn(scenario, targets, { pairs, notes })))
    progress(scenario.name)
  }
  for (const scenario of converted(quick)) {
    if (!wanted(scenario.name)) continue
    const targets = others.map((other) => other.converted).filter((target) => target !== null)
    rows.push(...(await inTurn(scenario, { floor: floor.same, mock, others: targets }, { pairs, notes })))
    progress(scenario.name)
  }
  if (!wanted('c500')) return
  rows.push(...(await manyStreams(floor, others, notes)))
  progress('c500')
}

function report(): void {
  const file = quick || options.gates ? 'gates.json' : 'targets.json'
  const lines = linesOf(rows, readBounds(new URL(file, import.meta.url)))
  const at = new Date().toISOString()
  const disturbed = notes.disturbed.length === 0 ? 0 : median(notes.disturbed)
  const machine = { at, node: process.version, cores: cpus().length, pairs, disturbed }
  writeFileSync(
    path.join(root, 'bench-results.json'),
    `${JSON.stringify({ ...machine, lines, faults: notes.faults }, null, 1)}\n`,
  )
  console.log(`${at}, Node ${process.version}, ${machine.cores} cores, ${pairs} slices, wanted: ${file}`)
  console.log(
    `waited for a CPU / ran: ${Math.round(disturbed * 100)} % (over 50 %: a busy machine, on which latencies mean little)\n`,
  )
  console.log(table(lines))
  for (const fault of notes.faults) console.log(`! ${fault}`)
  const missed = lines.filter(({ held }) => held === false)
  process.exitCode = missed.length > 0 || notes.faults.length > 0 ? 1 : 0
}
