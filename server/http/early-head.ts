import type { ServerResponse } from 'node:http'

/** See upstream/timer-wheel.ts. */
interface Wheel {
  watch(deadline: EarlyHead): void
  drop(deadline: EarlyHead): void
}

interface EarlyHeadParts {
  readonly response: ServerResponse
  readonly head: Readonly<Record<string, string>>
  /** Not empty. */
  readonly keepAlive: string
  readonly keepAliveMs: number
  readonly wheel: Wheel
}

/**
 * For groups that never give up: a streaming client that has waited for `keepAliveMs` gets its 200 and a keep-alive, and one more
 * after each further such time. From then on the stream is open: an error is told inside it, and an upstream's own headers can no
 * longer be passed on.
 */
export class EarlyHead {
  at: number
  readonly #parts: EarlyHeadParts

  constructor(parts: EarlyHeadParts) {
    this.#parts = parts
    this.at = performance.now() + parts.keepAliveMs
    parts.wheel.watch(this)
  }

  expire(): void {
    const { response, head, keepAlive, keepAliveMs, wheel } = this.#parts
    if (response.destroyed) return
    if (!response.headersSent) response.writeHead(200, head)
    response.write(keepAlive)
    this.at = performance.now() + keepAliveMs
    wheel.watch(this)
  }

  /** The answer, or the error, is there. */
  stop(): void {
    this.#parts.wheel.drop(this)
  }
}
