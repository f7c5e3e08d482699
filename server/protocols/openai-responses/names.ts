import { createHash } from 'node:crypto'
import type { JsonObject, Tool } from '../../model/request.ts'
import { asString } from '../narrow.ts'

/** OpenAI refuses longer ids, names, keys and users. */
const LONGEST = 64

/** Text within the API's limit: what is longer keeps its beginning and ends in a digest, the same each time. */
export function shorten(text: string): string {
  if (text.length <= LONGEST) return text
  const digest = createHash('sha256').update(text).digest('base64url').slice(0, 22)
  return `${text.slice(0, LONGEST - digest.length - 1)}_${digest}`
}

/**
 * A tool's name as OpenAI takes it (letters, digits, `_`, `-`, up to 64). One that had to be changed ends in a digest, so that two
 * never become one.
 */
export function fittingName(name: string): string {
  if (/^[A-Za-z0-9_-]{1,64}$/.test(name)) return name
  const digest = createHash('sha256').update(name).digest('hex').slice(0, 8)
  return `${name.replace(/[^A-Za-z0-9_-]/g, '_').slice(0, LONGEST - digest.length - 1)}_${digest}`
}

/** The way back for the tools of a request whose names did not fit. */
export function originalNames(tools: readonly Tool[]): ReadonlyMap<string, string> {
  const names = new Map<string, string>()
  for (const { name } of tools) {
    const fitting = fittingName(name)
    if (fitting !== name) names.set(fitting, name)
  }
  return names
}

/**
 * A member of a namespace under the one name that every format knows: `crm` + `find` → `crm__find`. A function that was loaded
 * later stands in a namespace of its own name: it stays what it is.
 */
export function flatName(namespace: string | undefined, name: string): string {
  if (namespace === undefined || namespace === '' || namespace === name) return name
  const joined = namespace.endsWith('__') ? namespace + name : `${namespace}__${name}`
  return fittingName(joined)
}

/** How calls of a tool are told to the client that declared it. */
export interface CallStyle {
  readonly custom: boolean
  /** `tool_search`: the client itself looks up tools. */
  readonly search: boolean
  readonly name: string
  readonly namespace: string | undefined
}

/** The client's own words for the tools that it declared, by the names under which they travel. */
export function callStyles(tools: readonly Tool[]): ReadonlyMap<string, CallStyle> {
  const styles = new Map<string, CallStyle>()
  for (const tool of tools) {
    if (tool.type === 'native') continue
    const fields: JsonObject = tool.native?.format === 'openai-responses' ? tool.native.fields : {}
    styles.set(tool.name, {
      custom: tool.type === 'custom',
      search: asString(fields.type) === 'tool_search',
      name: asString(fields.name) ?? tool.name,
      namespace: asString(fields.namespace),
    })
  }
  return styles
}

/**
 * Ids of one reply: `resp_…`, and of its items `msg_…_0`, `fc_…_1`. The prefix is what OpenAI checks when the client sends an item
 * back (litellm#27333); the reply's own id makes them unique across turns.
 */
export class ItemIds {
  readonly response: string
  readonly #seed: string

  constructor(replyId: string) {
    const plain = replyId.replace(/[^A-Za-z0-9]/g, '')
    const seed = plain.length <= 48 ? plain : createHash('sha256').update(replyId).digest('hex').slice(0, 48)
    this.response = replyId.startsWith('resp_') && replyId.length <= LONGEST ? replyId : `resp_${seed}`
    this.#seed = seed
  }

  item(prefix: 'msg' | 'fc' | 'ctc' | 'rs' | 'tsc' | 'ig', index: number): string {
    return `${prefix}_${this.#seed}_${index}`
  }

  /** For a call that the upstream left without an id. */
  call(index: number): string {
    return `call_${this.#seed}_${index}`
  }
}
