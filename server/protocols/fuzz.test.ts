import { describe, expect, test } from 'vitest'
import { wireFormats } from '../model/request.ts'
import { fuzzReplies, fuzzRequests, fuzzStreams } from './testing/fuzz.ts'

// Whatever comes is understood or refused with a RelayError, in time, and told to a proper end. `npm run fuzz` tries more.

describe.each(wireFormats)('%s', (format) => {
  test.each([
    ['requests', fuzzRequests],
    ['streams', fuzzStreams],
    ['whole replies', fuzzReplies],
  ])('mutated %s', (_, fuzz) => {
    const { tried, understood, findings } = fuzz(format, 500)
    expect(findings).toEqual([])
    // a fuzzer whose inputs are all refused at the door finds nothing
    expect(understood).toBeGreaterThan(tried / 10)
  })
})
