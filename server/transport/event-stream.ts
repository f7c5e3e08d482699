import type { EventFeed, EventName } from '../contract/index.ts'

/** The least of a ServerResponse that a stream of events needs. */
export interface EventSink {
  write(text: string): boolean
  on(event: 'drain' | 'close', listener: () => void): unknown
  destroy(): unknown
}

/** These say how things stand now: of several that wait, only the last counts. */
const STANDING: ReadonlySet<EventName> = new Set<EventName>(['gateway.changed', 'configuration.changed'])
const MOST_WAITING = 1000

/**
 * Sends events as server-sent events and a comment every `heartbeatMs`. A reader that falls behind gets only the newest of the
 * standing events; one that falls far behind is cut off, and asks anew for what it missed when it comes back. Returns the stop function.
 */
export function streamEvents(
  sink: EventSink,
  source: { readonly feed: EventFeed; readonly names: readonly EventName[]; readonly heartbeatMs: number },
): () => void {
  let blocked = false
  let standing = new Map<EventName, string>()
  let waiting: string[] = []

  const write = (text: string) => {
    blocked = !sink.write(text)
  }
  const send = (name: EventName, payload: unknown) => {
    const frame = `event: ${name}\ndata: ${JSON.stringify(payload)}\n\n`
    if (!blocked) write(frame)
    else if (STANDING.has(name)) standing.set(name, frame)
    else if (waiting.push(frame) > MOST_WAITING) {
      stop()
      sink.destroy()
    }
  }
  const stops = source.names.map((name) => source.feed.subscribe(name, (payload) => send(name, payload)))
  const heartbeat = setInterval(() => {
    if (!blocked) write(':\n\n')
  }, source.heartbeatMs)

  const stop = () => {
    clearInterval(heartbeat)
    for (const unsubscribe of stops) unsubscribe()
    standing.clear()
    waiting = []
  }
  sink.on('drain', () => {
    const text = [...waiting, ...standing.values()].join('')
    blocked = false
    waiting = []
    standing = new Map()
    if (text !== '') write(text)
  })
  sink.on('close', stop)
  write('retry: 1000\n\n')
  return stop
}
