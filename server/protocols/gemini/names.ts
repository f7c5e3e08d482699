import { createHash } from 'node:crypto'
import type { ChatRequest } from '../../model/request.ts'
import type { Dialect } from './dialect.ts'

/** Longest name of a function that Gemini takes. */
const LONGEST = 64

/**
 * A tool's name as the target takes it: characters that it refuses (`/` at Antigravity, a leading digit everywhere) become `_x2f_`,
 * and a `_x2f_` that stood there before is guarded, so that `originalName` gives back exactly what went in. Only a name that is too
 * long then is cut behind a hash; its way back needs the request.
 */
export function safeName(name: string, dialect: Dialect): string {
  const text = Array.from(name.replace(/_(?=x[0-9a-f]{1,6}_)/g, '_x5f_'), (character, at) =>
    at === 0 ? first(character) : dialect.nameCharacters.test(character) ? character : escape(character),
  ).join('')
  if (text.length <= LONGEST) return text
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 12)
  return `${text.slice(0, LONGEST - 13).replace(/_[^_]{0,8}$/, '')}_${hash}`
}

/** The tool that the upstream means; `cut` are the names that only the request can give back. */
export function originalName(name: string, cut: ReadonlyMap<string, string>): string {
  const known = cut.get(name)
  if (known !== undefined) return known
  if (!name.includes('_x')) return name
  return name.replace(/_x([0-9a-f]{1,6})_/g, (whole, code: string) => {
    const point = Number.parseInt(code, 16)
    return point <= 0x10ffff ? String.fromCodePoint(point) : whole
  })
}

/** The names that were too long: short → original. */
export function cutNames(request: ChatRequest | undefined, dialect: Dialect): ReadonlyMap<string, string> {
  const cut = new Map<string, string>()
  for (const tool of request?.tools ?? []) {
    if (tool.type === 'native') continue
    const short = safeName(tool.name, dialect)
    if (short !== tool.name) cut.set(short, tool.name)
  }
  return cut
}

function first(character: string): string {
  return /[a-zA-Z_]/.test(character) ? character : escape(character)
}

function escape(character: string): string {
  return `_x${(character.codePointAt(0) ?? 0).toString(16)}_`
}
