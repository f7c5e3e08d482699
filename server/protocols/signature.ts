import { wireFormats, type Opaque, type WireFormat } from '../model/request.ts'

/** The base64 of `octopus:1`: nine bytes, so that it is the same twelve characters whatever follows. */
const MARKER = Buffer.from('octopus:1', 'latin1').toString('base64')

/**
 * Carries an opaque thought through a format that did not make it: marker, format, origin and value, as one word that is plain
 * base64 and base64url at once and needs no padding (Google's SDKs decode `thoughtSignature`, some with the one alphabet, some with
 * the other). `unwrapOpaque` gives back exactly what went in, whatever characters the value has.
 */
export function wrapOpaque(opaque: Opaque): string {
  const text = `${opaque.format}\n${escape(opaque.origin ?? '')}\n${escape(opaque.value)}`
  const padding = '\n'.repeat((3 - (text.length % 3)) % 3)
  return MARKER + Buffer.from(padding + text, 'latin1').toString('base64')
}

/** What a client sent back in a signature or encrypted field of `format`: ours unwrapped, else a native value of unknown origin. */
export function unwrapOpaque(value: string, format: WireFormat): Opaque {
  const native: Opaque = { format, value }
  if (!value.startsWith(MARKER)) return native
  const match = /^\n*([a-z-]+)\n([^\n]*)\n([^\n]*)$/.exec(
    Buffer.from(value.slice(MARKER.length), 'base64').toString('latin1'),
  )
  const maker = wireFormats.find((name) => name === match?.[1])
  if (match === null || maker === undefined) return native
  const [, , origin = '', carried = ''] = match
  const opaque: Opaque = { format: maker, value: unescape(carried) }
  return origin === '' ? opaque : { ...opaque, origin: unescape(origin) }
}

/** Stands for "no signature" in a field that clients only send back when there is something in it; unwraps to an empty value. */
export const UNSIGNED = wrapOpaque({ format: 'anthropic', value: '' })

/** Whether a request may hold what we wrapped: a search of its bytes, false alarms allowed. */
export function holdsWrapped(body: Buffer): boolean {
  return body.includes(MARKER, 0, 'latin1')
}

/** Whether a signature field's text is of our making. */
export function isWrapped(value: string): boolean {
  return value.startsWith(MARKER)
}

/** The text for a signature field of `format`: the value itself where that format made it, else wrapped. */
export function carryOpaque(opaque: Opaque, format: WireFormat): string {
  return opaque.format === format ? opaque.value : wrapOpaque(opaque)
}

/** Whether a thought may go to a channel of `format`: the same format, and the same channel as far as both are known. */
export function mayReplay(opaque: Opaque, format: WireFormat, origin: string | undefined): boolean {
  if (opaque.format !== format) return false
  return opaque.origin === undefined || origin === undefined || opaque.origin === origin
}

/** ASCII without `>`, `?`, `~` and DEL: only these (at a third place) would give the two base64 alphabets different letters. */
function escape(text: string): string {
  return text.replace(
    /[^A-Za-z0-9+/=_.:-]/g,
    (unit) => `%${unit.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`,
  )
}

function unescape(text: string): string {
  return text.replace(/%([0-9A-F]{4})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
}
