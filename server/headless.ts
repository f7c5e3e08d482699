import { isIP } from 'node:net'
import { parseArgs } from 'node:util'
import pino from 'pino'
import { DataDirectoryInUse } from './accounting/data-lock.ts'
import { ConfigError, loadConfig, type ServerConfig } from './config.ts'
import { ContractError } from './contract/define.ts'
import { createServer, type RunningServer } from './index.ts'
import { DatabaseRefusal } from './store/database.ts'

const USAGE = `usage: npm run start:headless -- [--data DIR] [--port N] [--host ADDRESS] [--provision FILE] [--config FILE]

The gateway without a window. Everything can also be set in config.json and by environment variables: see README.md.
`

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      config: { type: 'string' },
      data: { type: 'string' },
      port: { type: 'string' },
      host: { type: 'string' },
      provision: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
    // `octopus start` is what users of the predecessor type
    allowPositionals: true,
  })
  if (values.help === true) {
    process.stdout.write(USAGE)
    return
  }
  const config = loadConfig(values, process.env)
  refuseRemote(config)
  const log = pino({ level: config.log.level, base: null }, pino.destination({ fd: 2, sync: true }))
  const server = await createServer(config, log)
  const stop = (): void => {
    server.close().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ err: error }, 'the gateway could not stop cleanly')
        process.exit(1)
      },
    )
  }
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
  process.once('SIGHUP', stop)
  // last: whoever reads this line may stop us at once, and expects a clean end
  introduce(server)
  process.stdout.write(`listening on ${server.url}\n`)
}

function refuseRemote({ server }: ServerConfig): void {
  const { host } = server
  const loopback = host === 'localhost' || (isIP(host) === 4 && host.startsWith('127.')) || host === '::1'
  if (loopback || server.allow_remote) return
  throw new ConfigError(
    `server.host is ${host}: whoever reaches that address could try keys on this gateway. Set server.allow_remote to true if that is meant, or use 127.0.0.1`,
  )
}

/** What a newcomer needs, once. */
function introduce(server: RunningServer): void {
  const { firstRun, adminPassword, url } = server
  const lines: string[] = []
  if (firstRun !== null) {
    const key = firstRun.apiKey.reveal()
    lines.push('', `  Octopus is running for the first time.`, '', `  address    ${url}`, `  API key    ${key}`)
    if (adminPassword !== null) lines.push(`  admin      ${adminPassword}   (password of ${url}/, shown only now)`)
    if (firstRun.demoModel !== null)
      lines.push(
        '',
        '  Try it; the demo provider needs no account:',
        '',
        `  curl -N ${url}/v1/chat/completions -H 'Authorization: Bearer ${key}' -H 'Content-Type: application/json' -d '{"model":"${firstRun.demoModel}","stream":true,"messages":[{"role":"user","content":"Hello"}]}'`,
      )
    lines.push('')
  } else if (adminPassword !== null)
    lines.push('', `  admin      ${adminPassword}   (password of ${url}/, shown only now)`, '')
  if (lines.length > 0) process.stdout.write(`${lines.join('\n')}\n`)
}

main().catch((error: unknown) => {
  process.stderr.write(`${explain(error)}\n`)
  process.exit(1)
})

/** Known refusals are sentences for a person; anything else is a defect and keeps its stack. */
function explain(error: unknown): string {
  if (error instanceof ConfigError || error instanceof DatabaseRefusal || error instanceof DataDirectoryInUse)
    return error.message
  if (error instanceof ContractError)
    return [error.message, ...(error.issues ?? []).map(({ path, message }) => `  ${path}: ${message}`)].join('\n')
  if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')
    return `${error.message}: another program listens there. Choose another port with --port N.`
  if (error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'))
    return `${error.message}\n\n${USAGE}`
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
