import { setTimeout as wait } from 'node:timers/promises'
import { RelayError } from './errors.ts'
import { AntigravityAccounts, credentialKind, type StoredAccount } from './protocols/antigravity/credential.ts'
import { asNumber, asString, parseObject } from './protocols/narrow.ts'
import type { AccountLookup } from './relay/gateway.ts'
import { Secret } from './secret.ts'
import type { Channel, ChannelKey } from './store/configuration.ts'
import { oauthSecretName } from './store/documents.ts'
import type { Store } from './store/store.ts'
import type { Send } from './upstream/exchange.ts'
import { proxyOf } from './upstream/target.ts'

const WAIT_MS = 30_000
/** Tokens and projects take a few hundred bytes. */
const CAP_BYTES = 1024 * 1024

interface AccountMeans {
  readonly send: Send
  /** Told when a token could not be forgotten. */
  readonly onDefect: (error: unknown) => void
}

/** The least of a Store that accounts need. */
interface AccountStore extends Pick<Store, 'current'> {
  readonly documents: Pick<Store['documents'], 'getSecret' | 'setSecret'>
}

/**
 * Antigravity's accounts over the store (tokens sealed, so that they outlive a restart) and each channel's own proxy. Google's hosts
 * want a project looked up and refresh tokens exchanged. With an access token for any other host, the client's own envelope passes
 * as it is; only a converted request, which has none, gets the project that the host names, if it names one.
 */
export function createAntigravityAccounts(store: AccountStore, { send, onDefect }: AccountMeans): AccountLookup {
  const perChannel = new WeakMap<Channel, Promise<AntigravityAccounts>>()
  /** Keys whose host, not one of Google's, names no project. */
  const nameless = new WeakMap<Channel, ReadonlySet<number>>()
  const accountsOf = (channel: Channel): Promise<AntigravityAccounts> => {
    const accounts = perChannel.get(channel)
    if (accounts !== undefined) return accounts
    const opening = open(channel, store, send)
    perChannel.set(channel, opening)
    // a database that was away for a moment must not cost the channel until the next restart
    opening.catch(() => perChannel.delete(channel))
    return opening
  }
  return {
    find: async ({ channel, baseUrl }, key, converted) => {
      const secret = key.secret.reveal()
      const needed = needsAccount(baseUrl, key)
      if (!needed && !(converted && secret.startsWith('ya29.') && nameless.get(channel)?.has(key.id) !== true))
        return null
      try {
        const { accessToken, project } = await (await accountsOf(channel)).account(secret)
        return { credential: accessToken, project }
      } catch (error) {
        if (needed || !(error instanceof RelayError)) throw error
        if (namesNone(error)) nameless.set(channel, new Set([...(nameless.get(channel) ?? []), key.id]))
        return null
      }
    },
    forget: ({ channel, baseUrl }, key) => {
      if (!needsAccount(baseUrl, key)) return
      accountsOf(channel)
        .then((accounts) => accounts.forget(key.secret.reveal()))
        .catch(onDefect)
    },
  }
}

/** The host has no such call, or no project in its answer; one that is down, or refuses the token, may name one later. */
function namesNone({ kind, detail: { upstreamStatus } }: RelayError): boolean {
  return upstreamStatus === undefined ? kind === 'key_refused' : [200, 400, 404, 405, 501].includes(upstreamStatus)
}

function needsAccount(baseUrl: string, key: ChannelKey): boolean {
  if (key.secret.reveal().startsWith('1//')) return true
  return (
    new URL(baseUrl.replace(/##$/, '')).hostname.endsWith('.googleapis.com') &&
    credentialKind(key.secret.reveal()) === 'access'
  )
}

async function open(channel: Channel, store: AccountStore, send: Send): Promise<AntigravityAccounts> {
  const clientSecret = await store.documents.getSecret(oauthSecretName)
  const { oauthClientId: clientId } = store.current().settings.antigravity
  const hosts = channel.endpoints
    .filter(({ format }) => format === 'antigravity')
    .map(({ baseUrl }) => new URL(baseUrl.replace(/##$/, '')).origin)
  return new AntigravityAccounts({
    hosts,
    oauth: clientSecret === null ? undefined : { clientId, clientSecret: clientSecret.reveal() },
    now: Date.now,
    wait: (ms) => wait(ms),
    post: (url, headers, body) => post(send, { channel, store, url, headers, body }),
    cache: {
      read: async (key) => {
        const kept = await store.documents.getSecret(`antigravity.account.${key}`)
        return kept === null ? undefined : accountOf(kept.reveal())
      },
      write: (key, account) =>
        store.documents.setSecret(`antigravity.account.${key}`, new Secret(JSON.stringify(account))),
    },
  })
}

function accountOf(text: string): StoredAccount | undefined {
  const kept = parseObject(text)
  if (kept === undefined) return undefined
  const accessToken = asString(kept['accessToken'])
  const expiresAt = asNumber(kept['expiresAt'])
  const project = asString(kept['project'])
  return {
    ...(accessToken !== undefined && { accessToken }),
    ...(expiresAt !== undefined && { expiresAt }),
    ...(project !== undefined && { project }),
  }
}

interface Post {
  readonly channel: Channel
  readonly store: AccountStore
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

function post(
  send: Send,
  { channel, store, url, headers, body }: Post,
): Promise<{ readonly status: number; readonly body: string }> {
  const { origin, pathname, search } = new URL(url)
  const { proxyUrl } = store.current().settings.network
  const proxy = proxyOf(channel, proxyUrl === '' ? null : new Secret(proxyUrl))
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    let status = 0
    const request = { origin, path: pathname + search, headers, proxy, connectMs: WAIT_MS, headersMs: WAIT_MS }
    const exchange = send(
      { ...request, method: 'POST', body: Buffer.from(body, 'utf8'), idleMs: WAIT_MS },
      {
        onHead: (code) => {
          status = code
        },
        onData: (chunk) => {
          size += chunk.length
          chunks.push(chunk)
          if (size <= CAP_BYTES) return
          exchange.abort()
          reject(new RelayError('upstream_failed', `${origin} answered with more than 1 MB where a few words were due`))
        },
        onEnd: () => resolve({ status, body: Buffer.concat(chunks).toString('utf8') }),
        onError: reject,
      },
    )
  })
}
