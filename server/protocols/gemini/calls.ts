interface Pending {
  readonly id: string
  readonly wireId: string | undefined
  readonly name: string
}

/**
 * Gives every call of a conversation an id of its own and finds the call that a response answers: by id, else by name, else by
 * order. Gemini's calls mostly have no id, and servers that number them per turn repeat theirs. Ids depend on the position only,
 * so that the same history always gives the same ids (a provider's prompt cache hangs on it).
 */
export class CallLedger {
  readonly #used = new Set<string>()
  #pending: Pending[] = []
  #answered = false
  #count = 0

  /** @returns the call's unique id */
  call(name: string, wireId: string | undefined): string {
    if (this.#answered) {
      this.#pending = []
      this.#answered = false
    }
    const id = this.#unique(wireId === undefined || wireId === '' ? `call_${this.#count}` : wireId)
    this.#count++
    this.#pending.push({ id, wireId, name })
    return id
  }

  /** A turn of the user began: the next call belongs to another step, and unanswered ones stay so. */
  turn(): void {
    this.#answered = true
  }

  /** @returns id and name of the answered call; a response that answers none gets an id of its own */
  response(name: string, wireId: string | undefined): { readonly id: string; readonly name: string } {
    const found = this.#find(name, wireId)
    if (found === undefined) return { id: this.#unique(wireId ?? `call_${this.#count++}`), name }
    this.#pending = this.#pending.filter((call) => call !== found)
    return { id: found.id, name: found.name }
  }

  #find(name: string, wireId: string | undefined): Pending | undefined {
    const pending = this.#pending
    if (wireId !== undefined && wireId !== '') {
      const same = pending.find((call) => call.wireId === wireId) ?? pending.find((call) => call.id === wireId)
      if (same !== undefined) return same
    }
    return pending.find((call) => call.name === name) ?? pending.find((call) => call.id === name) ?? pending[0]
  }

  #unique(wanted: string): string {
    let id = wanted
    for (let copy = 2; this.#used.has(id); copy++) id = `${wanted}_${copy}`
    this.#used.add(id)
    return id
  }
}
