import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startDrain } from '../../server/accounting/drain.ts'
import type { FinishedRequest } from '../../server/accounting/record.ts'
import { openSpool } from '../../server/accounting/spool.ts'
import { newRequestId } from '../../server/relay/request-id.ts'
import { Secret } from '../../server/secret.ts'
import { loadDataKey } from '../../server/store/secrets.ts'
import { openStore } from '../../server/store/store.ts'
import { median, type Row } from './pairs.ts'

const ROWS = 4000
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }

/**
 * What one request's record costs after it was made: the line in the spool, and its way into SQLite. The gateway has no switch to turn
 * them off, so they are run alone: at 4,000 a second, as under load, for batches are cheaper than single rows.
 */
export async function logRowCost(times: number): Promise<readonly Row[]> {
  const directory = mkdtempSync(path.join(tmpdir(), 'octopus-bench-rows-'))
  try {
    const dataKey = await loadDataKey({ given: new Secret('0'.repeat(64)), dataDir: directory })
    const database = { kind: 'sqlite' as const, file: path.join(directory, 'octopus.db') }
    const store = await openStore({ database, dataKey, log: silent })
    const spool = await openSpool({ directory: path.join(directory, 'spool'), log: silent })
    const drain = startDrain({ spool, driver: store.driver, log: silent })
    const spooling: number[] = []
    const whole: number[] = []
    for (let time = 0; time <= times; time++) {
      const before = micros()
      let appending = 0
      for (let row = 0; row < ROWS; row += 40) {
        const began = micros()
        for (let i = 0; i < 40; i++) spool.append(record(row + i))
        appending += micros() - began
        await sleep(10)
      }
      await drain.flush()
      if (time === 0) continue // the first compiles
      spooling.push(appending / ROWS)
      whole.push((micros() - before) / ROWS)
    }
    await drain.close()
    spool.close()
    await store.close()
    return [row('CPU µs/row, spool', spooling), row('CPU µs/row', whole)]
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function micros(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}

function row(figure: string, values: readonly number[]): Row {
  const none = { floor: NaN, ratio: NaN, ratioMin: NaN, ratioMax: NaN }
  return { scenario: 'log-row', figure, who: 'gateway', value: median(values), ...none }
}

function record(number: number): FinishedRequest {
  const at = Date.now()
  const usage = { input: 25, cacheRead: 0, cacheWrite5m: 0, cacheWrite1h: 0, output: 120, reasoning: 0 }
  return {
    id: newRequestId(at),
    at,
    clientFormat: 'openai-chat',
    upstreamFormat: 'openai-chat',
    groupId: 1,
    groupName: 'bench',
    requestedModel: 'bench',
    apiKeyId: 1,
    apiKeyName: 'bench',
    clientSoftware: 'OpenAI/JS',
    stream: false,
    outcome: 'success',
    httpStatus: 200,
    attempts: [
      {
        channelId: 1,
        channelName: 'mock',
        model: 'gpt-4o-mini',
        format: 'openai-chat',
        keyId: 1,
        keyNote: '',
        status: 200,
        outcome: 'answered',
        startedMs: 0,
        durationMs: number % 50,
      },
    ],
    channelId: 1,
    channelName: 'mock',
    upstreamModel: 'gpt-4o-mini',
    usage: { ...usage, raw: { prompt_tokens: 25, completion_tokens: 120, total_tokens: 145 } },
    costNanoUsd: 75_750,
    firstTokenMs: number % 40,
    durationMs: number % 50,
    losses: [],
  }
}
