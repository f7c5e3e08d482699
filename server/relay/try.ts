import type { Session } from '../balance/affinity.ts'
import type { ChannelKey, Group } from '../store/configuration.ts'
import type { Member } from './candidates.ts'
import type { Journal } from './journal.ts'

/** The client's hang-up, without the cost of an AbortController: whoever runs looks, and whoever waits is told. */
export interface AbortSignalLike {
  readonly aborted: boolean
  onAbort(listener: () => void): void
}

/** One member (at one of its addresses) and one of its keys, for one group. */
export interface Try {
  readonly group: Group
  readonly member: Member
  readonly key: ChannelKey | null
  readonly journal: Journal
  readonly signal: AbortSignalLike
  /** The conversation, where the group remembers them. */
  readonly session: Session | null
  /** How it goes says something about the channel: counting tokens and routes outside the five formats do not. */
  readonly judged: boolean
  /** `performance.now()` */
  readonly startedAt: number
}
