import { expect, test, vi } from 'vitest'
import { recalled, rememberBreakers } from './breaker-memory.ts'

const circuit = { channelId: 1, model: 'a', until: 5, pauseMs: 10, reason: 'broken' }
const shown = { ...circuit, state: 'open' as const }

test('many changes are one write, and closing writes the rest', async () => {
  vi.useFakeTimers()
  const saved: string[] = []
  let open = [shown]
  const memory = rememberBreakers(
    { open: () => open },
    {
      save: (text) => {
        saved.push(text)
        return Promise.resolve()
      },
      onError: (error) => expect.fail(String(error)),
    },
  )
  memory.touch()
  memory.touch()
  await vi.advanceTimersByTimeAsync(2999)
  expect(saved).toHaveLength(0)
  await vi.advanceTimersByTimeAsync(1)
  expect(saved.map(recalled)).toEqual([[circuit]])
  open = []
  memory.touch()
  await memory.close()
  expect(saved.map(recalled)).toEqual([[circuit], []])
  await memory.close()
  expect(saved).toHaveLength(2)
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

test('a write that fails is told, and the next goes on', async () => {
  const errors: unknown[] = []
  let fails = true
  const memory = rememberBreakers(
    { open: () => [] },
    {
      save: () => (fails ? Promise.reject(new Error('the disk is full')) : Promise.resolve()),
      onError: (error) => errors.push(error),
    },
  )
  memory.touch()
  await memory.close()
  fails = false
  memory.touch()
  await memory.close()
  expect(errors).toHaveLength(1)
})

test.each([
  ['nothing', null, 0],
  ['no JSON', '[{', 0],
  ['no list', '{}', 0],
  ['rows of another shape', JSON.stringify([1, null, { channelId: '1' }, { ...circuit, pauseMs: 0 }, circuit]), 1],
])('of %s only what is understood is recalled', (_what, text, count) => {
  expect(recalled(text)).toHaveLength(count)
})
