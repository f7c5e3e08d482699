import { createHash } from 'node:crypto'
import { RelayError } from '../../errors.ts'
import type { JsonObject } from '../../model/request.ts'
import { decodeError } from '../gemini/errors.ts'
import { objects } from '../gemini/wire.ts'
import { asNumber, asObject, asString, parseObject } from '../narrow.ts'

/** One POST through the relay's own upstream client, so that the channel's proxy and limits hold. Rejects with a RelayError. */
type Post = (
  url: string,
  headers: Readonly<Record<string, string>>,
  body: string,
) => Promise<{ readonly status: number; readonly body: string }>

/** What is kept of an account. `key` is a hash: the cache never sees the credential, but the token is a secret too: seal it. */
interface AccountCache {
  read(key: string): Promise<StoredAccount | undefined>
  write(key: string, account: StoredAccount): Promise<void>
}

export interface StoredAccount {
  readonly accessToken?: string
  /** Unix ms. */
  readonly expiresAt?: number
  readonly project?: string
}

/** The OAuth client that the user entered in the settings; there is none in this source. */
interface OAuthClient {
  readonly clientId: string
  readonly clientSecret: string
}

export interface AccountOptions {
  readonly post: Post
  readonly cache: AccountCache
  readonly oauth: OAuthClient | undefined
  /** Unix ms. */
  readonly now: () => number
  readonly wait: (ms: number) => Promise<void>
  /** Tried in this order; one that refuses is not the last word. */
  readonly hosts?: readonly string[]
}

export interface Account {
  readonly accessToken: string
  readonly project: string
}

export const antigravityHosts: readonly string[] = [
  'https://daily-cloudcode-pa.sandbox.googleapis.com',
  'https://daily-cloudcode-pa.googleapis.com',
  'https://cloudcode-pa.googleapis.com',
]

const TOKEN_URL = 'https://oauth2.googleapis.com/token'
const REFRESH_BEFORE_MS = 5 * 60_000
const ONBOARDING_POLLS = 12
const ONBOARDING_POLL_MS = 5000
const METADATA = { ideType: 'IDE_UNSPECIFIED', platform: 'PLATFORM_UNSPECIFIED', pluginType: 'GEMINI' }

/** `1//…` is a refresh token, `ya29.…` an access token; anything else is refused. @throws RelayError `key_refused` */
export function credentialKind(credential: string): 'refresh' | 'access' {
  if (credential.startsWith('1//')) return 'refresh'
  if (credential.startsWith('ya29.')) return 'access'
  throw new RelayError('key_refused', 'an Antigravity key is a refresh token (1//…) or an access token (ya29.…)')
}

/**
 * Turns what the user entered into an access token and a project. Tokens are refreshed five minutes before they expire, once however
 * many requests wait for it, and outlive a restart through the cache.
 */
export class AntigravityAccounts {
  readonly #options: AccountOptions
  readonly #hosts: readonly string[]
  readonly #known = new Map<string, StoredAccount>()
  readonly #pending = new Map<string, Promise<Account>>()

  constructor(options: AccountOptions) {
    this.#options = options
    this.#hosts = options.hosts ?? antigravityHosts
  }

  /** @throws RelayError `key_refused` (nothing but another key helps) or `upstream_failed` */
  async account(credential: string): Promise<Account> {
    const key = createHash('sha256').update(credential).digest('hex')
    const known = this.#known.get(key)
    if (known !== undefined && this.#isFresh(known, credential)) return complete(known, credential)
    let pending = this.#pending.get(key)
    if (pending === undefined) {
      pending = this.#obtain(credential, key).finally(() => this.#pending.delete(key))
      this.#pending.set(key, pending)
    }
    return pending
  }

  /** The upstream refused the access token (401): the next call gets a new one. */
  async forget(credential: string): Promise<void> {
    const key = createHash('sha256').update(credential).digest('hex')
    const project = this.#known.get(key)?.project
    const kept = project === undefined ? {} : { project }
    this.#known.set(key, kept)
    await this.#options.cache.write(key, kept)
  }

  /** The models of the account and what is left of their quota (0 to 1, renewed at `resetsAt`). */
  async models(
    credential: string,
  ): Promise<readonly { readonly id: string; readonly remaining?: number; readonly resetsAt?: string }[]> {
    const { accessToken, project } = await this.account(credential)
    const body = await this.#call('fetchAvailableModels', accessToken, { project })
    return Object.entries(asObject(body['models']) ?? {}).map(([id, model]) => {
      const quota = asObject(asObject(model)?.['quotaInfo'])
      const remaining = asNumber(quota?.['remainingFraction'])
      const resetsAt = asString(quota?.['resetTime'])
      return { id, ...(remaining !== undefined && { remaining }), ...(resetsAt !== undefined && { resetsAt }) }
    })
  }

  async #obtain(credential: string, key: string): Promise<Account> {
    let stored = this.#known.get(key) ?? (await this.#options.cache.read(key)) ?? {}
    if (!this.#isFresh(stored, credential)) {
      if (credentialKind(credential) === 'refresh' && !this.#isValid(stored, REFRESH_BEFORE_MS))
        stored = { ...stored, ...(await this.#refreshed(credential, stored)) }
      if (stored.project === undefined) {
        const project = await this.#project(stored.accessToken ?? credential)
        stored = { ...stored, project }
      }
      await this.#options.cache.write(key, stored)
    }
    this.#known.set(key, stored)
    return complete(stored, credential)
  }

  #isFresh(stored: StoredAccount, credential: string): boolean {
    if (stored.project === undefined) return false
    return credentialKind(credential) === 'access' || this.#isValid(stored, REFRESH_BEFORE_MS)
  }

  #isValid(stored: StoredAccount, marginMs: number): boolean {
    if (stored.accessToken === undefined || stored.expiresAt === undefined) return false
    return stored.expiresAt - this.#options.now() > marginMs
  }

  /** While the old token still lives, a token server that is down does no harm. */
  async #refreshed(refreshToken: string, stored: StoredAccount): Promise<StoredAccount> {
    try {
      return await this.#refresh(refreshToken)
    } catch (error) {
      if (error instanceof RelayError && error.kind !== 'key_refused' && this.#isValid(stored, 0)) return stored
      throw error
    }
  }

  async #refresh(refreshToken: string): Promise<StoredAccount> {
    const { oauth, post, now } = this.#options
    if (oauth === undefined || oauth.clientId === '' || oauth.clientSecret === '')
      throw new RelayError(
        'key_refused',
        'the OAuth client for Antigravity is not configured: enter its id and secret in the settings, or use an access token (ya29.…)',
      )
    const form = new URLSearchParams({
      client_id: oauth.clientId,
      client_secret: oauth.clientSecret,
      refresh_token: refreshToken,
      grant_type: 'refresh_token',
    })
    const sentAt = now()
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const answer = await post(TOKEN_URL, headers, form.toString())
    const body = parseObject(answer.body) ?? {}
    const accessToken = asString(body['access_token'])
    if (answer.status !== 200 || accessToken === undefined) throw refused(answer.status, body)
    return { accessToken, expiresAt: sentAt + (asNumber(body['expires_in']) ?? 3600) * 1000 }
  }

  /** The project that Google made for the account; an account that never used the service is enrolled first. */
  async #project(accessToken: string): Promise<string> {
    const loaded = await this.#call('loadCodeAssist', accessToken, { metadata: METADATA })
    const project = projectOf(loaded)
    if (project !== undefined) return project
    const tiers = objects(loaded['allowedTiers'])
    const tier = tiers.find((entry) => entry['isDefault'] === true) ?? tiers[0]
    if (tier === undefined)
      throw new RelayError('key_refused', `Google offers this account no tier${ineligible(loaded)}`)
    const enrolment = { tierId: asString(tier['id']) ?? 'free-tier', metadata: METADATA }
    for (let poll = 0; poll < ONBOARDING_POLLS; poll++) {
      if (poll > 0) await this.#options.wait(ONBOARDING_POLL_MS)
      const operation = await this.#call('onboardUser', accessToken, enrolment)
      const made = projectOf(asObject(operation['response']) ?? {})
      if (made !== undefined) return made
      if (operation['done'] === true) break
    }
    throw new RelayError('key_refused', 'Google made no project for this account (onboardUser)')
  }

  async #call(method: string, accessToken: string, body: JsonObject): Promise<JsonObject> {
    const headers = { authorization: `Bearer ${accessToken}`, 'content-type': 'application/json' }
    let failure = new RelayError('upstream_failed', 'no Antigravity host is configured')
    for (const host of this.#hosts) {
      try {
        const answer = await this.#options.post(`${host}/v1internal:${method}`, headers, JSON.stringify(body))
        const object = parseObject(answer.body)
        if (answer.status === 200 && object !== undefined) return object
        failure = decodeError(answer.status, {}, answer.body)
        if (answer.status === 401) break
      } catch (error) {
        if (!(error instanceof RelayError)) throw error
        failure = error
      }
    }
    throw failure
  }
}

function complete(stored: StoredAccount, credential: string): Account {
  return { accessToken: stored.accessToken ?? credential, project: stored.project ?? '' }
}

/** `invalid_grant` and its kin are final; a token server that is down is not. */
function refused(status: number, body: JsonObject): RelayError {
  const code = asString(body['error'])
  const said = asString(body['error_description']) ?? code ?? `status ${status}`
  const kind = status >= 400 && status < 500 && status !== 429 ? 'key_refused' : 'upstream_failed'
  return new RelayError(kind, `Google refused to renew the access token: ${said}`, {
    upstreamStatus: status,
    upstreamCode: code,
  })
}

/** A plain id, or an object with one. */
function projectOf(body: JsonObject): string | undefined {
  const project = body['cloudaicompanionProject']
  const id = asString(project) ?? asString(asObject(project)?.['id'])
  return id === '' ? undefined : id
}

function ineligible(loaded: JsonObject): string {
  const reasons = objects(loaded['ineligibleTiers']).flatMap((tier) => asString(tier['reasonMessage']) ?? [])
  return reasons.length === 0 ? '' : `: ${reasons.join('; ')}`
}
