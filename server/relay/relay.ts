import { RelayError } from '../errors.ts'
import type { ApiKey, ChannelKey, Group } from '../store/configuration.ts'
import type { Attempt } from './attempt.ts'
import type { Outcome, UpstreamWords } from './outcome.ts'
import type { Call } from './call.ts'
import type { Member } from './candidates.ts'
import type { Journal } from './journal.ts'

/** The relay's view of everything around it: assembled in server/index.ts. */
export interface Gateway {
  /** Asked before the body is read: a stranger's megabytes are nobody's. @throws RelayError `unauthenticated` */
  authenticate(presented: { readonly headers: Call['headers']; readonly queryKey: string | null }): ApiKey
  /** @throws RelayError `model_not_found`, `forbidden` */
  resolveGroup(model: string, caller: ApiKey): Group
  /** @throws RelayError `no_channel` */
  candidates(group: Group, call: Call): readonly Member[]
  /** All of them, best first. */
  balance(group: Group, members: readonly Member[]): readonly Member[]
  keys(member: Member): readonly (ChannelKey | null)[]
  /** Converts where needed and sends. @throws RelayError when the request cannot be said in the member's format */
  attempt(call: Call, try_: Try): Promise<Attempt>
  noteHealth(try_: Try, error: RelayError | null): void
  /** Distinct members tried in one request, and the moment (`performance.now()`) by which the first byte must be there. */
  limits(group: Group, call: Call): { readonly maxMembers: number; readonly deadline: number }
}

/** One member and one of its keys, for one group. */
export interface Try {
  readonly group: Group
  readonly member: Member
  readonly key: ChannelKey | null
  readonly journal: Journal
  readonly signal: AbortSignalLike
}

/** The client's hang-up, without the cost of an AbortController: whoever runs looks, and whoever waits is told. */
export interface AbortSignalLike {
  readonly aborted: boolean
  onAbort(listener: () => void): void
}

export interface Answered {
  readonly attempt: Attempt
  readonly outcome: Exclude<Outcome, { readonly kind: 'failed' }>
  readonly member: Member
}

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

/**
 * The main path: which group, in which order, and one try after the other until the first meaningful event.
 * @throws RelayError for what is wrong before anybody was asked; RelayFailure when everybody who was asked failed
 */
export async function relay(call: Call, gateway: Gateway, watch: Pick<Try, 'journal' | 'signal'>): Promise<Answered> {
  const { journal, signal } = watch
  const group = (journal.group = gateway.resolveGroup(call.peek.model, call.caller))
  const order = gateway.balance(group, gateway.candidates(group, call))
  const { maxMembers, deadline } = gateway.limits(group, call)
  const failures: { readonly error: RelayError; readonly words: UpstreamWords | null }[] = []
  for (const member of order.slice(0, maxMembers)) {
    for (const key of gateway.keys(member).slice(0, KEYS_PER_MEMBER)) {
      if (signal.aborted) throw new RelayError('cancelled', 'the client went away')
      if (failures.length > 0 && performance.now() >= deadline) throw best(failures)
      const startedMs = journal.elapsed()
      const try_: Try = { group, member, key, journal, signal }
      const attempt = await gateway.attempt(call, try_).catch((error: unknown) => asRelayError(error))
      const outcome: Outcome =
        attempt instanceof RelayError ? { kind: 'failed', error: attempt, words: null } : await attempt.outcome
      const error = outcome.kind === 'failed' ? outcome.error : null
      journal.noteAttempt({ member, key, attempt: attempt instanceof RelayError ? null : attempt, startedMs, error })
      gateway.noteHealth(try_, error)
      if (outcome.kind !== 'failed' && !(attempt instanceof RelayError)) return { attempt, outcome, member }
      if (outcome.kind !== 'failed') continue
      failures.push(outcome)
      if (outcome.error.scope === 'request') throw best(failures) // nobody else would do better
      if (outcome.error.scope === 'channel') break // another key would not help
    }
  }
  throw best(failures)
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
function best(failures: readonly { readonly error: RelayError; readonly words: UpstreamWords | null }[]): RelayFailure {
  const last = failures[failures.length - 1]
  if (last === undefined) throw new RelayError('no_channel', 'no channel was left to ask')
  const patient =
    last.error.scope === 'request' ? undefined : failures.findLast(({ error }) => error.kind === 'rate_limited')
  const chosen = patient ?? last
  return new RelayFailure(chosen.error, chosen.words)
}
