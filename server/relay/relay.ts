import { backOffMs, mayPass, worthRepeating } from '../balance/back-off.ts'
import type { Permit } from '../balance/limits.ts'
import { RelayError } from '../errors.ts'
import type { ApiKey, Group } from '../store/configuration.ts'
import type { Attempt } from './attempt.ts'
import type { Call } from './call.ts'
import type { Member } from './candidates.ts'
import { blamesAddress, type Choice, type Wish } from './choice.ts'
import type { Outcome, UpstreamWords } from './outcome.ts'
import type { Try } from './try.ts'

/** The relay's view of everything around it: assembled in server/index.ts. */
export interface Gateway {
  /** Asked before the body is read: a stranger's megabytes are nobody's. @throws RelayError `unauthenticated` */
  authenticate(presented: readonly string[]): ApiKey
  /** @throws RelayError `model_not_found`, `forbidden` */
  resolveGroup(model: string, caller: ApiKey): Group
  /** A place among the caller's requests; null: it has no limits. Rejects with RelayError `limit_exceeded`, `cancelled` */
  admit(caller: ApiKey, signal: Try['signal']): Promise<Permit> | null
  /** @throws RelayError `no_channel` */
  candidates(group: Group, call: Call): readonly Member[]
  readonly choice: Choice
  /**
   * Converts where needed and sends. Nearly always at once: a promise only where something has to be fetched or looked up first.
   * @throws RelayError when the request cannot be said in the member's format; or rejects with it
   */
  attempt(call: Call, try_: Try): Attempt | Promise<Attempt>
  /** Distinct members tried in one request, and the moment (`performance.now()`) by which the first byte must be there. */
  limits(group: Group, call: Call): Bounds
  /** [0,1) */
  random(): number
}

export interface Bounds {
  readonly maxMembers: number
  readonly deadline: number
}

export interface Answered {
  readonly attempt: Attempt
  readonly outcome: Exclude<Outcome, { readonly kind: 'failed' }>
  readonly member: Member
  readonly try_: Try
}

/** What is told while a request runs. */
export interface Watch extends Pick<Try, 'journal' | 'signal'> {
  /** The group never gives up: the client may have to wait for long, and had better be told that it is not forgotten. */
  readonly onPatience?: () => void
}

type Failed = Extract<Outcome, { readonly kind: 'failed' }>

/** All failed: the error that tells it best, and the upstream's own bytes when it speaks the client's format. */
export class RelayFailure extends Error {
  override readonly name = 'RelayFailure'
  readonly error: RelayError
  readonly words: UpstreamWords | null
  constructor(error: RelayError, words: UpstreamWords | null) {
    super(error.message, { cause: error })
    this.error = error
    this.words = words
  }
}

/** Several keys of one member may be tried, but a channel with a hundred dead keys must not hold a request for ever. */
const KEYS_PER_MEMBER = 5
const ADDRESSES_PER_MEMBER = 3

/**
 * The main path: which group, in which order, and one try after the other until the first meaningful event. A round asks each
 * member at most once; only a group that never gives up, or has one member only, gets another.
 * @throws RelayError for what is wrong before anybody was asked; RelayFailure when everybody who was asked failed
 */
export async function relay(call: Call, gateway: Gateway, watch: Watch): Promise<Answered> {
  const { journal, signal } = watch
  const group = (journal.group = gateway.resolveGroup(call.peek.model, call.caller))
  const admitted = gateway.admit(call.caller, signal)
  if (admitted !== null) journal.permit = await admitted
  if (group.policy.neverGiveUp === true) watch.onPatience?.()
  const wish: Wish = {
    session: gateway.choice.session(group, call),
    stream: call.peek.stream,
    judged: call.raw === undefined && call.route.operation === 'generate',
  }
  const bounds = gateway.limits(group, call)
  const walk: Walk = { call, gateway, group, wish, bounds, watch }
  for (let rounds = 0; ; rounds++) {
    const members = gateway.candidates(group, call)
    const order = gateway.choice.order(group, members, wish)
    if (rounds === 0 && members.length > 1) gateway.choice.noteSkipped(members, journal)
    const failures: Failed[] = []
    const answered = await round(walk, order, failures)
    if (answered !== null) return answered
    const waitMs = pauseBefore(walk, { rounds: rounds + 1, order, failures })
    if (waitMs === null) throw best(failures)
    await pause(waitMs, signal)
    journal.losses.length = 0
  }
}

interface Walk {
  readonly call: Call
  readonly gateway: Gateway
  readonly group: Group
  readonly wish: Wish
  readonly bounds: Bounds
  readonly watch: Watch
}

/** Asks the members in their order. null: all have failed, and `failures` says how. */
async function round(walk: Walk, order: readonly Member[], failures: Failed[]): Promise<Answered | null> {
  let tried = 0
  let at = 0
  for (const member of order) {
    if (tried >= walk.bounds.maxMembers) return null
    const answered = await askMember(walk, { member, last: ++at === order.length, failures })
    if (answered === 'skipped') continue
    if (answered !== null) return answered
    tried++
  }
  return null
}

/** Tries a member with its keys, and at its addresses. */
async function askMember(
  walk: Walk,
  asked: { readonly member: Member; readonly last: boolean; readonly failures: Failed[] },
): Promise<Answered | 'skipped' | null> {
  const { call, gateway, group, wish, bounds, watch } = walk
  const { journal, signal } = watch
  const { failures } = asked
  for (const key of gateway.choice.keys(asked.member, wish).slice(0, KEYS_PER_MEMBER)) {
    for (const member of gateway.choice.addresses(asked.member).slice(0, ADDRESSES_PER_MEMBER)) {
      if (signal.aborted) throw new RelayError('cancelled', 'the client went away')
      if (failures.length > 0 && performance.now() >= bounds.deadline) throw best(failures)
      const startedMs = journal.elapsed()
      const { session, judged } = wish
      const try_: Try = { group, member, key, journal, signal, session, judged, startedAt: performance.now() }
      if (!gateway.choice.enter(try_, asked.last)) return 'skipped'
      let attempt: Attempt | null = null
      let outcome: Outcome
      try {
        const made = gateway.attempt(call, try_)
        attempt = made instanceof Promise ? await made : made
        outcome = await attempt.outcome
      } catch (error) {
        outcome = { kind: 'failed', error: asRelayError(error), words: null }
      }
      if (key !== null) journal.keepSecret(key.secret.reveal())
      // some upstreams repeat the key that they refuse: nobody further on may see it
      if (outcome.kind === 'failed') outcome = { ...outcome, error: journal.scrubError(outcome.error) }
      const error = outcome.kind === 'failed' ? outcome.error : null
      gateway.choice.noteOutcome(try_, outcome)
      journal.noteAttempt({ member, key, attempt, startedMs, error })
      if (outcome.kind !== 'failed' && attempt !== null) return { attempt, outcome, member, try_ }
      if (outcome.kind !== 'failed') continue
      failures.push(outcome)
      if (outcome.error.scope === 'request') throw best(failures) // nobody else would do better
      if (outcome.error.scope === 'key') break // another address has the same account
      if (!blamesAddress(outcome.error)) return null // neither another key nor another address would help
    }
    if (failures.at(-1)?.error.scope === 'channel') return null
  }
  return null
}

/**
 * How long to wait before everybody is asked once more, in ms; null: not at all. Who never gives up stops only where waiting cannot
 * help. Others repeat only a group's one member, while time and the number of tries allow it.
 */
function pauseBefore(
  { gateway, group, bounds }: Walk,
  after: { readonly rounds: number; readonly order: readonly Member[]; readonly failures: readonly Failed[] },
): number | null {
  const { rounds, order, failures } = after
  const waits = failures.flatMap(({ error }) => error.detail.retryAfterMs ?? [])
  const wait = (): number =>
    backOffMs(rounds - 1, () => gateway.random(), waits.length === 0 ? undefined : Math.min(...waits))
  if (group.policy.neverGiveUp === true) return failures.some(({ error }) => mayPass(error)) ? wait() : null
  const [only] = order
  if (only === undefined || order.length > 1 || rounds >= bounds.maxMembers) return null
  if (!gateway.choice.isFit(only) || !failures.every(({ error }) => worthRepeating(error))) return null
  const waitMs = wait()
  return performance.now() + waitMs < bounds.deadline ? waitMs : null
}

/** Rejects with RelayError `cancelled` as soon as the client goes away. */
function pause(ms: number, signal: Try['signal']): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms)
    signal.onAbort(() => {
      clearTimeout(timer)
      reject(new RelayError('cancelled', 'the client went away while the gateway waited to try again'))
    })
  })
}

function asRelayError(error: unknown): RelayError {
  return error instanceof RelayError
    ? error
    : new RelayError('internal', 'the gateway failed on this request', { cause: error })
}

/**
 * Which of several failures the client should read. The last one, except that a wait which somebody named is better news than a
 * dead key or a broken connection: the client can act on it.
 */
function best(failures: readonly Failed[]): RelayFailure {
  const last = failures[failures.length - 1]
  if (last === undefined) throw new RelayError('no_channel', 'no channel was left to ask')
  const patient =
    last.error.scope === 'request' ? undefined : failures.findLast(({ error }) => error.kind === 'rate_limited')
  const chosen = patient ?? last
  return new RelayFailure(chosen.error, chosen.words)
}
