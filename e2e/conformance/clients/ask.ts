/** What every client asks, each in its own SDK's words. */
export interface Ask {
  readonly baseUrl: string
  readonly key: string
  readonly model: string
  readonly stream: boolean
  /** Functions that the model may call: those that the recorded answer calls. */
  readonly tools: readonly string[]
  /** How many answers the client wants. */
  readonly choices: number
  /** The channel speaks the client's own format: what comes is the provider's, whatever a strict accumulator thinks of it. */
  readonly verbatim: boolean
}

export const words = { system: 'Answer as briefly as you can.', user: 'How is the weather in Zürich?' } as const

/** A description of any arguments at all. */
export const anyArguments = { type: 'object' as const, properties: { note: { type: 'string' as const } } }

export const describeTool = (name: string): string => `Does what ${name} says.`

export async function gather<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const one of stream) found.push(one)
  return found
}
