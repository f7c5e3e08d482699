/** Each new measurement moves the average by so much: about the last six count. */
const SHARE = 0.3
/** How long an address that failed is passed over, at first; each further failure doubles it. */
const PASS_OVER_MS = 15_000
const LONGEST_PASS_OVER_MS = 300_000

/** A moving average that also knows when it must not be believed. */
interface Measured {
  ms: number | null
  failures: number
  /** Unix ms until which it is passed over. */
  until: number
}

/** Moving averages of waiting times by name, from real traffic. */
export class Latency {
  readonly #measured = new Map<string, Measured>()
  readonly #now: () => number
  readonly #cap: number

  constructor(now: () => number = Date.now, cap = 10_000) {
    this.#now = now
    this.#cap = cap
  }

  note(name: string, ms: number): void {
    const known = this.#find(name)
    known.ms = known.ms === null ? ms : known.ms + SHARE * (ms - known.ms)
    known.failures = 0
    known.until = 0
  }

  failed(name: string): void {
    const known = this.#find(name)
    known.until = this.#now() + Math.min(PASS_OVER_MS * 2 ** known.failures, LONGEST_PASS_OVER_MS)
    known.failures++
  }

  /** null: never measured. */
  of(name: string): number | null {
    return this.#measured.get(name)?.ms ?? null
  }

  /** Whether it failed lately. */
  shuns(name: string): boolean {
    return (this.#measured.get(name)?.until ?? 0) > this.#now()
  }

  /** The network has changed: old failures say nothing any more. */
  wake(): void {
    for (const measured of this.#measured.values()) Object.assign(measured, { failures: 0, until: 0 })
  }

  #find(name: string): Measured {
    let known = this.#measured.get(name)
    if (known === undefined) {
      if (this.#measured.size >= this.#cap) this.#measured.clear() // names of a configuration that is long gone
      this.#measured.set(name, (known = { ms: null, failures: 0, until: 0 }))
    }
    return known
  }
}

/**
 * Several addresses of one channel, best first: never measured ones (their turn measures them), then by their average; those that
 * failed lately at the end.
 */
export function byLatency(names: readonly string[], latency: Latency): readonly string[] {
  if (names.length < 2) return names
  const rank = (name: string): number => latency.of(name) ?? -1
  return [...names].sort((a, b) => Number(latency.shuns(a)) - Number(latency.shuns(b)) || rank(a) - rank(b))
}

/** How often the order is left to chance, so that a member that was slow once is measured again. */
const EXPLORE = 0.05

/**
 * Members of each tier by a number, smallest first; unknown ones first or last. Equal ones keep the order that the group's mode gave
 * them, so the load is still shared among them.
 */
export function ranked<C extends { readonly priority: number }>(
  order: readonly C[],
  by: {
    readonly rank: (member: C) => number | null
    readonly unknown: 'first' | 'last'
    /** [0,1): below a twentieth the order stays as it is. Absent: never. */
    readonly chance?: () => number
  },
): readonly C[] {
  if (order.length < 2 || (by.chance !== undefined && by.chance() < EXPLORE)) return order
  const ranks = new Map(order.map((member) => [member, by.rank(member) ?? (by.unknown === 'first' ? -1 : Infinity)]))
  const difference = (a: C, b: C): number => {
    const [first = 0, second = 0] = [ranks.get(a), ranks.get(b)]
    return first === second ? 0 : first - second
  }
  return [...order].sort((a, b) => a.priority - b.priority || difference(a, b))
}
