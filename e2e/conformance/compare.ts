import { isDeepStrictEqual } from 'node:util'
import type { Answer, Choice, Counts } from './answer.ts'
import { losses, type Where } from './losses.ts'

export interface Verdict {
  /** What differs, in words; empty: the client reads what the provider said. */
  readonly differences: readonly string[]
  /** The sentences of the losses that explain why less was expected. */
  readonly explained: readonly string[]
}

/** Holds what a client read against what the recording says, less what is declared to be lost on the way. */
export function compare(recorded: Answer, read: Answer, where: Where): Verdict {
  let expected = recorded
  const explained: string[] = []
  for (const loss of losses) {
    if (!loss.applies(where)) continue
    const without = loss.without(expected)
    if (!isDeepStrictEqual(without, expected)) explained.push(loss.why)
    expected = without
  }
  return { differences: differencesOf(expected, read), explained }
}

function differencesOf(expected: Answer, read: Answer): readonly string[] {
  if (expected.broken !== undefined)
    return read.broken === undefined ? [`took a failure for an answer (${expected.broken})`] : []
  if (read.broken !== undefined) return [`failed: ${read.broken}`]
  if (expected.choices.length !== read.choices.length)
    return [`${read.choices.length} answers instead of ${expected.choices.length}`]
  const told = expected.choices.flatMap((choice, at) => inChoice(choice, read.choices[at] ?? choice))
  return [...told, ...inUsage(expected.usage, read.usage)]
}

function inChoice(expected: Choice, read: Choice): readonly string[] {
  const found: string[] = []
  for (const name of ['text', 'refusal', 'finish'] as const)
    if (expected[name] !== read[name]) found.push(`${name}: ${short(read[name])} instead of ${short(expected[name])}`)
  // where one thought ends and the next begins is told by each dialect in its own way
  if (dense(expected.reasoning) !== dense(read.reasoning))
    found.push(`reasoning: ${short(read.reasoning)} instead of ${short(expected.reasoning)}`)
  if (!isDeepStrictEqual(plain(expected.calls), plain(read.calls)))
    found.push(`calls: ${short(read.calls)} instead of ${short(expected.calls)}`)
  return found
}

function inUsage(expected: Counts | undefined, read: Counts | undefined): readonly string[] {
  if (expected === undefined) return []
  if (read === undefined) return ['usage: none']
  return (['input', 'cached', 'output', 'reasoning'] as const)
    .filter((name) => expected[name] !== undefined && (expected[name] ?? 0) !== (read[name] ?? 0))
    .map((name) => `usage.${name}: ${read[name] ?? 'none'} instead of ${expected[name] ?? 'none'}`)
}

const dense = (text: string): string => text.replaceAll(/\s/g, '')
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

function short(value: unknown): string {
  const text = JSON.stringify(value)
  return text.length > 160 ? `${text.slice(0, 100)}…${text.slice(-50)} (${text.length})` : text
}
