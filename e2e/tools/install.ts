import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { object, parse, text } from '../fake-upstream/json.ts'

/** Everybody's git ignores it, and `npm ci` clears it away. */
const cache = fileURLToPath(new URL('../../node_modules/.cache/coding-tools/', import.meta.url))

const LIMIT_MS = 300_000

export interface Package {
  readonly name: string
  /** The version that was tried; the newest is asked for with `latest`. */
  readonly version: string
  /** The program's file inside `node_modules`, where the package's own `bin` needs an install script; else by `bin`. */
  readonly binary?: string
}

export interface Installed {
  readonly version: string
  /** Program and first arguments. */
  readonly command: readonly string[]
}

/** Installs into the cache, without install scripts. @throws with npm's own words */
export async function install({ name, version, binary }: Package): Promise<Installed> {
  const folder = path.join(cache, `${name.replace('/', '+')}@${version}`)
  const modules = path.join(folder, 'node_modules')
  const manifest = path.join(modules, name, 'package.json')
  if (!existsSync(manifest) || version === 'latest') {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    writeFileSync(path.join(folder, 'package.json'), '{"private":true}')
    await npm(folder, ['install', `${name}@${version}`, '--ignore-scripts', '--no-audit', '--no-fund'])
  }
  const { version: found, bin } = object(parse(readFileSync(manifest, 'utf8')))
  if (binary !== undefined) {
    const program = path.join(modules, binary)
    if (!existsSync(program)) throw new Error(`${name} has no program for ${process.platform}-${process.arch}`)
    return { version: text(found), command: [program] }
  }
  const script = typeof bin === 'string' ? bin : text(Object.values(object(bin))[0])
  return { version: text(found), command: [process.execPath, path.join(modules, name, script)] }
}

async function npm(cwd: string, args: readonly string[]): Promise<void> {
  try {
    await promisify(execFile)('npm', args, { cwd, timeout: LIMIT_MS, shell: process.platform === 'win32' })
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr) : ''
    const first = said.split('\n').find((line) => /npm (error|ERR!)/.test(line))
    throw new Error(`npm ${args[0] ?? ''} failed: ${first ?? String(error)}`, { cause: error })
  }
}
