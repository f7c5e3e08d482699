import { createHash } from 'node:crypto'
import type { Tool } from '../../model/request.ts'

/**
 * A tool call's id as Anthropic takes it, `^[a-zA-Z0-9_-]+$`. Fine ids stay; others are cleaned and told apart by a hash of what they
 * were, so that a call and its result always meet again.
 */
function wireId(id: string): string {
  if (/^[a-zA-Z0-9_-]+$/.test(id)) return id
  return `${id.replace(/[^a-zA-Z0-9_-]/g, '_')}_${hash(id)}`
}

/** Gives every call of a conversation its own id: some clients begin counting anew with each turn. */
export class CallIds {
  readonly #taken = new Set<string>()

  next(id: string): string {
    const base = wireId(id === '' ? 'call' : id)
    let unique = base
    for (let number = 2; this.#taken.has(unique); number++) unique = `${base}_${number}`
    this.#taken.add(unique)
    return unique
  }
}

/** A tool's name as Anthropic takes it, `^[a-zA-Z0-9_-]{1,128}$`; Gemini's may hold dots and colons. */
export function wireToolName(name: string): string {
  if (/^[a-zA-Z0-9_-]{1,128}$/.test(name)) return name
  return `${name.replace(/[^a-zA-Z0-9_-]/g, '_').slice(0, 119)}_${hash(name)}`
}

/** The client's own name of a tool that a reply calls. */
export function clientToolName(name: string, tools: readonly Tool[] | undefined): string {
  return tools?.find((tool) => tool.name !== name && wireToolName(tool.name) === name)?.name ?? name
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8)
}
