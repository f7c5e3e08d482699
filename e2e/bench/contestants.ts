import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Target } from './load.ts'
import { portOf, root, scratch, start, tool, type Program } from './programs.ts'

/** A started program and how it is asked. `converted`: the same listener, asked in another format than the upstream's. */
export interface Contestant {
  readonly name: string
  readonly program: Program
  readonly same: Target
  readonly converted: Target | null
}

export async function startMock(): Promise<number> {
  return portOf(start([...tool('mock'), '--port', '0'], { pin: 'load' }))
}

export async function startFloor(mock: number): Promise<Contestant> {
  const program = start([process.execPath, path.join(root, 'e2e/bench/floor.mjs')], {
    pin: 'measured',
    env: { UPSTREAM: `http://127.0.0.1:${mock}` },
  })
  const port = await portOf(program)
  return contestant('floor', program, { same: { port, model: 'gpt-4o-mini', headers: [] } })
}

/** A build of the gateway, copied: the next build may be made while this one is measured. */
export function keepBuild(name: string, from = root): string {
  const directory = path.join(scratch, name)
  rmSync(directory, { recursive: true, force: true })
  for (const part of ['dist', 'resources'])
    cpSync(path.join(from, part), path.join(directory, part), { recursive: true })
  return directory
}

/** As `npm run start:headless` starts it. */
export const gatewayFlags: readonly string[] = ['--max-semi-space-size=1']

/** A build of the gateway with a data directory in which everything is set up already. */
export interface Prepared {
  readonly name: string
  readonly build: string
  /** Node's own. */
  readonly flags: readonly string[]
  readonly data: string
}

const key = 'sk-octopus-bench-0123456789'

/** One channel, one group under another name than the upstream's model, one key: every feature of the hot path is on. */
export async function prepareGateway(mock: number, of: Omit<Prepared, 'data'>): Promise<Prepared> {
  const data = mkdtempSync(path.join(tmpdir(), 'octopus-bench-'))
  const file = path.join(data, 'provision.json')
  const endpoint = { format: 'openai-chat', baseUrl: `http://127.0.0.1:${mock}/v1` }
  const models = ['gpt-4o-mini']
  const channel = { name: 'mock', type: 'openai-chat', endpoints: [endpoint], keys: ['sk-upstream'], models }
  const items = [{ channel: 'mock', model: 'gpt-4o-mini', priority: 1 }]
  const group = { name: 'bench', mode: 'failover', items }
  const apiKey = { name: 'bench', key }
  writeFileSync(file, JSON.stringify({ channels: [channel], groups: [group], apiKeys: [apiKey] }))
  const prepared = { ...of, data }
  const { program } = await startGateway(prepared, ['--provision', file])
  await program.stop()
  return prepared
}

/** Starts it as its users do, the second time: nothing is left to be set up. */
export async function startGateway(
  { name, build, flags, data }: Prepared,
  options: readonly string[] = [],
): Promise<Contestant> {
  const file = path.join(build, 'dist/headless.js')
  const program = start([process.execPath, ...flags, file, '--data', data, '--port', '0', ...options], {
    pin: 'measured',
    env: { OCTOPUS_LOG_LEVEL: 'warn' },
  })
  const port = await portOf(program, /listening on http:\/\/127\.0\.0\.1:(\d+)/)
  // the drain lingers half a second for more rows
  const asked = { port, model: 'bench', headers: [`authorization: Bearer ${key}`], settleMs: 700 }
  return contestant(name, program, { same: asked, converted: { ...asked, api: 'messages' } })
}

/** Its conversion is measured the other way round: Chat from an Anthropic upstream, which is the direction that it has. */
export async function startPortkey(mock: number): Promise<Contestant> {
  const port = await freePort()
  const file = path.join(root, 'node_modules/@portkey-ai/gateway/build/start-server.js')
  const program = start([process.execPath, file, '--headless', `--port=${port}`], {
    pin: 'measured',
    env: { NODE_ENV: 'production' },
  })
  const headers = (provider: string): string[] => [
    `x-portkey-provider: ${provider}`,
    `x-portkey-custom-host: http://127.0.0.1:${mock}/v1`,
    'authorization: Bearer sk-upstream',
  ]
  return contestant('portkey', program, {
    same: { port, model: 'gpt-4o-mini', headers: headers('openai') },
    converted: { port, model: 'gpt-4o-mini', headers: headers('anthropic') },
  })
}

type Asked = Pick<Target, 'port' | 'model' | 'headers'> & Partial<Target>

function contestant(
  name: string,
  program: Program,
  { same, converted }: { readonly same: Asked; readonly converted?: Asked },
): Contestant {
  const complete = (asked: Asked): Target => ({ name, pid: program.pid, api: 'chat', settleMs: 20, ...asked })
  return { name, program, same: complete(same), converted: converted === undefined ? null : complete(converted) }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}
