/** One place where a request can go: a channel and the model's name there. */
export interface Candidate {
  readonly itemId: number
  readonly groupId: number
  readonly channelId: number
  /** The name at the upstream. */
  readonly model: string
  /** 1 is tried first; equal numbers form a tier. */
  readonly priority: number
  readonly weight: number
}

export type BalanceMode = 'round_robin' | 'random' | 'failover' | 'weighted'

/** Chance and memory, injected so that tests are exact. */
export interface Dice {
  /** [0,1) */
  random(): number
  /** 0, 1, 2 … for each name of its own: groups never share a counter. */
  turn(name: string): number
  /** The running credits of smooth weighting, by item; kept between requests. */
  credits(groupId: number): Map<number, number>
}

/** Orders all candidates, best first, and drops none: failover is walking the list. */
export type Balancer = <C extends Candidate>(candidates: readonly C[], dice: Dice) => readonly C[]

export const balancers: Readonly<Record<BalanceMode, Balancer>> = {
  round_robin: (candidates, dice) =>
    byTier(candidates, (tier, name) => {
      const first = dice.turn(name) % tier.length
      return [...tier.slice(first), ...tier.slice(0, first)]
    }),
  random: (candidates, dice) => byTier(candidates, (tier) => shuffle(tier, dice)),
  // equal priorities form a tier that shares the load in turn
  failover: (candidates, dice) =>
    byTier(candidates, (tier, name) => {
      const first = dice.turn(name) % tier.length
      return [...tier.slice(first), ...tier.slice(0, first)]
    }),
  weighted: (candidates, dice) => byTier(candidates, (tier) => smooth(tier, dice)),
}

/** Puts a pinned member first; it prefers and never forbids failover. */
export function preferring<C extends Candidate>(order: readonly C[], itemId: number | null | undefined): readonly C[] {
  const preferred = order.find((candidate) => candidate.itemId === itemId)
  return preferred === undefined ? order : [preferred, ...order.filter((candidate) => candidate !== preferred)]
}

/** Own counters per name; they live as long as the process. */
export function createDice(random: () => number = Math.random): Dice {
  const turns = new Map<string, number>()
  const credits = new Map<number, Map<number, number>>()
  return {
    random,
    turn: (name) => {
      const turn = turns.get(name) ?? 0
      turns.set(name, (turn + 1) % Number.MAX_SAFE_INTEGER)
      return turn
    },
    credits: (groupId) => {
      let of = credits.get(groupId)
      if (of === undefined) {
        of = new Map()
        credits.set(groupId, of)
      }
      return of
    },
  }
}

/** Each tier ordered by itself, the better tiers first. */
function byTier<C extends Candidate>(
  candidates: readonly C[],
  order: (tier: readonly C[], name: string) => readonly C[],
): readonly C[] {
  const [only] = candidates
  if (only === undefined || candidates.length === 1) return candidates
  if (candidates.every((candidate) => candidate.priority === only.priority))
    return order(candidates, `${only.groupId}/${only.priority}`)
  const tiers = new Map<number, C[]>()
  for (const candidate of candidates) {
    const tier = tiers.get(candidate.priority)
    if (tier === undefined) tiers.set(candidate.priority, [candidate])
    else tier.push(candidate)
  }
  return [...tiers.keys()]
    .sort((a, b) => a - b)
    .flatMap((priority) => order(tiers.get(priority) ?? [], `${only.groupId}/${priority}`))
}

/** Fisher–Yates: every order equally likely. */
function shuffle<C>(items: readonly C[], dice: Dice): readonly C[] {
  const deck = [...items]
  for (let last = deck.length - 1; last > 0; last--) {
    const pick = Math.floor(dice.random() * (last + 1))
    const [a, b] = [deck[last], deck[pick]]
    if (a === undefined || b === undefined) continue
    deck[last] = b
    deck[pick] = a
  }
  return deck
}

/**
 * Smooth weighted round robin (the rule that nginx made known): each turn every member earns its weight, the richest is chosen
 * and pays the sum. Exactly proportional over any whole round, and never a burst of one member. The rest follow by credit.
 * Members of weight 0 come last: they are reserves.
 */
function smooth<C extends Candidate>(tier: readonly C[], dice: Dice): readonly C[] {
  const first = tier[0]
  if (first === undefined) return tier
  const credits = dice.credits(first.groupId)
  const credit = (candidate: C): number => credits.get(candidate.itemId) ?? 0
  const live = tier.filter((candidate) => candidate.weight > 0)
  let sum = 0
  for (const candidate of live) {
    credits.set(candidate.itemId, credit(candidate) + candidate.weight)
    sum += candidate.weight
  }
  const order = [...live].sort((a, b) => credit(b) - credit(a))
  const chosen = order[0]
  if (chosen !== undefined) credits.set(chosen.itemId, credit(chosen) - sum)
  return [...order, ...tier.filter((candidate) => candidate.weight <= 0)]
}
