import { hash } from 'node:crypto'
import type { ChatRequest } from '../../model/request.ts'

/** OpenAI refuses longer names of tools. */
const LONGEST = 64

/**
 * A tool's name as OpenAI takes it: letters, digits, `_` and `-`, up to 64. Gemini's may hold dots and colons, Anthropic's may be
 * twice as long. One that had to be changed ends in a digest, so that two never become one.
 */
export function fittingName(name: string): string {
  if (/^[A-Za-z0-9_-]{1,64}$/.test(name)) return name
  const digest = hash('sha256', name, 'hex').slice(0, 8)
  return `${name.replace(/[^A-Za-z0-9_-]/g, '_').slice(0, LONGEST - 1 - digest.length)}_${digest}`
}

/** The way back, for the tools of the request that a reply answers. */
export function originalNames(request: ChatRequest | undefined): ReadonlyMap<string, string> {
  const names = new Map<string, string>()
  for (const { name } of request?.tools ?? []) {
    const fitting = fittingName(name)
    if (fitting !== name) names.set(fitting, name)
  }
  return names
}
