import { pieces, type Answer, type Manner, type ScriptedEvent, type Turn } from './turn.ts'

interface Item {
  readonly done: { readonly id: string; readonly [field: string]: unknown }
  readonly begun: object
  /** What is sent between the item's beginning and its end, without `item_id` and `output_index`. */
  readonly inside: readonly { readonly type: string; readonly [field: string]: unknown }[]
}

const usage = {
  input_tokens: 1200,
  input_tokens_details: { cached_tokens: 0 },
  output_tokens: 40,
  output_tokens_details: { reasoning_tokens: 20 },
  total_tokens: 1240,
}

/** A Responses answer. https://platform.openai.com/docs/api-reference/responses-streaming */
export function responsesAnswer(turn: Turn, { model, serial }: Manner): Answer {
  const items = itemsOf(turn, serial)
  const output = items.map(({ done }) => done)
  const base = { id: `resp_${serial}`, object: 'response', created_at: 1_780_000_000, model, error: null }
  const whole = { ...base, status: 'completed', incomplete_details: null, output, usage }
  const begun = { ...base, status: 'in_progress', incomplete_details: null, output: [], usage: null }
  const events: readonly { readonly type: string; readonly [field: string]: unknown }[] = [
    { type: 'response.created', response: begun },
    { type: 'response.in_progress', response: begun },
    ...items.flatMap(({ done, begun: item, inside }, output_index) => [
      { type: 'response.output_item.added', output_index, item },
      ...inside.map((event) => ({ ...event, item_id: done.id, output_index })),
      { type: 'response.output_item.done', output_index, item: done },
    ]),
    { type: 'response.completed', response: whole },
  ]
  return {
    whole,
    events: events.map((data, sequence_number): ScriptedEvent => ({
      event: data.type,
      data: { ...data, sequence_number },
    })),
  }
}

function itemsOf(turn: Turn, serial: number): readonly Item[] {
  const items: Item[] = []
  if (turn.thought !== undefined) {
    const { text, seal: encrypted_content } = turn.thought
    const head = { id: `rs_${serial}`, type: 'reasoning' }
    const part = { summary_index: 0, part: { type: 'summary_text', text } }
    items.push({
      begun: { ...head, summary: [], encrypted_content: '' },
      done: { ...head, summary: [{ type: 'summary_text', text }], encrypted_content },
      inside: [
        { type: 'response.reasoning_summary_part.added', ...part, part: { type: 'summary_text', text: '' } },
        ...pieces(text).map((delta) => ({ type: 'response.reasoning_summary_text.delta', summary_index: 0, delta })),
        { type: 'response.reasoning_summary_text.done', summary_index: 0, text },
        { type: 'response.reasoning_summary_part.done', ...part },
      ],
    })
  }
  if (turn.text !== '') {
    const { text } = turn
    const head = { id: `msg_${serial}`, type: 'message', role: 'assistant' }
    const part = (words: string): object => ({ type: 'output_text', text: words, annotations: [], logprobs: [] })
    items.push({
      begun: { ...head, status: 'in_progress', content: [] },
      done: { ...head, status: 'completed', content: [part(text)] },
      inside: [
        { type: 'response.content_part.added', content_index: 0, part: part('') },
        ...pieces(text).map((delta) => ({ type: 'response.output_text.delta', content_index: 0, delta, logprobs: [] })),
        { type: 'response.output_text.done', content_index: 0, text, logprobs: [] },
        { type: 'response.content_part.done', content_index: 0, part: part(text) },
      ],
    })
  }
  for (const [index, call] of turn.calls.entries()) {
    const [type, field, value, event] =
      'input' in call
        ? (['custom_tool_call', 'input', call.input, 'response.custom_tool_call_input'] as const)
        : (['function_call', 'arguments', JSON.stringify(call.arguments), 'response.function_call_arguments'] as const)
    const id = `${type === 'function_call' ? 'fc' : 'ctc'}_${serial}x${index}`
    const head = { id, type, call_id: `call_${serial}x${index}`, name: call.name }
    items.push({
      begun: { ...head, status: 'in_progress', [field]: '' },
      done: { ...head, status: 'completed', [field]: value },
      inside: [
        ...pieces(value).map((delta) => ({ type: `${event}.delta`, delta })),
        { type: `${event}.done`, [field]: value },
      ],
    })
  }
  return items
}
