import type { Breakers, OpenCircuit } from './breaker.ts'

/** Where the open circuits are kept between starts: one small text. */
export interface BreakerMemory {
  /** Something changed: written soon, together with what changes meanwhile. */
  touch(): void
  /** Writes what is still unwritten. */
  close(): Promise<void>
}

/**
 * Writes at most once in `everyMs`; a write that fails is told and tried again with the next change. What is kept is a hint for the
 * next start, not a book: losing it costs a few failed tries.
 */
export function rememberBreakers(
  breakers: Pick<Breakers, 'open'>,
  parts: {
    readonly save: (text: string) => Promise<void>
    readonly onError: (error: unknown) => void
    readonly everyMs?: number
  },
): BreakerMemory {
  const { save, onError, everyMs = 3000 } = parts
  let timer: NodeJS.Timeout | null = null
  let writing: Promise<void> = Promise.resolve()
  const write = (): void => {
    timer = null
    writing = writing.then(() => save(JSON.stringify(breakers.open()))).catch(onError)
  }
  return {
    touch: () => {
      timer ??= setTimeout(write, everyMs)
      timer.unref()
    },
    close: async () => {
      if (timer !== null) {
        clearTimeout(timer)
        write()
      }
      await writing
    },
  }
}

/** What `rememberBreakers` wrote; what cannot be read is left out. */
export function recalled(text: string | null): OpenCircuit[] {
  if (text === null) return []
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return [] // written by another version, or damaged: circuits open again by themselves
  }
  return Array.isArray(parsed) ? parsed.flatMap((row: unknown) => circuitOf(row)) : []
}

function circuitOf(row: unknown): OpenCircuit[] {
  if (typeof row !== 'object' || row === null) return []
  const { channelId, model, until, pauseMs, reason } = row as Partial<Record<keyof OpenCircuit, unknown>> // each is narrowed below
  if (typeof channelId !== 'number' || typeof model !== 'string') return []
  if (typeof until !== 'number' || typeof pauseMs !== 'number' || pauseMs <= 0) return []
  return [{ channelId, model, until, pauseMs, reason: typeof reason === 'string' ? reason : '' }]
}
