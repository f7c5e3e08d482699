/** What the tray shows, apart from how it is drawn. */
export interface TrayState {
  readonly gateway: 'starting' | 'running' | 'stopped' | 'crashed'
  /** `http://127.0.0.1:8080` while running. */
  readonly url: string | null
  readonly activeRequests: number
  readonly today: { readonly requests: number; readonly costNanoUsd: number }
  /** `at` is Unix ms. */
  readonly lastFailure: { readonly message: string; readonly at: number } | null
}

export type TrayEvent =
  | { readonly type: 'gateway'; readonly gateway: TrayState['gateway']; readonly url?: string }
  | { readonly type: 'traffic'; readonly activeRequests: number; readonly today: TrayState['today'] }
  | { readonly type: 'failure'; readonly message: string; readonly at: number }

export const initialTrayState: TrayState = {
  gateway: 'starting',
  url: null,
  activeRequests: 0,
  today: { requests: 0, costNanoUsd: 0 },
  lastFailure: null,
}

/** The next state. A gateway that is not running has neither an address nor requests under way. */
export function reduce(state: TrayState, event: TrayEvent): TrayState {
  switch (event.type) {
    case 'gateway': {
      const { gateway } = event
      if (gateway === 'running') return { ...state, gateway, url: event.url ?? state.url, lastFailure: null }
      return { ...state, gateway, url: null, activeRequests: 0 }
    }
    case 'traffic':
      return { ...state, activeRequests: event.activeRequests, today: event.today }
    case 'failure':
      return { ...state, lastFailure: { message: event.message, at: event.at } }
  }
}

/** Which of the tray's pictures tells the state. */
export function icon(state: TrayState): 'idle' | 'busy' | 'off' | 'error' {
  if (state.gateway === 'crashed' || state.lastFailure !== null) return 'error'
  if (state.gateway !== 'running') return 'off'
  return state.activeRequests > 0 ? 'busy' : 'idle'
}
