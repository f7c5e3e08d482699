import { RelayError } from '../errors.ts'

/** A top-level field's value: where it stands in the bytes, and its JSON text. */
export interface ScannedField {
  /** Byte offsets of the whole value (a string's include its quotes). */
  readonly start: number
  readonly end: number
}

const QUOTE = 34
const BACKSLASH = 92
const COLON = 58

const isSpace = (byte: number | undefined): boolean => byte === 32 || byte === 10 || byte === 13 || byte === 9

/**
 * Finds top-level fields of a JSON object without parsing what is inside: a 200 KB prompt costs a search for quotes, no objects.
 * A wanted field that stands twice is refused (JSON readers disagree on which counts, and the upstream's must not be another than
 * ours). Text that is no JSON object is refused; damage deeper inside is the upstream's to report.
 * @throws RelayError `invalid_request`
 */
export function scanTopLevel<F extends string>(body: Buffer, wanted: readonly F[]): Partial<Record<F, ScannedField>> {
  const found: Partial<Record<F, ScannedField>> = {}
  const length = body.length
  let at = skipSpace(body, body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf ? 3 : 0)
  if (body[at] !== 0x7b) throw notAnObject(body)
  at = skipSpace(body, at + 1)
  if (body[at] === 0x7d) return afterObject(body, at + 1, found)
  for (;;) {
    if (body[at] !== QUOTE) throw malformed(body)
    const keyEnd = endOfString(body, at)
    const key = fieldName(body, at, keyEnd)
    at = skipSpace(body, keyEnd)
    if (body[at] !== COLON) throw malformed(body)
    const start = skipSpace(body, at + 1)
    const end = endOfValue(body, start)
    const field = wanted.find((name) => name === key)
    if (field !== undefined) {
      if (found[field] !== undefined)
        throw new RelayError('invalid_request', `'${field}' is given twice: send it once`, { param: field })
      found[field] = { start, end }
    }
    at = skipSpace(body, end)
    if (body[at] === 0x2c) {
      at = skipSpace(body, at + 1)
      continue
    }
    if (body[at] === 0x7d) return afterObject(body, at + 1, found)
    if (at >= length) throw malformed(body)
    throw malformed(body)
  }
}

/** The value of a scanned field. Throws RelayError when the text is not JSON after all. */
export function fieldValue(body: Buffer, field: ScannedField): unknown {
  try {
    return JSON.parse(body.toString('utf8', field.start, field.end))
  } catch {
    throw malformed(body)
  }
}

/** The body with other text in place of [start, end). */
export function splice(body: Buffer, span: { readonly start: number; readonly end: number }, text: string): Buffer {
  return Buffer.concat([body.subarray(0, span.start), Buffer.from(text, 'utf8'), body.subarray(span.end)])
}

function afterObject<T>(body: Buffer, from: number, found: T): T {
  if (skipSpace(body, from) !== body.length) throw malformed(body)
  return found
}

function skipSpace(body: Buffer, from: number): number {
  let at = from
  while (isSpace(body[at])) at++
  return at
}

/** Offset behind the closing quote of the string that opens at `open`. */
function endOfString(body: Buffer, open: number): number {
  let at = open + 1
  for (;;) {
    const quote = body.indexOf(QUOTE, at)
    if (quote < 0) throw malformed(body)
    let backslashes = 0
    while (body[quote - 1 - backslashes] === BACKSLASH) backslashes++
    if (backslashes % 2 === 0 || quote - backslashes <= open) return quote + 1
    at = quote + 1
  }
}

function fieldName(body: Buffer, open: number, end: number): string {
  const text = body.toString('utf8', open, end)
  if (!text.includes('\\')) return text.slice(1, -1)
  try {
    return String(JSON.parse(text))
  } catch {
    throw malformed(body)
  }
}

function endOfValue(body: Buffer, start: number): number {
  const first = body[start]
  if (first === QUOTE) return endOfString(body, start)
  if (first !== 0x7b && first !== 0x5b) return endOfScalar(body, start)
  let depth = 0
  let at = start
  while (at < body.length) {
    const byte = body[at]
    if (byte === QUOTE) {
      at = endOfString(body, at)
      continue
    }
    if (byte === 0x7b || byte === 0x5b) depth++
    else if (byte === 0x7d || byte === 0x5d) {
      depth--
      if (depth === 0) return at + 1
    }
    at++
  }
  throw malformed(body)
}

function endOfScalar(body: Buffer, start: number): number {
  let at = start
  while (at < body.length) {
    const byte = body[at]
    if (byte === 0x2c || byte === 0x7d || isSpace(byte)) break
    at++
  }
  if (at === start) throw malformed(body)
  return at
}

function notAnObject(body: Buffer): RelayError {
  if (body.length === 0)
    return new RelayError('invalid_request', 'the request has no body: send a JSON object', { param: 'body' })
  const error = malformed(body)
  try {
    JSON.parse(body.toString('utf8'))
  } catch {
    return error
  }
  return new RelayError('invalid_request', 'the request body must be a JSON object', { param: 'body' })
}

/** Only now, on the way to an error, is the body really parsed: to say where it breaks. */
function malformed(body: Buffer): RelayError {
  let reason = 'a field is cut short'
  try {
    JSON.parse(body.toString('utf8'))
  } catch (error) {
    if (error instanceof SyntaxError) reason = error.message.replace(/\.\.\."[\s\S]*$|"[\s\S]*" is not/, 'it is not')
  }
  return new RelayError('invalid_request', `the request body is not valid JSON: ${reason}`, { param: 'body' })
}
