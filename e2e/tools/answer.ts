import { json, type Play, type WireFormat } from '../fake-upstream/index.ts'
import { anthropicAnswer } from './answer-anthropic.ts'
import { chatAnswer } from './answer-chat.ts'
import { geminiAnswer, vertexClaudeAnswer } from './answer-gemini.ts'
import { responsesAnswer } from './answer-responses.ts'
import type { Answer, Manner, Turn } from './turn.ts'

/** A turn as this format's provider would send it. */
export function playTurn(format: WireFormat, turn: Turn, manner: Manner): Play {
  const { whole, events } = answers[format](turn, manner)
  if (!manner.stream) return json(200, whole)
  const lineEnd = format === 'gemini' || format === 'antigravity' ? '\r\n' : '\n'
  const frames = events.map(({ event, data }) => {
    const name = event === undefined ? '' : `event: ${event}${lineEnd}`
    return `${name}data: ${typeof data === 'string' ? data : JSON.stringify(data)}${lineEnd}${lineEnd}`
  })
  return {
    status: 200,
    headers: { 'content-type': 'text/event-stream; charset=utf-8' },
    body: Buffer.from(frames.join('')),
    // Cut anywhere, as networks do; the same on every run.
    chunking: { random: manner.serial },
  }
}

const answers: Record<WireFormat, (turn: Turn, manner: Manner) => Answer> = {
  'openai-chat': chatAnswer,
  'openai-responses': responsesAnswer,
  anthropic: anthropicAnswer,
  gemini: geminiAnswer,
  antigravity: (turn, manner) => {
    const { whole, events } = (manner.model.includes('claude') ? vertexClaudeAnswer : geminiAnswer)(turn, manner)
    const wrap = (response: unknown): object => ({ response, traceId: `trace-${manner.serial}` })
    return { whole: wrap(whole), events: events.map(({ data }) => ({ data: wrap(data) })) }
  },
}
