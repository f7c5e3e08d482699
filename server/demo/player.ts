import { RelayError } from '../errors.ts'
import type { Exchange, ExchangeHandler, HeaderMap, UpstreamRequest } from '../upstream/exchange.ts'

/** What is played to the handler: a head, then pieces, then an end or silence. */
export interface Performance {
  /** null: nothing ever comes. */
  readonly head: { readonly status: number; readonly headers: HeaderMap } | null
  readonly pieces: readonly { readonly delayMs: number; readonly text: string }[]
  readonly ends: boolean
}

/**
 * Plays a performance as the network would deliver it: nothing is called before this returns, at most one timer is alive, a pause
 * stops it and an abort leaves none. Silence runs into the request's own time limits (`headersMs`, `idleMs`), as on a socket.
 */
export function play(performance: Performance, limits: UpstreamRequest, handler: ExchangeHandler): Exchange {
  const { head, pieces, ends } = performance
  let timer: NodeJS.Timeout | undefined
  let next = -1
  let paused = false
  let over = false

  const finish = (tell: () => void): void => {
    over = true
    tell()
  }
  const timeOut = (ms: number, what: string): void => {
    if (ms > 0)
      schedule(ms, () =>
        finish(() =>
          handler.onError(new RelayError('upstream_timeout', `the demo provider sent no ${what} within ${ms} ms`)),
        ),
      )
  }
  const schedule = (ms: number, then: () => void): void => {
    timer = setTimeout(() => {
      timer = undefined
      then()
    }, ms)
  }
  const step = (): void => {
    if (head === null) {
      timeOut(limits.headersMs, 'header')
      return
    }
    const piece = pieces[next]
    if (next === -1) schedule(0, sendHead)
    else if (piece !== undefined) schedule(piece.delayMs, sendPiece)
    else if (ends) schedule(0, () => finish(() => handler.onEnd()))
    else timeOut(limits.idleMs, 'data')
  }
  const advance = (): void => {
    next++
    if (!over && !paused) step()
  }
  const sendHead = (): void => {
    if (head !== null) handler.onHead(head.status, head.headers)
    advance()
  }
  const sendPiece = (): void => {
    // Pieces without a delay leave in one write, as a provider's own buffer would send them.
    let text = pieces[next]?.text ?? ''
    while (pieces[next + 1]?.delayMs === 0) text += pieces[++next]?.text ?? ''
    handler.onData(Buffer.from(text, 'utf8'))
    advance()
  }
  const stop = (): void => {
    clearTimeout(timer)
    timer = undefined
  }
  step()
  return {
    abort() {
      over = true
      stop()
    },
    pause() {
      paused = true
      stop()
    },
    resume() {
      if (!paused) return
      paused = false
      if (!over) step()
    },
  }
}
