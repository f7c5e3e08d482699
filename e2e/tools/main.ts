import { parseArgs } from 'node:util'
import type { FakeUpstream } from '../fake-upstream/index.ts'
import { object, parse, text } from '../fake-upstream/json.ts'
import { Management } from '../gateway/management.ts'
import { channel, emptyProvision, startWorld, type Provision } from '../gateway/world.ts'
import { runCell, taskNames, type Cell, type CellResult } from './cell.ts'
import { install, type Installed } from './install.ts'
import { ScriptedUpstream } from './scripted-upstream.ts'
import { printTable, type LoggedRequest, type LogRow } from './table.ts'
import { codingTools, type CodingTool } from './tools.ts'
import { minded, upstreams } from './upstreams.ts'

/**
 * The real coding tools, from npm, each with a small task through every format of upstream: `npm run tools`.
 * `--tool WORD` and `--upstream WORD` choose by name, `--task` by task; `--latest` takes the newest versions; `--verbose` shows
 * what a failing tool said.
 */
const { values } = parseArgs({
  options: {
    tool: { type: 'string', default: '' },
    upstream: { type: 'string', default: '' },
    task: { type: 'string', default: '' },
    latest: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
    'at-once': { type: 'string', default: '2' },
  },
})

const chosen = (names: readonly string[], word: string): boolean =>
  names.some((name) => name.toLowerCase().includes(word.toLowerCase()))

const cells: readonly Cell[] = codingTools
  .filter((tool) => chosen([tool.name], values.tool))
  .flatMap((tool, row) =>
    taskNames
      .filter((task) => (task === 'patch') === (tool.patching !== undefined) && chosen([task], values.task))
      .flatMap((task) =>
        upstreams
          .filter(({ label }) => chosen([label], values.upstream))
          .map((upstream, column) => ({
            id: `cell-${row}-${task}-${column}`,
            tool,
            task,
            upstream,
            model: tool.format === upstream.format ? (upstream.ownModel ?? upstream.model) : upstream.model,
          })),
      ),
  )
const tools = [...new Set(cells.map(({ tool }) => tool))]

const keyOf = ({ id }: Cell): string => `sk-octopus-${id.replaceAll(/[^a-z0-9]/g, '').padEnd(48, 'x')}`

function provision(upstream: FakeUpstream): Provision {
  return {
    ...emptyProvision(),
    channels: cells.map((cell) => channel(upstream, cell.upstream.format, { name: cell.id, models: [cell.model] })),
    groups: cells.map(({ id, model }) => ({ name: id, items: [{ channel: id, model }] })),
    apiKeys: cells.map((cell) => ({ name: cell.id, key: keyOf(cell), modelMapping: { [cell.tool.model]: cell.id } })),
  }
}

/** A tool's programs, or why there are none. */
async function installAll(): Promise<ReadonlyMap<CodingTool, Installed | string>> {
  const found = new Map<CodingTool, Installed | string>()
  const seen = new Map<string, Promise<Installed | string>>()
  for (const tool of tools) {
    const wanted = { ...tool.package, ...(values.latest && { version: 'latest' }) }
    const installing =
      seen.get(wanted.name) ??
      install(wanted).catch((error: unknown) => (error instanceof Error ? error.message : String(error)))
    seen.set(wanted.name, installing)
    const installed = await installing
    found.set(tool, installed)
    console.log(`${tool.name}: ${typeof installed === 'string' ? installed : installed.version}`)
  }
  return found
}

/** The different defects in the gateway's own log, whose lines are JSON with pino's levels. */
function gatewayErrors(log: string): readonly string[] {
  const lines = log.split('\n').map((line) => object(parse(line)))
  const defects = lines.filter(({ level }) => Number(level) >= 50)
  return [...new Set(defects.map(({ msg, err }) => `gateway: ${text(msg)} ${text(object(err).stack)}`))]
}

const installed = await installAll()
const world = await startWorld(provision)
try {
  const scripts = new ScriptedUpstream(world.upstream)
  const waiting = [...cells]
  const results: CellResult[] = []
  const work = async (): Promise<void> => {
    for (let cell = waiting.shift(); cell !== undefined; cell = waiting.shift()) {
      const program = installed.get(cell.tool)
      if (program === undefined || typeof program === 'string') continue
      const result = await runCell(cell, {
        scripts,
        installed: program,
        address: { url: world.gateway.url, key: keyOf(cell) },
      })
      const refused = world.upstream.requests
        .filter(({ at }) => at === cell.id)
        .flatMap((request) => minded(cell.upstream, request))
      const faults = [...result.faults, ...new Set(refused)]
      results.push({ ...result, faults })
      console.log(
        `${faults.length === 0 ? 'ok  ' : 'FAIL'} ${cell.tool.name} → ${cell.upstream.label}, ${cell.task} (${result.ended.seconds.toFixed(1)} s) ${faults.join('; ')}`,
      )
      if (faults.length > 0 && values.verbose) console.log(`${result.ended.stdout}\n${result.ended.stderr}`)
    }
  }
  await Promise.all(Array.from({ length: Number(values['at-once']) }, work))

  const management = await Management.login(world.gateway, world.gateway.adminPassword)
  const logs = await Promise.all(
    (await management.logs<LogRow>()).map(async (row): Promise<LoggedRequest> =>
      row.lossCount === 0 ? { ...row, losses: [] } : management.get(`/logs/${row.id}`),
    ),
  )
  const good = printTable({ cells, results, installed, upstreams, logs })
  if (!good) console.log(gatewayErrors(world.gateway.stderr()).join('\n'))
  process.exitCode = good ? 0 : 1
} finally {
  await world.close()
}
