import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { z } from 'zod'

/** What the layers below may log with; pino fulfils it. */
export interface Logger {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

const yesOrNo = { error: 'must be true or false' }
const flag = z.union(
  [
    z.boolean(),
    z
      .string()
      .trim()
      .pipe(z.enum(['true', 'false', '1', '0']))
      .transform((text) => text === 'true' || text === '1'),
  ],
  yesOrNo,
)

const portWords = { error: 'must be a whole number from 0 to 65535' }
/** A number, or its digits as the environment and the command line give them. Not `coerce`: it takes '' and null for 0. */
const port = z
  .union([z.number(), z.string().trim().regex(/^\d+$/).transform(Number)], portWords)
  .pipe(z.int(portWords).min(0, portWords).max(65_535, portWords))

const someText = { error: 'must be a text that is not empty' }
const text = z.string(someText).trim().min(1, someText)

const nameWords = { error: 'must be a list of host names, none of them empty' }
const hostNames = z.union(
  [
    z.array(z.string(nameWords).trim().min(1, nameWords)),
    z.string().transform((names) =>
      names
        .split(',')
        .map((name) => name.trim())
        .filter((name) => name !== ''),
    ),
  ],
  nameWords,
)

/** One of a few words. */
function oneOf<const W extends readonly [string, ...string[]]>(words: W) {
  return z.enum(words, { error: `must be one of ${words.join(', ')}` })
}

/** config.json. Every field can also be set by the environment variable OCTOPUS_SECTION_FIELD. */
const ConfigFile = z.strictObject({
  server: z
    .strictObject({
      host: text.default('127.0.0.1'),
      port: port.default(8080),
      /** Needed to listen on anything but this machine itself. */
      allow_remote: flag.default(false),
      /** Further names by which clients call this gateway, as they stand in the Host header; comma separated in the environment. */
      allowed_hosts: hostNames.default([]),
    })
    .prefault({}),
  data: z.strictObject({ dir: text.default('data') }).prefault({}),
  database: z
    .strictObject({
      type: oneOf(['sqlite', 'mysql', 'postgres']).default('sqlite'),
      /** A file below the data directory for SQLite; a connection URL for the others. */
      path: text.default('octopus.db'),
    })
    .prefault({}),
  log: z.strictObject({ level: oneOf(['debug', 'info', 'warn', 'error', 'silent']).default('info') }).prefault({}),
  provision: z.strictObject({ file: z.string({ error: 'must be a text' }).default('') }).prefault({}),
})
export type ServerConfig = z.output<typeof ConfigFile>

/** Says which field is wrong and where it was set. Its message is meant for a person at a terminal. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

export interface Arguments {
  readonly config?: string | undefined
  readonly data?: string | undefined
  readonly port?: string | undefined
  readonly host?: string | undefined
  readonly provision?: string | undefined
}

/**
 * Command line over environment over config.json over defaults. The file is written with the defaults when it does not exist,
 * so that a person finds every field there. An environment variable that is empty counts as unset: container files often name
 * variables without giving them a value.
 * @throws ConfigError
 */
export function loadConfig(args: Arguments, environment: NodeJS.ProcessEnv): ServerConfig {
  const env = Object.fromEntries(Object.entries(environment).filter(([, value]) => value?.trim() !== ''))
  const dataDir = args.data ?? env['OCTOPUS_DATA_DIR']
  const file = args.config ?? env['OCTOPUS_CONFIG'] ?? path.join(dataDir ?? 'data', 'config.json')
  const fromFile = existsSync(file) ? readConfigFile(file) : createConfigFile(file)
  const merged: Record<string, Record<string, unknown>> = {}
  const origin = new Map<string, string>()
  const put = (section: string, field: string, from: { readonly value: unknown; readonly origin: string }): void => {
    merged[section] = { ...merged[section], [field]: from.value }
    origin.set(`${section}.${field}`, from.origin)
  }
  for (const [section, fields] of Object.entries(fromFile)) {
    if (typeof fields !== 'object' || fields === null)
      throw new ConfigError(`${section} in ${file} must be an object of fields`)
    merged[section] ??= {}
    for (const [field, value] of Object.entries(fields)) put(section, field, { value, origin: file })
  }
  for (const [section, schema] of Object.entries(ConfigFile.shape))
    for (const field of Object.keys(schema.unwrap().shape)) {
      const name = `OCTOPUS_${section}_${field}`.toUpperCase()
      if (env[name] !== undefined) put(section, field, { value: env[name], origin: name })
    }
  if (args.data !== undefined) put('data', 'dir', { value: args.data, origin: '--data' })
  if (args.port !== undefined) put('server', 'port', { value: args.port, origin: '--port' })
  if (args.host !== undefined) put('server', 'host', { value: args.host, origin: '--host' })
  if (args.provision !== undefined) put('provision', 'file', { value: args.provision, origin: '--provision' })
  const parsed = ConfigFile.safeParse(merged)
  if (!parsed.success) throw new ConfigError(explain(parsed.error, { file, origin }))
  return parsed.data
}

function explain(error: z.ZodError, known: { readonly file: string; readonly origin: Map<string, string> }): string {
  return error.issues
    .map((issue) => {
      const field = issue.path.slice(0, 2).join('.')
      const where = known.origin.get(field) ?? known.file
      const name = issue.code === 'unrecognized_keys' ? [field, issue.keys[0]].filter(Boolean).join('.') : field
      return `${name} (from ${where}): ${issue.code === 'unrecognized_keys' ? 'no such field' : issue.message}`
    })
    .join('\n')
}

function readConfigFile(file: string): Record<string, unknown> {
  let parsed: unknown
  try {
    parsed = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new ConfigError(`${file} is not valid JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
  const object = z.record(z.string(), z.unknown()).safeParse(parsed)
  if (!object.success) throw new ConfigError(`${file} must hold a JSON object`)
  return object.data
}

function createConfigFile(file: string): Record<string, unknown> {
  const defaults = ConfigFile.parse({})
  // the data directory is where the file lies; a provision file is a matter of one start
  const written = { server: defaults.server, database: defaults.database, log: defaults.log }
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(file, `${JSON.stringify(written, null, 2)}\n`, { flag: 'wx', mode: 0o600 })
  return written
}
