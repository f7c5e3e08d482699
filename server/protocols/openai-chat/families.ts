import type { Reasoning } from '../../model/request.ts'

/**
 * What providers of this format do differently from each other, told by the model's name: a channel of this format may be OpenAI,
 * or any of the many that copied its API, and each refuses other fields.
 */
export interface Family {
  /** OpenAI's own models: unknown fields are refused, `developer` and `prompt_cache_key` are known. */
  readonly openai: boolean
  /** Wants `max_completion_tokens` and refuses sampling fields: https://platform.openai.com/docs/guides/reasoning */
  readonly reasoning: boolean
  /** Takes `reasoning_effort` at all; where a name says nothing, the client's wish is passed on. */
  readonly takesEffort: boolean
  /** Has free-form (`custom`) tools: https://platform.openai.com/docs/guides/function-calling#custom-tools */
  readonly customTools: boolean
  readonly parallelToolCalls: boolean
  /** Reads `cache_control` marks in parts (Claude behind OpenRouter or a proxy); OpenAI refuses them. */
  readonly cacheMarks: boolean
  /** Keeps a prefix by `prompt_cache_key` (OpenAI, xAI, Moonshot); stricter providers refuse the field. */
  readonly cacheKey: boolean
  /** Answers `json_schema` with a 400 and knows `json_object` only: https://api-docs.deepseek.com/guides/json_mode */
  readonly jsonObjectOnly: boolean
  /**
   * Refuses an assistant message with tool calls but without `reasoning_content`:
   * https://api-docs.deepseek.com/guides/thinking_mode#tool-calls, continuedev/continue#11285
   */
  readonly wantsReasoningBack: boolean
  /** Mistral accepts tool call ids of exactly nine letters and digits. */
  readonly shortToolIds: boolean
}

export function familyOf(model: string): Family {
  const name = model.toLowerCase().replace(/^.*\//, '')
  const openai = /^(gpt-(?!oss)|o\d|chatgpt|codex|computer-use)/.test(name)
  const reasoning = openai && /^(o\d|gpt-([5-9]|\d\d)|codex)/.test(name) && !/chat/.test(name)
  const hosted = /^[a-z]/.test(model) && model.includes('/')
  return {
    openai,
    reasoning,
    takesEffort: openai
      ? reasoning
      : !/llama|mixtral|gemma|^phi|^grok-(2|3(?!-mini)|4(?![.\d-]*[.]))|^grok-code|kimi-k2(?!.*think)/.test(name),
    customTools: /^gpt-([5-9]|\d\d)/.test(name) && !/chat/.test(name),
    parallelToolCalls: !/^o\d/.test(name),
    cacheMarks: /claude/.test(name) || /^anthropic\//.test(model),
    cacheKey: openai || /^(grok|kimi|moonshot)/.test(name),
    jsonObjectOnly: /^deepseek/.test(name) && !hosted,
    wantsReasoningBack: /^deepseek|^kimi-(k2.*think|k2\.[5-9]|k[3-9])/.test(name),
    shortToolIds: /^(mistral|ministral|codestral|devstral|magistral|pixtral|open-mi[sx]tral)/.test(name),
  }
}

type Effort = NonNullable<Reasoning['effort']>

const ladder: readonly Effort[] = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']

/**
 * The nearest effort that the model knows (never a higher step where a lower is as near), as documented with each model:
 * https://platform.openai.com/docs/api-reference/chat/create#chat-create-reasoning_effort
 */
export function effortFor(model: string, wanted: Effort): Effort {
  const known = effortsOf(model.toLowerCase().replace(/^.*\//, ''))
  if (known.includes(wanted)) return wanted
  const at = ladder.indexOf(wanted)
  const distance = (effort: Effort): number => Math.abs(ladder.indexOf(effort) - at)
  return known.reduce((best, effort) => (distance(effort) < distance(best) ? effort : best))
}

function effortsOf(name: string): readonly [Effort, ...Effort[]] {
  if (/^(o\d|gpt-oss)/.test(name)) return ['low', 'medium', 'high']
  if (/^gpt-5-codex|^codex/.test(name)) return ['low', 'medium', 'high']
  if (/^gpt-5(-|$)/.test(name)) return ['minimal', 'low', 'medium', 'high']
  if (/^gpt-5\.1-codex-max/.test(name)) return ['none', 'low', 'medium', 'high', 'xhigh']
  if (/^gpt-5\.1/.test(name)) return ['none', 'low', 'medium', 'high']
  if (/^gpt-([5-9]|\d\d)/.test(name)) return ['none', 'low', 'medium', 'high', 'xhigh']
  if (/^(glm|deepseek)/.test(name)) return ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']
  return ['none', 'minimal', 'low', 'medium', 'high']
}

/** A thinking budget (tokens) in the words of a dialect that has only efforts. */
export function effortOfBudget(tokens: number): Effort {
  if (tokens <= 0) return 'none'
  if (tokens < 4096) return 'low'
  return tokens < 16_384 ? 'medium' : 'high'
}
