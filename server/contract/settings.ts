import { z } from 'zod'

const minute = 60_000

/** All that can be changed while the gateway runs. Each field has its default here; stored values that no longer parse fall back to it. */
export const Settings = z.object({
  relay: z
    .object({
      /** Both compressed and decompressed. */
      maxBodyBytes: z
        .int()
        .min(1024)
        .max(1024 ** 3)
        .default(64 * 1024 * 1024),
      maxAttempts: z.int().min(1).max(100).default(3),
      deadlineMs: z
        .int()
        .min(0)
        .default(2 * minute),
      connectMs: z.int().min(0).default(10_000),
      headersMs: z
        .int()
        .min(0)
        .default(5 * minute),
      firstTokenMs: z.int().min(0).default(0),
      idleMs: z
        .int()
        .min(0)
        .default(5 * minute),
      totalMs: z.int().min(0).default(0),
      keepAliveMs: z.int().min(0).default(15_000),
      /** `channel/model` is answered without a group. */
      exposeChannelModels: z.boolean().default(false),
      /** Failures in a row that open the circuit of a channel and model; 0: circuits never open. */
      breakerFailures: z.int().min(0).max(1000).default(5),
      /** How long a circuit stays open at first. */
      breakerPauseMs: z.int().min(100).default(10_000),
      /** Requests of one API key over its limits that may wait at a time, and how long. */
      queueSize: z.int().min(0).max(10_000).default(50),
      queueMs: z.int().min(0).max(60_000).default(2000),
      /** Whose turn it is among the keys of a channel. */
      keyRotation: z.enum(['round_robin', 'least_used', 'first']).default('round_robin'),
    })
    .prefault({}),
  network: z
    .object({
      /** For channels that choose `global`; '' for none. */
      proxyUrl: z
        .string()
        .regex(/^$|^(https?|socks5h?):\/\/\S+$/, 'must begin with http://, https:// or socks5://')
        .default(''),
      /** Origins that may call the relay from a browser. */
      corsOrigins: z.array(z.url()).default([]),
    })
    .prefault({}),
  log: z
    .object({
      bodies: z.enum(['off', 'errors', 'all']).default('errors'),
      bodyCapBytes: z
        .int()
        .min(0)
        .max(64 * 1024 * 1024)
        .default(256 * 1024),
      keepDays: z.int().min(0).default(30),
      keepRows: z.int().min(0).default(0),
      keepMegabytes: z.int().min(0).default(0),
    })
    .prefault({}),
  sync: z
    .object({
      modelsEveryHours: z.number().min(0).default(24),
      pricesEveryHours: z.number().min(0).default(24),
    })
    .prefault({}),
  antigravity: z
    .object({
      /** The user has read the warning. */
      accepted: z.boolean().default(false),
      oauthClientId: z.string().default(''),
    })
    .prefault({}),
})
export type Settings = z.output<typeof Settings>

type Fields = Readonly<Record<string, z.ZodDefault<z.ZodType>>>
type Patched<F extends Fields> = z.ZodOptional<
  z.ZodObject<{ -readonly [K in keyof F]: z.ZodOptional<ReturnType<F[K]['unwrap']>> }, z.core.$strict>
>

/** The same fields, each optional and without its default: what is absent stays as it is, what is unknown is refused. */
function patchOf<F extends Fields>(section: z.ZodPrefault<z.ZodObject<F>>): Patched<F> {
  const fields = Object.entries<z.ZodDefault<z.ZodType>>(section.unwrap().shape)
  const optional = Object.fromEntries(fields.map(([name, field]) => [name, field.unwrap().optional()]))
  return z.strictObject(optional).optional() as unknown as Patched<F> // entries lose the names that the type keeps
}

export const SettingsPatch = z.strictObject({
  relay: patchOf(Settings.shape.relay),
  network: patchOf(Settings.shape.network),
  log: patchOf(Settings.shape.log),
  sync: patchOf(Settings.shape.sync),
  antigravity: patchOf(Settings.shape.antigravity),
})
export type SettingsPatch = z.output<typeof SettingsPatch>

/** The user's own OAuth client; the secret is stored sealed and never read back. An empty secret deletes both. */
export const AntigravityClient = z.object({
  clientId: z.string().trim().max(512),
  clientSecret: z.string().trim().max(512),
})
