const hourMs = 3_600_000

/** Finds the beginning of the day that a moment belongs to in a time zone, across its changes of the clock. */
export class Days {
  readonly #format: Intl.DateTimeFormat
  #start = 0
  #end = 0

  /** `timeZone` is an IANA name; throws RangeError for another. */
  constructor(timeZone: string) {
    this.#format = new Intl.DateTimeFormat('en-US', {
      timeZone,
      calendar: 'gregory',
      numberingSystem: 'latn',
      hourCycle: 'h23',
      era: 'short',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
  }

  /** Unix ms of the first moment of the local day. Cheap for moments that follow each other. */
  startOf(at: number): number {
    if (at >= this.#start && at < this.#end) return this.#start
    this.#start = this.#find(at)
    // no day is shorter than 12 hours or longer than 36
    this.#end = this.#find(this.#start + 36 * hourMs)
    return this.#start
  }

  #find(at: number): number {
    const midnight = dayOf(this.#local(at))
    const guess = midnight - (this.#local(at) - at)
    // the clock may change between midnight and now: midnight's own offset is one of those around it
    const starts = [-12, 0, 12].map((hours) => {
      const near = guess + hours * hourMs
      return midnight - (this.#local(near) - near)
    })
    const first = starts.filter((start) => dayOf(this.#local(start)) === midnight).sort((a, b) => a - b)[0]
    return first ?? guess
  }

  /** The local clock's reading, as if it were UTC. */
  #local(at: number): number {
    const parts = new Map(this.#format.formatToParts(at).map(({ type, value }) => [type, Number(value)]))
    const part = (type: Intl.DateTimeFormatPartTypes): number => parts.get(type) ?? 0
    return (
      Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second')) +
      (((at % 1000) + 1000) % 1000)
    )
  }
}

function dayOf(local: number): number {
  return Math.floor(local / (24 * hourMs)) * 24 * hourMs
}
