import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, globSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))

export interface LaunchOptions {
  /** The provision file's content; see README.md. */
  readonly provision?: object
  /** A data directory that stays after `stop`: for restarts. By default a fresh one that goes away. */
  readonly dataDir?: string
  /** 0 (the default): a free port. */
  readonly port?: number
  readonly env?: Readonly<Record<string, string>>
}

/** A running gateway, in a process of its own as users run it. */
export interface RunningGateway {
  readonly url: string
  readonly port: number
  readonly pid: number
  readonly dataDir: string
  /** The random password that the first start shows; '' on later starts. */
  readonly adminPassword: string
  stdout(): string
  stderr(): string
  /** Asks it to close, as a quit does, and waits. Gives the exit code. */
  stop(): Promise<number | null>
  /** `kill -9`, and waits until it is gone. The data directory stays. */
  kill9(): Promise<void>
}

const READY = /listening on (http:\/\/127\.0\.0\.1:(\d+))/
const PASSWORD = /^ *admin +(\S+)/m
const START_LIMIT_MS = 30_000

/** Starts the built gateway when the build is newer than every source, else the sources themselves. @throws when it does not get ready */
export async function launchGateway(options: LaunchOptions = {}): Promise<RunningGateway> {
  const scratch = mkdtempSync(path.join(tmpdir(), 'octopus-e2e-'))
  const dataDir = options.dataDir ?? path.join(scratch, 'data')
  const args = ['--data', dataDir, '--port', String(options.port ?? 0)]
  if (options.provision !== undefined) {
    const file = path.join(scratch, 'provision.json')
    writeFileSync(file, JSON.stringify(options.provision))
    args.push('--provision', file)
  }
  const child = spawn(process.execPath, [entry(), ...args], {
    cwd: root,
    env: { ...cleanEnvironment(), ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text))
  const gone = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const forget = (): void => rmSync(scratch, { recursive: true, force: true })

  const ready = await Promise.race([isReady(child, output), gone.then((code) => code ?? -1), late()])
  if (typeof ready === 'number') {
    child.kill('SIGKILL')
    forget()
    throw new Error(`the gateway did not start (${ready}):\n${output.stdout}\n${output.stderr}`)
  }
  return {
    ...ready,
    pid: child.pid ?? 0,
    dataDir,
    adminPassword: PASSWORD.exec(output.stdout)?.[1] ?? '',
    stdout: () => output.stdout,
    stderr: () => output.stderr,
    stop: async () => {
      child.kill('SIGTERM')
      const code = await gone
      forget()
      return code
    },
    kill9: async () => {
      child.kill('SIGKILL')
      await gone
    },
  }
}

function isReady(child: ChildProcess, output: { readonly stdout: string }): Promise<{ url: string; port: number }> {
  return new Promise((resolve) => {
    child.stdout?.on('data', () => {
      const [, url, port] = READY.exec(output.stdout) ?? []
      if (url !== undefined) resolve({ url, port: Number(port) })
    })
  })
}

const late = (): Promise<number> =>
  new Promise((resolve) => setTimeout(resolve, START_LIMIT_MS, START_LIMIT_MS).unref())

/** Nothing of the developer's own gateway or proxies gets in. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^(OCTOPUS_|NODE_OPTIONS|https?_proxy|all_proxy|no_proxy|VITEST)/i.test(name),
    ),
  )
}

function entry(): string {
  const built = path.join(root, 'dist/headless.js')
  if (!existsSync(built)) return 'server/headless.ts'
  const builtAt = statSync(built).mtimeMs
  const sources = globSync('server/**/*.ts', { cwd: root }).filter((name) => !name.endsWith('.test.ts'))
  const newer = sources.some((name) => statSync(path.join(root, name)).mtimeMs > builtAt)
  return newer ? 'server/headless.ts' : built
}
