import type { ServerResponse } from 'node:http'
import type { RelayError } from '../errors.ts'
import type { Protocol, RouteMatch } from '../protocols/codec.ts'
import type { Deadline, TimerWheel } from '../upstream/timer-wheel.ts'
import type { ReplySink } from './outcome.ts'
import type { Pump } from './pump.ts'

/** What a stream delivery needs of its surroundings. */
export interface Delivery {
  readonly response: ServerResponse
  readonly protocol: Protocol
  readonly route: RouteMatch
  readonly pump: Pump
  /** The bytes come from our own encoder, in the frame that the route wants; else they are the upstream's server-sent events. */
  readonly encoded: boolean
  readonly wheel: TimerWheel
  /** A keep-alive after so much silence; 0: none. */
  readonly keepAliveMs: number
  readonly pause: () => void
  readonly resume: () => void
  /** Sees what goes to the client. */
  readonly copy: (bytes: Buffer | string) => void
  /** Called before the last byte goes out (and perhaps again): the accounting's moment. */
  readonly finished: (error: RelayError | null) => void
}

/**
 * Writes a committed stream to the client: the upstream is paused while the client cannot take more, silence is bridged by
 * keep-alives (pumps give whole frames only, so one may always stand here), and a failure that the stream itself does not tell is
 * told in the client's format.
 */
export class StreamWriter implements ReplySink, Deadline {
  at = Infinity
  readonly #delivery: Delivery
  readonly #reframe: ReturnType<NonNullable<Protocol['reframe']>>
  #paused = false
  #over = false

  constructor(delivery: Delivery) {
    this.#delivery = delivery
    this.#reframe = delivery.encoded ? null : (delivery.protocol.reframe?.(delivery.route) ?? null)
    if (delivery.keepAliveMs > 0 && delivery.protocol.keepAlive !== '') {
      this.at = performance.now() + delivery.keepAliveMs
      delivery.wheel.watch(this)
    }
  }

  /** What another frame than server-sent events changes in the answer's headers. */
  get headers(): Readonly<Record<string, string>> {
    const { protocol, route } = this.#delivery
    const reframed = (protocol.reframe?.(route) ?? null) !== null
    return reframed ? { 'content-type': 'application/json; charset=utf-8' } : {}
  }

  write(bytes: Buffer | string): void {
    if (this.#over) return
    const { response, copy, keepAliveMs } = this.#delivery
    if (this.at !== Infinity) this.at = performance.now() + keepAliveMs
    const framed = this.#reframe === null ? bytes : this.#reframe.push(toBuffer(bytes))
    if (framed === '') return
    copy(framed)
    if (response.write(framed) || this.#paused) return
    this.#paused = true
    this.#delivery.pause()
    response.once('drain', () => {
      this.#paused = false
      this.#delivery.resume()
    })
  }

  completing(): void {
    if (!this.#over) this.#delivery.finished(null)
  }

  end(error: RelayError | null): void {
    if (this.#over) return
    this.#over = true
    const { response, protocol, route, wheel, pump, finished } = this.#delivery
    wheel.drop(this)
    finished(error ?? pump.failure)
    if (error !== null) {
      response.end(protocol.encodeStreamError(error, route))
      return
    }
    const tail = this.#reframe?.end() ?? ''
    if (tail === '') response.end()
    else response.end(tail)
  }

  /** The client is gone: nothing is written any more. */
  drop(): void {
    this.#over = true
    this.#delivery.wheel.drop(this)
  }

  expire(): void {
    if (this.#over) return
    const { response, protocol, wheel, keepAliveMs } = this.#delivery
    if (!this.#paused) response.write(protocol.keepAlive)
    this.at = performance.now() + keepAliveMs
    wheel.watch(this)
  }
}

const toBuffer = (bytes: Buffer | string): Buffer => (typeof bytes === 'string' ? Buffer.from(bytes) : bytes)
