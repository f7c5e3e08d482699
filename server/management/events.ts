import { events, type EventFeed, type EventName, type EventPayload } from '../contract/index.ts'

/** What the gateway tells, on its way to whoever listens. */
export interface EventBus extends EventFeed {
  publish<E extends EventName>(event: E, payload: EventPayload<E>): void
  /** Whether anybody listens: for payloads that cost something to make. */
  hears(event: EventName): boolean
}

type Listener = (payload: unknown) => void

/**
 * Payloads are brought into the contract's shape once, here: a field that the contract does not name reaches nobody. Publishing
 * never throws, for requests publish: a payload outside the contract and a listener that fails are told to `onDefect`.
 */
export function createEventBus(onDefect: (error: Error) => void = (error) => process.emitWarning(error)): EventBus {
  const listeners = new Map<EventName, Set<Listener>>()
  return {
    subscribe(event, listener) {
      const all = listeners.get(event) ?? new Set()
      listeners.set(event, all)
      const heard: Listener = (payload) => listener(payload as EventPayload<typeof event>) // publish took exactly that
      all.add(heard)
      return () => void all.delete(heard)
    },
    hears: (event) => (listeners.get(event)?.size ?? 0) > 0,
    publish(event, payload) {
      const all = listeners.get(event)
      if (all === undefined || all.size === 0) return
      const told = events[event].safeParse(payload)
      if (!told.success) {
        onDefect(new Error(`the event ${event} is outside the contract`, { cause: told.error }))
        return
      }
      for (const listener of all) {
        try {
          listener(told.data)
        } catch (error) {
          onDefect(error instanceof Error ? error : new Error(`a listener of ${event} failed`, { cause: error }))
        }
      }
    },
  }
}
