/** Something that gives up at a point in time. */
export interface Deadline {
  /** `performance.now()` at which `expire` is due; Infinity: never. May be moved at will, at no cost. */
  at: number
  expire(): void
}

/**
 * One interval for all running exchanges instead of several timers each: moving a deadline (which every chunk does) is an
 * assignment. Due deadlines are seen at most `tickMs` late. The interval runs only while something is watched.
 */
export class TimerWheel {
  readonly #watched = new Set<Deadline>()
  readonly #tickMs: number
  #interval: NodeJS.Timeout | undefined

  constructor(tickMs = 50) {
    this.#tickMs = tickMs
  }

  watch(deadline: Deadline): void {
    this.#watched.add(deadline)
    this.#interval ??= setInterval(() => this.#tick(), this.#tickMs)
  }

  drop(deadline: Deadline): void {
    this.#watched.delete(deadline)
    if (this.#watched.size > 0 || this.#interval === undefined) return
    clearInterval(this.#interval)
    this.#interval = undefined
  }

  get size(): number {
    return this.#watched.size
  }

  #tick(): void {
    const now = performance.now()
    for (const deadline of this.#watched) {
      if (deadline.at > now) continue
      this.drop(deadline)
      deadline.expire()
    }
  }
}
