import { pieces, type Answer, type Manner, type ScriptedEvent, type Turn } from './turn.ts'

const usage = { input_tokens: 1200, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 40 }

/** A Messages answer. https://docs.anthropic.com/en/docs/build-with-claude/streaming */
export function anthropicAnswer(turn: Turn, { model, serial }: Manner): Answer {
  const blocks: { readonly whole: object; readonly head: object; readonly deltas: readonly object[] }[] = []
  if (turn.thought !== undefined) {
    const { text: thinking, seal: signature } = turn.thought
    blocks.push({
      whole: { type: 'thinking', thinking, signature },
      head: { type: 'thinking', thinking: '', signature: '' },
      deltas: [
        ...pieces(thinking).map((piece) => ({ type: 'thinking_delta', thinking: piece })),
        { type: 'signature_delta', signature },
      ],
    })
  }
  if (turn.text !== '')
    blocks.push({
      whole: { type: 'text', text: turn.text },
      head: { type: 'text', text: '' },
      deltas: pieces(turn.text).map((text) => ({ type: 'text_delta', text })),
    })
  for (const [index, call] of turn.calls.entries()) {
    const head = { type: 'tool_use', id: `toolu_${serial}x${index}`, name: call.name }
    const input = 'input' in call ? { input: call.input } : call.arguments
    blocks.push({
      whole: { ...head, input },
      head: { ...head, input: {} },
      deltas: ['', ...pieces(JSON.stringify(input))].map((partial_json) => ({
        type: 'input_json_delta',
        partial_json,
      })),
    })
  }
  const message = { id: `msg_${serial}`, type: 'message', role: 'assistant', model }
  const stop = { stop_reason: turn.calls.length > 0 ? 'tool_use' : 'end_turn', stop_sequence: null }
  const named = (data: { readonly type: string; readonly [field: string]: unknown }): ScriptedEvent => ({
    event: data.type,
    data,
  })
  return {
    whole: { ...message, content: blocks.map(({ whole }) => whole), ...stop, usage },
    events: [
      named({
        type: 'message_start',
        message: {
          ...message,
          content: [],
          stop_reason: null,
          stop_sequence: null,
          usage: { ...usage, output_tokens: 1 },
        },
      }),
      named({ type: 'ping' }),
      ...blocks.flatMap(({ head, deltas }, index) => [
        named({ type: 'content_block_start', index, content_block: head }),
        ...deltas.map((delta) => named({ type: 'content_block_delta', index, delta })),
        named({ type: 'content_block_stop', index }),
      ]),
      named({ type: 'message_delta', delta: stop, usage }),
      named({ type: 'message_stop' }),
    ],
  }
}
