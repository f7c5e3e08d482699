import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ConfigError, loadConfig, type Arguments } from './config.ts'

let directory: string
let file: string
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'octopus-config-'))
  file = path.join(directory, 'config.json')
})
afterEach(() => rmSync(directory, { recursive: true }))

interface Given {
  readonly args?: Arguments
  readonly env?: NodeJS.ProcessEnv
  readonly file?: unknown
}

function load(given: Given) {
  if (given.file !== undefined) writeFileSync(file, JSON.stringify(given.file))
  return loadConfig({ config: file, ...given.args }, given.env ?? {})
}

function refusal(given: Given): string {
  try {
    load(given)
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError)
    return (error as ConfigError).message
  }
  return expect.fail('it was accepted')
}

describe('command line over environment over file over default', () => {
  test.each<[string, Given, number]>([
    ['flag', { args: { port: '1' }, env: { OCTOPUS_SERVER_PORT: '2' }, file: { server: { port: 3 } } }, 1],
    ['environment', { env: { OCTOPUS_SERVER_PORT: '2' }, file: { server: { port: 3 } } }, 2],
    ['file', { file: { server: { port: 3 } } }, 3],
    ['default', { file: {} }, 8080],
    ['an empty variable is unset', { env: { OCTOPUS_SERVER_PORT: '' }, file: { server: { port: 3 } } }, 3],
    ['a blank variable is unset', { env: { OCTOPUS_SERVER_PORT: ' ' }, file: {} }, 8080],
    ['any free port', { env: { OCTOPUS_SERVER_PORT: '0' } }, 0],
    ['digits in the file', { file: { server: { port: '3' } } }, 3],
  ])('port: %s', (_, given, port) => {
    expect(load(given).server.port).toBe(port)
  })

  test('every flag has its field', () => {
    const config = load({ args: { host: '::1', port: '9', data: directory, provision: 'p.json' } })
    expect(config).toMatchObject({
      server: { host: '::1', port: 9 },
      data: { dir: directory },
      provision: { file: 'p.json' },
    })
  })

  test('every field has its variable', () => {
    const env = {
      OCTOPUS_SERVER_HOST: '0.0.0.0',
      OCTOPUS_SERVER_PORT: '9',
      OCTOPUS_SERVER_ALLOW_REMOTE: 'true',
      OCTOPUS_SERVER_ALLOWED_HOSTS: 'a.example, b.example',
      OCTOPUS_DATA_DIR: '/somewhere',
      OCTOPUS_DATABASE_TYPE: 'postgres',
      OCTOPUS_DATABASE_PATH: 'postgres://db',
      OCTOPUS_LOG_LEVEL: 'debug',
      OCTOPUS_PROVISION_FILE: 'p.json',
    }
    expect(load({ env })).toEqual({
      server: { host: '0.0.0.0', port: 9, allow_remote: true, allowed_hosts: ['a.example', 'b.example'] },
      data: { dir: '/somewhere' },
      database: { type: 'postgres', path: 'postgres://db' },
      log: { level: 'debug' },
      provision: { file: 'p.json' },
    })
    const empty = Object.fromEntries(Object.keys(env).map((name) => [name, '']))
    rmSync(file)
    expect(load({ env: empty })).toEqual(load({}))
  })
})

test.each<[unknown, readonly string[]]>([
  ['', []],
  [' , a.example ,,b.example:8080,', ['a.example', 'b.example:8080']],
  [[' a.example '], ['a.example']],
  [[], []],
])('allowed_hosts %j', (allowed_hosts, names) => {
  expect(load({ file: { server: { allowed_hosts } } }).server.allowed_hosts).toEqual(names)
})

test.each([
  ['true', true],
  ['1', true],
  [' false ', false],
  ['0', false],
])('allow_remote %j', (text, meant) => {
  expect(load({ env: { OCTOPUS_SERVER_ALLOW_REMOTE: text } }).server.allow_remote).toBe(meant)
})

describe('the file', () => {
  test('is made with the fields that a person may want to change, for its owner only, and read back the same', () => {
    const first = load({})
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({
      server: { host: '127.0.0.1', port: 8080, allow_remote: false, allowed_hosts: [] },
      database: { type: 'sqlite', path: 'octopus.db' },
      log: { level: 'info' },
    })
    if (process.platform !== 'win32') expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(load({})).toEqual(first)
  })

  test.each<[string, (data: string) => readonly [Arguments, NodeJS.ProcessEnv]]>([
    ['--data', (data) => [{ data }, {}]],
    ['OCTOPUS_DATA_DIR', (data) => [{}, { OCTOPUS_DATA_DIR: data, OCTOPUS_CONFIG: '' }]],
    [
      'OCTOPUS_CONFIG (over --data)',
      (data) => [{ data: '/nowhere' }, { OCTOPUS_CONFIG: path.join(data, 'config.json') }],
    ],
  ])('lies where %s says, in a directory that is made for it', (_, given) => {
    const data = path.join(directory, 'new', 'data')
    loadConfig(...given(data))
    expect(existsSync(path.join(data, 'config.json'))).toBe(true)
  })

  test('what does not come from it is not written into it', () => {
    load({ args: { port: '9' }, env: { OCTOPUS_LOG_LEVEL: 'error' } })
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ server: { port: 8080 }, log: { level: 'info' } })
  })
})

const PORT = 'must be a whole number from 0 to 65535'
describe('what is wrong is named, with the place where it was set', () => {
  test.each<[Given, string]>([
    [{ args: { port: 'abc' } }, `server.port (from --port): ${PORT}`],
    [{ args: { port: '' } }, `server.port (from --port): ${PORT}`],
    [{ args: { host: ' ' } }, 'server.host (from --host): must be a text that is not empty'],
    [{ args: { data: '' } }, 'data.dir (from --data): must be a text that is not empty'],
    [{ env: { OCTOPUS_SERVER_PORT: '80a' } }, `server.port (from OCTOPUS_SERVER_PORT): ${PORT}`],
    [{ env: { OCTOPUS_SERVER_PORT: '65536' } }, `server.port (from OCTOPUS_SERVER_PORT): ${PORT}`],
    [{ env: { OCTOPUS_SERVER_PORT: '-1' } }, `server.port (from OCTOPUS_SERVER_PORT): ${PORT}`],
    [{ env: { OCTOPUS_SERVER_PORT: '80.5' } }, `server.port (from OCTOPUS_SERVER_PORT): ${PORT}`],
    [
      { env: { OCTOPUS_SERVER_ALLOW_REMOTE: 'yes' } },
      'server.allow_remote (from OCTOPUS_SERVER_ALLOW_REMOTE): must be true or false',
    ],
    [
      { env: { OCTOPUS_DATABASE_TYPE: 'oracle' } },
      'database.type (from OCTOPUS_DATABASE_TYPE): must be one of sqlite, mysql, postgres',
    ],
    [
      { env: { OCTOPUS_LOG_LEVEL: 'loud' } },
      'log.level (from OCTOPUS_LOG_LEVEL): must be one of debug, info, warn, error, silent',
    ],
  ])('%j', (given, message) => {
    expect(refusal(given)).toBe(message)
  })

  test.each<[unknown, string]>([
    [{ server: { port: 80.5 } }, `server.port (from FILE): ${PORT}`],
    [{ server: { port: null } }, `server.port (from FILE): ${PORT}`],
    [{ server: { port: '' } }, `server.port (from FILE): ${PORT}`],
    [{ server: { port: true } }, `server.port (from FILE): ${PORT}`],
    [{ server: { host: 5 } }, 'server.host (from FILE): must be a text that is not empty'],
    [
      { server: { allowed_hosts: [''] } },
      'server.allowed_hosts (from FILE): must be a list of host names, none of them empty',
    ],
    [
      { server: { allowed_hosts: 5 } },
      'server.allowed_hosts (from FILE): must be a list of host names, none of them empty',
    ],
    [{ database: { path: '' } }, 'database.path (from FILE): must be a text that is not empty'],
    [{ provision: { file: 5 } }, 'provision.file (from FILE): must be a text'],
    [{ server: { prot: 1 } }, 'server.prot (from FILE): no such field'],
    [{ sever: {} }, 'sever (from FILE): no such field'],
    [{ server: 5 }, 'server in FILE must be an object of fields'],
    [[], 'FILE must hold a JSON object'],
    [
      { server: { port: -1 }, log: { level: 5 } },
      `server.port (from FILE): ${PORT}\nlog.level (from FILE): must be one of debug, info, warn, error, silent`,
    ],
  ])('%j in the file', (content, message) => {
    expect(refusal({ file: content })).toBe(message.replaceAll('FILE', file))
  })

  test('a file that is no JSON', () => {
    writeFileSync(file, '{')
    expect(refusal({})).toContain(`${file} is not valid JSON: `)
  })
})
