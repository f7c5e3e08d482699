import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { json, recorded, refusalBody, type Play } from '../fake-upstream/index.ts'
import { send, type Heard } from './http.ts'
import { launchGateway } from './launch.ts'
import { Management } from './management.ts'
import {
  addressOf,
  channel,
  emptyProvision,
  gatewayKey,
  plainBody,
  readError,
  startWorld,
  type World,
} from './world.ts'

// Who is asked, in which order and how often: circuits, conversations, limits, patience and addresses, as clients notice them.

const good = recorded('openai-chat', 'vercel-openai-text-s', { lenient: true })
const refusal = (status: number, headers: Record<string, string> = {}): Play =>
  json(status, refusalBody('openai-chat', { status, message: `no (${status})` }), { headers, lenient: true })
const key = (name: string): string => `sk-octopus-${name.padEnd(48, 'x')}`

let world: World
let management: Management

beforeAll(async () => {
  world = await startWorld((upstream) => {
    const provision = emptyProvision()
    const chat = (name: string, more: object = {}): void =>
      void provision.channels.push(channel(upstream, 'openai-chat', { name, models: ['m'], ...more }))
    const group = (name: string, channels: readonly string[], more: object = {}): void =>
      void provision.groups.push({
        name,
        mode: 'failover',
        items: channels.map((one, at) => ({ channel: one, model: `${name}:${String(at)}`, priority: at + 1 })),
        ...more,
      })
    for (const name of ['a', 'b', 'c']) chat(name)
    chat('keys', { keys: ['upstream-1', 'upstream-2', 'upstream-3'] })
    const baseUrls = ['one', 'two'].map((name) => upstream.baseUrl('openai-chat', name))
    const dead = 'http://127.0.0.1:9'
    chat('addresses', { endpoints: [dead, ...baseUrls].map((baseUrl) => ({ format: 'openai-chat', baseUrl })) })
    group('circuit', ['a', 'b'])
    group('lonely', ['a'])
    group('both', ['a', 'b'], { policy: { maxAttempts: 3 } })
    group('seats', ['keys', 'b', 'c'], { affinitySeconds: 60, mode: 'round_robin' })
    const seats = provision.groups.at(-1)
    if (seats !== undefined) seats.items = seats.items.map((item) => ({ ...item, priority: 1 }))
    group('patient', ['a', 'b'], { policy: { neverGiveUp: true } })
    group('addressed', ['addresses'])
    group('fast', ['a', 'b'], { policy: { order: 'latency' } })
    const fast = provision.groups.at(-1)
    if (fast !== undefined) fast.items = fast.items.map((item) => ({ ...item, priority: 1 }))
    group('plain', ['c'])
    const limits = { requestsPerMinute: null, tokensPerMinute: null, concurrency: null }
    provision.apiKeys.push(
      { name: 'three a minute', key: key('rpm'), limits: { ...limits, requestsPerMinute: 3 } },
      { name: 'one at a time', key: key('one'), limits: { ...limits, concurrency: 1 } },
      { name: 'few tokens', key: key('tpm'), limits: { ...limits, tokensPerMinute: 10 } },
    )
    provision.settings['relay'] = {
      keepAliveMs: 400,
      breakerFailures: 3,
      breakerPauseMs: 1500,
      queueMs: 700,
      queueSize: 2,
    }
    return provision
  })
  management = await Management.login(world.gateway, world.gateway.adminPassword)
})
beforeEach(() => {
  world.upstream.reset()
})
afterAll(() => world.close())

interface Asking {
  readonly key?: string
  readonly stream?: boolean
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
  readonly onData?: (soFar: Buffer) => void
}

function ask(
  model: string,
  { key: presented = gatewayKey, stream = true, headers = {}, ...rest }: Asking = {},
): Promise<Heard> {
  return send(`${world.gateway.url}${addressOf('openai-chat', { model, stream })}`, {
    headers: { 'content-type': 'application/json', authorization: `Bearer ${presented}`, ...headers },
    body: JSON.stringify(plainBody('openai-chat', { model, stream })),
    ...rest,
  })
}
const status = async (asked: Promise<Heard>): Promise<number> => (await asked).status
const asked = (): readonly string[] => world.upstream.requests.map(({ at }) => at)

interface LogRow {
  readonly id: string
  readonly outcome: string
  readonly attemptCount: number
}
interface LogDetail extends LogRow {
  readonly attempts: readonly { readonly channelName: string; readonly outcome: string }[]
}
const logOf = async ({ headers }: Heard): Promise<LogDetail> => {
  const id = String(headers['x-octopus-request-id'])
  await expect
    .poll(async () => (await management.get<{ rows: LogRow[] }>('/logs?limit=100')).rows.map((row) => row.id))
    .toContain(id)
  return management.get<LogDetail>(`/logs/${id}`)
}

interface Health {
  readonly channelId: number
  readonly model: string | null
  readonly state: string
}
const openCircuits = async (): Promise<readonly Health[]> =>
  (await management.get<Health[]>('/channel-health')).filter(({ state }) => state === 'open' || state === 'probing')

describe('a circuit', () => {
  test('opens after failures in a row, is passed over, probed after its pause by one request, and closes', async () => {
    const { upstream } = world
    upstream.on('circuit:0', refusal(503))
    upstream.on('circuit:1', good)
    for (let n = 0; n < 3; n++) expect(await status(ask('circuit'))).toBe(200)
    expect(asked()).toEqual(['a', 'b', 'a', 'b', 'a', 'b'])
    expect(await openCircuits()).toMatchObject([{ model: 'circuit:0', state: 'open' }])

    upstream.reset()
    upstream.on('circuit:0', { ...good, delayMs: 300 })
    upstream.on('circuit:1', good)
    const passed = await ask('circuit')
    expect(asked()).toEqual(['b'])
    const { attempts, attemptCount } = await logOf(passed)
    expect(attempts.map(({ channelName, outcome }) => `${channelName} ${outcome}`)).toEqual(['a skipped', 'b answered'])
    expect(attemptCount).toBe(1)

    await new Promise((resolve) => setTimeout(resolve, 1700))
    const crowd = await Promise.all([1, 2, 3, 4].map(() => ask('circuit')))
    expect(crowd.map((heard) => heard.status)).toEqual([200, 200, 200, 200])
    expect(
      asked()
        .slice(1)
        .filter((at) => at === 'a'),
      'one probes',
    ).toHaveLength(1)
    expect(await openCircuits()).toEqual([])
    expect(await status(ask('circuit'))).toBe(200)
    expect(asked().at(-1)).toBe('a')
  })

  test('opens for answers that break off, and is closed by hand', async () => {
    const { upstream } = world
    upstream.on('circuit:0', { ...good, chunking: 'event', after: 5, ending: 'cut' })
    upstream.on('circuit:1', good)
    for (let n = 0; n < 3; n++) expect((await ask('circuit')).body.toString()).toContain('"error"')
    expect(await openCircuits()).toMatchObject([{ model: 'circuit:0', state: 'open' }])
    const [{ channelId } = { channelId: 0 }] = await openCircuits()
    await management.send('POST', `/channels/${String(channelId)}/reset`, { model: 'circuit:0' })
    expect(await openCircuits()).toEqual([])
    upstream.reset()
    upstream.on('circuit:0', good)
    expect(await status(ask('circuit'))).toBe(200)
    expect(asked()).toEqual(['a'])
  })

  test('survives a restart', async () => {
    const { upstream } = world
    const provision = emptyProvision()
    for (const name of ['a', 'b']) provision.channels.push(channel(upstream, 'openai-chat', { name, models: ['m'] }))
    const items = ['a', 'b'].map((name, at) => ({ channel: name, model: `circuit:${String(at)}`, priority: at + 1 }))
    provision.groups.push({ name: 'circuit', mode: 'failover', items })
    provision.settings['relay'] = { breakerFailures: 1, breakerPauseMs: 60_000 }
    upstream.on('circuit:0', refusal(503))
    upstream.on('circuit:1', good)
    const dataDir = `${world.gateway.dataDir}-restart`
    const ask = (url: string): Promise<Heard> =>
      send(`${url}/v1/chat/completions`, {
        headers: { 'content-type': 'application/json', authorization: `Bearer ${gatewayKey}` },
        body: JSON.stringify(plainBody('openai-chat', { model: 'circuit', stream: true })),
      })
    const first = await launchGateway({ provision, dataDir })
    expect(await status(ask(first.url))).toBe(200)
    await first.stop()
    const second = await launchGateway({ dataDir })
    expect(await status(ask(second.url))).toBe(200)
    await second.stop()
    expect(asked()).toEqual(['a', 'b', 'b'])
  })
})

describe('a group with one member', () => {
  test.each([
    ['overloaded', refusal(503)],
    ['broken', { ...good, after: 0, ending: 'reset' } satisfies Play],
    ['limited for a moment', refusal(429, { 'retry-after': '1' })],
  ])('asks it again when it was %s', async (_what, fault) => {
    world.upstream.queue(fault, good)
    const heard = await ask('lonely')
    expect(heard.status).toBe(200)
    expect(heard.body.equals(good.body)).toBe(true)
    expect(asked()).toEqual(['a', 'a'])
    expect((await logOf(heard)).attempts.map(({ outcome }) => outcome)).toEqual(['failed', 'answered'])
  })

  test.each([
    ['refuses the request', refusal(400), 1],
    ['wants a long rest', refusal(429, { 'retry-after': '60' }), 1],
    ['goes on failing', refusal(503), 3],
  ])('that %s is asked no more than is of use', async (_what, fault, times) => {
    await management.send('POST', '/channels/1/reset')
    world.upstream.on('lonely:0', fault)
    expect(await status(ask('lonely'))).toBeGreaterThanOrEqual(400)
    expect(asked()).toHaveLength(times)
  })

  test('lets go at once when the client hangs up in between', async () => {
    await management.send('POST', '/channels/1/reset')
    world.upstream.on('lonely:0', refusal(429, { 'retry-after': '9' }))
    const hangUp = new AbortController()
    const waiting = ask('lonely', { signal: hangUp.signal })
    await expect.poll(asked).toHaveLength(1)
    hangUp.abort()
    await expect(waiting).rejects.toThrow()
    const outcomes = async (): Promise<string[]> =>
      (await management.get<{ rows: LogRow[] }>('/logs?limit=1')).rows.map(({ outcome }) => outcome)
    await expect.poll(outcomes).toEqual(['cancelled'])
    expect(asked()).toHaveLength(1)
  })

  test('with several there is no second round', async () => {
    world.upstream.on('both:0', refusal(503))
    world.upstream.on('both:1', refusal(503))
    expect(await status(ask('both'))).toBe(503)
    expect(asked()).toEqual(['a', 'b'])
  })
})

describe('a conversation', () => {
  test('stays with the member and key that answered it, others share the load', async () => {
    for (const at of [0, 1, 2]) world.upstream.on(`seats:${String(at)}`, good)
    const seatOf = async (session: string): Promise<string> => {
      expect(await status(ask('seats', { headers: { 'x-claude-code-session-id': session } }))).toBe(200)
      const last = world.upstream.requests.at(-1)
      return `${last?.at ?? ''} ${last?.headers['authorization'] ?? ''}`
    }
    const sessions = ['s1', 's2', 's3', 's4', 's5', 's6']
    const first: string[] = []
    for (const session of sessions) first.push(await seatOf(session))
    expect(new Set(first.map((seat) => seat.split(' ')[0])).size).toBe(3)
    for (let round = 0; round < 3; round++)
      for (const [at, session] of sessions.entries()) expect(await seatOf(session)).toBe(first[at])
  })

  test('moves on when its member fails, and stays where it went', async () => {
    for (const at of [0, 1, 2]) world.upstream.on(`seats:${String(at)}`, good)
    const headers = { session_id: 'moving' }
    await ask('seats', { headers })
    const [seat = ''] = asked()
    const model = `seats:${String(['keys', 'b', 'c'].indexOf(seat))}`
    world.upstream.on(model, refusal(503))
    expect(await status(ask('seats', { headers }))).toBe(200)
    const moved = asked().at(-1)
    expect(moved).not.toBe(seat)
    world.upstream.on(model, good)
    expect(await status(ask('seats', { headers }))).toBe(200)
    expect(asked().at(-1)).toBe(moved)
  })
})

describe('a group that never gives up', () => {
  test('keeps a streaming client awake and answers in the end', async () => {
    const { upstream } = world
    await management.send('POST', '/channels/1/reset')
    let tries = 0
    const later = (): Play => (++tries > 6 ? good : refusal(503))
    upstream.on('patient:0', later)
    upstream.on('patient:1', later)
    const heard = await ask('patient')
    expect(heard.status).toBe(200)
    const text = heard.body.toString('utf8')
    expect(text.startsWith(': keep-alive\n\n')).toBe(true)
    expect(text.replaceAll(': keep-alive\n\n', '')).toBe(good.body.toString('utf8'))
    expect((await logOf(heard)).outcome).toBe('success')
  })

  test('waits as long with a client that wants one piece', async () => {
    await management.send('POST', '/channels/1/reset')
    await management.send('POST', '/channels/2/reset')
    let tries = 0
    const answer = json(
      200,
      {
        id: 'x',
        object: 'chat.completion',
        created: 1,
        model: 'm',
        choices: [{ index: 0, message: { role: 'assistant', content: 'at last' }, finish_reason: 'stop' }],
      },
      { lenient: true },
    )
    const later = (): Play => (++tries > 4 ? answer : refusal(429, { 'retry-after': '0' }))
    world.upstream.on('patient:0', later)
    world.upstream.on('patient:1', later)
    const heard = await ask('patient', { stream: false })
    expect(heard.body.toString()).toContain('at last')
  })

  test('does give up where waiting cannot help', async () => {
    world.upstream.on('patient:0', refusal(400))
    world.upstream.on('patient:1', refusal(400))
    const heard = await ask('patient')
    expect(heard.status).toBe(400)
    expect(readError('openai-chat', heard.body.toString('utf8')).message).toContain('no (400)')
  })

  test('tells the error inside the stream when it has begun', async () => {
    await management.send('POST', '/channels/1/reset')
    await management.send('POST', '/channels/2/reset')
    let tries = 0
    const later = (): Play => (++tries > 5 ? refusal(400) : refusal(503))
    world.upstream.on('patient:0', later)
    world.upstream.on('patient:1', later)
    const heard = await ask('patient')
    expect(heard.status).toBe(200)
    expect(heard.body.toString('utf8')).toContain('no (400)')
    expect((await logOf(heard)).outcome).toBe('failure')
  })

  test('ends with the client', async () => {
    world.upstream.on('patient:0', refusal(503))
    world.upstream.on('patient:1', refusal(503))
    const hangUp = new AbortController()
    const heard = await ask('patient', { signal: hangUp.signal, onData: () => hangUp.abort() })
    expect(heard.broken).toBe(true)
    expect((await logOf(heard)).outcome).toBe('cancelled')
    const before = asked().length
    await new Promise((resolve) => setTimeout(resolve, 1500))
    expect(asked()).toHaveLength(before)
  })
})

describe('limits of an API key', () => {
  test('requests per minute: the fourth is told when to come back', async () => {
    world.upstream.on('plain:0', good)
    const statuses: number[] = []
    for (let n = 0; n < 3; n++) statuses.push(await status(ask('plain', { key: key('rpm') })))
    const refused = await ask('plain', { key: key('rpm') })
    expect([...statuses, refused.status]).toEqual([200, 200, 200, 429])
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(50)
    expect(readError('openai-chat', refused.body.toString('utf8'))).toMatchObject({
      words: ['rate_limit_error', 'rate_limit_exceeded'],
    })
    expect(await logOf(refused)).toMatchObject({ outcome: 'failure', attemptCount: 0 })
    expect(asked()).toHaveLength(3)
  })

  test('tokens per minute are counted from the answers', async () => {
    world.upstream.on('plain:0', good)
    expect(await status(ask('plain', { key: key('tpm') }))).toBe(200)
    expect(await status(ask('plain', { key: key('tpm') }))).toBe(429)
  })

  test('one at a time: others wait a while in a short queue, and a hang-up gives the place back', async () => {
    world.upstream.on('plain:0', { ...good, ending: 'stall', after: 5, chunking: 'event' })
    const hangUp = new AbortController()
    const first = ask('plain', { key: key('one'), signal: hangUp.signal })
    await expect.poll(asked).toHaveLength(1)
    const others = [1, 2, 3].map(() => ask('plain', { key: key('one') }))
    const refused = await Promise.race(others)
    expect(refused.status).toBe(429)
    expect(asked()).toHaveLength(1)
    world.upstream.on('plain:0', good)
    hangUp.abort()
    expect((await first).broken).toBe(true)
    expect((await Promise.all(others)).map((heard) => heard.status).sort()).toEqual([200, 200, 429])
  })
})

test('a channel with several addresses: dead ones are passed over at once, the fastest is chosen', async () => {
  const { upstream } = world
  upstream.on('addressed:0', ({ at }) => ({ ...good, delayMs: at === 'one' ? 60 : 0 }))
  for (let n = 0; n < 6; n++) expect(await status(ask('addressed'))).toBe(200)
  expect(asked().slice(0, 2).sort()).toEqual(['one', 'two'])
  upstream.on('addressed:0', ({ at }) => (at === 'two' ? refusal(503) : good))
  upstream.reset()
  upstream.on('addressed:0', ({ at }) => (at === asked()[0] ? refusal(503) : good))
  const heard = await ask('addressed')
  expect(heard.status, 'the other address answers within the same request').toBe(200)
  expect(new Set(asked()).size).toBe(2)
})

test('the fastest member of a tier is asked first once all are measured', async () => {
  const { upstream } = world
  await management.send('POST', '/channels/1/reset')
  await management.send('POST', '/channels/2/reset')
  upstream.on('fast:0', { ...good, delayMs: 80 })
  upstream.on('fast:1', good)
  for (let n = 0; n < 24; n++) expect(await status(ask('fast'))).toBe(200)
  // a twentieth of the requests measures anew
  expect(asked().filter((at) => at === 'a').length).toBeLessThan(10)
})
