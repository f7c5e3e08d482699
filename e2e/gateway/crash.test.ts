import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, expect, it } from 'vitest'
import { launchGateway, type RunningGateway } from './launch.ts'
import { Management } from './management.ts'

/**
 * Accounting across `kill -9`: clients stream and ask whole under load, the process is killed at random moments and started again
 * on the same data. Whatever a client got to its end is logged once and counted once.
 */
const ROUNDS = 6
const CLIENTS = 12
const KEY = 'sk-octopus-crash-test-0001'
const dataDir = mkdtempSync(path.join(tmpdir(), 'octopus-crash-'))

const provision = {
  channels: [{ name: 'demo', type: 'demo', models: ['demo-normal', 'demo-echo'] }],
  groups: [{ name: 'demo', mode: 'round_robin', items: [{ channel: 'demo', model: 'demo-echo' }] }],
  apiKeys: [{ name: 'crash', key: KEY }],
}

interface Row {
  id: string
  outcome: string
  tokens: { input: number; output: number } | null
}

interface Totals {
  requests: number
  failures: number
  cancelled: number
  tokens: { input: number; output: number }
}

afterAll(() => rmSync(dataDir, { recursive: true, force: true }))

/** One request; gives its id when the client has read the answer's end, null when the gateway died before. */
async function ask(gateway: RunningGateway, stream: boolean): Promise<string | null> {
  try {
    const response = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        model: 'demo',
        stream,
        ...(stream && { stream_options: { include_usage: true } }),
        messages: [{ role: 'user', content: 'one two three' }],
      }),
    })
    let text = ''
    const id = response.headers.get('x-octopus-request-id')
    const decoder = new TextDecoder()
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk, { stream: true })
      // the terminal event itself is the end for a client, whatever becomes of the connection after it
      if (stream && text.includes('data: [DONE]\n\n')) return id
    }
    return stream ? null : id
  } catch {
    return null
  }
}

it('loses nothing that was answered and counts nothing twice, however often the process is killed', async () => {
  const answered = new Set<string>()
  let password = ''
  for (let round = 0; round < ROUNDS; round++) {
    const gateway = await launchGateway({ dataDir, ...(round === 0 && { provision }) })
    if (gateway.adminPassword !== '') password = gateway.adminPassword
    let alive = true
    const clients = Array.from({ length: CLIENTS }, async (_unused, client) => {
      for (let turn = 0; alive; turn++) {
        const id = await ask(gateway, (client + turn) % 2 === 0)
        if (id !== null) answered.add(id)
      }
    })
    await delay(150 + Math.random() * 900)
    await gateway.kill9()
    alive = false
    await Promise.all(clients)
  }
  expect(answered.size, 'the load was real').toBeGreaterThan(ROUNDS * CLIENTS)

  const gateway = await launchGateway({ dataDir })
  const management = await Management.login(gateway, password)
  // the drain brings in what the last process left; the log stands still when it is done
  let rows: Row[] = []
  await expect
    .poll(async () => {
      const before = rows.length
      rows = await management.logs<Row>()
      return rows.length === before && [...answered].every((id) => rows.some((row) => row.id === id))
    })
    .toBe(true)
  const totals = await management.get<Totals>('/stats/overview')
  await gateway.stop()

  const ids = rows.map(({ id }) => id)
  expect(new Set(ids).size, 'no request is logged twice').toBe(ids.length)
  expect(totals.requests, 'counted is what is logged').toBe(rows.length)
  expect(totals.failures).toBe(rows.filter(({ outcome }) => outcome === 'failure').length)
  expect(totals.cancelled).toBe(rows.filter(({ outcome }) => outcome === 'cancelled').length)
  const sum = (kind: 'input' | 'output'): number => rows.reduce((total, { tokens }) => total + (tokens?.[kind] ?? 0), 0)
  expect(totals.tokens.input).toBe(sum('input'))
  expect(totals.tokens.output).toBe(sum('output'))
  const finished = new Map(rows.map((row) => [row.id, row]))
  for (const id of answered) expect(finished.get(id)).toMatchObject({ outcome: 'success' })
}, 180_000)
