// The yardstick: node:http in front, undici's dispatch behind; nothing is parsed, logged, converted or checked. What a relay in Node
// must at least cost. Environment: UPSTREAM (an origin). Prints its address when it listens.
import http from 'node:http'
import { Pool } from 'undici'

const pool = new Pool(process.env.UPSTREAM, {
  connections: null,
  pipelining: 1,
  keepAliveTimeout: 60_000,
  headersTimeout: 0,
  bodyTimeout: 0,
})
const upstreamHeaders = ['content-type', 'application/json', 'authorization', 'Bearer sk-upstream']

class Relay {
  constructor(response) {
    this.response = response
    this.done = false
    response.on('close', () => {
      if (!this.done) this.abort?.(new Error('the client went away'))
    })
  }

  onConnect(abort) {
    this.abort = abort
  }

  onHeaders(status, raw, resume) {
    this.resume = resume
    const headers = []
    for (let i = 0; i < raw.length; i += 2) {
      const name = raw[i].latin1Slice()
      if (!/^(connection|keep-alive|transfer-encoding)$/i.test(name)) headers.push(name, raw[i + 1].latin1Slice())
    }
    this.response.writeHead(status, headers)
    return true
  }

  onData(chunk) {
    if (this.response.write(chunk)) return true
    this.response.once('drain', this.resume)
    return false
  }

  onComplete() {
    this.done = true
    this.response.end()
  }

  onError() {
    this.done = true
    this.response.destroy()
  }
}

const server = http.createServer((request, response) => {
  const parts = []
  request.on('data', (part) => parts.push(part))
  request.on('end', () => {
    const body = parts.length === 1 ? parts[0] : Buffer.concat(parts)
    pool.dispatch({ path: request.url, method: request.method, headers: upstreamHeaders, body }, new Relay(response))
  })
})
server.listen(0, '127.0.0.1', () => console.log(`floor on http://127.0.0.1:${server.address().port}`))
