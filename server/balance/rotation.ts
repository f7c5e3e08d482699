import type { Dice } from './balancer.ts'

/** Whose turn it is among the keys of a channel: each in turn, the one that had least to do, or always the first that is fit. */
export type KeyRotation = 'round_robin' | 'least_used' | 'first'

/** How much each key has been used since the start; counted only where that decides. */
export class KeyUse {
  readonly #uses = new Map<number, { active: number; total: number }>()

  begin(keyId: number): void {
    const use = this.#uses.get(keyId)
    if (use === undefined) this.#uses.set(keyId, { active: 1, total: 1 })
    else {
      use.active++
      use.total++
    }
  }

  end(keyId: number): void {
    const use = this.#uses.get(keyId)
    if (use !== undefined && use.active > 0) use.active--
  }

  /** Less is better: requests under way first, then all there were. */
  compare(a: number, b: number): number {
    const [first, second] = [this.#uses.get(a), this.#uses.get(b)]
    return (first?.active ?? 0) - (second?.active ?? 0) || (first?.total ?? 0) - (second?.total ?? 0)
  }
}

/** The keys of a channel in the order of the strategy. Never changes the list it is given. */
export function rotated<K extends { readonly id: number }>(
  keys: readonly K[],
  by: {
    readonly rotation: KeyRotation
    readonly name: string
    readonly dice: Pick<Dice, 'turn'>
    readonly use: KeyUse
  },
): readonly K[] {
  if (keys.length < 2) return keys
  switch (by.rotation) {
    case 'first':
      return keys
    case 'least_used':
      return [...keys].sort((a, b) => by.use.compare(a.id, b.id))
    case 'round_robin': {
      const first = by.dice.turn(by.name) % keys.length
      return [...keys.slice(first), ...keys.slice(0, first)]
    }
  }
}
