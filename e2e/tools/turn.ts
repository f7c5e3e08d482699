/** A call of a tool: arguments, or text for a free-form tool. */
export type ScriptedCall = { readonly name: string } & (
  { readonly arguments: Readonly<Record<string, unknown>> } | { readonly input: string }
)

/** What the model says in one turn. */
export interface Turn {
  /** Its thought, with the seal that the provider wants back; absent where none was asked for. */
  readonly thought?: { readonly text: string; readonly seal: string }
  readonly text: string
  readonly calls: readonly ScriptedCall[]
}

/** How the turn is to be written down. */
export interface Manner {
  readonly model: string
  readonly stream: boolean
  /** Only Chat: the usage chunk was asked for. */
  readonly includeUsage: boolean
  /** Numbers the replies of a run: ids are made of it. */
  readonly serial: number
}

/** One event of a stream; `event` where the format names its events. */
export interface ScriptedEvent {
  readonly event?: string
  readonly data: unknown
}

/** An answer in both forms; events are written as the format's own provider writes them. */
export interface Answer {
  readonly whole: unknown
  readonly events: readonly ScriptedEvent[]
}

/** Text in pieces, as models stream it. */
export function pieces(text: string, size = 17): readonly string[] {
  return text.match(new RegExp(`[^]{1,${size}}`, 'gu')) ?? []
}
