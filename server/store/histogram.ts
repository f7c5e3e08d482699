/**
 * Upper bounds of the buckets in hour_stat, in ms: bucket n counts values below bound n (and not below bound n-1), the last bucket
 * counts the rest. Each bound doubles, so a percentile read from them is within a factor of two, and mostly much nearer.
 * They are part of the data: changing them would change what stored counts mean.
 */
export const firstTokenBounds = [50, 100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200] as const
export const durationBounds = [250, 500, 1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 128_000, 256_000] as const

export const bucketCount = firstTokenBounds.length + 1

/** The number of the bucket that counts a value. */
export function bucketOf(bounds: readonly number[], value: number): number {
  const index = bounds.findIndex((bound) => value < bound)
  return index === -1 ? bounds.length : index
}

/** The value below which a share (0 to 1) of all lies, interpolated on the bounds' own scale; null when nothing was counted. */
export function percentile(bounds: readonly number[], buckets: readonly number[], share: number): number | null {
  const total = buckets.reduce((sum, count) => sum + count, 0)
  if (total === 0) return null
  let before = 0
  for (const [index, count] of buckets.entries()) {
    if (count > 0 && before + count >= share * total) {
      const first = bounds[0] ?? 0
      const low = index === 0 ? 0 : (bounds[index - 1] ?? 0)
      const high = bounds[index] ?? 2 * low
      const within = (share * total - before) / count
      // the first bucket begins at 0, where a ratio says nothing
      return Math.round(index === 0 ? first * within : low * (high / low) ** within)
    }
    before += count
  }
  return null
}
