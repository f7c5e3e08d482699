import { randomBytes } from 'node:crypto'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Secret } from '../../secret.ts'
import type { DatabaseConfig } from '../database.ts'
import { findMariadb, startMariadb } from './mariadb.ts'
import { startPostgresql } from './postgresql.ts'

export type Kind = DatabaseConfig['kind']

/** A server process that tests may make databases on; SQLite needs none and has a folder instead. */
export interface TestServer {
  readonly kind: Kind
  /** A new, empty database. */
  fresh(): Promise<DatabaseConfig>
  stop(): Promise<void>
}

/**
 * The databases that can be tested on this machine. What is missing is said; where CI is set, it is an error, because there every
 * database must be tested.
 */
export function testKinds(): readonly Kind[] {
  const mariadb = findMariadb()
  if (mariadb !== null) return ['sqlite', 'postgresql', 'mysql']
  const reason = 'no MariaDB here: apt-get install -y --no-install-recommends mariadb-server-core mariadb-client-core'
  if (process.env['CI']) throw new Error(reason)
  console.warn(`tests on MySQL are skipped: ${reason}`)
  return ['sqlite', 'postgresql']
}

export async function startServer(kind: Kind): Promise<TestServer> {
  const folder = await mkdtemp(path.join(tmpdir(), `octopus-${kind}-`))
  if (kind === 'sqlite')
    return {
      kind,
      fresh: () => Promise.resolve({ kind, file: path.join(folder, `${randomName()}.db`) }),
      stop: () => rm(folder, { recursive: true, force: true }),
    }
  await chmod(folder, 0o755) // the server may run as another user
  const port = await freePort()
  const server = kind === 'postgresql' ? await startPostgresql(folder, port) : await startMariadb(folder, port)
  return {
    kind,
    fresh: async () => {
      const name = randomName()
      await server.create(name)
      return { kind, url: new Secret(server.url(name)) }
    },
    stop: async () => {
      await server.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

const randomName = (): string => `test_${randomBytes(6).toString('hex')}`

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.on('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => {
        if (typeof address === 'object' && address !== null) resolve(address.port)
        else reject(new Error('no free port'))
      })
    })
  })
}
