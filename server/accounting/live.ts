import type { GatewayChanged, Today } from '../contract/activity.ts'
import type { FinishedRequest } from './record.ts'

/** A request under way, as it is shown. */
export interface ActiveRequest {
  readonly id: string
  readonly model: string
  readonly groupName: string
  readonly apiKeyName: string
  readonly clientSoftware: string
  /** Unix ms at arrival. */
  readonly at: number
}

/** The try that is under way; `number` counts from 1. */
export interface ActiveAttempt {
  readonly channelName: string
  readonly number: number
}

export interface LiveSnapshot extends GatewayChanged {
  /** Oldest first. */
  readonly active: readonly (ActiveRequest & { readonly attempt: ActiveAttempt | null })[]
}

export interface LiveOptions {
  /** What the database holds of the day: from inclusive, to exclusive, Unix ms. */
  readonly restore: (from: number, to: number) => Promise<Today>
  /** IANA name; absent: the system's. */
  readonly timeZone?: string
  readonly now?: () => number
}

const CHANGE_MS = 250
const CLOCK_CHECK_MS = 60_000
const HOUR = 3_600_000

interface Day {
  /** Unix ms. */
  readonly from: number
  readonly to: number
}

/** What is going on right now, and the numbers of the day. Requests belong to the day of their arrival, as in the database. */
export class Live {
  readonly #restore: LiveOptions['restore']
  readonly #now: () => number
  readonly #dateOf: Intl.DateTimeFormat
  readonly #active = new Map<string, ActiveRequest & { attempt: ActiveAttempt | null }>()
  readonly #changeListeners = new Set<(snapshot: LiveSnapshot) => void>()
  readonly #finishListeners = new Set<(record: FinishedRequest) => void>()
  #today = nothing()
  #day: Day
  #changeTimer: NodeJS.Timeout | null = null
  /** Notices midnight while nothing else happens, a clock that was set, and a machine that has slept. */
  readonly #clock: NodeJS.Timeout

  /** @throws RangeError when the time zone is unknown */
  constructor(options: LiveOptions) {
    this.#restore = options.restore
    this.#now = options.now ?? Date.now
    this.#dateOf = new Intl.DateTimeFormat('en-CA', { dateStyle: 'short', ...zoneOf(options.timeZone) })
    this.#day = this.#dayAround(this.#now())
    this.#clock = setInterval(() => this.#keepDay(), CLOCK_CHECK_MS).unref()
  }

  /** Adds what the database holds of today. Call it once, before requests are answered. Rejects as `restore` does. */
  async start(): Promise<void> {
    this.#keepDay()
    const day = this.#day
    const stored = await this.#restore(day.from, day.to)
    if (day === this.#day) this.#add(stored)
  }

  begin(request: ActiveRequest): void {
    this.#active.set(request.id, { ...request, attempt: null })
    this.#changed()
  }

  attempt(id: string, attempt: ActiveAttempt): void {
    const request = this.#active.get(id)
    if (request === undefined) return
    request.attempt = attempt
    this.#changed()
  }

  /** A request is over, whether or not it had begun. */
  finish(record: FinishedRequest): void {
    this.#active.delete(record.id)
    this.count(record)
    for (const listener of this.#finishListeners) listener(record)
  }

  /** Only counts: for what an earlier process had finished and the drain found in the spool. */
  count(record: FinishedRequest): void {
    this.#keepDay()
    if (record.at >= this.#day.from && record.at < this.#day.to) this.#add(numbersOf(record))
    this.#changed()
  }

  snapshot(): LiveSnapshot {
    this.#keepDay()
    return { activeRequests: this.#active.size, today: { ...this.#today }, active: [...this.#active.values()] }
  }

  /** Called soon after something changed, at most every 250 ms. Returns the unsubscribe function. */
  onChange(listener: (snapshot: LiveSnapshot) => void): () => void {
    this.#changeListeners.add(listener)
    return () => this.#changeListeners.delete(listener)
  }

  /** Called with each finished request, in the same tick: a live tail. Returns the unsubscribe function. */
  onFinished(listener: (record: FinishedRequest) => void): () => void {
    this.#finishListeners.add(listener)
    return () => this.#finishListeners.delete(listener)
  }

  close(): void {
    clearInterval(this.#clock)
    clearTimeout(this.#changeTimer ?? undefined)
    this.#changeListeners.clear()
    this.#finishListeners.clear()
  }

  #add(numbers: Today): void {
    const today = this.#today
    today.requests += numbers.requests
    today.failures += numbers.failures
    today.cancelled += numbers.cancelled
    today.tokens += numbers.tokens
    today.costNanoUsd += numbers.costNanoUsd
  }

  #changed(): void {
    if (this.#changeListeners.size === 0) return
    this.#changeTimer ??= setTimeout(() => {
      this.#changeTimer = null
      const snapshot = this.snapshot()
      for (const listener of this.#changeListeners) listener(snapshot)
    }, CHANGE_MS).unref()
  }

  /** Begins a new day when the clock has left the current one. After a jump (not just past midnight) the database is asked. */
  #keepDay(): void {
    const now = this.#now()
    const left = this.#day
    if (now >= left.from && now < left.to) return
    this.#day = this.#dayAround(now)
    this.#today = nothing()
    this.#changed()
    if (this.#day.from === left.to) return
    const day = this.#day
    this.#restore(day.from, day.to).then(
      (stored) => {
        if (day === this.#day) this.#add(stored)
        this.#changed()
      },
      () => undefined, // the day then shows what was seen since the jump: the statistics themselves are in the database
    )
  }

  /** The day's first and last moment, found by search: midnight itself may not exist when clocks are put forward. */
  #dayAround(now: number): Day {
    const today = this.#dateOf.format(now)
    const border = (inside: number, outside: number): number => {
      let [a, b] = [inside, outside]
      while (Math.abs(b - a) > 1) {
        const middle = Math.floor((a + b) / 2)
        if (this.#dateOf.format(middle) === today) a = middle
        else b = middle
      }
      return Math.max(a, b)
    }
    return { from: border(now, now - 26 * HOUR), to: border(now, now + 26 * HOUR) }
  }
}

function zoneOf(timeZone: string | undefined): { timeZone?: string } {
  return timeZone === undefined ? {} : { timeZone }
}

function nothing(): { -readonly [K in keyof Today]: Today[K] } {
  return { requests: 0, failures: 0, cancelled: 0, tokens: 0, costNanoUsd: 0 }
}

function numbersOf({ outcome, usage, costNanoUsd }: FinishedRequest): Today {
  return {
    requests: 1,
    failures: outcome === 'failure' ? 1 : 0,
    cancelled: outcome === 'cancelled' ? 1 : 0,
    tokens:
      usage === undefined ? 0 : usage.input + usage.cacheRead + usage.cacheWrite5m + usage.cacheWrite1h + usage.output,
    costNanoUsd: costNanoUsd ?? 0,
  }
}
