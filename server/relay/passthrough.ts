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
  return contentType.toLowerCase().startsWith('multipart/form-data') ? peekForm(body, contentType) : peekJson(body)
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

/** RFC 7578: parts between boundary lines, each with headers, an empty line, and the value. */
function peekForm(body: Buffer, contentType: string): Peek {
  const boundary = /boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(contentType)
  const mark = boundary?.[1] ?? boundary?.[2]
  if (mark === undefined)
    throw new RelayError('invalid_request', 'the multipart content type names no boundary', { param: 'content-type' })
  const delimiter = Buffer.from(`--${mark}`)
  for (let at = body.indexOf(delimiter); at >= 0; at = body.indexOf(delimiter, at + delimiter.length)) {
    const headEnd = body.indexOf('\r\n\r\n', at)
    if (headEnd < 0) break
    const head = body.toString('latin1', at, headEnd)
    if (!/content-disposition:\s*form-data;[^\r\n]*\bname="?model"?(?:[;\s]|$)/i.test(head)) continue
    const start = headEnd + 4
    const end = body.indexOf(`\r\n--${mark}`, start)
    if (end < 0) break
    return { model: body.toString('utf8', start, end), stream: false, modelSpan: { start, end } }
  }
  throw new RelayError('invalid_request', "'model' is missing: send it as a field of the form", { param: 'model' })
}
