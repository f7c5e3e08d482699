import { describe, expect, test } from 'vitest'
import { RelayError } from '../../errors.ts'
import {
  AntigravityAccounts,
  antigravityHosts,
  credentialKind,
  type AccountOptions,
  type StoredAccount,
} from './credential.ts'

interface Call {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

type Answer = readonly [status: number, body: unknown] | RelayError

/** Google as a table: the last part of the address → its answers, the last one repeated. */
class Google {
  readonly calls: Call[] = []
  readonly waits: number[] = []
  readonly stored = new Map<string, StoredAccount>()
  now = 1_000_000
  readonly #answers: Record<string, Answer[]>

  constructor(answers: Record<string, Answer[]>) {
    this.#answers = answers
  }

  accounts(oauth: AccountOptions['oauth'] = { clientId: 'id', clientSecret: 'secret' }): AntigravityAccounts {
    return new AntigravityAccounts({
      oauth,
      now: () => this.now,
      wait: (ms) => {
        this.waits.push(ms)
        return Promise.resolve()
      },
      cache: {
        read: (key) => Promise.resolve(this.stored.get(key)),
        write: (key, account) => Promise.resolve(void this.stored.set(key, account)),
      },
      post: (url, headers, body) => {
        this.calls.push({ url, headers, body })
        const name = /[^:/]+$/.exec(url)?.[0] ?? ''
        const answers = this.#answers[name] ?? []
        const answer = answers.length > 1 ? answers.shift() : answers[0]
        if (answer === undefined) throw new Error(`nobody expected ${url}`)
        if (answer instanceof RelayError) return Promise.reject(answer)
        return Promise.resolve({ status: answer[0], body: JSON.stringify(answer[1]) })
      },
    })
  }

  names(): string[] {
    return this.calls.map((call) => /[^:/]+$/.exec(call.url)?.[0] ?? '')
  }
}

const token = (name: string, seconds = 3600): Answer => [
  200,
  { access_token: name, expires_in: seconds, token_type: 'Bearer' },
]
const project: Answer = [200, { cloudaicompanionProject: 'proj-1', currentTier: { id: 'free-tier' } }]

test('the form tells what a credential is', () => {
  expect(credentialKind('1//abc')).toBe('refresh')
  expect(credentialKind('ya29.abc')).toBe('access')
  expect(() => credentialKind('sk-abc')).toThrow(RelayError)
})

describe('refresh tokens', () => {
  test('one token and one project, however many wait', async () => {
    const google = new Google({ token: [token('ya29.a')], loadCodeAssist: [project] })
    const accounts = google.accounts()
    const all = await Promise.all([1, 2, 3].map(() => accounts.account('1//r')))
    expect(all).toEqual(Array(3).fill({ accessToken: 'ya29.a', project: 'proj-1' }))
    expect(google.names()).toEqual(['token', 'loadCodeAssist'])
    const [renewal, load] = google.calls
    expect(Object.fromEntries(new URLSearchParams(renewal!.body))).toEqual({
      client_id: 'id',
      client_secret: 'secret',
      refresh_token: '1//r',
      grant_type: 'refresh_token',
    })
    expect(load!.headers['authorization']).toBe('Bearer ya29.a')
  })
  test('renewed five minutes before it expires, and the project is kept', async () => {
    const google = new Google({ token: [token('ya29.a'), token('ya29.b')], loadCodeAssist: [project] })
    const accounts = google.accounts()
    await accounts.account('1//r')
    google.now += 3_300_000 - 1
    expect((await accounts.account('1//r')).accessToken).toBe('ya29.a')
    google.now += 1
    expect(await accounts.account('1//r')).toEqual({ accessToken: 'ya29.b', project: 'proj-1' })
    expect(google.names()).toEqual(['token', 'loadCodeAssist', 'token'])
  })
  test('a restart asks nobody, and the cache holds no credential', async () => {
    const google = new Google({ token: [token('ya29.a')], loadCodeAssist: [project] })
    await google.accounts().account('1//r')
    expect(await google.accounts().account('1//r')).toEqual({ accessToken: 'ya29.a', project: 'proj-1' })
    expect(google.calls).toHaveLength(2)
    expect(JSON.stringify([...google.stored])).not.toContain('1//r')
  })
  test('a token that the upstream refused is replaced', async () => {
    const google = new Google({ token: [token('ya29.a'), token('ya29.b')], loadCodeAssist: [project] })
    const accounts = google.accounts()
    await accounts.account('1//r')
    await accounts.forget('1//r')
    expect(await accounts.account('1//r')).toEqual({ accessToken: 'ya29.b', project: 'proj-1' })
    expect(google.names()).toEqual(['token', 'loadCodeAssist', 'token'])
  })
  test('while the old token lives, a token server that is down does no harm', async () => {
    const google = new Google({ token: [token('ya29.a'), [503, {}]], loadCodeAssist: [project] })
    const accounts = google.accounts()
    await accounts.account('1//r')
    google.now += 3_400_000
    expect((await accounts.account('1//r')).accessToken).toBe('ya29.a')
    google.now += 300_000
    await expect(accounts.account('1//r')).rejects.toMatchObject({ kind: 'upstream_failed' })
  })
  test('a revoked token is the fault of the key, and the next request may try again', async () => {
    const google = new Google({
      token: [
        [400, { error: 'invalid_grant', error_description: 'Token has been expired or revoked.' }],
        token('ya29.b'),
      ],
      loadCodeAssist: [project],
    })
    const accounts = google.accounts()
    await expect(accounts.account('1//r')).rejects.toMatchObject({
      kind: 'key_refused',
      message: 'Google refused to renew the access token: Token has been expired or revoked.',
    })
    expect((await accounts.account('1//r')).accessToken).toBe('ya29.b')
  })
  test.each([undefined, { clientId: '', clientSecret: '' }])(
    'without an OAuth client the error says what to enter',
    async (oauth) => {
      const bare = new AntigravityAccounts({
        oauth,
        now: () => 0,
        wait: () => Promise.resolve(),
        cache: { read: () => Promise.resolve(undefined), write: () => Promise.resolve() },
        post: () => Promise.reject(new Error('nothing is sent')),
      })
      await expect(bare.account('1//r')).rejects.toMatchObject({
        kind: 'key_refused',
        message: expect.stringContaining('settings') as unknown,
      })
    },
  )
})

test('an access token is used as it is', async () => {
  const google = new Google({ loadCodeAssist: [[200, { cloudaicompanionProject: { id: 'proj-2' } }]] })
  const accounts = google.accounts(undefined)
  expect(await accounts.account('ya29.x')).toEqual({ accessToken: 'ya29.x', project: 'proj-2' })
  await accounts.account('ya29.x')
  expect(google.names()).toEqual(['loadCodeAssist'])
})

describe('hosts and enrolment', () => {
  test('a host that refuses is not the last word', async () => {
    const google = new Google({
      loadCodeAssist: [[403, { error: { message: 'no license' } }], new RelayError('upstream_failed', 'down'), project],
    })
    await google.accounts().account('ya29.x')
    expect(google.calls.map((call) => new URL(call.url).origin)).toEqual(antigravityHosts)
  })
  test('when all refuse, the last refusal is told', async () => {
    const google = new Google({ loadCodeAssist: [[403, { error: { message: 'no license' } }]] })
    await expect(google.accounts().account('ya29.x')).rejects.toMatchObject({
      kind: 'key_refused',
      message: 'no license',
    })
    expect(google.calls).toHaveLength(3)
  })
  test('a token that is refused is refused everywhere', async () => {
    const google = new Google({ loadCodeAssist: [[401, { error: { message: 'expired' } }]] })
    await expect(google.accounts().account('ya29.x')).rejects.toMatchObject({ kind: 'key_refused' })
    expect(google.calls).toHaveLength(1)
  })
  test('an account without a project is enrolled, and the answer waited for', async () => {
    const google = new Google({
      loadCodeAssist: [[200, { allowedTiers: [{ id: 'paid' }, { id: 'free-tier', isDefault: true }] }]],
      onboardUser: [
        [200, { done: false }],
        [200, { done: true, response: { cloudaicompanionProject: { id: 'proj-3' } } }],
      ],
    })
    expect((await google.accounts().account('ya29.x')).project).toBe('proj-3')
    expect(google.waits).toEqual([5000])
    expect(JSON.parse(google.calls[1]!.body)).toMatchObject({ tierId: 'free-tier' })
  })
  test('an account that may not enrol is told why', async () => {
    const google = new Google({
      loadCodeAssist: [[200, { ineligibleTiers: [{ reasonMessage: 'not in your country' }] }]],
    })
    await expect(google.accounts().account('ya29.x')).rejects.toMatchObject({
      kind: 'key_refused',
      message: expect.stringContaining('not in your country') as unknown,
    })
  })
})

test('models come with what is left of their quota', async () => {
  const google = new Google({
    loadCodeAssist: [project],
    fetchAvailableModels: [
      [
        200,
        {
          models: {
            'gemini-3': { quotaInfo: { remainingFraction: 0.5, resetTime: '2026-01-01T00:00:00Z' } },
            other: {},
          },
        },
      ],
    ],
  })
  expect(await google.accounts().models('ya29.x')).toEqual([
    { id: 'gemini-3', remaining: 0.5, resetsAt: '2026-01-01T00:00:00Z' },
    { id: 'other' },
  ])
  expect(JSON.parse(google.calls[1]!.body)).toEqual({ project: 'proj-1' })
})
