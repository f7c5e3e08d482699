import { isIPv6 } from 'node:net'
import { ContractError } from '../contract/define.ts'

interface Failures {
  count: number
  /** Unix ms before which nothing more is tried. */
  until: number
  last: number
}

interface Rule {
  /** Wrong guesses that cost nothing, for people who mistype. */
  readonly free: number
  readonly longestMs: number
}

const PER_ADDRESS: Rule = { free: 5, longestMs: 15 * 60_000 }
/** Short at its longest: guesses from everywhere must not lock the owner out. */
const GLOBAL: Rule = { free: 30, longestMs: 10_000 }
const FORGET_AFTER_MS = 60 * 60_000
const MOST_ADDRESSES = 10_000

/**
 * Slows down guessing: after some free tries each wrong one doubles the wait, for its address and (milder) for all together.
 * A try counts as wrong from its beginning, so that a thousand at once are not a thousand guesses.
 */
export class Throttle {
  readonly #addresses = new Map<string, Failures>()
  #all: Failures = { count: 0, until: 0, last: 0 }
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  /** Throws ContractError `too_many_requests`, with the wait. */
  begin(remoteAddress: string): void {
    const now = this.#now()
    const address = networkOf(remoteAddress)
    const own = this.#remembered(this.#addresses.get(address), now)
    this.#all = this.#remembered(this.#all, now)
    const wait = Math.max(own.until, this.#all.until) - now
    if (wait > 0) {
      const seconds = Math.ceil(wait / 1000)
      throw new ContractError('too_many_requests', `Too many wrong passwords. Try again in ${seconds} s.`, {
        retryAfterMs: wait,
      })
    }
    note(own, PER_ADDRESS, now)
    note(this.#all, GLOBAL, now)
    this.#addresses.delete(address) // to the end: the first of the map is the one longest silent
    this.#addresses.set(address, own)
    const [oldest] = this.#addresses.keys()
    if (this.#addresses.size > MOST_ADDRESSES && oldest !== undefined) this.#addresses.delete(oldest)
  }

  /** The guess was right. */
  succeed(remoteAddress: string): void {
    this.#addresses.delete(networkOf(remoteAddress))
    this.#all = { count: 0, until: 0, last: 0 }
  }

  #remembered(failures: Failures | undefined, now: number): Failures {
    return failures !== undefined && now - failures.last < FORGET_AFTER_MS
      ? failures
      : { count: 0, until: 0, last: now }
  }
}

function note(failures: Failures, rule: Rule, now: number): void {
  failures.count += 1
  failures.last = now
  const over = failures.count - rule.free
  if (over > 0) failures.until = now + Math.min(rule.longestMs, 1000 * 2 ** Math.min(over - 1, 20))
}

/** One household is one guesser: IPv6 by its /64 network, IPv4 in IPv6 clothing as itself. */
function networkOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '')
  if (!isIPv6(plain)) return plain
  const [head = '', tail] = plain.split('::', 2)
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length
  const groups = [...left, ...Array.from({ length: zeros }, () => '0'), ...right]
  return groups.slice(0, 4).join(':')
}
