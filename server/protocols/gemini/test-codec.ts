/** Short words for the tests of this folder. */
import type { ChatRequest, JsonObject, Loss, Message, Opaque, Tool } from '../../model/request.ts'
import type { StreamEvent } from '../../model/response.ts'
import { gemini } from './index.ts'

export const { codec } = gemini
export const quiet = { loss: () => undefined }

export function decodeRequest(body: JsonObject, losses: Loss[] = []): ChatRequest {
  const route = { operation: 'generate', model: 'gemini-3-pro', stream: false } as const
  return codec.decodeRequest({ headers: {}, body, route }, (loss) => losses.push(loss))
}

export function request(fields: Partial<ChatRequest>): ChatRequest {
  return {
    model: 'gemini-3-pro',
    stream: false,
    messages: [{ role: 'user', content: [{ type: 'text', text: 'Hi' }] }],
    tools: [],
    sampling: {},
    ...fields,
  }
}

export function encode(fields: Partial<ChatRequest>, losses: Loss[] = []): JsonObject {
  return codec.encodeRequest(request(fields), { origin: 'here', loss: (loss) => losses.push(loss) })
}

export const contents = (messages: readonly Message[], model = 'gemini-3-pro') =>
  encode({ messages, model })['contents']

export function decodeStream(chunks: readonly object[]): StreamEvent[] {
  const decoder = codec.decodeStream({ ...quiet, origin: 'here' })
  const events = chunks.flatMap((chunk) => [...decoder.push({ data: JSON.stringify(chunk) })])
  return [...events, ...decoder.end()]
}

export function chunk(parts: readonly object[], finishReason?: string): object {
  return { candidates: [{ content: { parts, role: 'model' }, finishReason }], responseId: 'r1', modelVersion: 'm' }
}

export function encodeStream(events: readonly StreamEvent[], arrayStream = false): string {
  const encoder = codec.encodeStream(request({ arrayStream }))
  const text = events.map((event) => encoder.push(event)).join('')
  return events.some((event) => event.type === 'error') ? text : text + encoder.end()
}

export const signed = (value: string, format: Opaque['format'] = 'gemini', origin = 'here'): Opaque => ({
  format,
  value,
  origin,
})
export const weather: Tool = {
  type: 'function',
  name: 'weather',
  parameters: { type: 'object', properties: { city: { type: 'string' } } },
}
