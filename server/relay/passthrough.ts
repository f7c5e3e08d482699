import { RelayError } from '../errors.ts'
import type { Peek } from '../protocols/codec.ts'
import { asBoolean, asString, required } from '../protocols/narrow.ts'
import { fieldValue, scanTopLevel } from '../protocols/scan.ts'

/**
 * The model in a body that is otherwise passed on unread: a top-level JSON field, or a field of a multipart form (uploads of
 * images and audio).
 * @throws RelayError `invalid_request`
 */
export function peekPassthrough(body: Buffer, contentType: string): Peek {
  return isForm({ contentType }) ? peekForm(body, contentType) : peekJson(body)
}

export function isForm(raw: { readonly contentType: string } | undefined): boolean {
  return raw?.contentType.toLowerCase().startsWith('multipart/form-data') === true
}

function peekJson(body: Buffer): Peek {
  const { model, stream } = scanTopLevel(body, ['model', 'stream'])
  const name = required(asString, model === undefined ? undefined : fieldValue(body, model), {
    param: 'model',
    wanted: 'a string',
  })
  const span = model === undefined ? {} : { modelSpan: { start: model.start + 1, end: model.end - 1 } }
  return { model: name, stream: stream !== undefined && asBoolean(fieldValue(body, stream)) === true, ...span }
}

/** A part's headers are a few short lines; a form has a few fields. More is no form that an SDK sends. */
const PART_HEAD_CAP_BYTES = 2048
const MAX_PARTS = 1000
const MODEL_FIELD = /content-disposition:[ \t]*form-data;[^\r\n]*\bname="?model"?(?:[;\s]|$)/i

/** Offset of the next boundary's dashes, or -1. */
function next(body: Buffer, delimiter: Buffer, from: number): number {
  const at = body.indexOf(delimiter, from)
  return at < 0 ? -1 : at + 2
}

/** RFC 7578: parts between boundary lines, each with headers, an empty line, and the value. */
function peekForm(body: Buffer, contentType: string): Peek {
  const boundary = /boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(contentType)
  const mark = boundary?.[1] ?? boundary?.[2]
  if (mark === undefined)
    throw new RelayError('invalid_request', 'the multipart content type names no boundary', { param: 'content-type' })
  const delimiter = Buffer.from(`\r\n--${mark}`)
  // the first boundary line has nothing before it
  let at = body.subarray(0, delimiter.length - 2).equals(delimiter.subarray(2)) ? 0 : next(body, delimiter, 0)
  for (let part = 0; at >= 0 && part < MAX_PARTS; part++) {
    const headStart = at + delimiter.length - 2
    const head = body.toString('latin1', headStart, headStart + PART_HEAD_CAP_BYTES)
    const headEnd = head.indexOf('\r\n\r\n')
    const valueStart = headEnd < 0 ? headStart : headStart + headEnd + 4
    const end = next(body, delimiter, valueStart)
    if (end < 0) break
    if (headEnd >= 0 && MODEL_FIELD.test(head.slice(0, headEnd)))
      return {
        model: body.toString('utf8', valueStart, end - 2),
        stream: false,
        modelSpan: { start: valueStart, end: end - 2 },
      }
    at = end
  }
  throw new RelayError('invalid_request', "'model' is missing: send it as a field of the form", { param: 'model' })
}
