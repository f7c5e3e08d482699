import type { MediaPart, ReportLoss, TextPart } from '../../model/request.ts'
import { asArray, asObject, asString, optional, required, wrongField } from '../narrow.ts'

/**
 * The content of a user message or a tool's output: text alone, or a list of `input_text`, `input_image`, `input_file`,
 * `input_audio`. Chat's words for the same are understood too: some clients mix the two.
 * `lose` takes parts of unknown kinds where they are better left out than refused (what a tool gave back).
 * @throws RelayError `invalid_request` naming `input[3].content[0].type`
 */
export function decodeContent(value: unknown, param: string, lose?: ReportLoss): (TextPart | MediaPart)[] {
  if (typeof value === 'string') return [{ type: 'text', text: value }]
  const parts = asArray(value)
  if (parts === undefined) throw wrongField(param, 'a string or an array of parts', value ?? null)
  return parts.flatMap((part, index) => {
    const at = `${param}[${index}]`
    const type = asString(asObject(part)?.type)
    if (lose === undefined || type === undefined || PART_TYPES.has(type)) return [decodePart(part, at)]
    lose({ field: at, reason: `parts of type ${type} exist in the Responses format only` })
    return []
  })
}

const PART_TYPES = new Set([
  'input_text',
  'output_text',
  'summary_text',
  'text',
  'refusal',
  'input_image',
  'computer_screenshot',
  'image_url',
  'input_file',
  'input_audio',
])

function decodePart(value: unknown, param: string): TextPart | MediaPart {
  if (typeof value === 'string') return { type: 'text', text: value }
  const part = required(asObject, value, { param, wanted: 'an object' })
  const cache = asObject(part.prompt_cache_breakpoint) === undefined ? {} : { cache: { ttl: '5m' as const } }
  switch (part.type) {
    case 'input_text':
    case 'output_text':
    case 'summary_text':
    case 'text':
      return {
        type: 'text',
        text: required(asString, part.text, { param: `${param}.text`, wanted: 'a string' }),
        ...cache,
      }
    case 'refusal':
      return {
        type: 'text',
        text: required(asString, part.refusal, { param: `${param}.refusal`, wanted: 'a string' }),
        refusal: true,
      }
    case 'input_image':
    case 'computer_screenshot':
    case 'image_url':
      return { ...decodeImage(part, param), ...cache }
    case 'input_file':
      return { ...decodeFile(part, param), ...cache }
    case 'input_audio':
      return decodeAudio(part, param)
    default:
      throw wrongField(
        `${param}.type`,
        "'input_text', 'input_image', 'input_file', 'input_audio', 'output_text' or 'refusal'",
        part.type ?? null,
      )
  }
}

function decodeImage(part: Readonly<Record<string, unknown>>, param: string): MediaPart {
  const detail = optional(asString, part.detail, { param: `${param}.detail`, wanted: 'a string' })
  const kept = detail === undefined || detail === 'auto' ? {} : { detail }
  const url = asString(part.image_url) ?? asString(asObject(part.image_url)?.url)
  if (url !== undefined) return { ...fromUrl(url, `${param}.image_url`), ...kept }
  const id = asString(part.file_id)
  if (id === undefined)
    throw wrongField(`${param}.image_url`, 'an address or a data: URL (or file_id)', part.image_url ?? null)
  return { type: 'media', mediaType: '', source: { kind: 'file', format: 'openai-responses', id }, ...kept }
}

function decodeFile(part: Readonly<Record<string, unknown>>, param: string): MediaPart {
  const filename = optional(asString, part.filename, { param: `${param}.filename`, wanted: 'a string' })
  const named = filename === undefined ? {} : { filename }
  const url = optional(asString, part.file_url, { param: `${param}.file_url`, wanted: 'a string' })
  if (url !== undefined) {
    const media = fromUrl(url, `${param}.file_url`)
    return { ...media, mediaType: media.mediaType === '' ? typeOfName(filename ?? url) : media.mediaType, ...named }
  }
  const data = optional(asString, part.file_data, { param: `${param}.file_data`, wanted: 'a string' })
  if (data !== undefined) {
    if (data.startsWith('data:')) return { ...fromUrl(data, `${param}.file_data`), ...named }
    const mediaType = typeOfName(filename ?? '')
    return { type: 'media', mediaType, source: { kind: 'base64', data }, ...named }
  }
  const id = asString(part.file_id)
  if (id === undefined) throw wrongField(`${param}.file_data`, 'a data: URL (or file_url, file_id)', null)
  return { type: 'media', mediaType: '', source: { kind: 'file', format: 'openai-responses', id }, ...named }
}

function decodeAudio(part: Readonly<Record<string, unknown>>, param: string): MediaPart {
  const audio = required(asObject, part.input_audio, { param: `${param}.input_audio`, wanted: 'an object' })
  const data = required(asString, audio.data, { param: `${param}.input_audio.data`, wanted: 'base64 text' })
  const format = asString(audio.format) ?? 'wav'
  return {
    type: 'media',
    mediaType: format === 'mp3' ? 'audio/mpeg' : `audio/${format}`,
    source: { kind: 'base64', data },
  }
}

/** An address, or a `data:` URL whose bytes are taken out. */
function fromUrl(url: string, param: string): MediaPart {
  if (!url.startsWith('data:')) return { type: 'media', mediaType: '', source: { kind: 'url', url } }
  const comma = url.indexOf(',')
  const head = url.slice(5, comma < 0 ? 0 : comma)
  if (!/;base64$/i.test(head)) throw wrongField(param, 'a data: URL with base64 content', undefined)
  const mediaType = head.slice(0, head.indexOf(';')).toLowerCase()
  return { type: 'media', mediaType, source: { kind: 'base64', data: url.slice(comma + 1) } }
}

const TYPES: Readonly<Record<string, string>> = {
  pdf: 'application/pdf',
  txt: 'text/plain',
  md: 'text/markdown',
  csv: 'text/csv',
  html: 'text/html',
  json: 'application/json',
  docx: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  xlsx: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
  pptx: 'application/vnd.openxmlformats-officedocument.presentationml.presentation',
}

/** By the name's ending; a PDF where it says nothing, for that is what the field was made for. */
function typeOfName(name: string): string {
  const ending = /\.([a-z0-9]+)(?:[?#].*)?$/i.exec(name)?.[1]?.toLowerCase() ?? ''
  return TYPES[ending] ?? 'application/pdf'
}
