import type { RelayError } from '../errors.ts'

/** How long a key rests after 429 when the upstream named no time. */
const COOLING_MS = 30_000
/** An upstream that asks for more than this is asked again after it all the same: limits get lifted early. */
const LONGEST_COOLING_MS = 3_600_000
/** How long a key rests after 401, 402 or 403: it recovers by itself when the person has paid or the provider has slipped. */
const SUSPENSION_MS = 600_000

/** What stopped a key, and until when (Unix ms). */
export interface Rest {
  readonly until: number
  readonly kind: 'cooling' | 'suspended'
  readonly status: number | null
}

/**
 * Which keys had better not be asked now. Cooling holds for one model of one key, suspension for the whole key. It only orders
 * and skips while something better is left: a request whose every key rests is still tried, so that a healed key is seen at once.
 */
export class KeyHealth {
  readonly #cooling = new Map<string, Rest>()
  readonly #suspended = new Map<number, Rest>()
  readonly #now: () => number

  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  noteFailure(keyId: number, model: string, error: RelayError): Rest | null {
    const status = error.detail.upstreamStatus ?? null
    if (error.kind === 'rate_limited') {
      const wait = Math.min(error.detail.retryAfterMs ?? COOLING_MS, LONGEST_COOLING_MS)
      const rest: Rest = { until: this.#now() + wait, kind: 'cooling', status }
      this.#cooling.set(`${keyId}/${model}`, rest)
      return rest
    }
    if (error.kind === 'key_refused') {
      const rest: Rest = { until: this.#now() + SUSPENSION_MS, kind: 'suspended', status }
      this.#suspended.set(keyId, rest)
      return rest
    }
    return null
  }

  /** A suspension that an earlier process saw. */
  restore(keyId: number, rest: Rest): void {
    this.#suspended.set(keyId, rest)
  }

  noteSuccess(keyId: number, model: string): void {
    this.#cooling.delete(`${keyId}/${model}`)
    this.#suspended.delete(keyId)
  }

  /** The longest rest that holds for this key and model now; null: it is fit. */
  restOf(keyId: number, model: string): Rest | null {
    if (this.#cooling.size === 0 && this.#suspended.size === 0) return null
    const now = this.#now()
    const cooling = this.#cooling.get(`${keyId}/${model}`)
    if (cooling !== undefined && cooling.until <= now) this.#cooling.delete(`${keyId}/${model}`)
    const suspended = this.#suspended.get(keyId)
    if (suspended !== undefined && suspended.until <= now) this.#suspended.delete(keyId)
    const live = [cooling, suspended].filter((rest) => rest !== undefined && rest.until > now)
    return live.reduce<Rest | null>(
      (longest, rest) => (rest !== undefined && (longest === null || rest.until > longest.until) ? rest : longest),
      null,
    )
  }

  /** All that rest now; `model` null: for every model. */
  all(): { readonly keyId: number; readonly model: string | null; readonly rest: Rest }[] {
    const now = this.#now()
    const found: { readonly keyId: number; readonly model: string | null; readonly rest: Rest }[] = []
    for (const [keyId, rest] of this.#suspended) if (rest.until > now) found.push({ keyId, model: null, rest })
    for (const [name, rest] of this.#cooling) {
      const slash = name.indexOf('/')
      if (rest.until > now) found.push({ keyId: Number(name.slice(0, slash)), model: name.slice(slash + 1), rest })
    }
    return found
  }

  /** Forgets what is known of a key: a person has changed or reset it. */
  reset(keyId: number): void {
    this.#suspended.delete(keyId)
    for (const name of this.#cooling.keys()) if (name.startsWith(`${keyId}/`)) this.#cooling.delete(name)
  }
}
