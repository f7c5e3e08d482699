import { object, objects, text, list, type JsonObject } from '../json.ts'
import type { Fault, Report } from './shape.ts'

interface Turn {
  readonly role: 'user' | 'model'
  readonly parts: readonly JsonObject[]
  readonly index: number
}

/** Contents of one role in a row count as one turn. */
function turnsOf(body: JsonObject): readonly Turn[] {
  const turns: Turn[] = []
  for (const [index, entry] of list(body.contents).entries()) {
    const content = object(entry)
    const role = content.role === 'model' ? 'model' : 'user'
    const parts = objects(content.parts)
    const last = turns.at(-1)
    if (last?.role === role) turns[turns.length - 1] = { ...last, parts: [...last.parts, ...parts] }
    else turns.push({ role, parts, index })
  }
  return turns
}

const callsOf = (turn: Turn | undefined): readonly JsonObject[] =>
  (turn?.parts ?? []).map((part) => object(part.functionCall ?? part.function_call)).filter((call) => 'name' in call)
const responsesOf = (turn: Turn | undefined): readonly JsonObject[] =>
  (turn?.parts ?? [])
    .map((part) => object(part.functionResponse ?? part.function_response))
    .filter((response) => 'name' in response)

/** What Gemini demands of a conversation as a whole. https://ai.google.dev/gemini-api/docs/function-calling */
export function geminiHistory(body: JsonObject, _path: Fault['path'], report: Report): void {
  const say = (detail: string): void => report({ kind: 'rule', path: ['contents'], detail })
  const turns = turnsOf(body)
  for (const [at, turn] of turns.entries()) {
    const previous = turns[at - 1]
    if (turn.role === 'model') {
      const calls = callsOf(turn)
      if (calls.length > 0 && previous === undefined)
        say(
          'Please ensure that function call turn comes immediately after a user turn or after a function response turn.',
        )
      const next = turns[at + 1]
      if (calls.length > 0 && next !== undefined && responsesOf(next).length !== calls.length)
        say(
          'Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.',
        )
      continue
    }
    const responses = responsesOf(turn)
    if (responses.length === 0) continue
    const asked = callsOf(previous)
    if (asked.length === 0)
      say('Please ensure that function response turn comes immediately after a function call turn.')
    const names = asked.map((call) => text(call.name))
    const stranger = responses.find((response) => !names.includes(text(response.name)))
    if (asked.length > 0 && stranger !== undefined)
      say(`The function response ${text(stranger.name)} does not match the name of any function call of its turn.`)
    const ids = asked.map((call) => text(call.id)).filter((id) => id !== '')
    const lost = responses.find(
      (response) => text(response.id) !== '' && ids.length > 0 && !ids.includes(text(response.id)),
    )
    if (lost !== undefined) say(`The function response's id ${text(lost.id)} does not match any function call.`)
  }
  signatures(body, turns, say)
}

/**
 * Gemini 3 wants back the signature of the first call of every step of the current turn, which begins at the user's last text.
 * https://ai.google.dev/gemini-api/docs/thought-signatures
 */
function signatures(body: JsonObject, turns: readonly Turn[], say: (detail: string) => void): void {
  if (!/gemini-3/.test(text(body.model))) return
  const start = turns.findLastIndex(
    (turn) => turn.role === 'user' && responsesOf(turn).length === 0 && turn.parts.some((part) => 'text' in part),
  )
  for (const turn of turns.slice(Math.max(0, start))) {
    const first = turn.parts.find((part) => (part.functionCall ?? part.function_call) !== undefined)
    if (turn.role !== 'model' || first === undefined) continue
    if (text(first.thoughtSignature ?? first.thought_signature) === '')
      say(
        `Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly, and missing thought_signature may lead to degraded model performance. Additional data, function call \`${text(object(first.functionCall ?? first.function_call).name)}\`, position ${turn.index}.`,
      )
  }
}
