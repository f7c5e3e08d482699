import type { JsonObject, MediaPart, ReportLoss } from '../../model/request.ts'
import { asObject, asString, optional, required, wrongField } from '../narrow.ts'
import type { Family } from './families.ts'

const DATA_URL = /^data:([^;,]*)((?:;[^;,]*)*?)(;base64)?,/i

/** `data:` addresses become bytes, all others stay addresses. `mediaType` is what the field itself says, where it says it. */
function mediaOf(url: string, mediaType: string, at: string): MediaPart {
  const match = DATA_URL.exec(url.slice(0, 512))
  if (match === null) return { type: 'media', mediaType, source: { kind: 'url', url } }
  const payload = url.slice(match[0].length)
  const data = match[3] === undefined ? Buffer.from(percentDecoded(payload, at), 'utf8').toString('base64') : payload
  return { type: 'media', mediaType: (match[1] ?? '') || mediaType, source: { kind: 'base64', data } }
}

function percentDecoded(text: string, at: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw wrongField(at, 'a data URL with valid percent encoding', undefined)
  }
}

const AUDIO_TYPES: Readonly<Record<string, string>> = { mp3: 'audio/mpeg', wav: 'audio/wav' }

/** A content part that is no text → media; undefined for a type that is none. @throws RelayError naming the field */
export function decodeMedia(part: JsonObject, at: string): MediaPart | undefined {
  switch (asString(part.type)) {
    case 'image_url':
    case 'input_image': {
      const image = asObject(part.image_url)
      const url = asString(part.image_url) ?? required(asString, image?.url, field(`${at}.image_url.url`, 'a string'))
      const detail = optional(asString, image?.detail ?? part.detail, field(`${at}.image_url.detail`, 'a string'))
      return { ...mediaOf(url, '', `${at}.image_url.url`), ...(detail === undefined ? {} : { detail }) }
    }
    case 'input_audio': {
      const audio = required(asObject, part.input_audio, field(`${at}.input_audio`, 'an object'))
      const data = required(asString, audio.data, field(`${at}.input_audio.data`, 'base64 text'))
      const format = required(asString, audio.format, field(`${at}.input_audio.format`, "'wav' or 'mp3'"))
      const mediaType = AUDIO_TYPES[format] ?? `audio/${format}`
      const media = mediaOf(data, mediaType, `${at}.input_audio.data`)
      return DATA_URL.test(data.slice(0, 512)) ? media : { type: 'media', mediaType, source: { kind: 'base64', data } }
    }
    case 'video_url': {
      const video = asObject(part.video_url)
      const url = asString(part.video_url) ?? required(asString, video?.url, field(`${at}.video_url.url`, 'a string'))
      const ending = /\.(mp4|webm|mov|mpeg|mpg|avi|mkv)(?:[?#]|$)/i.exec(url)?.[1]?.toLowerCase()
      return mediaOf(url, `video/${VIDEO_ENDINGS[ending ?? ''] ?? ending ?? 'mp4'}`, `${at}.video_url.url`)
    }
    case 'file':
    case 'input_file':
      return decodeFile(asObject(part.file) ?? part, at)
    default:
      return undefined
  }
}

const VIDEO_ENDINGS: Readonly<Record<string, string>> = { mov: 'quicktime', mpg: 'mpeg' }

function decodeFile(file: JsonObject, at: string): MediaPart {
  const filename = optional(asString, file.filename, field(`${at}.file.filename`, 'a string'))
  const named = filename === undefined ? {} : { filename }
  const id = optional(asString, file.file_id, field(`${at}.file.file_id`, 'a string'))
  if (id !== undefined)
    return { type: 'media', mediaType: '', source: { kind: 'file', format: 'openai-chat', id }, ...named }
  const data = optional(asString, file.file_data, field(`${at}.file.file_data`, 'a data URL'))
  if (data === undefined) throw wrongField(`${at}.file`, 'an object with file_data or file_id', undefined)
  const mediaType = typeOfName(filename ?? data) ?? 'application/pdf'
  // OpenRouter takes plain addresses too, and several clients send base64 without the data URL around it.
  const media = /^(https?|data):/i.test(data.slice(0, 8))
    ? mediaOf(data, mediaType, `${at}.file.file_data`)
    : ({ type: 'media', mediaType, source: { kind: 'base64', data } } as const)
  return { ...media, ...named }
}

const ENDINGS: Readonly<Record<string, string>> = {
  pdf: 'application/pdf',
  txt: 'text/plain',
  md: 'text/markdown',
  csv: 'text/csv',
  html: 'text/html',
  json: 'application/json',
  xml: 'application/xml',
}

function typeOfName(name: string): string | undefined {
  const ending = /\.([a-z0-9]{1,5})(?:[?#]|$)/i.exec(name.slice(-64))?.[1]?.toLowerCase()
  return ending === undefined ? undefined : ENDINGS[ending]
}

const field = (param: string, wanted: string) => ({ param, wanted })

/** What decides whether a part can be carried, and whom to tell when not. */
export interface MediaTarget {
  readonly family: Family
  readonly loss: ReportLoss
  /** The part's place in the client's request. */
  readonly at: string
}

/** Media → a content part; undefined (and a loss) where this format cannot hold it. */
export function encodeMedia(part: MediaPart, target: MediaTarget): JsonObject | undefined {
  const { source, mediaType } = part
  const lost = (reason: string): JsonObject | undefined => {
    target.loss({ field: target.at, reason })
    return undefined
  }
  if (source.kind === 'file') {
    if (source.format !== 'openai-chat') return lost(`the file lives at a provider of the ${source.format} format`)
    return { type: 'file', file: { file_id: source.id } }
  }
  const kind = mediaType.replace(/[/;].*$/s, '')
  if (kind === 'image' || mediaType === '') {
    const url = source.kind === 'url' ? source.url : dataUrl(mediaType === '' ? 'image/png' : mediaType, source.data)
    return { type: 'image_url', image_url: { url, ...(part.detail === undefined ? {} : { detail: part.detail }) } }
  }
  if (kind === 'video') {
    if (target.family.openai) return lost('OpenAI Chat has no video input')
    return {
      type: 'video_url',
      video_url: { url: source.kind === 'url' ? source.url : dataUrl(mediaType, source.data) },
    }
  }
  if (source.kind === 'url') return lost(`OpenAI Chat takes ${mediaType} as bytes only`)
  if (kind === 'audio') {
    const format = AUDIO_FORMATS[mediaType.replace(/;.*$/s, '')]
    if (format === undefined) return lost(`OpenAI Chat takes wav and mp3 audio, not ${mediaType}`)
    return { type: 'input_audio', input_audio: { data: source.data, format } }
  }
  if (isText(mediaType)) {
    const text = Buffer.from(source.data, 'base64').toString('utf8')
    return { type: 'text', text: part.filename === undefined ? text : `${part.filename}:\n${text}` }
  }
  if (mediaType === 'application/pdf') {
    return {
      type: 'file',
      file: { filename: part.filename ?? 'document.pdf', file_data: dataUrl(mediaType, source.data) },
    }
  }
  return lost(`OpenAI Chat takes images, PDF, text, wav and mp3, not ${mediaType}`)
}

const AUDIO_FORMATS: Readonly<Record<string, string>> = {
  'audio/wav': 'wav',
  'audio/x-wav': 'wav',
  'audio/wave': 'wav',
  'audio/vnd.wave': 'wav',
  'audio/mpeg': 'mp3',
  'audio/mp3': 'mp3',
}

function isText(mediaType: string): boolean {
  return /^(text\/|application\/(json|xml|yaml|x-yaml|javascript)\b)/.test(mediaType)
}

/** `data:` URL of base64 text. */
export function dataUrl(mediaType: string, data: string): string {
  return `data:${mediaType};base64,${data}`
}
