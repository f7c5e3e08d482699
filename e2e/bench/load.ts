import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import http from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { z } from 'zod'
import { cpuOf, pins, rssMiB, tool } from './programs.ts'

export type Api = 'chat' | 'messages'

/** One listener to load, and how it is asked. */
export interface Target {
  readonly name: string
  readonly port: number
  /** null: its CPU time is not taken. */
  readonly pid: number | null
  /** How long it goes on working for answers that it has given (the gateway's log rows): that is their cost too. */
  readonly settleMs: number
  readonly api: Api
  readonly model: string
  readonly headers: readonly string[]
}

/** What is asked for: see tools/mock.c for `n`, `pace`. */
export interface Ask {
  readonly stream?: boolean
  readonly n: number
  readonly pace?: number
  /** Bytes of further text in the request. */
  readonly pad?: number
}

/** Options of tools/lg.c. */
export type Load = Readonly<Partial<Record<'conc' | 'n' | 'duration' | 'rate' | 'ramp', number>>>

/** Microseconds. */
const quantiles = z.object({ p50: z.number(), p90: z.number(), p99: z.number() })

/** What tools/lg.c prints. */
const printed = z.object({
  ok: z.number(),
  failed: z.number(),
  incomplete: z.number(),
  seconds: z.number(),
  stamps: z.number(),
  latency: quantiles,
  ttft: quantiles,
  delay: quantiles,
  firstError: z.string(),
})

export interface Slice extends z.infer<typeof printed> {
  /** Microseconds of CPU of what was loaded, and what it waited for a CPU. */
  readonly cpu: number
  readonly waited: number
  readonly peakRss: number
}

const paths = { chat: '/v1/chat/completions', messages: '/v1/messages' }
const filler = 'You are a careful assistant that answers in plain words. '

function bodyOf({ api, model }: Target, ask: Ask): string {
  const system = filler.repeat(Math.ceil((ask.pad ?? 800) / filler.length)).slice(0, ask.pad ?? 800)
  const directive = `[[mock n=${ask.n}${ask.pace === undefined ? '' : ` pace=${ask.pace}`}]]`
  const user = { role: 'user', content: `Say something about gateways. ${directive}` }
  if (api === 'messages')
    return JSON.stringify({ model, max_tokens: 512, system, messages: [user], stream: ask.stream === true })
  const messages = [{ role: 'system', content: system }, user]
  return JSON.stringify({
    model,
    messages,
    temperature: 0.7,
    max_tokens: 512,
    ...(ask.stream === true && { stream: true, stream_options: { include_usage: true } }),
  })
}

const run = promisify(execFile)
const bodyFile = path.join(tmpdir(), `octopus-bench-${process.pid}.json`)

/** One load, and the CPU time and memory that the target took for it. */
export async function measure(target: Target, load: Load, ask: Ask): Promise<Slice> {
  writeFileSync(bodyFile, bodyOf(target, ask))
  const [file = '', ...args] = [
    ...pins.load,
    ...tool('lg'),
    ...['--port', String(target.port), '--path', paths[target.api], '--body', bodyFile, '--timeout', '60'],
    ...target.headers.flatMap((header) => ['--header', header]),
    ...(ask.stream === true ? ['--stream'] : []),
    ...Object.entries(load).flatMap(([name, value]) => [`--${name}`, String(value)]),
  ]
  let peakRss = 0
  const watch = setInterval(() => {
    if (target.pid !== null) peakRss = Math.max(peakRss, rssMiB(target.pid))
  }, 100)
  const before = target.pid === null ? null : cpuOf(target.pid)
  const { stdout } = await run(file, args)
  await sleep(target.settleMs)
  const after = target.pid === null ? null : cpuOf(target.pid)
  clearInterval(watch)
  return {
    ...printed.parse(JSON.parse(stdout)),
    cpu: ((after?.ran ?? 0) - (before?.ran ?? 0)) / 1e3,
    waited: ((after?.waited ?? 0) - (before?.waited ?? 0)) / 1e3,
    peakRss,
  }
}

/** Asks until there is a whole answer. @throws with the last answer after half a minute */
export async function firstAnswer(target: Target): Promise<void> {
  let last = ''
  const end = performance.now() + 30_000
  while (performance.now() < end) {
    last = await once(target)
    if (last === '') return
    await sleep(4)
  }
  throw new Error(`${target.name} gave no good answer: ${last}`)
}

/** '' when the answer is a whole one. */
function once(target: Target): Promise<string> {
  const body = bodyOf(target, { n: 1 })
  const headers = Object.fromEntries(
    target.headers.map((line): [string, string] => [
      line.slice(0, line.indexOf(':')),
      line.slice(line.indexOf(':') + 2),
    ]),
  )
  return new Promise<string>((resolve) => {
    const request = http.request(
      {
        host: '127.0.0.1',
        port: target.port,
        path: paths[target.api],
        method: 'POST',
        agent: false,
        headers: { ...headers, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
      },
      (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (part: string) => (text += part))
        response.on('end', () => {
          const good = response.statusCode === 200 && text.includes('@')
          resolve(good ? '' : `${response.statusCode ?? 0} ${text.slice(0, 300)}`)
        })
      },
    )
    request.on('error', (error) => {
      resolve(error.message)
    })
    request.end(body)
  })
}
