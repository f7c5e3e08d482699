import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { CallContext } from '../contract/index.ts'
import { DataKey } from '../store/secrets.ts'
import { openStore, type Store } from '../store/store.ts'
import { createSessions, ensureAdminPassword } from './session.ts'

const DAY = 24 * 3600_000
let directory = ''
let store: Store
let now = Date.parse('2026-01-01T00:00:00Z')

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'octopus-session-'))
  const log = { info: () => undefined, warn: () => undefined }
  const database = { kind: 'sqlite', file: join(directory, 'data.db') } as const
  store = await openStore({ database, dataKey: new DataKey(randomBytes(32)), log })
})
afterEach(async () => {
  await store.close()
  await rm(directory, { recursive: true })
})

function from(remoteAddress: string, sessionId: number | null = null) {
  const granted: unknown[] = []
  const context: CallContext = {
    via: 'http',
    signal: new AbortController().signal,
    remoteAddress,
    userAgent: `browser at ${remoteAddress}`,
    sessionId,
    grant: (session) => granted.push(session),
  }
  return { context, granted }
}

async function logIn(sessions: ReturnType<typeof createSessions>, password: string, address = '10.0.0.1') {
  const { token } = await sessions.handlers['session.login']({ password }, from(address).context)
  const session = await sessions.authenticate(token)
  return { token, id: session!.id }
}

describe('the admin password', () => {
  it('is made once, at the first start, and works', async () => {
    const password = await ensureAdminPassword(store)
    expect(password).toMatch(/^\w{5}(-\w{5}){3}$/)
    expect(await ensureAdminPassword(store)).toBeNull()
    expect(await store.admin.passwordHash()).not.toContain(password!)
    const { token } = await logIn(createSessions(store), password!)
    expect(token).toMatch(/^[\w-]{43}$/)
  })

  it('opens nothing before it is made', async () => {
    const { handlers } = createSessions(store)
    await expect(handlers['session.login']({ password: '' }, from('::1').context)).rejects.toMatchObject({
      code: 'unauthorized',
    })
  })

  it('can be changed by whoever knows it, and that ends all other sessions', async () => {
    const old = (await ensureAdminPassword(store))!
    const sessions = createSessions(store)
    const here = await logIn(sessions, old)
    const there = await logIn(sessions, old, '10.0.0.2')
    const ended: number[] = []
    sessions.onEnd((id) => ended.push(id))
    const change = (oldPassword: string) =>
      sessions.handlers['admin.changePassword'](
        { oldPassword, newPassword: 'a new one, longer' },
        from('10.0.0.1', here.id).context,
      )

    await expect(change('wrong')).rejects.toMatchObject({ code: 'unauthorized' })
    expect(await sessions.authenticate(there.token)).not.toBeNull()
    await change(old)
    expect(ended).toEqual([there.id])
    expect(await sessions.authenticate(there.token)).toBeNull()
    expect(await sessions.authenticate(here.token)).not.toBeNull()
    await expect(logIn(sessions, old)).rejects.toMatchObject({ code: 'unauthorized' })
    await logIn(sessions, 'a new one, longer')
  })
})

describe('guessing', () => {
  it('is slowed down, also for the change of the password, and a right guess pays', async () => {
    const password = (await ensureAdminPassword(store))!
    const sessions = createSessions(store, () => now)
    const guess = (word: string, address = '10.0.0.1') =>
      sessions.handlers['session.login']({ password: word }, from(address).context)
    for (let n = 0; n < 6; n += 1) await expect(guess('wrong')).rejects.toMatchObject({ code: 'unauthorized' })
    await expect(guess(password)).rejects.toMatchObject({ code: 'too_many_requests', retryAfterMs: 1000 })
    const change = { oldPassword: password, newPassword: 'x'.repeat(10) }
    await expect(sessions.handlers['admin.changePassword'](change, from('10.0.0.1').context)).rejects.toMatchObject({
      code: 'too_many_requests',
    })
    await guess(password, '10.0.0.2')
    now += 1000
    await guess(password)
  })
})

describe('sessions', () => {
  it('are stored as hashes, prolonged by use, and end after 30 days without', async () => {
    const password = (await ensureAdminPassword(store))!
    const sessions = createSessions(store, () => now)
    const { token } = await logIn(sessions, password)
    expect(JSON.stringify(await store.driver.query('SELECT * FROM session'))).not.toContain(token)

    expect(await sessions.authenticate(token)).toMatchObject({ expiresAt: now + 30 * DAY, renewed: false })
    now += 29 * DAY
    expect(await sessions.authenticate(token)).toMatchObject({ expiresAt: now + 30 * DAY, renewed: true })
    expect(await sessions.authenticate(token)).toMatchObject({ renewed: false })
    now += 29 * DAY
    expect(await sessions.authenticate(token)).not.toBeNull()
    now += 30 * DAY
    expect(await sessions.authenticate(token)).toBeNull()
    expect(await sessions.handlers['session.list']({}, from('::1').context)).toEqual([])
    expect(await sessions.authenticate('')).toBeNull()
  })

  it('are listed, revoked and logged out', async () => {
    const password = (await ensureAdminPassword(store))!
    const sessions = createSessions(store)
    const here = await logIn(sessions, password)
    const there = await logIn(sessions, password, '10.0.0.2')
    const asHere = from('10.0.0.1', here.id)
    const listed = await sessions.handlers['session.list']({}, asHere.context)
    expect(listed.map(({ id, current, userAgent }) => [id, current, userAgent])).toEqual([
      [there.id, false, 'browser at 10.0.0.2'],
      [here.id, true, 'browser at 10.0.0.1'],
    ])
    await sessions.handlers['session.revoke']({ id: there.id }, asHere.context)
    expect(await sessions.authenticate(there.token)).toBeNull()
    await expect(sessions.handlers['session.revoke']({ id: there.id }, asHere.context)).rejects.toMatchObject({
      code: 'not_found',
    })
    await sessions.handlers['session.logout']({}, asHere.context)
    expect(asHere.granted).toEqual([null])
    expect(await sessions.authenticate(here.token)).toBeNull()
  })

  it('need no login in our own window', async () => {
    const { handlers } = createSessions(store)
    const context: CallContext = { ...from('').context, via: 'ipc' }
    expect(await handlers['session.status']({}, context)).toEqual({
      loginRequired: false,
      loggedIn: true,
      expiresAt: null,
    })
    expect(await handlers['session.status']({}, from('::1').context)).toEqual({
      loginRequired: true,
      loggedIn: false,
      expiresAt: null,
    })
  })
})
