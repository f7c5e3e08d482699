import { pieces, type Answer, type Manner, type Turn } from './turn.ts'

const usage = { prompt_tokens: 1200, completion_tokens: 40, total_tokens: 1240 }

/** A Chat Completions answer; thoughts as the compatible providers send them. https://platform.openai.com/docs/api-reference/chat */
export function chatAnswer(turn: Turn, { model, serial, includeUsage }: Manner): Answer {
  const calls = turn.calls.map((call, index) => {
    const id = `call_${serial}x${index}`
    return 'input' in call
      ? { id, type: 'custom', custom: { name: call.name, input: call.input } }
      : { id, type: 'function', function: { name: call.name, arguments: JSON.stringify(call.arguments) } }
  })
  const finish = calls.length > 0 ? 'tool_calls' : 'stop'
  const head = { id: `chatcmpl-${serial}`, created: 1_780_000_000, model }
  const chunk = (delta: object, finish_reason: string | null = null): { data: object } => ({
    data: { ...head, object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason }] },
  })
  return {
    whole: {
      ...head,
      object: 'chat.completion',
      choices: [
        {
          index: 0,
          message: {
            role: 'assistant',
            content: turn.text === '' ? null : turn.text,
            ...(turn.thought && { reasoning_content: turn.thought.text }),
            ...(calls.length > 0 && { tool_calls: calls }),
          },
          finish_reason: finish,
        },
      ],
      usage,
    },
    events: [
      chunk({ role: 'assistant', content: '' }),
      ...pieces(turn.thought?.text ?? '').map((piece) => chunk({ reasoning_content: piece })),
      ...pieces(turn.text).map((piece) => chunk({ content: piece })),
      ...turn.calls.flatMap((call, index) => {
        const [kind, field, whole] =
          'input' in call
            ? (['custom', 'input', call.input] as const)
            : (['function', 'arguments', JSON.stringify(call.arguments)] as const)
        return [
          chunk({
            tool_calls: [
              { index, id: `call_${serial}x${index}`, type: kind, [kind]: { name: call.name, [field]: '' } },
            ],
          }),
          ...pieces(whole).map((piece) => chunk({ tool_calls: [{ index, [kind]: { [field]: piece } }] })),
        ]
      }),
      chunk({}, finish),
      ...(includeUsage ? [{ data: { ...head, object: 'chat.completion.chunk', choices: [], usage } }] : []),
      { data: '[DONE]' },
    ],
  }
}
