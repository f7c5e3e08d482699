import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { cpus } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../../', import.meta.url))
const sources = path.join(root, 'e2e/bench/tools')
/** Git-ignored, and below `node_modules` so that copied builds find their packages. */
export const scratch = path.join(root, 'node_modules/.cache/bench')

const cores = cpus().length
const canPin = cores > 1 && has('taskset')
/** What is measured has the last core to itself; the mock and the load share the first. */
export const pins = {
  load: canPin ? ['taskset', '-c', '0'] : [],
  measured: canPin ? ['taskset', '-c', String(cores - 1)] : [],
}

export interface Program {
  readonly pid: number
  output(): string
  /** Asks it to end, and makes it after three seconds. */
  stop(): Promise<void>
}

const running = new Set<Program>()

/** Starts a program; it is stopped with `stopAll` at the latest. */
export function start(
  command: readonly string[],
  { pin, env = {} }: { readonly pin: keyof typeof pins; readonly env?: Readonly<Record<string, string>> },
): Program {
  const [file = '', ...args] = [...pins[pin], ...command]
  const child = spawn(file, args, {
    cwd: root,
    env: { ...cleanEnvironment(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output = (output + text).slice(-20_000)))
  const gone = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', (error) => {
      output += String(error)
      resolve()
    })
  })
  const program: Program = {
    pid: child.pid ?? 0,
    output: () => output,
    stop: async () => {
      running.delete(program)
      child.kill('SIGTERM')
      const ended = await Promise.race([gone.then(() => true), sleep(3000, false, { ref: false })])
      if (ended) return
      child.kill('SIGKILL')
      await gone
    },
  }
  running.add(program)
  return program
}

export async function stopAll(): Promise<void> {
  for (const program of [...running].reverse()) await program.stop()
}

/** Waits for the line with which a program tells its port. */
export async function portOf(program: Program, pattern = /127\.0\.0\.1:(\d+)/): Promise<number> {
  for (let waited = 0; waited < 30_000; waited += 2) {
    const port = pattern.exec(program.output())?.[1]
    if (port !== undefined) return Number(port)
    await sleep(2)
  }
  throw new Error(`a program did not start:\n${program.output()}`)
}

/** The load generator and the mock: in C where there is a compiler, else (or with BENCH_NODE_TOOLS=1) their twins in Node. */
export function tool(name: 'lg' | 'mock'): readonly string[] {
  if (process.platform !== 'linux' || process.env['BENCH_NODE_TOOLS'] === '1' || !has('cc'))
    return [process.execPath, path.join(sources, `${name}.mjs`)]
  const source = path.join(sources, `${name}.c`)
  const binary = path.join(scratch, name)
  if (!existsSync(binary) || statSync(binary).mtimeMs < statSync(source).mtimeMs) {
    mkdirSync(scratch, { recursive: true })
    execFileSync('cc', ['-O2', '-o', binary, source])
  }
  return [binary]
}

/** Nanoseconds on a CPU, and waiting for one, of a process and its children since their start. Linux only. */
export function cpuOf(pid: number): { readonly ran: number; readonly waited: number } {
  let ran = 0
  let waited = 0
  for (const process of family(pid))
    for (const task of list(`/proc/${process}/task`)) {
      const [on = 0, off = 0] = text(`/proc/${process}/task/${task}/schedstat`).split(' ').map(Number)
      ran += on
      waited += off
    }
  return { ran, waited }
}

/** Resident memory of a process and its children. */
export function rssMiB(pid: number): number {
  let kilobytes = 0
  for (const process of family(pid))
    kilobytes += Number(/VmRSS:\s+(\d+)/.exec(text(`/proc/${process}/status`))?.[1] ?? 0)
  return kilobytes / 1024
}

function family(pid: number): readonly number[] {
  const all = [pid]
  for (const process of all)
    for (const task of list(`/proc/${process}/task`))
      for (const child of text(`/proc/${process}/task/${task}/children`).split(' '))
        if (child !== '') all.push(Number(child))
  return all
}

/** Threads and processes come and go while they are counted: what is gone counts as nothing. */
function list(directory: string): readonly string[] {
  return existsSync(directory) ? readdirSync(directory) : []
}

function text(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch {
    return ''
  }
}

function has(command: string): boolean {
  try {
    execFileSync('which', [command], { stdio: 'pipe' })
    return true
  } catch {
    return false
  }
}

/** Nothing of the developer's own gateway or proxies gets in. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^(OCTOPUS_|NODE_OPTIONS|https?_proxy|all_proxy|no_proxy)/i.test(name),
    ),
  )
}
