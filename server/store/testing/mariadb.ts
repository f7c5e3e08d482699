import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import * as mariadb from 'mariadb'
import type { ServerProcess } from './server-process.ts'

const run = promisify(execFile)

/** Paths of MariaDB's server and of its installer, or null. */
export function findMariadb(): { readonly server: string; readonly install: string } | null {
  const folders = [...(process.env['PATH'] ?? '').split(path.delimiter), '/usr/sbin', '/usr/bin', '/usr/local/sbin']
  const find = (name: string): string | undefined =>
    folders.map((folder) => path.join(folder, name)).find((file) => existsSync(file))
  const server = find('mariadbd')
  const install = find('mariadb-install-db')
  return server === undefined || install === undefined ? null : { server, install }
}

/** MariaDB from the operating system's packages, without its service: a process of ours with a folder of its own. */
export async function startMariadb(folder: string, port: number): Promise<ServerProcess> {
  const found = findMariadb()
  if (found === null) throw new Error('there is no MariaDB on this machine')
  const data = path.join(folder, 'data')
  const user = process.getuid?.() === 0 ? ['--user=root'] : []
  // temporary tables are named by process id, which containers that share a folder have in common
  const env = { ...process.env, TMPDIR: folder }
  await run(
    found.install,
    ['--no-defaults', ...user, `--datadir=${data}`, '--auth-root-authentication-method=normal', '--skip-test-db'],
    { env },
  )
  const child = spawn(
    found.server,
    [
      '--no-defaults',
      ...user,
      `--datadir=${data}`,
      `--socket=${path.join(folder, 's.sock')}`,
      `--port=${port}`,
      '--bind-address=127.0.0.1',
      '--innodb-flush-log-at-trx-commit=0',
      '--innodb-buffer-pool-size=32M',
      // as a server is set up that knows nothing of us: the tables say themselves how they compare text
      '--character-set-server=latin1',
    ],
    { env, stdio: ['ignore', 'ignore', 'pipe'] },
  )
  let said = ''
  child.stderr.on('data', (text: Buffer) => (said += text.toString()))
  const admin = { host: '127.0.0.1', port, user: 'root', connectTimeout: 2000 }
  await answering(child, admin).catch((error: unknown) => {
    child.kill()
    throw new Error(`MariaDB did not start:\n${said}`, { cause: error })
  })
  return {
    url: (database) => `mysql://root@127.0.0.1:${port}/${database}`,
    create: async (database) => {
      const connection = await mariadb.createConnection(admin)
      await connection.query(`CREATE DATABASE ${database}`)
      await connection.end()
    },
    stop: () =>
      new Promise((resolve) => {
        child.once('exit', () => resolve())
        if (!child.kill('SIGTERM')) resolve()
      }),
  }
}

async function answering(child: ChildProcess, admin: mariadb.ConnectionConfig): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      const connection = await mariadb.createConnection(admin)
      await connection.end()
      return
    } catch (error) {
      if (tries >= 300 || child.exitCode !== null) throw error
      await sleep(100)
    }
  }
}
