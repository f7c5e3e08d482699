/** A server that was started for tests on a free loopback port, with a folder of its own. */
export interface ServerProcess {
  url(database: string): string
  create(database: string): Promise<void>
  stop(): Promise<void>
}
