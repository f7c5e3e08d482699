import { list, object, objects, text, type JsonObject } from '../json.ts'
import type { Fault, Report } from './shape.ts'

interface Turn {
  readonly role: string
  readonly blocks: readonly JsonObject[]
  /** Index of its first message. */
  readonly index: number
}

/** Messages of one role in a row count as one turn; system messages stand outside. */
function turnsOf(body: JsonObject): readonly Turn[] {
  const turns: Turn[] = []
  for (const [index, entry] of list(body.messages).entries()) {
    const message = object(entry)
    const role = text(message.role)
    if (role === 'system') continue
    const blocks =
      typeof message.content === 'string' ? [{ type: 'text', text: message.content }] : objects(message.content)
    const last = turns.at(-1)
    if (last?.role === role) turns[turns.length - 1] = { ...last, blocks: [...last.blocks, ...blocks] }
    else turns.push({ role, blocks, index })
  }
  return turns
}

const idsOf = (turn: Turn | undefined, type: string, field: string): readonly string[] =>
  turn === undefined ? [] : turn.blocks.filter((block) => block.type === type).map((block) => text(block[field]))

/** What Anthropic demands of a conversation as a whole. */
export function anthropicHistory(body: JsonObject, _path: Fault['path'], report: Report): void {
  const say = (path: Fault['path'], detail: string): void => report({ kind: 'rule', path, detail })
  const turns = turnsOf(body)
  if (turns[0] !== undefined && turns[0].role !== 'user') say(['messages'], 'first message must use the "user" role')
  for (const [at, turn] of turns.entries()) {
    emptiness(turn, at === turns.length - 1, say)
    if (turn.role === 'assistant') calls(turn, turns[at + 1], say)
    else results(turn, turns[at - 1], say)
  }
  if (object(body.thinking).type === 'enabled') thinkingFirst(turns, say)
  for (const [index, block] of objects(body.system).entries())
    if (text(block.text).trim() === '') say(['system', index], 'text content blocks must contain non-whitespace text')
}

type Say = (path: Fault['path'], detail: string) => void

function emptiness(turn: Turn, last: boolean, say: Say): void {
  const mayBeEmpty = last && turn.role === 'assistant'
  if (turn.blocks.length === 0 && !mayBeEmpty)
    say(
      ['messages', turn.index],
      'all messages must have non-empty content except for the optional final assistant message',
    )
  for (const block of turn.blocks)
    if (block.type === 'text' && text(block.text).trim() === '')
      say(['messages'], 'text content blocks must contain non-whitespace text')
  const end = turn.blocks.at(-1)
  if (last && turn.role === 'assistant' && end?.type === 'text' && /\s$/.test(text(end.text)))
    say(['messages'], 'final assistant content cannot end with trailing whitespace')
}

function calls(turn: Turn, next: Turn | undefined, say: Say): void {
  // Two turns may share an id: recorded (pyd-cross-provider-capability-replay-…).
  const ids = idsOf(turn, 'tool_use', 'id')
  if (new Set(ids).size < ids.length) say(['messages', turn.index], '`tool_use` ids must be unique')
  const answered = idsOf(next, 'tool_result', 'tool_use_id')
  const open = ids.filter((id) => !answered.includes(id))
  if (open.length > 0)
    say(
      ['messages', turn.index],
      `\`tool_use\` ids were found without \`tool_result\` blocks immediately after: ${open.join(', ')}. Each \`tool_use\` block must have a corresponding \`tool_result\` block in the next message.`,
    )
}

function results(turn: Turn, previous: Turn | undefined, say: Say): void {
  const asked = idsOf(previous, 'tool_use', 'id')
  const given = idsOf(turn, 'tool_result', 'tool_use_id')
  for (const id of given)
    if (!asked.includes(id))
      say(
        ['messages', turn.index, 'content', 0],
        `unexpected \`tool_use_id\` found in \`tool_result\` blocks: ${id}. Each \`tool_result\` block must have a corresponding \`tool_use\` block in the previous message.`,
      )
  if (new Set(given).size < given.length)
    say(['messages', turn.index], 'each tool_use must have a single result. Found multiple `tool_result` blocks')
  const firstOther = turn.blocks.findIndex((block) => block.type !== 'tool_result')
  if (firstOther >= 0 && turn.blocks.slice(firstOther).some((block) => block.type === 'tool_result'))
    say(
      ['messages', turn.index],
      '`tool_use` ids were found without `tool_result` blocks immediately after: tool_result blocks must come first in the content',
    )
}

/** The turn that tool results answer begins with the thoughts that led to its calls. */
function thinkingFirst(turns: readonly Turn[], say: Say): void {
  const asker = turns.at(-2)
  if (asker === undefined || idsOf(turns.at(-1), 'tool_result', 'tool_use_id').length === 0) return
  const first = text(asker.blocks[0]?.type)
  if (first !== 'thinking' && first !== 'redacted_thinking')
    say(
      ['messages', asker.index, 'content', 0, 'type'],
      `Expected \`thinking\` or \`redacted_thinking\`, but found \`${first}\`. When \`thinking\` is enabled, a final \`assistant\` message must start with a thinking block (preceeding the lastmost set of \`tool_use\` and \`tool_result\` blocks).`,
    )
}
