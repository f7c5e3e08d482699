import type { ReceivedRequest, WireFormat } from '../fake-upstream/index.ts'

/** A provider's model behind the gateway. */
export interface Upstream {
  readonly label: string
  readonly format: WireFormat
  readonly model: string
  /** The model for tools of the same format: what they send passes unread, so it must be one that they could have asked themselves. */
  readonly ownModel?: string
  /** What this provider takes although the format's owner refuses it. */
  readonly takes?: RegExp
  /** It shows its thoughts, and wants them back. */
  readonly thinks: boolean
}

/** Models whose names bring out what their providers demand. */
export const upstreams: readonly Upstream[] = [
  // Chat clients write max_tokens, which gpt-5.2 refuses.
  { label: 'openai-chat', format: 'openai-chat', model: 'gpt-5.2', ownModel: 'gpt-4.1', thinks: false },
  {
    label: 'chat, DeepSeek',
    format: 'openai-chat',
    model: 'deepseek-reasoner',
    takes: /reasoning_content/,
    thinks: true,
  },
  { label: 'openai-responses', format: 'openai-responses', model: 'gpt-5.5', thinks: true },
  { label: 'anthropic', format: 'anthropic', model: 'claude-opus-4-8', thinks: true },
  { label: 'gemini', format: 'gemini', model: 'gemini-3.1-pro-preview', thinks: true },
  { label: 'antigravity', format: 'antigravity', model: 'gemini-3-pro-high', thinks: true },
  { label: 'antigravity, Claude', format: 'antigravity', model: 'claude-opus-4-6-thinking', thinks: true },
]

/** What the provider minded about a request. */
export const minded = ({ takes }: Upstream, { violations }: Pick<ReceivedRequest, 'violations'>): readonly string[] =>
  violations.filter((words) => takes?.test(words) !== true)
