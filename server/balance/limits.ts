import { RelayError } from '../errors.ts'

/** What one API key may do; null: no limit. */
export interface CallerLimits {
  readonly requestsPerMinute: number | null
  readonly tokensPerMinute: number | null
  readonly concurrency: number | null
}

export interface Caller {
  readonly id: number
  readonly name: string
  readonly limits: CallerLimits
}

export interface QueueRules {
  /** Requests of one key that may wait at a time; 0: none waits. */
  readonly size: number
  /** How long one waits at most. */
  readonly waitMs: number
}

/** A request's place among those of its key. */
export interface Permit {
  /** The request is over and used so many tokens. Only the first call counts. */
  release(tokens: number): void
}

/** The client's hang-up: tells whoever listens last. */
interface HangUp {
  readonly aborted: boolean
  onAbort(listener: () => void): void
}

const SECONDS = 60

/** How much happened in each of the last sixty seconds: exact to the second, so a burst at the border of two minutes is seen. */
export class MinuteCount {
  readonly #slots = new Float64Array(SECONDS)
  /** The second (since 1970) that the newest slot stands for. */
  #second = 0
  #sum = 0

  add(amount: number, nowMs: number): void {
    this.#move(nowMs)
    const slot = this.#second % SECONDS
    this.#slots[slot] = (this.#slots[slot] ?? 0) + amount
    this.#sum += amount
  }

  sum(nowMs: number): number {
    this.#move(nowMs)
    return this.#sum
  }

  /** Milliseconds until the sum is below `limit`; 0: it is. */
  waitFor(limit: number, nowMs: number): number {
    let over = this.sum(nowMs) - limit
    if (over < 0) return 0
    for (let age = SECONDS - 1; age >= 0; age--) {
      const second = this.#second - age
      over -= this.#slots[((second % SECONDS) + SECONDS) % SECONDS] ?? 0
      if (over < 0) return (second + SECONDS) * 1000 - nowMs
    }
    return SECONDS * 1000
  }

  #move(nowMs: number): void {
    const second = Math.floor(nowMs / 1000)
    const steps = second - this.#second
    if (steps <= 0) return // a clock that was set back counts on in the same second
    for (let step = 1; step <= Math.min(steps, SECONDS); step++) {
      const slot = (this.#second + step) % SECONDS
      this.#sum -= this.#slots[slot] ?? 0
      this.#slots[slot] = 0
    }
    this.#second = second
  }
}

interface Waiter {
  readonly caller: Caller
  readonly admitted: () => void
}

/** The running counts of one key; they exist while it has limits and is used. */
class Account {
  readonly requests = new MinuteCount()
  readonly tokens = new MinuteCount()
  readonly waiting: Waiter[] = []
  active = 0
  timer: NodeJS.Timeout | null = null

  /** Milliseconds until a request of this caller fits; 0: now, Infinity: when another ends. Which limit says so. */
  obstacle({ limits }: Caller, nowMs: number): { readonly what: string; readonly ms: number } | null {
    if (limits.concurrency !== null && this.active >= limits.concurrency)
      return { what: `${limits.concurrency} requests at a time`, ms: Infinity }
    if (limits.requestsPerMinute !== null) {
      const ms = this.requests.waitFor(limits.requestsPerMinute, nowMs)
      if (ms > 0) return { what: `${limits.requestsPerMinute} requests per minute`, ms }
    }
    if (limits.tokensPerMinute !== null) {
      const ms = this.tokens.waitFor(limits.tokensPerMinute, nowMs)
      if (ms > 0) return { what: `${limits.tokensPerMinute} tokens per minute`, ms }
    }
    return null
  }
}

/**
 * Requests per minute, tokens per minute and requests at a time, for each API key. What does not fit waits a short while in a short
 * queue, first come first served; then it is refused with the time after which it fits. Tokens are counted when an answer is over:
 * a request is never stopped in its middle, so the limit is passed by what was under way.
 */
export class Limits {
  readonly #accounts = new Map<number, Account>()
  readonly #rules: () => QueueRules
  readonly #now: () => number

  constructor(rules: () => QueueRules, now: () => number = Date.now) {
    this.#rules = rules
    this.#now = now
  }

  /**
   * null: this key has no limits, and nothing is kept of it. Rejects with RelayError `limit_exceeded` (with the wait), or
   * `cancelled` when the client went away in the queue.
   */
  admit(caller: Caller, hangUp: HangUp): Promise<Permit> | null {
    const { requestsPerMinute, tokensPerMinute, concurrency } = caller.limits
    if (requestsPerMinute === null && tokensPerMinute === null && concurrency === null) return null
    const account = this.#account(caller.id)
    const obstacle = account.waiting.length > 0 ? BEHIND : account.obstacle(caller, this.#now())
    if (obstacle === null) return Promise.resolve(this.#enter(account))
    const { size, waitMs } = this.#rules()
    if (account.waiting.length >= size || (obstacle.ms !== Infinity && obstacle.ms > waitMs))
      return Promise.reject(this.#refusal(account, caller))
    return this.#queue(account, { caller, hangUp, waitMs })
  }

  /** Requests that run or wait, over all keys. */
  get busy(): number {
    let sum = 0
    for (const { active, waiting } of this.#accounts.values()) sum += active + waiting.length
    return sum
  }

  /** Forgets keys that are gone. */
  retain(exists: (apiKeyId: number) => boolean): void {
    for (const [id, { active, waiting }] of this.#accounts)
      if (active === 0 && waiting.length === 0 && !exists(id)) this.#accounts.delete(id)
  }

  #account(id: number): Account {
    let account = this.#accounts.get(id)
    if (account === undefined) this.#accounts.set(id, (account = new Account()))
    return account
  }

  #enter(account: Account): Permit {
    account.active++
    account.requests.add(1, this.#now())
    let over = false
    return {
      release: (tokens) => {
        if (over) return
        over = true
        account.active--
        if (tokens > 0) account.tokens.add(tokens, this.#now())
        this.#serve(account)
      },
    }
  }

  #queue(
    account: Account,
    { caller, hangUp, waitMs }: { readonly caller: Caller; readonly hangUp: HangUp; readonly waitMs: number },
  ): Promise<Permit> {
    const { promise, resolve, reject } = Promise.withResolvers<Permit>()
    const leave = (error: RelayError): void => {
      const at = account.waiting.indexOf(waiter)
      if (at < 0) return
      account.waiting.splice(at, 1)
      clearTimeout(timer)
      reject(error)
      this.#serve(account)
    }
    const timer = setTimeout(() => leave(this.#refusal(account, caller)), waitMs)
    const waiter: Waiter = {
      caller,
      admitted: () => {
        clearTimeout(timer)
        resolve(this.#enter(account))
      },
    }
    account.waiting.push(waiter)
    hangUp.onAbort(() => leave(new RelayError('cancelled', 'the client went away while its request waited')))
    this.#serve(account)
    return promise
  }

  /** Lets in who fits now, and comes back when the first of the others will. */
  #serve(account: Account): void {
    if (account.timer !== null) clearTimeout(account.timer)
    account.timer = null
    for (;;) {
      const [first] = account.waiting
      if (first === undefined) return
      const obstacle = account.obstacle(first.caller, this.#now())
      if (obstacle === null) {
        account.waiting.shift()
        first.admitted()
        continue
      }
      if (obstacle.ms !== Infinity) account.timer = setTimeout(() => this.#serve(account), obstacle.ms)
      return
    }
  }

  #refusal(account: Account, caller: Caller): RelayError {
    const { what, ms } = account.obstacle(caller, this.#now()) ?? BEHIND
    return new RelayError('limit_exceeded', `the API key '${caller.name}' may do ${what}: try again later`, {
      // who waits for others to end cannot know when: a second is polite
      retryAfterMs: ms === Infinity ? 1000 : Math.max(1000, ms),
    })
  }
}

/** Others of the same key wait already. */
const BEHIND = { what: 'no more at present (others of its requests wait already)', ms: Infinity }
