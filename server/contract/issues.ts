import type { z } from 'zod'

export interface Issue {
  /** Dots and brackets: `channels[0].endpoints[1].baseUrl`; `''` for the whole. */
  readonly path: string
  readonly message: string
}

/** Either the parsed value, or everything that is wrong with it. */
export type Checked<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly issues: readonly Issue[] }

/** Parses what came from outside; each issue names its field and says what would be right. */
export function check<S extends z.ZodType>(schema: S, input: unknown): Checked<z.output<S>> {
  const parsed = schema.safeParse(input, { error: inWords })
  return parsed.success
    ? { ok: true, value: parsed.data }
    : { ok: false, issues: parsed.error.issues.flatMap(toIssues) }
}

/** The issues in one sentence, for a person. */
export function summarise(issues: readonly Issue[]): string {
  const shown = issues.slice(0, 5).map(({ path, message }) => (path === '' ? message : `${path} ${message}`))
  const more = issues.length - shown.length
  return shown.join('; ') + (more > 0 ? `; and ${more} more` : '')
}

function pathText(path: readonly PropertyKey[]): string {
  let text = ''
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`
    else if (/^[\w$-]+$/.test(String(part))) text += (text === '' ? '' : '.') + String(part)
    else text += `[${JSON.stringify(String(part))}]`
  }
  return text
}

function toIssues(issue: z.core.$ZodIssue): Issue[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: pathText([...issue.path, key]), message: 'is not a known field' }))
  }
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    // the alternative that came furthest is what was meant: `"…" | {secret, …}` given an object is about the object
    const nearest = issue.errors.reduce((best, errors) => (depth(errors) > depth(best) ? errors : best))
    if (depth(nearest) > 0) {
      return nearest.flatMap((inner) => toIssues({ ...inner, path: [...issue.path, ...inner.path] }))
    }
  }
  return [{ path: pathText(issue.path), message: issue.message }]
}

/** How far an alternative came before it failed: below its root at all, and without unknown names. */
function depth(issues: readonly z.core.$ZodIssue[]): number {
  return issues.length === 0
    ? 0
    : Math.min(...issues.map((issue) => issue.path.length + (issue.code === 'unrecognized_keys' ? 1 : 0)))
}

/** Follows the field's name in a sentence: "name must be a string, not a number". Rows with a message of their own keep it. */
const inWords: z.core.$ZodErrorMap = (issue) => {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.input === undefined) return 'is required'
      if (Number.isNaN(issue.input)) return 'must be a number' // what coercion made of a query's text
      return `must be ${article(issue.expected)}, not ${nameOf(issue.input)}`
    case 'invalid_value':
      return `must be ${issue.values.map((value) => JSON.stringify(value)).join(' or ')}`
    case 'too_small':
      return `must ${sizeOf(issue.origin)} at least ${String(issue.minimum)}${unitOf(issue.origin)}`
    case 'too_big':
      return `must ${sizeOf(issue.origin)} at most ${String(issue.maximum)}${unitOf(issue.origin)}`
    case 'invalid_union':
      return issue.discriminator === undefined
        ? 'has none of the shapes allowed here'
        : `must have a valid "${issue.discriminator}"`
    case 'invalid_format':
      return `must be a valid ${issue.format}`
    default:
      return undefined
  }
}

function sizeOf(origin: string): string {
  return origin === 'string' || origin === 'array' || origin === 'set' || origin === 'map' ? 'have' : 'be'
}

function unitOf(origin: string): string {
  if (origin === 'string') return ' characters'
  return origin === 'array' || origin === 'set' ? ' elements' : ''
}

function article(type: string): string {
  if (type === 'int') return 'a whole number'
  return `${/^[aeiou]/.test(type) ? 'an' : 'a'} ${type === 'record' ? 'object' : type}`.replace('a object', 'an object')
}

function nameOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  return article(typeof value)
}
