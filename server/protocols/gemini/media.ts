import type { JsonObject, MediaPart, WireFormat } from '../../model/request.ts'
import { required, asString } from '../narrow.ts'
import type { Fields } from './fields.ts'
import { acceptsUrl } from './routes.ts'

/** `inlineData`, `fileData` of a request → media. Undefined where the part has neither. */
export function decodeMedia(part: Fields, format: WireFormat): MediaPart | undefined {
  const inline = part.fields('inlineData')
  if (inline !== undefined) {
    const data = required(asString, inline.value('data'), { param: inline.param('data'), wanted: 'base64 text' })
    const mediaType = required(asString, inline.value('mimeType'), {
      param: inline.param('mimeType'),
      wanted: 'a MIME type',
    })
    return { type: 'media', mediaType, source: { kind: 'base64', data }, ...named(inline) }
  }
  const file = part.fields('fileData')
  if (file === undefined) return undefined
  const uri = required(asString, file.value('fileUri'), { param: file.param('fileUri'), wanted: 'an address' })
  return {
    type: 'media',
    mediaType: file.string('mimeType') ?? '',
    source: acceptsUrl(uri) ? { kind: 'file', format, id: uri } : { kind: 'url', url: uri },
    ...named(file),
  }
}

function named(data: Fields): { readonly filename?: string } {
  const filename = data.string('displayName')
  return filename === undefined ? {} : { filename }
}

/** The part for an upstream or a client; undefined for a file that lives at another provider. */
export function encodeMedia(media: MediaPart): JsonObject | undefined {
  const { source, mediaType } = media
  const type = mediaType === '' ? {} : { mimeType: mediaType }
  switch (source.kind) {
    case 'base64':
      return { inlineData: { mimeType: mediaType === '' ? 'application/octet-stream' : mediaType, data: source.data } }
    case 'url':
      return { fileData: { ...type, fileUri: source.url } }
    case 'file':
      return source.format === 'gemini' || source.format === 'antigravity'
        ? { fileData: { ...type, fileUri: source.id } }
        : undefined
  }
}
