import { object, parse, type JsonObject } from '../../fake-upstream/json.ts'

export { list, object, objects, text, type JsonObject } from '../../fake-upstream/json.ts'

/** A count; `undefined` where none is told. */
export const count = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined)

/** The events of a recorded stream, parsed; `[DONE]` and comments are no events. */
export function sseEvents(body: Buffer): readonly JsonObject[] {
  return body
    .toString('utf8')
    .split(/\r?\n\r?\n/)
    .map((event) =>
      event
        .split(/\r?\n/)
        .filter((line) => line.startsWith('data:'))
        .map((line) => line.slice(5).trim())
        .join('\n'),
    )
    .filter((data) => data !== '' && data !== '[DONE]')
    .map((data) => object(parse(data)))
}
