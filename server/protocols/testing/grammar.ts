import type { WireFormat } from '../../model/request.ts'
import type { StreamEvent } from '../../model/response.ts'
import { asArray, asObject, asString, parseObject } from '../narrow.ts'
import { framesOf } from './recordings.ts'

/** Where a stream of events leaves its grammar (see `StreamEvent`), in words; undefined where it keeps it. */
export function grammarFault(events: readonly StreamEvent[]): string | undefined {
  const [first] = events
  const last = events.at(-1)
  if (first?.type !== 'start' && first?.type !== 'error') return `it begins with ${first?.type ?? 'nothing'}`
  if (last?.type !== 'finish' && last?.type !== 'error') return `it ends with ${last?.type ?? 'nothing'}`
  const open = new Map<number, number>()
  const next = new Map<number, number>()
  let stage: 'start' | 'blocks' | 'usage' | 'finish' | 'over' = 'start'
  for (const [at, event] of events.entries()) {
    const choice = 'choice' in event ? (event.choice ?? 0) : 0
    const wrong = `event ${at} (${event.type}) in stage ${stage}`
    switch (event.type) {
      case 'start':
        if (stage !== 'start') return wrong
        stage = 'blocks'
        break
      case 'block-start':
        if (stage !== 'blocks' || open.has(choice) || event.index !== (next.get(choice) ?? 0)) return wrong
        open.set(choice, event.index)
        next.set(choice, event.index + 1)
        break
      case 'block-delta':
      case 'citation':
        if (stage !== 'blocks' || open.get(choice) !== event.index) return wrong
        break
      case 'block-end':
        if (stage !== 'blocks' || open.get(choice) !== event.index) return wrong
        open.delete(choice)
        break
      case 'usage':
        if ((stage !== 'blocks' && stage !== 'usage') || open.size > 0) return wrong
        stage = 'usage'
        break
      case 'finish':
        if (stage === 'start' || stage === 'over' || open.size > 0) return wrong
        stage = 'finish'
        break
      case 'error':
        if (stage === 'finish' || stage === 'over' || open.size > 0) return wrong
        stage = 'over'
    }
  }
  return undefined
}

/** How an encoded stream ends for a client that knows the format's documents: `complete`, `error`, or what is missing. */
export function endOf(format: WireFormat, text: string): string {
  const frames = framesOf([text])
  const bodies = frames.map(({ data }) => parseObject(data) ?? {})
  const types = bodies.map(({ type }) => asString(type) ?? '')
  switch (format) {
    case 'openai-chat':
      return endOfChat(
        frames.map(({ data }) => data),
        bodies,
      )
    case 'openai-responses':
      return endOfResponses(types, bodies)
    case 'anthropic':
      return endOfMessages(types)
    case 'gemini':
    case 'antigravity': {
      if (/^(event|id)?:|^data: \[DONE\]/m.test(text)) return 'it says what Gemini clients choke on'
      const last = bodies.at(-1) ?? {}
      if (asObject(last['error']) !== undefined) return 'error'
      const inner = format === 'antigravity' ? (asObject(last['response']) ?? {}) : last
      const [candidate] = (asArray(inner['candidates']) ?? []).map(asObject)
      return typeof candidate?.['finishReason'] === 'string' ? 'complete' : 'no finishReason'
    }
  }
}

function endOfChat(data: readonly string[], bodies: readonly Readonly<Record<string, unknown>>[]): string {
  if (asObject(bodies.at(-1)?.['error']) !== undefined) return 'error'
  if (data.at(-1) !== '[DONE]') return 'no [DONE]'
  const choices = bodies.flatMap((body) => asArray(body['choices']) ?? []).map((choice) => asObject(choice) ?? {})
  const unfinished = choices.filter(({ index }) =>
    choices.every((other) => other['index'] !== index || typeof other['finish_reason'] !== 'string'),
  )
  if (choices.length === 0 || unfinished.length > 0) return 'no finish_reason'
  return asObject(choices[0]?.['delta'])?.['role'] === 'assistant' ? 'complete' : 'no role in the first delta'
}

function endOfResponses(types: readonly string[], bodies: readonly Readonly<Record<string, unknown>>[]): string {
  if (bodies.some((body, at) => body['sequence_number'] !== at)) return 'wrong sequence numbers'
  const last = bodies.at(-1) ?? {}
  if (types.at(-1) === 'response.failed' || types.at(-1) === 'error') return 'error'
  if (!/^response\.(completed|incomplete)$/.test(types.at(-1) ?? '')) return 'no terminal event'
  const done = bodies.filter(({ type }) => type === 'response.output_item.done').map(({ item }) => item)
  const added = types.filter((type) => type === 'response.output_item.added').length
  if (added !== done.length) return 'items were added and not done'
  const output = asObject(last['response'])?.['output']
  return JSON.stringify(output) === JSON.stringify(done) ? 'complete' : 'the output is not what was told'
}

function endOfMessages(types: readonly string[]): string {
  const open = types.filter((type) => type === 'content_block_start').length
  const closed = types.filter((type) => type === 'content_block_stop').length
  if (types.at(-1) === 'error') return 'error'
  if (types[0] !== 'message_start') return 'no message_start'
  if (open !== closed) return 'blocks are left open'
  return types.slice(-2).join() === 'message_delta,message_stop' ? 'complete' : 'no message_stop'
}
