import type { Server } from 'node:http'
import { RelayError } from '../errors.ts'
import type { Running } from './relay-routes.ts'

/** Milliseconds: how long a quit waits for answers under way, and for the last words to those that it cuts. */
const patience = { drain: 5000, lastWords: 250 }
const LOOK_MS = 50

/**
 * No new connections; idle ones are closed, busy ones get their time. Requests of the relay that still run then are told
 * `gateway_stopping` in their caller's format.
 */
export function stopListening(server: Server, running: ReadonlySet<Running>, waits = patience): Promise<void> {
  return new Promise((resolve) => {
    let last: NodeJS.Timeout | undefined
    const force = setTimeout(() => {
      for (const request of running)
        request.stop(new RelayError('gateway_stopping', 'the gateway is being stopped: ask again in a moment'))
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
