/** Numbers in [0, 1), the same for the same seed on every machine (Mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

type Random = () => number

export const pick = <T>(random: Random, from: readonly T[]): T => {
  const found = from[Math.floor(random() * from.length)]
  if (found === undefined) throw new Error('there is nothing to pick from')
  return found
}

const deep = (levels: number): unknown => {
  let value: unknown = 'deep'
  for (let level = 0; level < levels; level++) value = level % 2 === 0 ? [value] : { properties: value }
  return value
}

/** What stands where something else was expected. */
const junk: readonly (() => unknown)[] = [
  () => null,
  () => true,
  () => false,
  () => 0,
  () => -1,
  () => 1.5,
  () => 1e308,
  () => '',
  () => ' ',
  () => '\u0000',
  () => '\ud800',
  () => 'ü🙂'.repeat(50),
  () => 'x'.repeat(70_000),
  () => '{"a":',
  () => '[DONE]',
  () => 'data:image/png;base64,AAAA',
  () => 'data:;base64,%%%',
  () => 'http://[',
  () => '__proto__',
  () => [],
  () => ({}),
  () => [[]],
  () => [null],
  () => [{}],
  () => [''],
  () => ({ type: 'text' }),
  () => ({ type: 'function' }),
  () => ({ type: 'constructor' }),
  () => ({ text: 7 }),
  () => ({ $ref: '#' }),
  () => ({ $ref: '#/$defs/none' }),
  () => deep(40),
  () => deep(2000),
]

/** What is nested too deep to be copied is left out of the game. */
function clone(value: unknown): unknown {
  try {
    return structuredClone(value)
  } catch (error) {
    if (error instanceof RangeError) return null
    throw error
  }
}

/** A copy of a JSON value with one to four places changed: replaced, removed, doubled, moved or renamed. */
export function mutateJson(value: unknown, random: Random): unknown {
  const copy = clone(value)
  const changes = 1 + Math.floor(random() * 4)
  for (let change = 0; change < changes; change++) {
    const places = placesOf(copy)
    if (places.length === 0) return pick(random, junk)()
    const { holder, key } = pick(random, places)
    mutatePlace({ holder, key }, pick(random, places), random)
  }
  return copy
}

interface Place {
  readonly holder: Record<string, unknown> | unknown[]
  readonly key: string | number
}

/** Not deeper than what a recursive walk of our own can take: what lies below may still be replaced from above. */
function placesOf(value: unknown, depth = 0): Place[] {
  if (typeof value !== 'object' || value === null || depth > 100) return []
  if (Array.isArray(value)) {
    const holder: unknown[] = value
    return holder.flatMap((entry, key) => [{ holder, key }, ...placesOf(entry, depth + 1)])
  }
  const holder = value as Record<string, unknown>
  return Object.keys(holder).flatMap((key) => [{ holder, key }, ...placesOf(holder[key], depth + 1)])
}

function mutatePlace({ holder, key }: Place, other: Place, random: Random): void {
  const read = (place: Place): unknown =>
    Array.isArray(place.holder) ? place.holder[Number(place.key)] : place.holder[place.key]
  const write = (value: unknown): void => {
    if (Array.isArray(holder)) holder[Number(key)] = value
    else Object.defineProperty(holder, key, { value, enumerable: true, configurable: true, writable: true })
  }
  const roll = random()
  if (roll < 0.5) write(pick(random, junk)())
  else if (roll < 0.65) {
    if (Array.isArray(holder)) holder.splice(Number(key), 1)
    else Reflect.deleteProperty(holder, key)
  } else if (roll < 0.75) write(clone(read(other)))
  else if (roll < 0.85) write([read({ holder, key }), clone(read({ holder, key }))])
  else if (roll < 0.92) {
    if (Array.isArray(holder)) holder.splice(Number(key), 0, clone(holder[Number(key)]))
    else write(JSON.stringify(read({ holder, key })))
  } else if (Array.isArray(holder)) holder.reverse()
  else {
    const name = pick(random, ['__proto__', 'constructor', '', 'type', 'id', 'index', 'content'])
    Object.defineProperty(holder, name, { value: read({ holder, key }), enumerable: true, configurable: true })
  }
}

/** A copy of bytes with some overwritten, removed, doubled or inserted. */
export function mutateBytes(bytes: Buffer, random: Random): Buffer {
  let result = Buffer.from(bytes)
  const changes = 1 + Math.floor(random() * 6)
  for (let change = 0; change < changes && result.length > 0; change++) {
    const at = Math.floor(random() * result.length)
    const length = 1 + Math.floor(random() * Math.min(60, result.length - at))
    const roll = random()
    if (roll < 0.4) result[at] = Math.floor(random() * 256)
    else if (roll < 0.6) result = Buffer.concat([result.subarray(0, at), result.subarray(at + length)])
    else if (roll < 0.8) result = Buffer.concat([result.subarray(0, at + length), result.subarray(at)])
    else {
      const piece = pick(random, [
        '\n\n',
        '\r\n',
        'data: ',
        'event: error\n',
        '"',
        '\\',
        '}',
        ']',
        '\u0000',
        'null,',
        '🙂',
      ])
      result = Buffer.concat([result.subarray(0, at), Buffer.from(piece), result.subarray(at)])
    }
  }
  return result
}
