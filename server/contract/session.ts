import { z } from 'zod'

/** A password as it is chosen; logging in takes any text, so that an old one never locks its owner out. */
const NewPassword = z.string().min(10, 'must have at least 10 characters').max(1024)

export const Login = z.object({ password: z.string().min(1, 'must not be empty').max(1024) })

/** `token` is for `Authorization: Bearer`; browsers get the same as an HttpOnly cookie and need not read it. */
export const LoginResult = z.object({ token: z.string(), expiresAt: z.number() })

export const SessionRow = z.object({
  id: z.int(),
  createdAt: z.number(),
  /** To within ten minutes: it is not written on every call. */
  lastSeenAt: z.number(),
  expiresAt: z.number(),
  userAgent: z.string(),
  /** The one that asks. */
  current: z.boolean(),
})
export type SessionRow = z.output<typeof SessionRow>

export const SessionStatus = z.object({
  /** False in the app's own window, where the operating system's user is the login. */
  loginRequired: z.boolean(),
  loggedIn: z.boolean(),
  expiresAt: z.number().nullable(),
})

export const PasswordChange = z.object({ oldPassword: z.string().min(1).max(1024), newPassword: NewPassword })
