import { setImmediate as turn } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { WriteQueue } from './write-queue.ts'

it('lets one turn in at a time, in order, also after a failure', async () => {
  const queue = new WriteQueue()
  const seen: string[] = []
  let inside = 0
  const work = (name: string, fails = false) =>
    queue.run(async () => {
      expect(++inside).toBe(1)
      seen.push(name)
      await turn()
      inside--
      if (fails) throw new Error(name)
      return name
    })
  const results = await Promise.allSettled([work('a'), work('b', true), work('c')])
  expect(seen).toEqual(['a', 'b', 'c'])
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
})
