import { promisify } from 'node:util'
import { zstdCompress } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bodyRows, logRows, statRows } from '../accounting/drain-rows.ts'
import type { FinishedRequest } from '../accounting/record.ts'
import { LogDetail, LogQuery, LogRow, StatsRankingQuery, StatsSeriesQuery, StatsTotals } from '../contract/activity.ts'
import { GroupCreate } from '../contract/groups.ts'
import { DataKey } from './secrets.ts'
import { insert } from './sql.ts'
import { openStore, type Store } from './store.ts'
import { startServer, testKinds, type TestServer } from './testing/databases.ts'

const silent = { info: () => undefined, warn: () => undefined }
const minute = 60_000
const hour = 60 * minute
const start = Date.parse('2026-03-28T20:30Z')

/** Sorts by its number, as UUIDs of version 7 sort by time. */
const idOf = (number: number) => `01980000-0000-7000-8000-${String(number).padStart(12, '0')}`

const someUsage = { input: 100, cacheRead: 10, cacheWrite5m: 4, cacheWrite1h: 1, output: 50, reasoning: 20 }

/** A finished request; `more.usage: null` for one without. */
function finished(
  number: number,
  {
    usage = someUsage,
    ...more
  }: Omit<Partial<FinishedRequest>, 'usage'> & { usage?: FinishedRequest['usage'] | null } = {},
): FinishedRequest {
  return {
    id: idOf(number),
    at: start + number * minute,
    clientFormat: 'anthropic',
    upstreamFormat: 'openai-chat',
    groupId: 1,
    groupName: 'fast',
    requestedModel: 'fast',
    apiKeyId: 1,
    apiKeyName: 'laptop',
    clientSoftware: 'claude-cli/2.1',
    stream: true,
    outcome: 'success',
    httpStatus: 200,
    attempts: [],
    channelId: 1,
    channelName: 'main',
    upstreamModel: 'm1',
    ...(usage !== null && { usage }),
    costNanoUsd: 1_000_000,
    firstTokenMs: 300,
    durationMs: 3000,
    losses: [],
    ...more,
  }
}

const failed = {
  outcome: 'failure',
  httpStatus: 502,
  error: { kind: 'upstream_failed', message: 'Said 100% "NO_WAY" to us' },
  channelId: 2,
  channelName: 'spare',
  upstreamModel: 'm2',
  costNanoUsd: null,
  firstTokenMs: null,
} as const satisfies Partial<FinishedRequest>

async function write(store: Store, records: readonly FinishedRequest[]): Promise<void> {
  const bodies = await Promise.all(
    records.flatMap(({ id, at, bodies: kept }) =>
      kept === undefined
        ? []
        : [promisify(zstdCompress)(JSON.stringify(kept)).then((bytes) => ({ id, at, bytes: Buffer.from(bytes) }))],
    ),
  )
  await store.driver.transaction(async (connection) => {
    await insert(connection, logRows(records))
    await insert(connection, bodyRows(bodies))
    const facts = statRows(records)
    const key = facts.columns.slice(0, 5)
    await insert(connection, facts, { key, add: facts.columns.slice(5) })
  })
}

describe.each(testKinds())('activity on %s', (kind) => {
  let server: TestServer
  beforeAll(async () => {
    server = await startServer(kind)
  })
  afterAll(async () => {
    await server.stop()
  })
  async function storeWith(records: readonly FinishedRequest[]): Promise<Store> {
    const store = await openStore({
      database: await server.fresh(),
      dataKey: new DataKey(Buffer.alloc(32, 7)),
      log: silent,
    })
    await write(store, records)
    return store
  }

  describe('the log', () => {
    const usage = { input: 1, cacheRead: 0, cacheWrite5m: 0, cacheWrite1h: 0, output: 2, estimated: true } as const
    const records = [
      finished(0),
      finished(1, failed),
      finished(2, {
        apiKeyId: 2,
        apiKeyName: 'Desk_top',
        stream: false,
        clientFormat: 'gemini',
        upstreamFormat: 'gemini',
      }),
      // no usage, nobody asked, no key: every column that may be empty is
      finished(3, {
        ...failed,
        usage: null,
        channelId: null,
        channelName: '',
        upstreamModel: '',
        upstreamFormat: null,
        groupId: null,
        groupName: '',
        apiKeyId: null,
        apiKeyName: '',
        httpStatus: 404,
        error: { kind: 'model_not_found', message: 'there is no model' },
      }),
      finished(4, { usage, costNanoUsd: 9_000_000_000, durationMs: 60_000, outcome: 'cancelled', httpStatus: 499 }),
      // two at the same moment
      finished(5),
      finished(6, { at: start + 5 * minute, groupName: 'slow', groupId: 2, requestedModel: 'slow' }),
    ]
    let store: Store
    beforeAll(async () => {
      store = await storeWith(records)
    })
    afterAll(async () => {
      await store.close()
    })
    const numbers = async (query: object) =>
      (await store.logs.page(LogQuery.parse(query))).rows.map(({ id }) => Number(id.slice(-3)))

    it('is read newest first, in the shape of the contract', async () => {
      expect(await numbers({})).toEqual([6, 5, 4, 3, 2, 1, 0])
      const { rows, next } = await store.logs.page(LogQuery.parse({}))
      expect(next).toBeNull()
      for (const row of rows) expect(LogRow.parse(row)).toEqual(row)
      expect(rows.at(-1)).toEqual({
        id: idOf(0),
        at: start,
        clientFormat: 'anthropic',
        upstreamFormat: 'openai-chat',
        groupId: 1,
        groupName: 'fast',
        requestedModel: 'fast',
        apiKeyId: 1,
        apiKeyName: 'laptop',
        clientSoftware: 'claude-cli/2.1',
        stream: true,
        outcome: 'success',
        httpStatus: 200,
        errorKind: null,
        errorMessage: null,
        channelId: 1,
        channelName: 'main',
        upstreamModel: 'm1',
        tokens: { input: 100, cacheRead: 10, cacheWrite5m: 4, cacheWrite1h: 1, output: 50, reasoning: 20 },
        tokensEstimated: false,
        costNanoUsd: 1_000_000,
        firstTokenMs: 300,
        durationMs: 3000,
        attemptCount: 0,
        lossCount: 0,
      })
      expect(rows[3]).toMatchObject({ channelId: null, groupId: null, apiKeyId: null, tokens: null, costNanoUsd: null })
      expect(rows[2]).toMatchObject({ tokensEstimated: true, tokens: { input: 1, output: 2, reasoning: 0 } })
    })

    it.each([
      [{ outcome: 'failure' }, [3, 1]],
      [{ outcome: 'success', channelId: 1 }, [6, 5, 2, 0]],
      [{ channelId: 2 }, [1]],
      [{ channelId: 0 }, [3]],
      [{ apiKeyId: 2 }, [2]],
      [{ groupId: 2 }, [6]],
      [{ groupName: 'slow' }, [6]],
      [{ requestedModel: 'slow' }, [6]],
      [{ upstreamModel: 'm2' }, [1]],
      [{ clientFormat: 'gemini' }, [2]],
      [{ upstreamFormat: 'gemini' }, [2]],
      [{ stream: false }, [2]],
      [{ stream: 'true', httpStatus: 404 }, [3]],
      [{ errorKind: 'upstream_failed' }, [1]],
      [{ clientSoftware: 'claude-cli/2.1', minCostNanoUsd: 1_000_001 }, [4]],
      [{ minDurationMs: 3000.5 }, [4]],
      [{ from: start + minute, to: start + 3 * minute }, [2, 1]],
      [{ text: 'NO MODEL' }, [3]],
      [{ text: '100% "no_way"' }, [1]],
      [{ text: '%' }, [1]],
      [{ text: 'k_t' }, [2]],
      [{ text: 'nowhere' }, []],
      [{ text: '' }, [6, 5, 4, 3, 2, 1, 0]],
    ])('filtered by %o', async (query, expected) => {
      expect(await numbers(query)).toEqual(expected)
    })

    it('is paged without gaps and doubles, also between rows of the same moment and under a filter', async () => {
      for (const filter of [{}, { text: 'fast' }, { outcome: 'success' }, { stream: true, apiKeyId: 1 }]) {
        const all = await numbers(filter)
        const seen: number[] = []
        let cursor: string | undefined
        do {
          const page = await store.logs.page(LogQuery.parse({ ...filter, limit: 1, cursor }))
          seen.push(...page.rows.map(({ id }) => Number(id.slice(-3))))
          cursor = page.next ?? undefined
        } while (cursor !== undefined)
        expect(seen).toEqual(all)
      }
    })

    it.each(['nonsense', '12', `1_'; DROP TABLE relay_log`])('refuses the cursor %s', async (cursor) => {
      await expect(store.logs.page(LogQuery.parse({ cursor }))).rejects.toMatchObject({ code: 'invalid_input' })
    })
  })

  it('gives a row with all that was kept', async () => {
    const attempt = {
      channelId: 2,
      channelName: 'spare',
      model: 'm2',
      format: 'gemini',
      keyId: 5,
      keyNote: 'second',
      status: 429,
      outcome: 'failed',
      error: { kind: 'rate_limited', message: 'slow down' },
      startedMs: 1,
      durationMs: 20,
    } as const
    const bodies = { request: Buffer.from('{"q":"🐙"}').toString('base64'), response: '', truncated: true }
    const record = finished(1, {
      attempts: [attempt],
      losses: [{ field: 'top_k', reason: 'is not known there' }],
      usage: { input: 1, cacheRead: 0, cacheWrite5m: 0, cacheWrite1h: 0, output: 2, raw: { b: 1, a: [null, 'x'] } },
      bodies,
    })
    const store = await storeWith([record, finished(2)])
    const detail = await store.logs.get(idOf(1))
    expect(LogDetail.parse(detail)).toEqual(detail)
    expect(detail).toMatchObject({ attempts: [attempt], losses: record.losses, bodies, attemptCount: 1, lossCount: 1 })
    expect(JSON.stringify(detail.rawUsage)).toBe('{"b":1,"a":[null,"x"]}')
    expect(await store.logs.get(idOf(2))).toMatchObject({ bodies: null, attempts: [], rawUsage: null })
    await expect(store.logs.get(idOf(3))).rejects.toMatchObject({ code: 'not_found' })
    await store.close()
  })

  it('searches many rows in windows, and drops old rows in pieces', async () => {
    const rare = [7, 2100, 4400]
    const records = Array.from({ length: 4500 }, (_, at) =>
      finished(at, { at: start + Math.floor(at / 3), clientSoftware: rare.includes(at) ? 'needle' : 'hay' }),
    )
    const store = await storeWith(records)
    const find = async (limit: number) =>
      (await store.logs.page(LogQuery.parse({ text: 'needle', limit }))).rows.map(({ id }) => Number(id.slice(-4)))
    expect(await find(10)).toEqual([4400, 2100, 7])
    expect(await find(2)).toEqual([4400, 2100])
    const left = async () => Number((await store.driver.query('SELECT COUNT(*) AS n FROM relay_log'))[0]?.['n'])
    await store.logs.dropBefore(start + 700)
    expect(await left()).toBe(4500 - 2100)
    await store.logs.keepRows(100)
    expect(await left()).toBe(100)
    expect(await find(10)).toEqual([4400])
    await store.logs.keepRows(100)
    expect(await left()).toBe(100)
    await store.close()
  })

  it('drops the oldest bodies beyond a size and keeps their rows', async () => {
    const body = (text: string) => ({ request: Buffer.from(text).toString('base64'), response: '', truncated: false })
    const store = await storeWith([0, 1, 2].map((at) => finished(at, { bodies: body(`body ${at}`) })))
    const sizes = (await store.driver.query('SELECT size FROM relay_log_body ORDER BY at DESC')).map(({ size }) =>
      Number(size),
    )
    await store.logs.keepBodyBytes(sizes[0]! + sizes[1]!)
    const kept = await Promise.all([0, 1, 2].map(async (at) => (await store.logs.get(idOf(at))).bodies !== null))
    expect(kept).toEqual([false, true, true])
    await store.logs.keepBodyBytes(0)
    expect((await store.logs.get(idOf(2))).bodies).toBeNull()
    await store.close()
  })

  describe('statistics', () => {
    const records = [
      // Saturday evening in Berlin, before the night in which the clock changes
      finished(0),
      finished(1, failed),
      // 23:30 there, the last hour of Saturday
      finished(120, { costNanoUsd: 5_000_000, firstTokenMs: 100, durationMs: 500, apiKeyId: null, apiKeyName: '' }),
      // Sunday
      finished(24 * 60, { outcome: 'cancelled', httpStatus: 499, costNanoUsd: null }),
      // Monday, 00:30 summer time
      finished(26 * 60, { upstreamModel: 'm3' }),
    ]
    let store: Store
    beforeAll(async () => {
      store = await storeWith(records)
      await store.groups.create(GroupCreate.parse({ name: 'fast, renamed' }))
    })
    afterAll(async () => {
      await store.close()
    })

    it('sum a range', async () => {
      const totals = await store.stats.overview({})
      expect(StatsTotals.parse(totals)).toEqual(totals)
      expect(totals).toMatchObject({
        requests: 5,
        failures: 1,
        cancelled: 1,
        costNanoUsd: 7_000_000,
        unpricedRequests: 2,
        tokens: { input: 500, cacheRead: 50, cacheWrite5m: 20, cacheWrite1h: 5, output: 250, reasoning: 100 },
        firstToken: { count: 4, sumMs: 1000 },
        duration: { count: 3, sumMs: 6500 },
      })
      // the median of 100, 300, 300, 300 lies in the bucket from 200 to 400
      expect(totals.firstToken.p50Ms).toBeGreaterThan(200)
      expect(totals.firstToken.p50Ms).toBeLessThanOrEqual(400)
    })

    it('of nothing are zero, with unknown percentiles', async () => {
      const totals = await store.stats.overview({ model: 'nothing' })
      expect(totals).toMatchObject({ requests: 0, costNanoUsd: 0, firstToken: { count: 0, p50Ms: null, p95Ms: null } })
    })

    it.each([
      [{ channelId: 2 }, 1],
      [{ apiKeyId: 1 }, 4],
      [{ groupId: 1 }, 5],
      [{ model: 'm3' }, 1],
      [{ from: start + hour }, 3],
      [{ to: start + hour }, 2],
      [{ from: start, to: start + 24 * hour }, 3],
    ])('filtered by %o count %d', async (filter, requests) => {
      expect((await store.stats.overview(filter)).requests).toBe(requests)
    })

    it('come by hour', async () => {
      const points = await store.stats.series(StatsSeriesQuery.parse({ step: 'hour' }))
      const at = (iso: string) => Date.parse(iso)
      expect(points.map((point) => [point.at, point.requests])).toEqual([
        [at('2026-03-28T20:00Z'), 2],
        [at('2026-03-28T22:00Z'), 1],
        [at('2026-03-29T20:00Z'), 1],
        [at('2026-03-29T22:00Z'), 1],
      ])
    })

    it.each([
      [
        'UTC',
        [
          ['2026-03-28T00:00Z', 3],
          ['2026-03-29T00:00Z', 2],
        ],
      ],
      [
        'Europe/Berlin',
        [
          ['2026-03-27T23:00Z', 3],
          ['2026-03-28T23:00Z', 1],
          ['2026-03-29T22:00Z', 1],
        ],
      ],
      [
        'Asia/Kolkata',
        [
          ['2026-03-28T18:30Z', 3],
          ['2026-03-29T18:30Z', 2],
        ],
      ],
    ] as const)('come by day in %s', async (timeZone, expected) => {
      const points = await store.stats.series(StatsSeriesQuery.parse({ step: 'day', timeZone }))
      expect(points.map((point) => [point.at, point.requests])).toEqual(
        expected.map(([iso, requests]) => [Date.parse(iso), requests]),
      )
      const cost = points.reduce((sum, point) => sum + point.costNanoUsd, 0)
      expect(cost).toBe(7_000_000)
    })

    it.each([
      [
        { by: 'channel', order: 'requests' },
        [
          [1, 'main', 4],
          [2, 'spare', 1],
        ],
      ],
      [
        { by: 'channel', order: 'failures' },
        [
          [2, 'spare', 1],
          [1, 'main', 4],
        ],
      ],
      [
        { by: 'model', order: 'cost' },
        [
          [null, 'm1', 3],
          [null, 'm3', 1],
          [null, 'm2', 1],
        ],
      ],
      [{ by: 'model', order: 'tokens', limit: 1 }, [[null, 'm1', 3]]],
      [
        { by: 'apiKey', order: 'requests' },
        [
          [1, 'laptop', 4],
          [null, '', 1],
        ],
      ],
      // the group still stands, so its name is today's
      [{ by: 'group' }, [[1, 'fast, renamed', 5]]],
    ] as const)('rank %o', async (query, expected) => {
      const ranks = await store.stats.ranking(StatsRankingQuery.parse(query))
      expect(ranks.map((rank) => [rank.id, rank.name, rank.requests])).toEqual(expected)
    })
  })
})
