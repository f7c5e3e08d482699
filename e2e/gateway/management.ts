import type { RunningGateway } from './launch.ts'

/** The management API, after login, as a script would use it. */
export class Management {
  readonly #url: string
  readonly #token: string

  private constructor(url: string, token: string) {
    this.#url = url
    this.#token = token
  }

  static async login(gateway: Pick<RunningGateway, 'url'>, password: string): Promise<Management> {
    const response = await fetch(`${gateway.url}/api/v1/session/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ password }),
    })
    const body = (await response.json()) as { token: string }
    if (!response.ok) throw new Error(`login failed: ${response.status} ${JSON.stringify(body)}`)
    return new Management(gateway.url, body.token)
  }

  async get<T>(path: string): Promise<T> {
    const response = await fetch(`${this.#url}/api/v1${path}`, { headers: { authorization: `Bearer ${this.#token}` } })
    if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`)
    return (await response.json()) as T
  }

  async send<T>(method: 'POST' | 'PATCH' | 'PUT' | 'DELETE', path: string, body: unknown = {}): Promise<T> {
    const response = await fetch(`${this.#url}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${this.#token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
    return (text === '' ? null : JSON.parse(text)) as T
  }

  /** The whole log, newest first. */
  async logs<Row>(): Promise<Row[]> {
    const rows: Row[] = []
    let cursor: string | null = ''
    while (cursor !== null) {
      const page: { rows: Row[]; next: string | null } = await this.get(
        `/logs?limit=500${cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`}`,
      )
      rows.push(...page.rows)
      cursor = page.next
    }
    return rows
  }
}
