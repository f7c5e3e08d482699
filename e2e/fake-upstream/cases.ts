import { readFileSync } from 'node:fs'
import { list, object, objects, parse, text, type JsonObject } from './json.ts'
import { wireFormats, type WireFormat } from './target.ts'

/** One recorded exchange with a real provider. */
export interface RecordedCase {
  readonly id: string
  readonly format: WireFormat
  readonly status: number
  readonly stream: boolean
  readonly tags: readonly string[]
  /** The provider's reply headers worth keeping; without a content type where none was recorded. */
  readonly headers: Readonly<Record<string, string>>
  /** Where it was recorded; '' for documentation. `api.openai.com` and the like, or a compatible provider's host. */
  readonly host: string
  /** The recording was cut off on purpose. */
  readonly cut: boolean
  reply(): Buffer
  /** What the client had sent; undefined where only the reply was recorded. */
  request(): JsonObject | undefined
}

const folder = new URL('../fixtures/', import.meta.url)
const read = (name: string): Buffer => readFileSync(new URL(name, folder))

/** Every case of `e2e/fixtures/INDEX.json`. */
export const recordedCases: readonly RecordedCase[] = objects(
  object(parse(read('INDEX.json').toString('utf8'))).cases,
).map((row) => ({
  id: text(row.id),
  format: formatOf(row.format),
  status: Number(row.status),
  stream: row.stream === true,
  tags: list(row.tags).map(text),
  headers: Object.fromEntries(Object.entries(object(row.headers)).map(([name, value]) => [name, text(value)])),
  host: text(row.host),
  cut: row.cut === true,
  reply: () => read(text(row.reply)),
  request: () => (row.request === undefined ? undefined : object(parse(read(text(row.request)).toString('utf8')))),
}))

const byName = new Map(recordedCases.map((one) => [`${one.format}/${one.id}`, one]))

/** @throws when there is no such case: a test that asks for it is wrong. */
export function recordedCase(format: WireFormat, id: string): RecordedCase {
  const found = byName.get(`${format}/${id}`)
  if (found === undefined) throw new Error(`no recorded case ${format}/${id}`)
  return found
}

function formatOf(value: unknown): WireFormat {
  const found = wireFormats.find((format) => format === value)
  if (found === undefined) throw new Error(`INDEX.json names an unknown format: ${text(value)}`)
  return found
}

/** A request of the shape that a coding agent sends (`e2e/fixtures/sessions/`). */
export interface AgentSession {
  readonly name: string
  readonly client: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: JsonObject
}

export function agentSession(name: string): AgentSession {
  const file = object(parse(read(`sessions/${name}.json`).toString('utf8')))
  const headers = Object.entries(object(file.headers)).map(([header, value]) => [header, text(value)] as const)
  return {
    name,
    client: text(file.client),
    path: text(file.path),
    headers: Object.fromEntries(headers),
    body: object(file.body),
  }
}

/** Names of all sessions, in the order of their turns. */
export const agentSessions = [
  'amp.1-result',
  'claude-code.1-title',
  'claude-code.2-first',
  'claude-code.3-result',
  'claude-code.4-parallel',
  'claude-code.5-budget',
  'claude-code.6-count',
  'code-assist.1-first',
  'code-assist.2-result',
  'code-assist.3-parallel',
  'codex.1-first',
  'codex.2-result',
  'codex.3-patch',
  'codex.4-parallel',
  'gemini-cli.1-router',
  'gemini-cli.2-first',
  'gemini-cli.3-result',
  'gemini-cli.4-parallel',
  'gemini-cli.5-count',
  'opencode.anthropic',
  'opencode.chat',
  'opencode.gemini',
  'opencode.responses',
  'qwen-code.1-first',
  'qwen-code.2-result',
] as const
