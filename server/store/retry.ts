import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Codes of "somebody else was faster, do it again": SQLite's lock, PostgreSQL's serialization failure and deadlock, MySQL's deadlock
 * and lock wait, and the words that Prisma has for them.
 */
const transient = /^(SQLITE_BUSY|SQLITE_LOCKED|40001|40P01|ER_LOCK_DEADLOCK|ER_LOCK_WAIT_TIMEOUT|P1008|P2034)/

export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}

/**
 * Runs `work` again, with growing pauses, while it fails because of a lock or a deadlock; then lets the error through.
 * The event loop stays free meanwhile. `work` must be repeatable: a transaction that was rolled back.
 */
export async function retryLocked<T>(work: () => Promise<T>, patienceMs = 15_000): Promise<T> {
  const deadline = Date.now() + patienceMs
  for (let pause = 5; ; pause = Math.min(pause * 2, 200)) {
    try {
      return await work()
    } catch (error) {
      if (!transient.test(codeOf(error)) || Date.now() > deadline) throw error
      await sleep(pause / 2 + (Math.random() * pause) / 2)
    }
  }
}
