import type { JsonObject, Tool } from '../model/request.ts'
import { asObject, asString, parseObject } from './narrow.ts'

type CustomTool = Extract<Tool, { type: 'custom' }>
type FunctionTool = Extract<Tool, { type: 'function' }>

/**
 * A free-form tool (Codex's `apply_patch`) for a target that knows functions only: one string field `input`, the grammar in the
 * description. The reply's calls come back through `unwrapInput` or `InputUnwrapper`.
 */
export function customAsFunction(tool: CustomTool): FunctionTool {
  return {
    type: 'function',
    name: tool.name,
    description: describe(tool),
    parameters: {
      type: 'object',
      properties: { input: { type: 'string', description: 'The whole input of the tool, as free text.' } },
      required: ['input'],
      additionalProperties: false,
    },
    ...(tool.cache === undefined ? {} : { cache: tool.cache }),
  }
}

function describe(tool: CustomTool): string {
  const lines = tool.description === undefined || tool.description === '' ? [] : [tool.description]
  const grammar = tool.grammar
  lines.push('Put the tool input into the field "input" as one string, unescaped beyond what JSON needs.')
  const definition = asString(grammar?.definition) ?? asString(asObject(grammar?.grammar)?.definition)
  if (definition !== undefined) {
    const syntax = asString(grammar?.syntax) ?? asString(asObject(grammar?.grammar)?.syntax) ?? 'grammar'
    lines.push(`The input must match this ${syntax} grammar:\n${definition}`)
  }
  return lines.join('\n\n')
}

/** Names of the tools that the client declared as free-form: calls of these are unwrapped on the way back. */
export function customToolNames(tools: readonly Tool[]): ReadonlySet<string> {
  return new Set(tools.filter((tool) => tool.type === 'custom').map((tool) => tool.name))
}

/** Free text → the arguments of the function that stands for the tool. */
export function wrapInput(text: string): string {
  return `{"input":${JSON.stringify(text)}}`
}

/** The function's arguments as an object, for targets that take no JSON text. */
export function wrapInputObject(text: string): JsonObject {
  return { input: text }
}

/**
 * Arguments that a model wrote → free text. Models err: an object with one string under another name is taken too, and what is no
 * such object is the text itself.
 */
export function unwrapInput(args: string): string {
  const object = parseObject(args)
  if (object === undefined) return args
  const input = asString(object.input)
  if (input !== undefined) return input
  const values = Object.values(object)
  return (values.length === 1 ? asString(values[0]) : undefined) ?? args
}

const HEAD = /^\s*\{\s*"input"\s*:\s*"/
/** Every text that may still become a `HEAD`. */
const HEAD_BEGUN = /^\s*(\{\s*("(i(n(p(u(t("\s*(:\s*)?)?)?)?)?)?)?)?)?$/

/** More white space than this before the string is no honest head: it would be searched again with every piece. */
const LONGEST_HEAD = 1024

const SIMPLE_ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', b: '\b', f: '\f' }

/**
 * The same for arguments that arrive in pieces cut anywhere, also within an escape. Every character is looked at once; text that
 * does not begin like `{"input":"` waits for the end and is then judged whole.
 */
export class InputUnwrapper {
  #state: 'head' | 'string' | 'after' | 'other' = 'head'
  #held = ''
  readonly #other: string[] = []

  /** The free text that this piece completes; often ''. */
  push(piece: string): string {
    switch (this.#state) {
      case 'head':
        return this.#head(piece)
      case 'string':
        return this.#string(piece)
      case 'other':
        this.#other.push(piece)
        return ''
      case 'after':
        return ''
    }
  }

  /** What was still waiting when the arguments ended. */
  end(): string {
    const rest =
      this.#state === 'other' || this.#state === 'head' ? unwrapInput(this.#other.join('') + this.#held) : this.#tail()
    this.#state = 'after'
    this.#held = ''
    return rest
  }

  #head(piece: string): string {
    this.#held += piece
    const match = HEAD.exec(this.#held)
    if (match !== null) {
      const rest = this.#held.slice(match[0].length)
      this.#held = ''
      this.#state = 'string'
      return this.#string(rest)
    }
    if (this.#held.length > LONGEST_HEAD || !HEAD_BEGUN.test(this.#held)) {
      this.#state = 'other'
      this.#other.push(this.#held)
      this.#held = ''
    }
    return ''
  }

  #string(piece: string): string {
    const text = this.#held + piece
    this.#held = ''
    const out: string[] = []
    let at = 0
    while (at < text.length) {
      const stop = nextStop(text, at)
      if (stop > at) out.push(text.slice(at, stop))
      if (stop === text.length) break
      if (text[stop] === '"') {
        this.#state = 'after'
        return out.join('')
      }
      const length = escapeLength(text, stop)
      if (stop + length > text.length) {
        this.#held = text.slice(stop)
        break
      }
      out.push(decodeEscape(text.slice(stop, stop + length)))
      at = stop + length
    }
    return this.#keepWhole(out.join(''))
  }

  /** A leading surrogate waits for its other half, so that no piece ends in half a character. */
  #keepWhole(text: string): string {
    const last = text.charCodeAt(text.length - 1)
    if (!(last >= 0xd800 && last <= 0xdbff)) return text
    this.#held = escapeUnit(last) + this.#held
    return text.slice(0, -1)
  }

  /** The model stopped within the string: half a character is given as it is, half an escape is nothing. */
  #tail(): string {
    const match = /^\\u(d[89ab][0-9a-f]{2})/i.exec(this.#held)
    return match?.[1] === undefined ? '' : String.fromCharCode(Number.parseInt(match[1], 16))
  }
}

/** Free text that arrives in pieces → pieces of the arguments that stand for it. */
export class InputWrapper {
  #begun = false

  push(text: string): string {
    const piece = JSON.stringify(text).slice(1, -1)
    if (this.#begun) return piece
    this.#begun = true
    return `{"input":"${piece}`
  }

  end(): string {
    return this.#begun ? '"}' : '{"input":""}'
  }
}

function nextStop(text: string, from: number): number {
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 0x22 || code === 0x5c) return at
  }
  return text.length
}

/** Characters of the escape at `at`; a leading surrogate's other half is waited for by `#keepWhole`. */
function escapeLength(text: string, at: number): number {
  return text[at + 1] === 'u' ? 6 : 2
}

function decodeEscape(escape: string): string {
  const kind = escape[1] ?? ''
  if (kind === 'u' && /^\\u[0-9a-f]{4}$/i.test(escape)) return String.fromCharCode(Number.parseInt(escape.slice(2), 16))
  return SIMPLE_ESCAPES[kind] ?? escape.slice(1)
}

function escapeUnit(unit: number): string {
  return `\\u${unit.toString(16).padStart(4, '0')}`
}
