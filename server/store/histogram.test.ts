import { describe, expect, it } from 'vitest'
import { bucketCount, bucketOf, durationBounds, firstTokenBounds, percentile } from './histogram.ts'

describe('buckets', () => {
  it('are as many as the table has columns', () => {
    expect(firstTokenBounds).toHaveLength(bucketCount - 1)
    expect(durationBounds).toHaveLength(bucketCount - 1)
  })

  it.each([
    [0, 0],
    [49.9, 0],
    [50, 1],
    [51_199, 10],
    [51_200, 11],
    [9e9, 11],
  ])('%d ms is counted in bucket %d', (value, bucket) => {
    expect(bucketOf(firstTokenBounds, value)).toBe(bucket)
  })
})

describe('percentiles', () => {
  const counted = (values: readonly number[]): number[] => {
    const buckets = Array.from({ length: bucketCount }, () => 0)
    for (const value of values) {
      const bucket = bucketOf(firstTokenBounds, value)
      buckets[bucket] = (buckets[bucket] ?? 0) + 1
    }
    return buckets
  }

  it('of nothing are unknown', () => {
    expect(percentile(firstTokenBounds, counted([]), 0.5)).toBeNull()
  })

  it.each([0.5, 0.95])('of many values are near the true one (%d)', (share) => {
    const values = Array.from({ length: 1000 }, (_, at) => 100 * 1.005 ** at) // 100 ms to 14.6 s, evenly on a log scale
    const truth = values[Math.floor(share * values.length)] ?? 0
    const read = percentile(firstTokenBounds, counted(values), share) ?? 0
    expect(read / truth).toBeGreaterThan(0.95)
    expect(read / truth).toBeLessThan(1.05)
  })

  it('lie in the bucket of a single value', () => {
    for (const value of [10, 75, 1000, 30_000, 80_000]) {
      const read = percentile(firstTokenBounds, counted([value]), 0.5) ?? 0
      expect(bucketOf(firstTokenBounds, read)).toBe(bucketOf(firstTokenBounds, value))
    }
  })

  it('never fall as the share rises', () => {
    const buckets = counted([5, 60, 60, 700, 700, 700, 9000, 99_999])
    const read = [0.1, 0.3, 0.5, 0.7, 0.9, 1].map((share) => percentile(firstTokenBounds, buckets, share) ?? -1)
    expect(read).toEqual([...read].sort((a, b) => a - b))
  })
})
