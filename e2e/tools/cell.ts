import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import path from 'node:path'
import type { ToolResult } from './conversation.ts'
import type { Installed } from './install.ts'
import { run, sandbox, type Ended } from './process.ts'
import type { Answered, Script, ScriptedUpstream } from './scripted-upstream.ts'
import { writeFiles, type Address, type CodingTool } from './tools.ts'
import type { Upstream } from './upstreams.ts'

export const taskNames = ['read', 'parallel', 'patch'] as const
export type TaskName = (typeof taskNames)[number]

/** One tool with one task against one upstream. */
export interface Cell {
  /** Names its channel, its group and its key. */
  readonly id: string
  readonly tool: CodingTool
  readonly task: TaskName
  readonly upstream: Upstream
  /** What the upstream calls the model. */
  readonly model: string
}

export interface CellResult {
  readonly cell: Cell
  /** What went wrong; empty is good. */
  readonly faults: readonly string[]
  /** Answers that the provider was asked for, in the task and beside it (titles, routing). */
  readonly requests: { readonly task: number; readonly beside: number }
  readonly thoughts: { readonly sent: number; readonly returned: number }
  readonly ended: Ended
}

const LIMIT_MS = 120_000

interface Task {
  readonly prompt: string
  readonly script: Script
  /** Whether the tools' work can be seen. */
  done(answered: readonly Answered[]): boolean
}

/** Lets the tool do its task and holds what happened against what should have. */
export async function runCell(
  cell: Cell,
  {
    scripts,
    installed,
    address,
  }: { readonly scripts: ScriptedUpstream; readonly installed: Installed; readonly address: Address },
): Promise<CellResult> {
  const box = sandbox()
  try {
    const task = taskOf(cell, box.work)
    const scene = scripts.direct(cell, task.script)
    const setUp = cell.tool.setUp(address, task.prompt)
    writeFiles(box.home, setUp)
    const ended = await run({
      command: [...installed.command, ...setUp.args],
      cwd: box.work,
      env: { ...box.env, ...setUp.quiet, ...setUp.env },
      limitMs: LIMIT_MS,
    })
    const { answered } = scene
    const beside = answered.filter(({ played }) => played === 'side').length
    const last = answered.findLast(({ played }) => played === 'final')
    return {
      cell,
      faults: [
        ...faultsOf(cell, { answered, script: task.script, ended }),
        ...(task.done(answered) ? [] : ['its tool did not do the work']),
      ],
      requests: { task: answered.length - beside, beside },
      thoughts: last?.thoughts ?? { sent: 0, returned: 0 },
      ended,
    }
  } finally {
    box.remove()
  }
}

function faultsOf(
  { upstream }: Cell,
  {
    answered,
    script,
    ended,
  }: { readonly answered: readonly Answered[]; readonly script: Script; readonly ended: Ended },
): readonly string[] {
  const faults: string[] = []
  if (ended.code === null) faults.push(`was stopped after ${Math.round(ended.seconds)} s`)
  else if (ended.code !== 0) faults.push(`exit code ${ended.code}`)
  if (!ended.stdout.includes(script.final)) faults.push('the last words are not in its output')
  const steps = answered.map(({ played }) => played).filter((played) => played !== 'side')
  const wanted = [...script.turns.keys(), 'final']
  if (steps.join() !== wanted.join()) faults.push(`turns ${steps.join(', ') || 'none'} instead of ${wanted.join(', ')}`)
  const bodies = answered.map(({ request }) => request.body.toString('latin1'))
  if (new Set(bodies).size < bodies.length) faults.push('a paid request was repeated')
  for (const { request } of answered)
    if (request.target?.format !== upstream.format)
      faults.push(`a request came as ${request.target?.format ?? 'nothing'}`)
  return faults
}

function taskOf({ tool, task }: Cell, work: string): Task {
  const nonce = randomBytes(4).toString('hex')
  const file = (name: string): string => path.join(work, name)
  const final = `All of it is done, ${nonce}.`
  const reading = (names: readonly string[]): Task => {
    const secrets = names.map((name) => {
      const secret = `kingfisher-${randomBytes(6).toString('hex')}`
      writeFileSync(file(name), `${secret}\n`)
      return secret
    })
    return {
      prompt: `Read ${names.join(' and ')} in this folder and say what is in it.`,
      script: {
        turns: [names.map((name) => ({ name: tool.reading.name, arguments: tool.reading.arguments(file(name)) }))],
        final,
      },
      done: (answered) => {
        const results = answered.at(-1)?.conversation.results ?? []
        return secrets.every((secret, call) => resultOf(call, results)?.includes(secret))
      },
    }
  }
  switch (task) {
    case 'read':
      return reading(['a.txt'])
    case 'parallel':
      return reading(['a.txt', 'b.txt'])
    case 'patch':
      return {
        prompt: 'Write a file new.txt.',
        script: {
          turns: [
            [
              {
                name: tool.patching ?? '',
                input: `*** Begin Patch\n*** Add File: new.txt\n+${nonce} "ü"\n*** End Patch\n`,
              },
            ],
          ],
          final,
        },
        done: () => existsSync(file('new.txt')) && readFileSync(file('new.txt'), 'utf8') === `${nonce} "ü"\n`,
      }
  }
}

/** Our ids end with the call's number; where the provider had none of its own, the order counts. */
function resultOf(call: number, results: readonly ToolResult[]): string | undefined {
  const byId = results.find(({ id }) => id.endsWith(`x${call}`))
  return (byId ?? results[call])?.text
}
