import { createHash, randomBytes } from 'node:crypto'
import { ContractError } from '../contract/define.ts'
import type { CallContext, Handlers } from '../contract/index.ts'
import { hashPassword, randomPassword, verifyPassword } from './password.ts'
import { Throttle } from './throttle.ts'

interface SessionRecord {
  readonly id: number
  readonly userAgent: string
  /** Unix ms. */
  readonly createdAt: number
  readonly lastSeenAt: number
  readonly expiresAt: number
}

/** What of the store the login needs. */
export interface CredentialStore {
  readonly admin: {
    passwordHash(): Promise<string | null>
    setPasswordHash(hash: string): Promise<void>
  }
  readonly sessions: {
    create(session: {
      tokenHash: string
      userAgent: string
      createdAt: number
      expiresAt: number
    }): Promise<SessionRecord>
    findByTokenHash(tokenHash: string): Promise<SessionRecord | null>
    touch(id: number, times: { lastSeenAt: number; expiresAt: number }): Promise<void>
    list(): Promise<readonly SessionRecord[]>
    /** False when there was none. */
    delete(id: number): Promise<boolean>
    deleteExpired(now: number): Promise<void>
  }
}

const LIFETIME_MS = 30 * 24 * 3600_000
/** How stale `lastSeenAt` may get: not every call is a write. */
const TOUCH_AFTER_MS = 10 * 60_000

/** Makes the admin password when there is none. Returns it this once, for printing; null when one stands. */
export async function ensureAdminPassword(store: Pick<CredentialStore, 'admin'>): Promise<string | null> {
  if ((await store.admin.passwordHash()) !== null) return null
  const password = randomPassword()
  await store.admin.setPasswordHash(await hashPassword(password))
  return password
}

export interface Sessions {
  /** The session of a token, or null; using a session prolongs it. `renewed`: its new end should be told to the browser. */
  authenticate(
    token: string,
  ): Promise<{ readonly id: number; readonly expiresAt: number; readonly renewed: boolean } | null>
  onEnd(listener: (sessionId: number) => void): () => void
  readonly handlers: Pick<Handlers, (`session.${string}` & keyof Handlers) | 'admin.changePassword'>
}

/** Login, sessions and the admin password. Only a token's hash is ever stored. */
export function createSessions(store: CredentialStore, now: () => number = Date.now): Sessions {
  const throttle = new Throttle(now)
  const listeners = new Set<(sessionId: number) => void>()

  const end = async (id: number) => {
    const existed = await store.sessions.delete(id)
    if (existed) for (const listener of listeners) listener(id)
    return existed
  }
  /** Throws unless the password is right. */
  const prove = async (password: string, remoteAddress: string) => {
    throttle.begin(remoteAddress)
    if (!(await verifyPassword(password, await store.admin.passwordHash()))) {
      throw new ContractError('unauthorized', 'That is not the admin password.')
    }
    throttle.succeed(remoteAddress)
  }
  const find = async (id: number | null) => {
    const sessions = id === null ? [] : await store.sessions.list()
    return sessions.find((session) => session.id === id && session.expiresAt > now())
  }

  return {
    async authenticate(token) {
      const session = await store.sessions.findByTokenHash(hashToken(token))
      if (session === null || session.expiresAt <= now()) return null
      if (now() - session.lastSeenAt < TOUCH_AFTER_MS)
        return { id: session.id, expiresAt: session.expiresAt, renewed: false }
      const expiresAt = now() + LIFETIME_MS
      await store.sessions.touch(session.id, { lastSeenAt: now(), expiresAt })
      return { id: session.id, expiresAt, renewed: true }
    },

    onEnd(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },

    handlers: {
      'session.login': async ({ password }, context) => {
        await prove(password, context.remoteAddress)
        await store.sessions.deleteExpired(now())
        const token = randomBytes(32).toString('base64url')
        const expiresAt = now() + LIFETIME_MS
        await store.sessions.create({
          tokenHash: hashToken(token),
          userAgent: context.userAgent.slice(0, 512),
          createdAt: now(),
          expiresAt,
        })
        context.grant({ token, expiresAt })
        return { token, expiresAt }
      },

      'session.logout': async (_input, context) => {
        if (context.sessionId !== null) await end(context.sessionId)
        context.grant(null)
        return null
      },

      'session.status': async (_input, context) => {
        const session = await find(context.sessionId)
        return {
          loginRequired: isRemote(context),
          loggedIn: !isRemote(context) || session !== undefined,
          expiresAt: session?.expiresAt ?? null,
        }
      },

      'session.list': async (_input, context) => {
        const sessions = await store.sessions.list()
        return sessions
          .filter((session) => session.expiresAt > now())
          .map((session) => ({ ...session, current: session.id === context.sessionId }))
      },

      'session.revoke': async ({ id }) => {
        if (!(await end(id))) throw new ContractError('not_found', `there is no session ${id}`)
        return null
      },

      'admin.changePassword': async ({ oldPassword, newPassword }, context) => {
        await prove(oldPassword, context.remoteAddress)
        await store.admin.setPasswordHash(await hashPassword(newPassword))
        for (const session of await store.sessions.list()) {
          if (session.id !== context.sessionId) await end(session.id)
        }
        return null
      },
    },
  }
}

function isRemote(context: CallContext): boolean {
  return context.via === 'http'
}

function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}
