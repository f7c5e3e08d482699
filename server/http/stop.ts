import type { Server } from 'node:http'
import { RelayError } from '../errors.ts'
import type { Running } from './relay-routes.ts'

/** Milliseconds: how long a quit waits for answers under way, and for the last words to those that it cuts. */
const patience = { drain: 5000, lastWords: 250 }
const LOOK_MS = 50

/**
 * No new connections; idle ones are closed, busy ones get their time. Requests of the relay that still run then, or come then over
 * a connection that was kept, are told `gateway_stopping` in their caller's format.
 */
export function stopListening(server: Server, running: ReadonlySet<Running>, waits = patience): Promise<void> {
  const told = new WeakSet<Running>()
  const tell = (): void => {
    for (const request of running) {
      if (told.has(request)) continue
      told.add(request)
      request.stop(new RelayError('gateway_stopping', 'the gateway is being stopped: ask again in a moment'))
    }
  }
  // a client under load would send one request after the other over the connections that it keeps
  server.prependListener('request', (_, response) => {
    response.shouldKeepAlive = false
  })
  return new Promise((resolve) => {
    let last: NodeJS.Timeout | undefined
    const force = setTimeout(() => {
      server.on('request', tell)
      tell()
      // what was just said has to reach the sockets first
      last = setTimeout(() => server.closeAllConnections(), waits.lastWords)
    }, waits.drain)
    // a connection whose answer has ended is kept for the client's next request, and would hold the quit up
    const idle = setInterval(() => server.closeIdleConnections(), LOOK_MS)
    server.close(() => {
      clearTimeout(force)
      clearTimeout(last)
      clearInterval(idle)
      resolve()
    })
    server.closeIdleConnections()
  })
}
