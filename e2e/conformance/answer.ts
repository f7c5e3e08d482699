/** What a person or an agent can tell of an answer, in nobody's dialect. Two readings of one answer are compared by it. */
export interface Answer {
  /** Set where the exchange failed, before or inside the reply; what came until then is not compared. */
  readonly broken?: string
  readonly choices: readonly Choice[]
  /** Absent: nobody said. */
  readonly usage?: Counts
}

export interface Choice {
  readonly text: string
  /** The model's refusal, where the dialect keeps it apart from its text. */
  readonly refusal: string
  readonly reasoning: string
  readonly calls: readonly Call[]
  readonly finish: FinishWord
  /** Media types of pictures in it. */
  readonly pictures: readonly string[]
  /** The text with the code that the provider ran, and its results, in place; absent where there was none. */
  readonly textWithCode?: string
}

export interface Call {
  readonly name: string
  /** Parsed arguments; free text stays text. */
  readonly input: unknown
}

export type FinishWord = 'stop' | 'length' | 'tool-calls' | 'content-filter' | 'refusal' | 'error' | 'other'

/** Tokens. `input` includes what came from a cache, `output` includes the reasoning. */
export interface Counts {
  readonly input: number
  readonly cached: number
  readonly output: number
  readonly reasoning?: number
}

/** Dialects say "stop" for calls as well: what the answer holds decides. */
export const withCalls = (finish: FinishWord, calls: readonly Call[]): FinishWord =>
  calls.length > 0 && (finish === 'stop' || finish === 'other') ? 'tool-calls' : finish

/** Arguments as an agent sees them: parsed where they are JSON, `{}` where there are none. */
export function parsedInput(text: string): unknown {
  if (text.trim() === '') return {}
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
