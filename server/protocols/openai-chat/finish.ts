import type { Finish, FinishReason } from '../../model/response.ts'

/** OpenAI's words, and those of providers that kept their own. */
const REASONS: Readonly<Record<string, FinishReason>> = {
  stop: 'stop',
  eos: 'stop',
  end_turn: 'stop',
  stop_sequence: 'stop',
  length: 'length',
  max_tokens: 'length',
  model_length: 'length',
  model_context_window_exceeded: 'length',
  tool_calls: 'tool-calls',
  tool_use: 'tool-calls',
  function_call: 'tool-calls',
  content_filter: 'content-filter',
  sensitive: 'content-filter',
  refusal: 'refusal',
  error: 'error',
  insufficient_system_resource: 'error',
  network_error: 'error',
}

/** What the answer holds beyond its finish reason. */
export interface Answered {
  readonly calls: boolean
  readonly refused: boolean
}

/**
 * A finish reason in the model's words. OpenAI says `stop` for a call that was forced by name and for a refusal, several providers
 * say it for every call: what the answer holds decides.
 */
export function decodeFinish(raw: string | undefined, answered: Answered, stopSequence?: string): Finish {
  const reason = raw === undefined ? 'stop' : (REASONS[raw.toLowerCase()] ?? 'other')
  const sure = reason !== 'stop' ? reason : answered.calls ? 'tool-calls' : answered.refused ? 'refusal' : 'stop'
  return {
    reason: sure,
    ...(raw === undefined ? {} : { raw }),
    ...(stopSequence === undefined ? {} : { stopSequence }),
  }
}

/**
 * Only OpenAI's own five words: a client that does not know the word asks again (opencode, for ever). An answer that broke off must
 * not look like a normal end, so `error` becomes the one word that says "cut for a reason outside the text".
 */
export function encodeFinish(
  finish: Finish,
  client: { readonly legacy: boolean; readonly refusalText: boolean },
): string {
  switch (finish.reason) {
    case 'stop':
    case 'other':
      return 'stop'
    case 'length':
      return 'length'
    case 'tool-calls':
      return client.legacy ? 'function_call' : 'tool_calls'
    case 'refusal':
      return client.refusalText ? 'stop' : 'content_filter'
    case 'content-filter':
    case 'error':
      return 'content_filter'
  }
}
