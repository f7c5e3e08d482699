import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { launchGateway, type RunningGateway } from './launch.ts'
import { Management } from './management.ts'

const scratch = mkdtempSync(path.join(tmpdir(), 'octopus-first-run-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

describe('the first start', () => {
  let gateway: RunningGateway
  const dataDir = path.join(scratch, 'first')
  beforeAll(async () => {
    gateway = await launchGateway({ dataDir })
  })
  afterAll(() => gateway.stop())

  it('prints a curl line that streams an answer as it stands', async () => {
    const line = /curl -N .*/.exec(gateway.stdout())?.[0] ?? ''
    expect(line).toContain(gateway.url)
    const { stdout } = await promisify(execFile)('sh', ['-c', line])
    expect(stdout).toContain('"content":')
    expect(stdout.trimEnd().endsWith('data: [DONE]')).toBe(true)
  })

  it('shows an API key of the promised form, and an admin password that logs in', async () => {
    expect(gateway.stdout()).toMatch(/sk-octopus-[0-9A-Za-z]{48}/)
    const management = await Management.login(gateway, gateway.adminPassword)
    const groups = await management.get<{ name: string }[]>('/groups')
    expect(groups.map(({ name }) => name)).toEqual(['demo'])
  })

  it('counts the demo at no cost, which is not the same as an unknown price', async () => {
    const management = await Management.login(gateway, gateway.adminPassword)
    await expect.poll(() => management.logs<{ costNanoUsd: number | null }>()).toMatchObject([{ costNanoUsd: 0 }])
  })

  it('keeps the data key and the configuration to its owner', () => {
    expect(statSync(path.join(dataDir, 'secret.key')).mode & 0o077).toBe(0)
    expect(statSync(path.join(dataDir, 'config.json')).mode & 0o077).toBe(0)
    expect(JSON.parse(readFileSync(path.join(dataDir, 'config.json'), 'utf8'))).toMatchObject({
      server: { host: '127.0.0.1', port: 8080 },
    })
  })

  it('refuses a second gateway on the same data, and names the first', async () => {
    await expect(launchGateway({ dataDir })).rejects.toThrow(
      new RegExp(`in use by the gateway with process id ${gateway.pid}`),
    )
  })

  it('leaves no secret in what it writes down', () => {
    const key = /sk-octopus-[0-9A-Za-z]{48}/.exec(gateway.stdout())?.[0] ?? 'none'
    expect(gateway.stderr()).not.toContain(key)
    expect(gateway.stderr()).not.toContain(gateway.adminPassword)
  })
})

it('shows key and password once only, and stops with code 0', async () => {
  const dataDir = path.join(scratch, 'second')
  const first = await launchGateway({ dataDir })
  expect(await first.stop()).toBe(0)
  const second = await launchGateway({ dataDir })
  expect(second.stdout()).not.toContain('sk-octopus-')
  expect(second.adminPassword).toBe('')
  expect(await second.stop()).toBe(0)
})

/** Runs the entry until it ends by itself. */
function fails(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ code: number | null; stderr: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['server/headless.ts', ...args], { env: { ...process.env, ...env } })
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.once('exit', (code) => resolve({ code, stderr }))
  })
}

describe('a start that cannot be', () => {
  const dir = (name: string): string => path.join(scratch, name)
  const file = (name: string, content: string): string => {
    const target = path.join(scratch, name)
    writeFileSync(target, content)
    return target
  }

  it.each([
    ['a port that is none', ['--port', '70000'], {}, /server\.port \(from --port\)/],
    ['a port of the environment', [], { OCTOPUS_SERVER_PORT: 'x' }, /server\.port \(from OCTOPUS_SERVER_PORT\)/],
    ['a host of the outside without the switch', ['--host', '0.0.0.0'], {}, /server\.allow_remote/],
    ['an unknown flag', ['--prot', '1'], {}, /usage: /],
    [
      'a database type that is none',
      [],
      { OCTOPUS_DATABASE_TYPE: 'oracle' },
      /database\.type \(from OCTOPUS_DATABASE_TYPE\)/,
    ],
    ['a weak passphrase', [], { OCTOPUS_SECRET_KEY: 'short' }, /OCTOPUS_SECRET_KEY is too short/],
    ['a provision file that is not there', ['--provision', '/nowhere.json'], {}, /provision file cannot be read/],
  ])('says what is wrong: %s', async (...row) => {
    const [name, args, env, message] = row
    const { code, stderr } = await fails(['--data', dir(name.replaceAll(' ', '-')), ...args], env)
    expect(stderr).toMatch(message)
    expect(stderr, 'a sentence, not a stack').not.toMatch(/\n\s+at /)
    expect(code).toBe(1)
  })

  it('names the field of a config file that is wrong', async () => {
    const config = file('bad.json', JSON.stringify({ server: { prot: 1 } }))
    const { stderr } = await fails(['--data', dir('config'), '--config', config])
    expect(stderr).toMatch(/server\.prot \(from .*bad\.json\): no such field/)
  })

  it('names the field of a provision file that is wrong, and has changed nothing', async () => {
    const provision = file(
      'provision.json',
      JSON.stringify({ channels: [{ name: 'x', type: 'openai-chat', keys: [7] }] }),
    )
    const { stderr } = await fails(['--data', dir('provision'), '--port', '0', '--provision', provision])
    expect(stderr).toMatch(/channels\[0\]\.keys\[0\]/)
  })

  it('says who has the port', async () => {
    const other = createServer()
    const port = await new Promise<number>((resolve) => {
      other.listen(0, '127.0.0.1', () => resolve((other.address() as AddressInfo).port))
    })
    const { stderr } = await fails(['--data', dir('port'), '--port', String(port)])
    other.close()
    expect(stderr).toMatch(/another program listens there/)
  })

  it('does not open data with another key', async () => {
    const dataDir = dir('other-key')
    const first = await launchGateway({ dataDir, env: { OCTOPUS_SECRET_KEY: 'the first passphrase' } })
    await first.stop()
    const { stderr } = await fails(['--data', dataDir, '--port', '0'], { OCTOPUS_SECRET_KEY: 'the second passphrase' })
    expect(stderr).toMatch(/sealed with another data key/)
  })
})
