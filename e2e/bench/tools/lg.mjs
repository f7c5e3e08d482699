// lg.c in Node, for machines without a C compiler: the same options, the same JSON. Its own time shows in latencies.
import { readFileSync } from 'node:fs'
import http from 'node:http'
import { parseArgs } from 'node:util'

const text = { type: 'string' }
const { values } = parseArgs({
  options: {
    port: text,
    path: text,
    body: text,
    header: { type: 'string', multiple: true, default: [] },
    stream: { type: 'boolean', default: false },
    conc: { type: 'string', default: '1' },
    n: { type: 'string', default: '1000' },
    duration: text,
    rate: text,
    ramp: { type: 'string', default: '0' },
    timeout: { type: 'string', default: '60' },
  },
})
const body = readFileSync(values.body)
const headers = Object.fromEntries(values.header.map((line) => line.split(/:\s*(.*)/s)))
const agent = new http.Agent({ keepAlive: true, maxSockets: Infinity })
const stamp = /@(\d{9,20})@/g
const micros = () => Number(process.hrtime.bigint()) / 1e3
const startedAt = micros()
const endAt = values.duration === undefined ? Infinity : startedAt + Number(values.duration) * 1e6
let wanted = values.duration === undefined ? Number(values.n) : Infinity
let started = 0
let finished = 0
const result = { ok: 0, failed: 0, incomplete: 0, seconds: 0, stamps: 0, bytes: 0, connections: 0 }
const latency = []
const ttft = []
const delay = []
let firstError = ''

function begin(again) {
  started++
  const sentAt = micros()
  let seen = ''
  let stamps = 0
  const done = (problem) => {
    finished++
    if (problem === null) {
      result.ok++
      latency.push(micros() - sentAt)
      if (values.stream && !/\[DONE\]|message_stop/.test(seen)) result.incomplete++
    } else {
      result.failed++
      firstError ||= problem
    }
    if (micros() >= endAt) wanted = Math.min(wanted, started)
    if (finished >= wanted) report()
    else again?.()
  }
  const request = http.request({
    host: '127.0.0.1',
    port: values.port,
    path: values.path,
    method: 'POST',
    agent,
    headers: { ...headers, 'content-type': 'application/json', 'content-length': body.length },
  })
  request.on('socket', (socket) => {
    if (socket.connecting) result.connections++
  })
  request.on('error', (error) => done(error.message))
  request.on('response', (response) => {
    response.setEncoding('latin1')
    response.on('data', (piece) => {
      const now = micros()
      result.bytes += piece.length
      seen += piece
      let last = 0
      for (const match of seen.matchAll(stamp)) {
        if (stamps++ === 0) ttft.push(now - sentAt)
        result.stamps++
        delay.push(now - Number(match[1]) / 1e3)
        last = match.index + match[0].length
      }
      seen = seen.slice(Math.max(last, seen.length - 200))
    })
    response.on('error', (error) => done(error.message))
    response.on('end', () => done(response.statusCode === 200 ? null : `code ${response.statusCode}`))
  })
  request.end(body)
}

function quantiles(list) {
  list.sort((a, b) => a - b)
  const at = (q) => list[Math.floor((list.length - 1) * q)] ?? 0
  return { n: list.length, p50: at(0.5), p90: at(0.9), p99: at(0.99) }
}

function report() {
  result.seconds = (micros() - startedAt) / 1e6
  result.failed += Math.max(0, started - finished)
  const samples = { latency: quantiles(latency), ttft: quantiles(ttft), delay: quantiles(delay) }
  console.log(JSON.stringify({ ...result, ...samples, firstError }))
  process.exit(0)
}

setTimeout(report, Number(values.timeout) * 1000)
if (values.rate !== undefined) {
  const timer = setInterval(() => {
    while (started < wanted && micros() - startedAt >= (started * 1e6) / Number(values.rate)) begin(null)
    if (started >= wanted) clearInterval(timer)
  }, 1)
} else {
  const conc = Math.min(Number(values.conc), wanted)
  const loop = () => {
    if (started < wanted) begin(loop)
  }
  for (let i = 0; i < conc; i++) setTimeout(loop, (Number(values.ramp) * i) / conc)
}
