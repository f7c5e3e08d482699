import { expect, it } from 'vitest'
import { retryLocked } from './retry.ts'

function failingWith(code: string, times: number) {
  let calls = 0
  const work = () => {
    calls++
    return calls <= times ? Promise.reject(Object.assign(new Error(code), { code })) : Promise.resolve(calls)
  }
  return { work, calls: () => calls }
}

it.each(['SQLITE_BUSY', 'SQLITE_BUSY_SNAPSHOT', '40P01', '40001', 'ER_LOCK_DEADLOCK', 'P1008', 'P2034'])(
  'tries again after %s',
  async (code) => {
    expect(await retryLocked(failingWith(code, 3).work)).toBe(4)
  },
)

it.each(['SQLITE_CONSTRAINT_UNIQUE', '23505', 'ER_DUP_ENTRY', 'P2002', 'ECONNREFUSED'])(
  'lets %s through at once',
  async (code) => {
    const { work, calls } = failingWith(code, 1)
    await expect(retryLocked(work)).rejects.toThrow(code)
    expect(calls()).toBe(1)
  },
)

it('gives up when its patience ends', async () => {
  const { work, calls } = failingWith('SQLITE_BUSY', Infinity)
  await expect(retryLocked(work, 20)).rejects.toThrow('SQLITE_BUSY')
  expect(calls()).toBeGreaterThan(1)
})
