import type { ErrorKind } from '../errors.ts'
import type { Loss, WireFormat } from '../model/request.ts'
import type { Usage } from '../model/response.ts'

/** One try at one upstream, as the log keeps it. */
export interface AttemptRecord {
  readonly channelId: number
  readonly channelName: string
  readonly model: string
  readonly format: WireFormat
  readonly keyId: number | null
  readonly keyNote: string
  /** The upstream's HTTP status; null when it never answered. */
  readonly status: number | null
  readonly outcome: 'answered' | 'failed' | 'cancelled' | 'skipped'
  readonly error?: { readonly kind: ErrorKind; readonly message: string }
  /** From the request's arrival to this attempt's start. */
  readonly startedMs: number
  readonly durationMs: number
}

/** A client's and an upstream's bytes as they went over the wire, base64, cut at the cap; secrets already redacted. */
export interface BodyRecord {
  readonly request: string
  readonly response: string
  readonly truncated: boolean
}

/**
 * One finished client request: the line that goes into the spool. Everything that is ever counted or logged derives from it,
 * in the drain, and from nothing else. Plain JSON; the spool adds a version.
 */
export interface FinishedRequest {
  /** UUID v7: unique, and sorts by time. */
  readonly id: string
  /** Unix ms at arrival. */
  readonly at: number
  readonly clientFormat: WireFormat | 'passthrough'
  readonly upstreamFormat: WireFormat | 'passthrough' | null
  readonly groupId: number | null
  readonly groupName: string
  /** What the client asked for. */
  readonly requestedModel: string
  readonly apiKeyId: number | null
  readonly apiKeyName: string
  /** From the user agent: `claude-cli/2.1`, `codex_cli_rs/0.169`. */
  readonly clientSoftware: string
  readonly stream: boolean
  readonly outcome: 'success' | 'failure' | 'cancelled'
  /** What the client got. */
  readonly httpStatus: number
  readonly error?: { readonly kind: ErrorKind; readonly message: string }
  readonly attempts: readonly AttemptRecord[]
  /** The channel that answered (the last attempt's when none did); null when nobody was asked. */
  readonly channelId: number | null
  readonly channelName: string
  readonly upstreamModel: string
  readonly usage?: Usage
  /** null: the price is unknown. */
  readonly costNanoUsd: number | null
  readonly firstTokenMs: number | null
  readonly durationMs: number
  readonly losses: readonly Loss[]
  readonly bodies?: BodyRecord
}

/** How many tries there were; members that were passed over are none. */
export function countTries({ attempts }: Pick<FinishedRequest, 'attempts'>): number {
  let tries = 0
  for (const { outcome } of attempts) if (outcome !== 'skipped') tries++
  return tries
}
