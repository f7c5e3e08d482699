import { Agent, request, type IncomingHttpHeaders } from 'node:http'

export interface Heard {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  /** The connection broke before the body's end. */
  readonly broken: boolean
}

export interface Sending {
  readonly method?: string
  /** A list sends the header several times. */
  readonly headers?: Readonly<Record<string, string | string[]>>
  readonly body?: Buffer | string
  readonly signal?: AbortSignal
  /** Sees the body as it arrives. */
  readonly onData?: (soFar: Buffer) => void
}

const agent = new Agent({ keepAlive: true, maxSockets: 64 })

/** One request without any help: headers, path and bytes go out as they are given. Rejects only when no answer began. */
export function send(url: string, sending: Sending = {}): Promise<Heard> {
  const { method = sending.body === undefined ? 'GET' : 'POST', headers = {}, body, signal, onData } = sending
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    let answering = false
    const outgoing = request(
      {
        hostname,
        port,
        // Not through URL: it would tidy the path up.
        path: url.replace(/^https?:\/\/[^/]+/, ''),
        method,
        headers: {
          ...(body !== undefined && { 'content-length': String(Buffer.byteLength(body)) }),
          ...headers,
        },
        agent,
        ...(signal && { signal }),
      },
      (response) => {
        answering = true
        const parts: Buffer[] = []
        const done = (broken: boolean): void =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(parts), broken })
        response.on('data', (part: Buffer) => {
          parts.push(part)
          onData?.(Buffer.concat(parts))
        })
        response.on('end', () => done(!response.complete))
        response.on('error', () => done(true))
      },
    )
    outgoing.on('error', (error) => {
      // Once an answer has begun, its own end tells how it went.
      if (!answering) reject(error)
    })
    outgoing.end(body)
  })
}
