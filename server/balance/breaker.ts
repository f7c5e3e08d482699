/** A channel and the model's name there: what one circuit watches. */
export interface Place {
  readonly channelId: number
  readonly model: string
}

export type CircuitState = 'healthy' | 'open' | 'probing'

/** A change worth showing. `until` (Unix ms): when it is tried again by itself; null: it is fit. */
export interface CircuitChange extends Place {
  readonly state: CircuitState
  readonly until: number | null
  readonly reason: string
}

export interface BreakerRules {
  /** Failures in a row that open a circuit; 0: circuits never open. */
  readonly failures: number
  /** How long a circuit stays open at first; each failed probe doubles it. */
  readonly pauseMs: number
}

/** An open circuit as it outlives a restart. */
export interface OpenCircuit extends Place {
  /** Unix ms. */
  readonly until: number
  readonly pauseMs: number
  readonly reason: string
}

interface Circuit extends Place {
  /** Failures since the last whole answer. */
  inARow: number
  /** Answers and failures of the running half of the window, and of the half before. */
  counts: { ok: number; bad: number; before: { ok: number; bad: number }; since: number }
  /** Unix ms; null: closed. */
  until: number | null
  /** Of the next opening. */
  pauseMs: number
  probe: { readonly holder: object; readonly until: number } | null
  reason: string
}

const LONGEST_PAUSE_MS = 600_000
const HALF_WINDOW_MS = 30_000
/** Half of at least so many tries within the window: a channel that flaps fails its clients as surely as a dead one. */
const RATE_SAMPLE = 20
const RATE = 0.5
/** A probe that nobody reports on frees its place after this. */
const LEASE_MS = 30_000

export interface BreakerParts {
  readonly rules: () => BreakerRules
  /** Unix ms. */
  readonly now?: () => number
  /** [0,1): spreads the pauses of several circuits that opened together. */
  readonly random?: () => number
  readonly onChange?: (change: CircuitChange) => void
}

/**
 * A circuit breaker for each channel and model. Closed: all may pass. Open: members go behind the others and are asked only when
 * nothing else is left. After its pause one request at a time may try (the probe): its answer closes the circuit, its failure opens
 * it for twice as long. A circuit exists only while there is something to remember, so a healthy gateway pays for one comparison.
 */
export class Breakers {
  readonly #circuits = new Map<string, Circuit>()
  readonly #rules: () => BreakerRules
  readonly #now: () => number
  readonly #random: () => number
  readonly #onChange: (change: CircuitChange) => void

  constructor({ rules, now = Date.now, random = Math.random, onChange = () => undefined }: BreakerParts) {
    this.#rules = rules
    this.#now = now
    this.#random = random
    this.#onChange = onChange
  }

  /** Nothing has failed lately: nobody needs to be asked about anything. */
  get quiet(): boolean {
    return this.#circuits.size === 0
  }

  /** Whether a member had better not be asked now: its circuit is open, and its pause not over or a probe under way. */
  shuns(place: Place): boolean {
    const circuit = this.#find(place)
    return circuit !== undefined && circuit.until !== null && !this.#mayProbe(circuit, circuit.until)
  }

  /** Unix ms at which an open circuit may be probed; 0: it is closed. */
  opensAgainAt(place: Place): number {
    return this.#find(place)?.until ?? 0
  }

  reasonOf(place: Place): string {
    return this.#find(place)?.reason ?? ''
  }

  /**
   * Called right before a try. False: another request probes the circuit already. The probe's lease ends with `began`,
   * `succeeded`, `failed` or `left` of the same holder, and in any case after half a minute.
   */
  enter(place: Place, holder: object): boolean {
    const circuit = this.#find(place)
    if (circuit === undefined || circuit.until === null) return true
    if (!this.#mayProbe(circuit, circuit.until)) return false
    circuit.probe = { holder, until: this.#now() + LEASE_MS }
    this.#tell(circuit, 'probing')
    return true
  }

  /** An answer has begun: an open circuit closes on trial, so that the next failure opens it at once. */
  began(place: Place, holder: object): void {
    const circuit = this.#find(place)
    if (circuit === undefined) return
    this.#release(circuit, holder)
    if (circuit.until === null) return
    circuit.until = null
    circuit.probe = null
    circuit.inARow = Math.max(0, this.#rules().failures - 1)
    this.#restart(circuit)
    this.#tell(circuit, 'healthy')
  }

  /** An answer was given to its end. */
  succeeded(place: Place, holder: object): void {
    const circuit = this.#find(place)
    if (circuit === undefined) return
    this.began(place, holder)
    circuit.inARow = 0
    const counts = this.#counts(circuit)
    counts.ok++
    if (counts.bad + counts.before.bad === 0) this.#circuits.delete(nameOf(circuit))
  }

  failed(place: Place, holder: object, reason: string): void {
    const rules = this.#rules()
    if (rules.failures === 0) return
    const circuit = this.#find(place) ?? this.#create(place, rules)
    const probed = circuit.probe?.holder === holder
    this.#release(circuit, holder)
    circuit.reason = reason
    circuit.inARow++
    const counts = this.#counts(circuit)
    counts.bad++
    if (circuit.until !== null) {
      if (probed) this.#open(circuit)
      return
    }
    const bad = counts.bad + counts.before.bad
    const all = bad + counts.ok + counts.before.ok
    if (circuit.inARow >= rules.failures || (all >= RATE_SAMPLE && bad / all >= RATE)) this.#open(circuit)
  }

  /** The try said nothing about the channel: the client left, a key was refused, the request was wrong. */
  left(place: Place, holder: object): void {
    const circuit = this.#find(place)
    if (circuit?.probe?.holder !== holder) return
    this.#release(circuit, holder)
    this.#tell(circuit, 'open')
  }

  /** A person says that it is well again. Without a model: the whole channel. */
  reset(channelId: number, model: string | null = null): void {
    for (const circuit of [...this.#circuits.values()]) {
      if (circuit.channelId !== channelId || (model !== null && circuit.model !== model)) continue
      this.#circuits.delete(nameOf(circuit))
      if (circuit.until === null) continue
      circuit.until = null
      this.#tell(circuit, 'healthy')
    }
  }

  /** Forgets channels that are gone. */
  retain(exists: (channelId: number) => boolean): void {
    for (const circuit of [...this.#circuits.values()])
      if (!exists(circuit.channelId)) this.#circuits.delete(nameOf(circuit))
  }

  /** The network has changed: what failed before may work now, so every open circuit may be probed at once. */
  wake(): void {
    const now = this.#now()
    for (const circuit of this.#circuits.values()) {
      if (circuit.until === null || circuit.until <= now) continue
      circuit.until = now
      this.#tell(circuit, 'open')
    }
  }

  /** All that are open, for storing and showing. */
  open(): (OpenCircuit & { readonly state: 'open' | 'probing' })[] {
    const found: (OpenCircuit & { readonly state: 'open' | 'probing' })[] = []
    for (const circuit of this.#circuits.values()) {
      const { channelId, model, until, pauseMs, reason } = circuit
      if (until === null) continue
      found.push({ channelId, model, until, pauseMs, reason, state: this.#leased(circuit) ? 'probing' : 'open' })
    }
    return found
  }

  /** What an earlier process knew. */
  restore(circuits: readonly OpenCircuit[]): void {
    const rules = this.#rules()
    for (const { until, pauseMs, reason, ...place } of circuits) {
      const circuit = this.#create(place, rules)
      circuit.until = until
      circuit.pauseMs = Math.min(pauseMs, LONGEST_PAUSE_MS)
      circuit.reason = reason
    }
  }

  #find(place: Place): Circuit | undefined {
    return this.#circuits.size === 0 ? undefined : this.#circuits.get(nameOf(place))
  }

  #create({ channelId, model }: Place, { pauseMs }: BreakerRules): Circuit {
    const counts = { ok: 0, bad: 0, before: { ok: 0, bad: 0 }, since: this.#now() }
    const circuit = { channelId, model, inARow: 0, counts, until: null, pauseMs, probe: null, reason: '' }
    this.#circuits.set(nameOf(circuit), circuit)
    return circuit
  }

  #open(circuit: Circuit): void {
    const pauseMs = Math.min(circuit.pauseMs, LONGEST_PAUSE_MS)
    circuit.until = Math.round(this.#now() + pauseMs * (0.9 + 0.2 * this.#random()))
    circuit.pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)
    this.#tell(circuit, 'open')
  }

  #mayProbe(circuit: Circuit, until: number): boolean {
    return until <= this.#now() && !this.#leased(circuit)
  }

  #leased({ probe }: Circuit): boolean {
    return probe !== null && probe.until > this.#now()
  }

  #release(circuit: Circuit, holder: object): void {
    if (circuit.probe?.holder === holder) circuit.probe = null
  }

  #restart({ counts }: Circuit): void {
    Object.assign(counts, { ok: 0, bad: 0, before: { ok: 0, bad: 0 }, since: this.#now() })
  }

  /** The counts, moved on to the present half of the window. */
  #counts({ counts }: Circuit): Circuit['counts'] {
    const age = this.#now() - counts.since
    if (age < HALF_WINDOW_MS) return counts
    counts.before = age < 2 * HALF_WINDOW_MS ? { ok: counts.ok, bad: counts.bad } : { ok: 0, bad: 0 }
    counts.ok = 0
    counts.bad = 0
    counts.since = this.#now()
    return counts
  }

  #tell({ channelId, model, until, reason }: Circuit, state: CircuitState): void {
    this.#onChange({ channelId, model, state, until, reason: state === 'healthy' ? '' : reason })
  }
}

const nameOf = ({ channelId, model }: Place): string => `${channelId}/${model}`

/**
 * The order with open members taken out; the one whose pause ends soonest stands last, as the last resort. Healthy gateways get
 * back the list that they gave.
 */
export function withoutOpen<P extends Place>(order: readonly P[], breakers: Breakers): readonly P[] {
  if (breakers.quiet || order.length < 2) return order
  const open = order.filter((place) => breakers.shuns(place))
  if (open.length === 0) return order
  const soonest = open.reduce((a, b) => (breakers.opensAgainAt(b) < breakers.opensAgainAt(a) ? b : a))
  return [...order.filter((place) => !open.includes(place)), soonest]
}
