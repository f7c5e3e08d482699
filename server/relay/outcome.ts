import type { RelayError } from '../errors.ts'
import type { ChatRequest, Loss, WireFormat } from '../model/request.ts'
import type { Usage } from '../model/response.ts'
import type { Protocol, RouteMatch } from '../protocols/codec.ts'
import type { Send, UpstreamRequest } from '../upstream/exchange.ts'
import type { TimerWheel } from '../upstream/timer-wheel.ts'
import type { Conversation } from './call.ts'
import type { Pump } from './pump.ts'

/** What one try needs, beyond the request itself. */
export interface AttemptPlan {
  readonly request: UpstreamRequest
  readonly send: Send
  readonly upstream: Protocol
  readonly client: Protocol
  /** The client wants a stream. */
  readonly stream: boolean
  readonly operation: RouteMatch['operation']
  /** A route outside the five formats: whatever comes is passed on. */
  readonly raw: boolean
  /** Set when the formats differ. */
  readonly conversation: Conversation | null
  /** What the client asked, decoded: also for the rare same-format reply that has to be said anew. */
  readonly asked: () => ChatRequest
  /** The channel's id as opaque thoughts carry it. */
  readonly origin: string
  readonly loss: (loss: Loss) => void
  readonly fallback: { readonly id: string; readonly createdAt: number }
  /** `performance.now()` by which the first meaningful event must have come; Infinity: no limit. */
  readonly commitBy: number
  readonly commitWaitMs: number
  /** `performance.now()` by which all must be over; Infinity: no limit. */
  readonly endBy: number
  readonly wheel: TimerWheel
}

/** The bytes of an upstream's refusal, for a client of the same format. */
export interface UpstreamWords {
  readonly format: WireFormat
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

export type Outcome =
  | {
      readonly kind: 'whole'
      readonly status: number
      readonly headers: Readonly<Record<string, string>>
      readonly body: Buffer
      readonly usage: Usage | undefined
      readonly sample: () => string
    }
  | {
      readonly kind: 'stream'
      /** Said by our own encoder. */
      readonly encoded: boolean
      readonly status: number
      readonly headers: Readonly<Record<string, string>>
      readonly pump: Pump
    }
  | { readonly kind: 'failed'; readonly error: RelayError; readonly words: UpstreamWords | null }

/** Where a committed stream goes. */
export interface ReplySink {
  write(bytes: Buffer | string): void
  /** The bytes that come next complete the answer: the moment to account for it. May be called more than once. */
  completing(): void
  /** The last call. `error` says what the client must still be told; null: the reply is complete, or the failure is told already. */
  end(error: RelayError | null): void
}
