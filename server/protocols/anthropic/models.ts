/** What a model of this API takes, as far as requests must be shaped after it. */
export interface ModelTraits {
  /** A name of Claude's that we can read; other services speak the format too, and take less or do not mind. */
  readonly claude: boolean
  /** How thinking is asked for: not at all, by a token budget, either way, or by `adaptive` and an effort only. */
  readonly thinking: 'none' | 'budget' | 'either' | 'adaptive'
  /** What happens when the request says nothing of thinking; `always` cannot be switched off. */
  readonly unasked: 'off' | 'on' | 'always'
  /** Effort words beyond low, medium and high. */
  readonly efforts: readonly ('xhigh' | 'max')[]
  /** `one`: temperature and top_p exclude each other; `none`: both and top_k are refused. */
  readonly sampling: 'free' | 'one' | 'none'
  /** Takes `output_config.format` and strict tools. */
  readonly structured: boolean
  /** Takes `role: "system"` within the conversation. */
  readonly systemTurns: boolean
  /** `max_tokens` is required: what we ask for where the client said nothing. */
  readonly defaultMaxTokens: number
}

/** Services that copy the API: budgets are the older, wider known way to ask for thinking. */
const UNKNOWN: ModelTraits = {
  claude: false,
  thinking: 'budget',
  unasked: 'off',
  efforts: [],
  sampling: 'free',
  structured: false,
  systemTurns: false,
  defaultMaxTokens: 8192,
}

/**
 * By name and version, in every spelling in use (`claude-opus-4-6-20260101`, `anthropic/claude-sonnet-4.5`,
 * `us.anthropic.claude-3-7-sonnet-20250219-v1:0`). A version that came after this was written is taken for like the newest known.
 * Sources: https://platform.claude.com/docs/en/build-with-claude/adaptive-thinking, …/effort, …/structured-outputs,
 * …/mid-conversation-system-messages, and the migration guides of Opus 5 and Opus 5.5; temperature and top_p:
 * https://github.com/BerriAI/litellm/issues/15097
 */
export function traitsOf(model: string): ModelTraits {
  const name = readName(model)
  if (name === undefined) return UNKNOWN
  const { family, version } = name
  const myth = family === 'fable' || family === 'mythos'
  const adaptive = version >= 500 || myth || (version >= 407 && family === 'opus')
  const either = !adaptive && version >= 406
  return {
    claude: true,
    thinking: adaptive ? 'adaptive' : either ? 'either' : version >= 307 ? 'budget' : 'none',
    unasked: version >= 505 || myth ? 'always' : version >= 500 ? 'on' : 'off',
    efforts: adaptive ? ['xhigh', 'max'] : either && family === 'opus' ? ['max'] : [],
    sampling: adaptive ? 'none' : version >= 401 ? 'one' : 'free',
    structured: version >= 405 || myth || (version >= 401 && family === 'opus'),
    systemTurns: version >= 505 || (version >= 408 && family === 'opus'),
    defaultMaxTokens: version >= 307 ? 32_000 : version >= 305 ? 8192 : 4096,
  }
}

/** `version` is major × 100 + minor. A date behind the name is no minor version. */
function readName(model: string): { readonly family: string; readonly version: number } | undefined {
  const text = model.toLowerCase()
  const late = /claude-(opus|sonnet|haiku|fable|mythos)-(\d{1,2})(?!\d)(?:[-.](\d{1,2})(?!\d))?/.exec(text)
  if (late !== null) return { family: late[1] ?? '', version: Number(late[2]) * 100 + Number(late[3] ?? 0) }
  const early = /claude-(\d)(?:[-.](\d{1,2})(?!\d))?-(opus|sonnet|haiku)/.exec(text)
  if (early !== null) return { family: early[3] ?? '', version: Number(early[1]) * 100 + Number(early[2] ?? 0) }
  return undefined
}
