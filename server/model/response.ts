import type { RelayError } from '../errors.ts'
import type { AssistantPart, Citation, Json, JsonObject, MediaPart, Opaque } from './request.ts'

/** Token counts that never overlap, so a price is a dot product. `reasoning` is an "of which" of `output`. */
export interface Usage {
  readonly input: number
  readonly cacheRead: number
  readonly cacheWrite5m: number
  readonly cacheWrite1h: number
  readonly output: number
  readonly reasoning?: number
  /** Counted by our tokenizer because the upstream named none. */
  readonly estimated?: true
  /** The upstream's own object, unread. */
  readonly raw?: JsonObject
}

export type FinishReason = 'stop' | 'length' | 'tool-calls' | 'content-filter' | 'refusal' | 'error' | 'other'

export interface Finish {
  readonly reason: FinishReason
  /** The upstream's own word. */
  readonly raw?: string
  readonly stopSequence?: string
}

/** One answer. With several (`choices` > 1) the first is in `content`, the others in `alternatives`, in order. */
export interface ChatResponse {
  readonly id: string
  readonly model: string
  /** Unix seconds; 0 (and `''` for the id) where the upstream said none: the relay fills them in. */
  readonly createdAt: number
  readonly content: readonly AssistantPart[]
  readonly finish: Finish
  /** OpenAI's logprobs object, carried between the formats that have it. */
  readonly logprobs?: Json
  readonly alternatives?: readonly {
    readonly content: readonly AssistantPart[]
    readonly finish: Finish
    readonly logprobs?: Json
  }[]
  /** Absent: the upstream did not say. */
  readonly usage?: Usage
  readonly serviceTier?: string
}

export type BlockHead =
  | { readonly type: 'text'; readonly refusal?: boolean }
  | { readonly type: 'reasoning'; readonly redacted?: boolean; readonly id?: string }
  | { readonly type: 'tool-call'; readonly id: string; readonly name: string; readonly custom?: boolean }
  | MediaPart

/**
 * Grammar, per choice: start (block-start block-delta* citation* block-end)* ; then usage* (finish+ | error).
 * In one choice one block is open at a time (blocks.ts keeps that promise); `index` counts blocks from 0 within its choice.
 * `choice` is absent for the first. There is one `finish` for each choice, and nothing follows the last but the stream's end.
 */
export type StreamEvent =
  | {
      readonly type: 'start'
      readonly id: string
      readonly model: string
      readonly createdAt: number
      readonly usage?: Usage
    }
  | { readonly type: 'block-start'; readonly index: number; readonly block: BlockHead; readonly choice?: number }
  | {
      readonly type: 'block-delta'
      readonly index: number
      readonly text: string
      readonly choice?: number
      readonly logprobs?: Json
    }
  | { readonly type: 'citation'; readonly index: number; readonly citation: Citation; readonly choice?: number }
  | { readonly type: 'block-end'; readonly index: number; readonly opaque?: Opaque; readonly choice?: number }
  | { readonly type: 'usage'; readonly usage: Usage; readonly serviceTier?: string }
  | { readonly type: 'finish'; readonly finish: Finish; readonly choice?: number }
  | { readonly type: 'error'; readonly error: RelayError }
