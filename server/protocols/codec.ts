import type { RelayError } from '../errors.ts'
import type { ChatRequest, JsonObject, MediaPart, ReportLoss, WireFormat } from '../model/request.ts'
import type { ChatResponse, StreamEvent, Usage } from '../model/response.ts'
import type { SseFrame } from './sse.ts'

/** Names in lower case; a repeated header's values joined by `, `. */
export type HeaderMap = Readonly<Record<string, string | undefined>>

/** A client's request, parsed. `pathModel` and `stream` are what the route said (Gemini names both in the path). */
export interface WireRequest {
  readonly headers: HeaderMap
  readonly body: JsonObject
  readonly route: RouteMatch
}

export interface WireError {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: JsonObject
}

/** What an encoder may know beyond the request itself. */
export interface EncodeContext {
  /** The channel that will receive the request (opaque thoughts go back to their own channel only); absent towards a client. */
  readonly origin?: string
  readonly loss: ReportLoss
}

/** What a decoder may know beyond the bytes. */
export interface DecodeContext {
  /** The channel that made the reply: stamped on every opaque thought in it. */
  readonly origin?: string
  /** What the reply answers; needed where a target's limits made the encoder cut a tool's name. */
  readonly request?: ChatRequest
  readonly loss: ReportLoss
}

/** Translation only: pure and synchronous. Decoders throw RelayError: `invalid_request` for a client's fault, `upstream_failed` for an upstream's. */
export interface Codec {
  decodeRequest(wire: WireRequest, loss: ReportLoss): ChatRequest
  encodeRequest(request: ChatRequest, context: EncodeContext): JsonObject
  decodeResponse(body: JsonObject, context: DecodeContext): ChatResponse
  encodeResponse(response: ChatResponse, request: ChatRequest): JsonObject
  decodeStream(context: DecodeContext): StreamDecoder
  /** The request says what the client asked to see, e.g. `includeUsage`. */
  encodeStream(request: ChatRequest): StreamEncoder
}

/** `end` is called once, when the source closes; it flushes what is open and, where the terminal event was missing, says so with an `error` event. */
export interface StreamDecoder {
  push(frame: SseFrame): readonly StreamEvent[]
  end(): readonly StreamEvent[]
}

/**
 * Gives text that is ready for the socket (SSE frames; Gemini's array form when the client did not ask for SSE).
 * `end` is called once after the last `finish`. An `error` event tells the error and ends the stream as the format demands:
 * nothing is pushed after it and `end` is not called.
 */
export interface StreamEncoder {
  push(event: StreamEvent): string
  end(): string
}

/** What a client asked for, as far as the path says it. */
export interface RouteMatch {
  readonly operation: 'generate' | 'count-tokens'
  /** Only where the path names the model (Gemini). */
  readonly model?: string
  /** Only where the path decides it (Gemini, Antigravity). */
  readonly stream?: boolean
  /** Only for Gemini streams: SSE was asked for (`alt=sse`); false means the JSON array form. */
  readonly sse?: boolean
}

/** What routing needs from a body, found without JSON.parse where that is safe. Offsets are bytes of the body. */
export interface Peek {
  readonly model: string
  readonly stream: boolean
  /** Where the model's JSON string value stands (without the quotes), for splicing; absent where the body does not name it. */
  readonly modelSpan?: { readonly start: number; readonly end: number }
}

/**
 * What one frame of a streamed reply means:
 * `preamble` (role-only chunk, `message_start`, `response.created`: held back until the commit), `content` (the first one commits),
 * `end` (the format's terminal event), `ignored` (ping, comment, unknown); an error inside the stream is returned as such.
 */
export type FrameMeaning = 'preamble' | 'content' | 'end' | 'ignored' | RelayError

/** Reads a copy of one streamed reply in the upstream's own format and never changes it. Fresh for each attempt. */
export interface ReplyReader {
  /**
   * After the commit, a cheap test whether a frame's data (latin1 text, still undecoded) may hold usage, an error or the end;
   * only then `read` is called. Must never miss one; false alarms only cost time.
   */
  wants(data: string): boolean
  read(frame: SseFrame): FrameMeaning
  /** What has been seen so far; the partition of `Usage`. */
  readonly usage: Usage | undefined
  /** True once the upstream said properly that the reply is over. */
  readonly complete: boolean
}

/** The relay's view of a whole (not streamed) reply. */
export interface ReplySummary {
  readonly usage: Usage | undefined
  /** A 200 without any answer in it: counts as a failure before the commit. */
  readonly empty: boolean
  /** An error body behind a 200. */
  readonly error?: RelayError
}

/** Where and how a request goes below a channel's base URL. */
export interface Endpoint {
  /** Begins with `/`; with the query that the format itself needs (`?alt=sse`). */
  readonly path: string
}

/** All that shared code may know of a format. */
export interface Protocol {
  readonly format: WireFormat
  /** Formats of one family share an API beyond the dialect itself (embeddings, images, audio …), which is passed through unread. */
  readonly family: 'openai' | 'anthropic' | 'google'
  readonly codec: Codec
  /**
   * `path` has no query and no doubled prefix (`/v1/v1`); null when this format does not speak on it.
   * Every format knows its paths with and without the version segment (`/v1/messages`, `/messages`).
   */
  match(path: string, query: URLSearchParams): RouteMatch | null
  /** Throws RelayError `invalid_request` naming the field when model or stream are missing, of a wrong type or named twice. */
  peek(body: Buffer, route: RouteMatch): Peek
  /** The address for a call of `model`, below the base URL that the user typed. */
  endpoint(call: {
    readonly model: string
    readonly stream: boolean
    readonly operation: RouteMatch['operation']
  }): Endpoint
  /** Headers that carry the credential, and those that the vendor demands (`anthropic-version`). */
  authorize(credential: string): Readonly<Record<string, string>>
  /** Client headers that mean something to this upstream (`anthropic-beta`, `openai-organization` …), lower case; all others stay here. */
  readonly forwardedHeaders: readonly string[]
  /**
   * A request of this format for a channel of this format, where `holdsWrapped` (signature.ts) says that the conversation was partly
   * answered by channels of other formats: without their thoughts, which this upstream would refuse.
   */
  readonly withoutForeignThoughts?: (body: JsonObject) => JsonObject
  reader(): ReplyReader
  summarise(body: JsonObject): ReplySummary
  /** An upstream's non-2xx answer, in our words and with the upstream's own message. */
  decodeError(status: number, headers: HeaderMap, body: string): RelayError
  encodeError(error: RelayError): WireError
  /** An error after the commit: the frames that tell it inside the stream and end it as the format demands. */
  encodeStreamError(error: RelayError, route: RouteMatch): string
  /**
   * Puts what belongs to the channel's account, not to the conversation, into a request's bytes (Antigravity's `project`);
   * `requestId` is used where the client named none.
   */
  bindAccount?(body: Buffer, account: { readonly project: string; readonly requestId: string }): Buffer
  /** The answer to a count-tokens request; absent where the format has no such question. */
  encodeTokenCount?(tokens: number): JsonObject
  /** Sent while the upstream is silent: a `ping` event or a comment line; `''` where clients of the format tolerate neither (Gemini). */
  readonly keepAlive: string
  /**
   * Only where a client of the format may want its stream in another frame than server-sent events (Gemini's JSON array):
   * SSE bytes in, the other form out, each element's bytes untouched; null for routes that want SSE.
   */
  readonly reframe?: (route: RouteMatch) => { push(bytes: Buffer): string; end(): string } | null
  /** Whether an address may stand in the request for media of this type; otherwise the relay fetches the bytes first. */
  acceptsUrl(part: MediaPart): boolean
  /** How the upstream lists its models. */
  readonly catalogue: {
    readonly path: string
    /** Set where the list is asked for by POST: the body to send. */
    readonly post?: JsonObject
    /** The ids of one page and, where there is more, the query of the next. */
    decode(body: JsonObject): { readonly models: readonly string[]; readonly next?: string }
  }
  /** Whether a caller that asks for the list of models (below `/v1` or `/v1beta`) speaks this format; OpenAI's is the one for all others. */
  listsFor(asked: { readonly version: string; readonly headers: HeaderMap }): boolean
  /** The list of public models in this format's words. `created` is Unix seconds. */
  encodeCatalogue(models: readonly { readonly id: string; readonly created: number }[]): JsonObject
  encodeCatalogueEntry(model: { readonly id: string; readonly created: number }): JsonObject
}
