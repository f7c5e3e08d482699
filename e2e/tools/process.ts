import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

/** Folders of one run; nothing of the user's own is in them. */
export interface Sandbox {
  readonly home: string
  readonly work: string
  /** The whole environment of the run: nothing else of the caller's gets in, neither proxies nor keys. */
  readonly env: Readonly<Record<string, string>>
  remove(): void
}

export function sandbox(): Sandbox {
  const root = mkdtempSync(path.join(tmpdir(), 'octopus-tool-'))
  const folder = (name: string): string => {
    const made = path.join(root, name)
    mkdirSync(made)
    return made
  }
  const home = folder('home')
  return {
    home,
    work: folder('work'),
    env: {
      ...Object.fromEntries(
        KEPT.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
      ),
      HOME: home,
      USERPROFILE: home,
      XDG_CONFIG_HOME: path.join(home, '.config'),
      XDG_DATA_HOME: path.join(home, '.local/share'),
      XDG_CACHE_HOME: path.join(home, '.cache'),
      XDG_STATE_HOME: path.join(home, '.local/state'),
      TMPDIR: folder('tmp'),
      TERM: 'dumb',
      NO_COLOR: '1',
    },
    remove: () => rmSync(root, { recursive: true, force: true, maxRetries: 5 }),
  }
}

const KEPT = ['PATH', 'LANG', 'LC_ALL', 'SystemRoot', 'ComSpec', 'PATHEXT'] as const

export interface Ended {
  /** null: it was stopped, as at the limit. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  readonly seconds: number
}

export interface Running {
  readonly command: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  readonly limitMs: number
}

/** Runs a program to its end, or to the limit; whatever it started ends with it. */
export async function run({ command, cwd, env, limitMs }: Running): Promise<Ended> {
  const [program = '', ...args] = command
  const startedAt = performance.now()
  // A process group of its own, so that its children can be ended with it.
  const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  const heard = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (heard.stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (heard.stderr += text))
  const stop = (): void => {
    if (child.pid === undefined) return
    try {
      process.kill(process.platform === 'win32' ? child.pid : -child.pid, 'SIGKILL')
    } catch (error) {
      // Nobody of the group is left.
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
    }
  }
  const timer = setTimeout(stop, limitMs)
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', resolve)
  }).finally(() => clearTimeout(timer))
  stop()
  return { code, ...heard, seconds: (performance.now() - startedAt) / 1000 }
}
