import type { Permit } from '../balance/limits.ts'
import type { AttemptRecord, BodyRecord, FinishedRequest } from '../accounting/record.ts'
import { RelayError } from '../errors.ts'
import type { Loss } from '../model/request.ts'
import type { Usage } from '../model/response.ts'
import type { ApiKey, ChannelKey, Group } from '../store/configuration.ts'
import type { HeaderMap } from '../protocols/codec.ts'
import { MODEL_NAME_CAP } from './access.ts'
import type { Attempt } from './attempt.ts'
import type { Member } from './candidates.ts'

/** What the journal needs when the request is over: a price, and a place to put the record. */
export interface Bookkeeping {
  /** Integer nano-USD; null: the price is unknown. */
  cost(member: Pick<Member, 'channelId' | 'model'>, usage: Usage): number | null
  /** Counted by a tokenizer, for a reply whose upstream named no usage. Never throws. */
  estimate(texts: { readonly request: string; readonly response: string; readonly share: number }): Usage
  /** Appends to the spool and tells the live numbers. Never throws. */
  finish(record: FinishedRequest): void
  /** A defect of ours: told to the program's log; the request goes on without what failed. */
  onDefect(error: unknown): void
  readonly bodies: { readonly mode: 'off' | 'errors' | 'all'; readonly capBytes: number }
}

/** What is known of a request at arrival. */
export interface Arrival {
  readonly id: string
  /** Unix ms. */
  readonly at: number
  /** `performance.now()`. */
  readonly startedAt: number
  readonly format: FinishedRequest['clientFormat']
  readonly model: string
  readonly stream: boolean
  readonly headers: HeaderMap
}

/** Everything that one request leaves behind; `close` writes it down exactly once. */
export class Journal {
  caller: ApiKey | null = null
  group: Group | null = null
  readonly losses: Loss[] = []
  readonly attempts: AttemptRecord[] = []
  readonly arrival: Arrival
  /** The member whose reply the client gets. */
  answeredBy: Member | null = null
  upstreamFormat: FinishedRequest['upstreamFormat'] = null
  firstTokenMs: number | null = null
  requestBody: Buffer | null = null
  /** The request's place among those of its API key, given back when it is over. */
  permit: Permit | null = null
  readonly #books: Bookkeeping
  readonly #response: Buffer[] = []
  #responseBytes = 0
  readonly #secrets: string[] = []
  #closed = false

  constructor(arrival: Arrival, books: Bookkeeping) {
    this.arrival = arrival
    this.#books = books
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Milliseconds since arrival. */
  elapsed(): number {
    return Math.round(performance.now() - this.arrival.startedAt)
  }

  /** The bytes or text without the secrets that were used for this request: the keys tried, and the caller's own. */
  scrub<T extends string | Buffer>(said: T): T
  scrub(said: string | Buffer): string | Buffer {
    let clean = said
    for (const secret of this.#secrets) {
      if (!clean.includes(secret)) continue
      clean =
        typeof clean === 'string'
          ? clean.replaceAll(secret, '***')
          : Buffer.from(clean.toString('latin1').replaceAll(Buffer.from(secret).toString('latin1'), '***'), 'latin1')
    }
    return clean
  }

  /** The error without secrets in its words. */
  scrubError(error: RelayError): RelayError {
    const message = this.scrub(error.message)
    return message === error.message ? error : new RelayError(error.kind, message, error.detail)
  }

  /** Remembers what must not be written down; shorter ones are no secrets but words. */
  keepSecret(secret: string): void {
    if (secret.length >= SECRET_MIN_CHARS && !this.#secrets.includes(secret)) this.#secrets.push(secret)
  }

  noteAttempt(tried: {
    readonly member: Member
    readonly key: ChannelKey | null
    readonly attempt: Pick<Attempt, 'status'> | null
    readonly startedMs: number
    readonly error: RelayError | null
  }): void {
    const { member, key, attempt, startedMs, error } = tried
    // a request that never gives up may try all night: its beginning and its end are kept
    if (this.attempts.length >= ATTEMPTS_CAP) this.attempts.splice(ATTEMPTS_CAP / 2, 1)
    if (key !== null) this.keepSecret(key.secret.reveal())
    this.attempts.push({
      channelId: member.channelId,
      channelName: member.channel.name,
      model: member.model,
      format: member.format,
      keyId: key?.id ?? null,
      keyNote: key?.note ?? '',
      status: attempt?.status ?? null,
      outcome: error === null ? 'answered' : error.kind === 'cancelled' ? 'cancelled' : 'failed',
      ...(error !== null && { error: { kind: error.kind, message: this.scrub(error.message) } }),
      startedMs,
      durationMs: this.elapsed() - startedMs,
    })
  }

  /** A member that was passed over because its circuit is open. */
  noteSkipped(member: Member, reason: string): void {
    const { channelId, channel, model, format } = member
    this.attempts.push({
      channelId,
      channelName: channel.name,
      model,
      format,
      keyId: null,
      keyNote: '',
      status: null,
      outcome: 'skipped',
      error: { kind: 'upstream_failed', message: `passed over after failures in a row: ${reason}` },
      startedMs: this.elapsed(),
      durationMs: 0,
    })
  }

  /** A copy of the reply for the log, where the person wants all bodies kept. */
  keepResponse(bytes: Buffer | string): void {
    if (this.#books.bodies.mode !== 'all' || this.#responseBytes >= this.#books.bodies.capBytes) return
    const copy = Buffer.from(bytes).subarray(0, this.#books.bodies.capBytes - this.#responseBytes)
    this.#response.push(copy)
    this.#responseBytes += copy.length
  }

  /**
   * The request is over. `sample` is asked only when there is an answer without usage; its share says how much of the reply it is.
   */
  close(end: {
    readonly httpStatus: number
    readonly error: RelayError | null
    readonly usage?: Usage | undefined
    readonly sample?: (() => { readonly text: string; readonly share: number }) | undefined
    readonly errorBody?: Buffer
  }): void {
    if (this.#closed) return
    this.#closed = true
    const { arrival, answeredBy, caller, group } = this
    const durationMs = this.elapsed()
    const usage = end.usage ?? (end.sample === undefined ? undefined : this.#estimate(end.sample))
    this.permit?.release(usage === undefined ? 0 : tokensOf(usage))
    if (answeredBy !== null) this.#endAnswer(end.error, durationMs)
    const lastTried = this.attempts[this.attempts.length - 1]
    const outcome = end.error === null ? 'success' : end.error.kind === 'cancelled' ? 'cancelled' : 'failure'
    const bodies = this.#bodies(outcome, end.errorBody)
    this.#books.finish({
      id: arrival.id,
      at: arrival.at,
      clientFormat: arrival.format,
      upstreamFormat: this.upstreamFormat,
      groupId: group?.id ?? null,
      groupName: group?.name ?? '',
      requestedModel: arrival.model.slice(0, MODEL_NAME_CAP),
      apiKeyId: caller?.id ?? null,
      apiKeyName: caller?.name ?? '',
      clientSoftware: softwareOf(arrival.headers),
      stream: arrival.stream,
      outcome,
      httpStatus: end.httpStatus,
      ...(end.error !== null && { error: { kind: end.error.kind, message: this.scrub(end.error.message) } }),
      attempts: this.attempts,
      channelId: answeredBy?.channelId ?? lastTried?.channelId ?? null,
      channelName: answeredBy?.channel.name ?? lastTried?.channelName ?? '',
      upstreamModel: answeredBy?.model ?? lastTried?.model ?? '',
      ...(usage !== undefined && { usage }),
      costNanoUsd: usage === undefined || answeredBy === null ? null : this.#books.cost(answeredBy, usage),
      firstTokenMs: this.firstTokenMs,
      durationMs,
      losses: this.losses,
      ...(bodies !== null && { bodies }),
    })
  }

  /** The attempt that answered lasted as long as its answer; one that broke off in the middle has failed after all. */
  #endAnswer(error: RelayError | null, endMs: number): void {
    const answered = this.attempts.pop()
    if (answered === undefined) return
    this.attempts.push({
      ...answered,
      durationMs: endMs - answered.startedMs,
      ...(error !== null && {
        outcome: error.kind === 'cancelled' ? 'cancelled' : 'failed',
        error: { kind: error.kind, message: this.scrub(error.message) },
      }),
    })
  }

  /** Text is read back out of the reply here, by code that may have defects: they must not cost the answer. */
  #estimate(sampleOf: () => { readonly text: string; readonly share: number }): Usage | undefined {
    try {
      const sample = sampleOf()
      const request = this.requestBody?.toString('utf8', 0, ESTIMATE_CAP_BYTES) ?? ''
      return this.#books.estimate({ request, response: sample.text, share: sample.share })
    } catch (error) {
      this.#books.onDefect(error)
      return undefined
    }
  }

  #bodies(outcome: FinishedRequest['outcome'], errorBody: Buffer | undefined): BodyRecord | null {
    const { mode, capBytes } = this.#books.bodies
    if (mode === 'off' || (mode === 'errors' && outcome !== 'failure')) return null
    const request = this.scrub(this.requestBody ?? Buffer.alloc(0))
    const response = this.scrub(errorBody ?? Buffer.concat(this.#response, this.#responseBytes))
    return {
      request: request.toString('base64', 0, Math.min(request.length, capBytes)),
      response: response.toString('base64', 0, Math.min(response.length, capBytes)),
      truncated: request.length > capBytes || response.length > capBytes || this.#responseBytes >= capBytes,
    }
  }
}

const ATTEMPTS_CAP = 100
const SECRET_MIN_CHARS = 8

const ESTIMATE_CAP_BYTES = 1024 * 1024

/** `claude-cli/2.1.3 (external, cli)` → `claude-cli/2.1.3`: the log wants to know the tool, not the machine. */
function softwareOf(headers: HeaderMap): string {
  const agent = headers['user-agent'] ?? ''
  const space = agent.indexOf(' ')
  return agent.slice(0, Math.min(space < 0 ? agent.length : space, 100))
}

/** All tokens of a request, each once. */
const tokensOf = ({ input, cacheRead, cacheWrite5m, cacheWrite1h, output }: Usage): number =>
  input + cacheRead + cacheWrite5m + cacheWrite1h + output
