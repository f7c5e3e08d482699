/** The five dialects in which a client may speak to us and we to a channel. */
export const wireFormats = ['openai-chat', 'openai-responses', 'anthropic', 'gemini', 'antigravity'] as const
export type WireFormat = (typeof wireFormats)[number]

export type Json = null | boolean | number | string | readonly Json[] | JsonObject
export interface JsonObject {
  readonly [key: string]: Json | undefined
}

/** Something that the target dialect cannot carry: where it stood in the client's request, and why it was left out. */
export interface Loss {
  readonly field: string
  readonly reason: string
}
export type ReportLoss = (loss: Loss) => void

/** One request in no provider's dialect. An absent field means "the client did not say"; encoders invent nothing the target does not demand. */
export interface ChatRequest {
  readonly model: string
  readonly stream: boolean
  /** System messages stay where the client put them; encoders hoist. */
  readonly messages: readonly Message[]
  readonly tools: readonly Tool[]
  readonly toolChoice?: 'auto' | 'none' | 'required' | { readonly name: string }
  readonly sampling: Sampling
  readonly reasoning?: Reasoning
  readonly output?: OutputShape
  readonly metadata?: { readonly userId?: string; readonly labels?: Readonly<Record<string, string>> }
  readonly serviceTier?: string
  /** A key under which the provider may keep the prompt's prefix (OpenAI's `prompt_cache_key`). */
  readonly cacheKey?: string
  /** Whether the client asked that a chat stream end with a usage chunk. */
  readonly includeUsage?: boolean
  /** The client speaks OpenAI's older `functions`: its answer has `function_call` instead of `tool_calls`. */
  readonly legacyFunctions?: true
  /** The client wants its stream as one JSON array instead of server-sent events (Gemini without `alt=sse`). */
  readonly arrayStream?: boolean
  /** Fields of one dialect alone; re-emitted by that format only, reported as losses elsewhere. */
  readonly native?: { readonly format: WireFormat; readonly fields: JsonObject }
}

export interface Reasoning {
  readonly effort?: 'none' | 'minimal' | 'low' | 'medium' | 'high' | 'xhigh' | 'max'
  /** Tokens. */
  readonly budgetTokens?: number
  /** The model itself decides how much to think (Anthropic `adaptive`, Gemini budget -1). */
  readonly adaptive?: boolean
  /** Whether the client wants to read (a summary of) the thoughts; absent: the dialect's default. */
  readonly visible?: boolean
  /** OpenAI's word for how long the summary should be. */
  readonly summary?: 'auto' | 'concise' | 'detailed'
}

export type OutputShape =
  | { readonly type: 'json' }
  | {
      readonly type: 'json-schema'
      readonly name: string
      readonly description?: string
      readonly schema: JsonObject
      readonly strict?: boolean
    }

export interface Sampling {
  readonly maxTokens?: number
  readonly temperature?: number
  readonly topP?: number
  readonly topK?: number
  readonly stop?: readonly string[]
  readonly seed?: number
  readonly parallelToolCalls?: boolean
  readonly frequencyPenalty?: number
  readonly presencePenalty?: number
  /** Number of answers wanted (`n`, `candidateCount`). */
  readonly choices?: number
  readonly logprobs?: boolean
  readonly topLogprobs?: number
}

export type Message =
  | { readonly role: 'system'; readonly content: readonly TextPart[]; readonly origin?: 'system' | 'developer' }
  | { readonly role: 'user'; readonly content: readonly (TextPart | MediaPart)[]; readonly name?: string }
  | { readonly role: 'assistant'; readonly content: readonly AssistantPart[]; readonly name?: string }
  | { readonly role: 'tool'; readonly content: readonly ToolResultPart[] }

export type AssistantPart = TextPart | ReasoningPart | ToolCallPart | MediaPart

interface Cacheable {
  readonly cache?: { readonly ttl: '5m' | '1h' }
}

/** A source that the answer names. Offsets are UTF-16 positions in the part's text. */
export interface Citation {
  readonly url: string
  readonly title?: string
  readonly quoted?: string
  readonly start?: number
  readonly end?: number
}

export interface TextPart extends Cacheable {
  readonly type: 'text'
  readonly text: string
  /** The text is the model's refusal (OpenAI's `refusal` field or part). */
  readonly refusal?: boolean
  readonly citations?: readonly Citation[]
  readonly opaque?: Opaque
}

export interface MediaPart extends Cacheable {
  readonly type: 'media'
  /** IANA, `image/png`; `''` where the client gave only a URL. */
  readonly mediaType: string
  readonly source:
    | { readonly kind: 'base64'; readonly data: string }
    | { readonly kind: 'url'; readonly url: string }
    /** A file that lives at one provider; only that format's encoder can name it. */
    | { readonly kind: 'file'; readonly format: WireFormat; readonly id: string }
  readonly filename?: string
  /** OpenAI's image detail: `low`, `high`, `auto`. */
  readonly detail?: string
  readonly opaque?: Opaque
}

export interface ReasoningPart {
  readonly type: 'reasoning'
  /** What a person may read; `''` for redacted or encrypted thoughts without a summary. */
  readonly text: string
  readonly redacted?: boolean
  /** The item's id at the provider (Responses `rs_…`), needed to replay it there. */
  readonly id?: string
  readonly opaque?: Opaque
}

/** `arguments` is JSON text exactly as the model wrote it; `''` when it wrote none. For a custom tool it is the free text itself. */
export interface ToolCallPart {
  readonly type: 'tool-call'
  readonly id: string
  readonly name: string
  readonly arguments: string
  /** A call of a custom (free-form) tool: `arguments` is not JSON. */
  readonly custom?: boolean
  readonly opaque?: Opaque
}

export interface ToolResultPart extends Cacheable {
  readonly type: 'tool-result'
  readonly callId: string
  readonly name?: string
  readonly isError?: boolean
  readonly custom?: boolean
  readonly content: readonly (TextPart | MediaPart)[]
}

/**
 * A signature or encrypted thought. Only `format`'s encoder emits it, and only towards the channel that made it (`origin`);
 * others wrap it (signature.ts) or drop it: two channels of one provider do not accept each other's.
 */
export interface Opaque {
  readonly format: WireFormat
  readonly value: string
  readonly origin?: string
}

/** What a tool is in the client's own dialect beyond its kind (Codex's namespaces); only that format's reply encoder looks at it. */
export interface NativeTool {
  readonly format: WireFormat
  readonly fields: JsonObject
}

export type Tool =
  | (Cacheable & {
      readonly type: 'function'
      readonly name: string
      readonly description?: string
      readonly parameters: JsonObject
      readonly strict?: boolean
      readonly native?: NativeTool
    })
  /** Free-form input, Codex's apply_patch. `grammar` is OpenAI's `format` object. */
  | (Cacheable & {
      readonly type: 'custom'
      readonly name: string
      readonly description?: string
      readonly grammar?: JsonObject
      readonly native?: NativeTool
    })
  /** web_search and its kin, which the provider runs itself. */
  | { readonly type: 'native'; readonly format: WireFormat; readonly name: string; readonly definition: JsonObject }
