import type { ReportLoss, WireFormat } from '../../model/request.ts'
import type { Unwrap } from './wire.ts'

/** What differs between Gemini and the formats that carry it in an envelope. */
export interface Dialect {
  readonly format: Extract<WireFormat, 'gemini' | 'antigravity'>
  readonly unwrap: Unwrap
  /** Text around one answer, so that a stream's events are built without copying them. */
  wrap(answer: string, id: string): string
  /** `json`: `parametersJsonSchema` and `responseJsonSchema`; `subset`: the old `Schema` type in `parameters`. */
  readonly schemas: 'json' | 'subset'
  /** Characters that a function's name may have behind its first, which is a letter or `_`. */
  readonly nameCharacters: RegExp
}

export const geminiDialect: Dialect = {
  format: 'gemini',
  unwrap: (body) => body,
  wrap: (answer) => answer,
  schemas: 'json',
  nameCharacters: /[a-zA-Z0-9_.:-]/,
}

/** Gemini and Antigravity share their native fields and tools; signatures they do not share. */
export function isSibling(format: WireFormat): boolean {
  return format === 'gemini' || format === 'antigravity'
}

/** What a model's name says about what it takes. Unknown names (aliases, other servers) count as new. */
export interface ModelTraits {
  /** 1.x, 2.0 and 2.5: thinking by budget, no media in function responses, no structured output beside functions. */
  readonly legacy: boolean
  readonly thinks: boolean
  readonly pro: boolean
  /** Anthropic's or OpenAI's model behind Antigravity. */
  readonly foreign: boolean
  /** Takes `thinkingLevel`. */
  readonly levels: boolean
}

export function traitsOf(model: string): ModelTraits {
  const name = model.toLowerCase()
  const version = /gemini-(\d+)(?:\.(\d+))?/.exec(name)
  const major = version?.[1] === undefined ? undefined : Number(version[1])
  const foreign = /claude|gpt-oss/.test(name)
  const legacy = major !== undefined && major < 3
  return {
    legacy,
    thinks: !(major === 1 || (major === 2 && version?.[2] !== '5')),
    pro: /\bpro\b/.test(name),
    foreign,
    levels: !legacy && !foreign,
  }
}

/** Everything that the parts of a request need to know while they are written. */
export interface Target {
  readonly dialect: Dialect
  readonly traits: ModelTraits
  readonly origin: string | undefined
  readonly loss: ReportLoss
}
