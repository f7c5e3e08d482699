import type { StoreLog } from './database.ts'

/** How often the revision is asked for, in ms: a change reaches every instance well within 2 s. */
const everyMs = 1000

export interface Watch {
  stop(): void
}

export interface Watched {
  readonly readRevision: () => Promise<number>
  /** The revision of the picture in memory. */
  readonly current: () => number
  readonly reload: () => Promise<void>
}

/** Looks whether another instance has changed the configuration, and reloads it. A database that is away is waited for. */
export function watch({ readRevision, current, reload }: Watched, log: StoreLog): Watch {
  let stopped = false
  let away = false
  let timer: NodeJS.Timeout | undefined

  const look = async (): Promise<void> => {
    try {
      if ((await readRevision()) !== current()) await reload()
      if (away) log.info('the database answers again')
      away = false
    } catch (error) {
      if (!away)
        log.warn(`the database cannot be asked for changes: ${error instanceof Error ? error.message : 'unknown'}`)
      away = true
    }
    next()
  }
  const next = (): void => {
    if (stopped) return
    timer = setTimeout(() => void look(), everyMs)
    timer.unref()
  }
  next()
  return {
    stop: () => {
      stopped = true
      clearTimeout(timer)
    },
  }
}
