import type { Port, PortMessage } from '../contract/define.ts'
import { events, type CallContext, type EventFeed, type EventName } from '../contract/index.ts'
import type { Dispatch } from './dispatch.ts'

/** Serves the contract over a port until it closes. The other end is our own window: no login, and no network. */
export function servePort(port: Port, dispatch: Dispatch, feed: EventFeed): void {
  const running = new Map<number, AbortController>()
  const subscriptions = new Map<string, () => void>()

  const call = async (id: number, name: string, input: unknown) => {
    const controller = new AbortController()
    running.set(id, controller)
    const context: CallContext = {
      via: 'ipc',
      signal: controller.signal,
      remoteAddress: '',
      userAgent: '',
      sessionId: null,
      grant: () => undefined,
    }
    const result = await dispatch(name, input, context)
    if (!running.delete(id)) return // cancelled or closed: nobody listens
    try {
      if (result.ok) port.post({ type: 'result', id, output: result.output })
      else port.post({ type: 'failure', id, error: result.error })
    } catch {
      // the window went away, and its port has not said so yet: nobody listens
    }
  }

  port.onMessage((message) => {
    switch (message.type) {
      case 'call':
        void call(message.id, message.name, message.input)
        return
      case 'cancel':
        running.get(message.id)?.abort()
        running.delete(message.id)
        return
      case 'subscribe':
        if (isEvent(message.event) && !subscriptions.has(message.event)) {
          const event = message.event
          const stop = feed.subscribe(event, (payload) => {
            port.post({ type: 'event', event, payload } satisfies PortMessage)
          })
          subscriptions.set(event, stop)
        }
        return
      case 'unsubscribe':
        subscriptions.get(message.event)?.()
        subscriptions.delete(message.event)
        return
      case 'result':
      case 'failure':
      case 'event': // only ever sent by this end
        return
    }
  })

  port.onClose(() => {
    for (const controller of running.values()) controller.abort()
    running.clear()
    for (const stop of subscriptions.values()) stop()
    subscriptions.clear()
  })
}

export function isEvent(name: string): name is EventName {
  return Object.hasOwn(events, name)
}
