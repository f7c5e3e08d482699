import type { JsonObject } from '../model/request.ts'
import type { HeaderMap } from '../upstream/exchange.ts'

/** What a request asks, as far as the demo cares; read by the dialect it came in. */
export interface Question {
  readonly model: string
  readonly stream: boolean
  /** The last text that the user wrote; '' when there is none. */
  readonly lastUserText: string
  /** The first function offered, with its JSON schema. */
  readonly tool: { readonly name: string; readonly schema: JsonObject } | undefined
  /** The conversation ends with a tool's result: a demo that calls the tool once more would never end an agent's loop. */
  readonly afterToolResult: boolean
  /** All text of the conversation, to count it. */
  readonly text: string
  /** Chat: a usage chunk was asked for. Gemini: `alt=sse` was. Others: true. */
  readonly extra: boolean
}

/** One reply, in no dialect. Pieces are what one streamed event carries. */
export interface Answer {
  /** 24 hex characters, from which each dialect makes its ids. */
  readonly seed: string
  readonly model: string
  /** Unix seconds. */
  readonly createdAt: number
  readonly reasoning: readonly string[]
  readonly text: readonly string[]
  readonly toolCall: { readonly name: string; readonly arguments: JsonObject } | undefined
  readonly inputTokens: number
  readonly outputTokens: number
  /** Of the output. */
  readonly reasoningTokens: number
}

/** One event of a streamed reply. A `token` is what a model takes time to think of; a `frame` follows at once. */
export interface Beat {
  readonly kind: 'frame' | 'token'
  readonly text: string
}

/** What a path asks for. */
export interface Operation {
  readonly kind: 'generate' | 'count-tokens' | 'list'
  /** Where the path names them. */
  readonly model?: string
  readonly stream?: boolean
  readonly sse?: boolean
}

export interface DemoError {
  readonly status: 400 | 401 | 404 | 429 | 500 | 503
  readonly message: string
  readonly retryAfterSeconds?: number
}

/** One wire format as the demo provider speaks it. */
export interface Dialect {
  /** null: not a path of this dialect. */
  match(path: string, query: URLSearchParams, headers: HeaderMap): Operation | null
  read(body: JsonObject, operation: Operation): Question
  whole(answer: Answer): JsonObject
  /** The last beat is the format's terminal event. */
  stream(answer: Answer, question: Question): readonly Beat[]
  readonly streamType: 'text/event-stream' | 'application/json'
  error(error: DemoError): JsonObject
  countTokens(tokens: number): JsonObject
  list(models: readonly string[]): JsonObject
}

export const frame = (data: JsonObject | string, event?: string): Beat => beat('frame', data, event)
export const token = (data: JsonObject | string, event?: string): Beat => beat('token', data, event)

function beat(kind: Beat['kind'], data: JsonObject | string, event?: string): Beat {
  const line = `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`
  return { kind, text: event === undefined ? line : `event: ${event}\n${line}` }
}
