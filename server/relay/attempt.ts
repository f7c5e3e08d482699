import { RelayError } from '../errors.ts'
import type { Exchange, ExchangeHandler, HeaderMap } from '../upstream/exchange.ts'
import { clientHeaders } from '../upstream/target.ts'
import type { Deadline } from '../upstream/timer-wheel.ts'
import type { AttemptPlan, Outcome, ReplySink, UpstreamWords } from './outcome.ts'
import { ConvertPump, nothingCame, VerbatimPump, type Pump } from './pump.ts'
import { RawPump } from './raw-pump.ts'
import { isEventStream, readWhole, streamHeaders, WHOLE_CAP_BYTES, wordsOf } from './whole-reply.ts'

/** An upstream's refusal needs no more room than this for its words. */
const ERROR_BODY_CAP_BYTES = 256 * 1024

/**
 * One try at one upstream: sends, waits for the first meaningful event (or the whole reply), and settles `outcome` once. A stream
 * goes on after that: `connect` says where to.
 */
export class Attempt implements ExchangeHandler, Deadline {
  at: number
  readonly outcome: Promise<Outcome>
  /** The upstream's HTTP status; null: it never answered. */
  status: number | null = null
  readonly #sentAt = performance.now()
  #upstreamEndedAt = 0
  readonly #plan: AttemptPlan
  readonly #settle: (outcome: Outcome) => void
  readonly #exchange: Exchange
  #headers: HeaderMap = {}
  #pump: Pump | null = null
  #settled = false
  #body: Buffer[] = []
  #arrived: Buffer[] = []
  #bodyBytes = 0
  #sink: ReplySink | null = null
  #early: (Buffer | string)[] = []
  #ended: { readonly error: RelayError | null } | null = null

  constructor(plan: AttemptPlan) {
    this.#plan = plan
    const { promise, resolve } = Promise.withResolvers<Outcome>()
    this.outcome = promise
    this.#settle = resolve
    this.at = Math.min(plan.commitBy, plan.endBy)
    if (this.at !== Infinity) plan.wheel.watch(this)
    this.#exchange = plan.send(plan.request, this)
  }

  onHead(status: number, headers: HeaderMap): void {
    this.status = status
    this.#headers = headers
    if (status < 200 || status >= 300) return
    if (this.#plan.raw) {
      this.#pump = new RawPump(this.#plan.upstream, headers)
      return
    }
    if (!this.#plan.stream) return
    if (!isEventStream(headers)) return // collected whole, to say what came instead
    if (!isIdentity(headers)) {
      this.#fail(
        new RelayError(
          'upstream_failed',
          `the upstream compressed its stream (${headers['content-encoding'] ?? ''}) unasked`,
        ),
      )
      return
    }
    this.#pump = this.#openPump()
  }

  onData(chunk: Buffer): void {
    if (this.#pump === null) this.#collect(chunk)
    else if (this.#arrived.push(chunk) === 1) process.nextTick(takeArrived, this)
  }

  /** What one read of the socket brought is worked on as one piece: a burst of two hundred events costs one write, not two hundred. */
  takeArrived(): void {
    const pump = this.#pump
    const arrived = this.#arrived
    const [first] = arrived
    if (pump === null || first === undefined || this.#ended !== null) return
    this.#arrived = []
    const out = this.#guarded(() => pump.push(arrived.length === 1 ? first : Buffer.concat(arrived)))
    if (out === undefined) return
    if (!this.#settled) {
      // damage that came in one piece with the first words has not reached the client yet: somebody else may still answer
      if (pump.failure !== null && !pump.failureTold && pump.failure.kind !== 'empty_answer') {
        this.#fail(pump.failure)
        return
      }
      if (pump.committed) this.#commit(pump)
    }
    if (pump.final) this.#sink?.completing()
    if (out !== null) this.#give(out)
    if (this.#settled && pump.failure !== null && (this.#plan.conversation !== null || !pump.failureTold)) {
      // the encoder has told the error and closed the stream, or an event was damaged: what the upstream still says is of no use
      this.#exchange.abort()
      this.#endStream(pump)
    }
  }

  onEnd(): void {
    this.#upstreamEndedAt = performance.now()
    const pump = this.#pump
    if (pump === null) {
      this.#endWhole()
      return
    }
    this.takeArrived()
    if (this.#ended !== null || (this.#settled && !pump.committed)) return
    const out = this.#guarded(() => pump.end())
    if (out === undefined) return
    if (!this.#settled) {
      if (!pump.committed) {
        const failure = pump.failure ?? nothingCame()
        const { held } = pump
        this.#fail(
          failure,
          failure.kind === 'empty_answer' && held !== null
            ? wordsOf(this.#plan, { status: this.status ?? 502, headers: this.#headers, body: held })
            : null,
        )
        return
      }
      this.#commit(pump)
    }
    if (pump.failure === null) this.#sink?.completing()
    if (out !== null) this.#give(out)
    this.#endStream(pump)
  }

  onError(error: Error): void {
    this.#upstreamEndedAt = performance.now()
    this.takeArrived()
    if (this.#settled && this.#pump?.final === true && this.#pump.failure === null) {
      this.onEnd() // all was said before the connection broke
      return
    }
    this.#break(
      error instanceof RelayError ? error : new RelayError('upstream_failed', error.message, { cause: error }),
    )
  }

  /** Called by the wheel: too long until the first meaningful event, or too long altogether. */
  expire(): void {
    this.#exchange.abort()
    this.takeArrived()
    const seconds = Math.round(this.#plan.commitWaitMs / 100) / 10
    this.#break(
      this.#settled
        ? new RelayError('upstream_timeout', 'the answer took longer than the total time allowed')
        : new RelayError('upstream_timeout', `no answer began within ${seconds} s of the request's arrival`),
    )
  }

  /** Ends the answer with an error that is not the upstream's; a client that has begun to read it is told. */
  stop(error: RelayError): void {
    this.#exchange.abort()
    this.takeArrived()
    this.#break(error)
  }

  /** The client is gone, or nobody wants the answer any more. */
  abort(): void {
    this.#plan.wheel.drop(this)
    this.#exchange.abort()
    if (!this.#settled) {
      this.#settled = true
      this.#settle({ kind: 'failed', error: new RelayError('cancelled', 'the client went away'), words: null })
    }
    this.#ended ??= { error: null }
  }

  /** From sending the request to the reply's last byte, in ms. */
  get upstreamMs(): number {
    return Math.max(0, this.#upstreamEndedAt - this.#sentAt)
  }

  pause(): void {
    this.#exchange.pause()
  }

  resume(): void {
    this.#exchange.resume()
  }

  /** From here on the stream's bytes go to `sink`; what came meanwhile is given first. */
  connect(sink: ReplySink): void {
    this.#sink = sink
    const early = this.#early
    this.#early = []
    if (this.#pump?.final === true) sink.completing()
    for (const bytes of early) sink.write(bytes)
    if (this.#ended !== null) sink.end(this.#ended.error)
  }

  /**
   * Runs a pump. An exception in it (a defect of a codec, or JSON nested deeper than the machine's stack) must end this one answer,
   * not the process: it fails over, or the client is told. undefined: it has thrown.
   */
  #guarded<T>(work: () => T): T | undefined {
    try {
      return work()
    } catch (cause) {
      this.#exchange.abort()
      const error = new RelayError('upstream_failed', "the upstream's answer could not be read", {
        cause,
        defect: true,
      })
      if (this.#settled) this.#close(error)
      else this.#fail(error)
      return undefined
    }
  }

  #openPump(): Pump {
    const { conversation, upstream, client, origin, loss, fallback } = this.#plan
    if (conversation === null) return new VerbatimPump(upstream)
    return new ConvertPump({ upstream, client, request: conversation.request, origin, loss, fallback })
  }

  #commit(pump: Pump): void {
    this.#settled = true
    this.at = this.#plan.endBy
    const headers = this.#plan.conversation === null ? clientHeaders(this.#headers) : streamHeaders
    const encoded = this.#plan.conversation !== null
    this.#settle({ kind: 'stream', encoded, status: this.status ?? 200, headers, pump })
  }

  #give(bytes: Buffer | string): void {
    if (this.#sink === null) this.#early.push(bytes)
    else this.#sink.write(bytes)
  }

  #endStream(pump: Pump): void {
    this.#close(pump.failure === null || pump.failureTold ? null : pump.failure)
  }

  #close(error: RelayError | null): void {
    if (this.#ended !== null) return
    this.#plan.wheel.drop(this)
    this.#ended = { error }
    this.#sink?.end(error)
  }

  /** Something failed outside the reply's own grammar: network, time. */
  #break(error: RelayError): void {
    if (!this.#settled) {
      this.#fail(error)
      return
    }
    const pump = this.#pump
    if (pump === null) return
    const told = this.#guarded(() => pump.break(error))
    if (told === undefined) return
    if (told !== null) this.#give(told)
    this.#endStream(pump)
  }

  #fail(error: RelayError, words: UpstreamWords | null = null): void {
    if (this.#settled) return
    this.#settled = true
    this.#plan.wheel.drop(this)
    this.#exchange.abort()
    this.#body = []
    this.#settle({ kind: 'failed', error, words })
  }

  #collect(chunk: Buffer): void {
    const refused = this.status === null || this.status >= 300
    if (refused && this.#bodyBytes > ERROR_BODY_CAP_BYTES) return
    this.#bodyBytes += chunk.length
    this.#body.push(chunk)
    if (this.#bodyBytes > WHOLE_CAP_BYTES)
      this.#fail(new RelayError('upstream_failed', 'the upstream sent more than 256 MB as one reply'))
  }

  #endWhole(): void {
    const body = Buffer.concat(this.#body, this.#bodyBytes)
    this.#body = []
    const { outcome, text } = readWhole(this.#plan, { status: this.status ?? 0, headers: this.#headers, body })
    if (outcome.kind === 'failed') {
      this.#fail(outcome.error, outcome.words)
      return
    }
    if (text !== undefined) this.#early.push(text)
    this.#plan.wheel.drop(this)
    this.#settled = true
    this.#ended = { error: null }
    this.#settle(outcome)
  }
}

function takeArrived(attempt: Attempt): void {
  attempt.takeArrived()
}

const isIdentity = (headers: HeaderMap): boolean => {
  const encoding = headers['content-encoding']
  return encoding === undefined || encoding === '' || encoding === 'identity'
}
