/** An integer as JavaScript counts best: a number while it is exact, else a bigint. */
export function integer(value: bigint): number | bigint {
  const near = Number(value)
  return Number.isSafeInteger(near) ? near : value
}

/** A decimal's text as a number; whole ones stay exact (see `integer`). */
export function decimal(text: string): number | bigint {
  return /^-?\d+(\.0+)?$/.test(text) ? integer(BigInt(text.replace(/\.0+$/, ''))) : Number(text)
}
