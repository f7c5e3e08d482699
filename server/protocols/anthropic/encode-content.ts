import type { MediaPart, ReportLoss, TextPart, ToolResultPart } from '../../model/request.ts'
import { given, type Block } from './wire.ts'

const IMAGES = new Set(['image/jpeg', 'image/png', 'image/gif', 'image/webp'])

/** Blank text is refused ("text content blocks must contain non-whitespace text"). */
export function textBlock(part: TextPart): Block | undefined {
  if (part.text.trim() === '') return undefined
  return mark({ type: 'text', text: part.text }, part)
}

/** A block's place in the prompt cache; only the encoder of the whole request may take it away again. */
export function mark(block: Block, part: { readonly cache?: { readonly ttl: '5m' | '1h' } }): Block {
  if (part.cache !== undefined)
    block.cache_control = part.cache.ttl === '1h' ? { type: 'ephemeral', ttl: '1h' } : { type: 'ephemeral' }
  return block
}

export function userBlock(part: TextPart | MediaPart, loss: ReportLoss): Block | undefined {
  return part.type === 'text' ? textBlock(part) : mark(mediaBlock(part, loss), part)
}

export function toolResultBlock(part: ToolResultPart, id: string, loss: ReportLoss): Block {
  const content = part.content.map((inner) => userBlock(inner, loss)).filter((block) => block !== undefined)
  const [only] = content
  const plain = content.length === 1 && only?.type === 'text' && only.cache_control === undefined
  const block: Block = { type: 'tool_result', tool_use_id: id }
  if (plain) block.content = only.text
  else if (content.length > 0) block.content = content
  if (part.isError === true) block.is_error = true
  return mark(block, part)
}

/** Images and PDFs as bytes, address or Anthropic's own file; other text as a document. What else there is cannot be read here. */
function mediaBlock(part: MediaPart, loss: ReportLoss): Block {
  const mediaType = part.mediaType === 'image/jpg' ? 'image/jpeg' : part.mediaType
  const { source } = part
  const document = (fields: Block) => given({ type: 'document', source: fields, title: part.filename })
  switch (source.kind) {
    case 'base64':
      if (IMAGES.has(mediaType))
        return { type: 'image', source: { type: 'base64', media_type: mediaType, data: source.data } }
      if (mediaType === 'application/pdf') return document({ type: 'base64', media_type: mediaType, data: source.data })
      if (isText(mediaType)) {
        const data = Buffer.from(source.data, 'base64').toString('utf8')
        if (data.trim() !== '') return document({ type: 'text', media_type: 'text/plain', data })
      }
      break
    case 'url':
      if (mediaType === 'application/pdf' || (mediaType === '' && /\.pdf($|\?)/i.test(source.url)))
        return document({ type: 'url', url: source.url })
      if (mediaType === '' || mediaType.startsWith('image/'))
        return { type: 'image', source: { type: 'url', url: source.url } }
      break
    case 'file':
      if (source.format === 'anthropic') {
        const fields = { type: 'file', file_id: source.id }
        return mediaType.startsWith('image/') ? { type: 'image', source: fields } : document(fields)
      }
  }
  return unreadable(part, loss)
}

/** The model is told that something was there: silence would make the user's words senseless. */
export function unreadable(part: MediaPart, loss: ReportLoss): Block {
  const what = part.mediaType === '' ? 'a file' : part.mediaType
  loss({ field: `messages[].content[] (${what})`, reason: 'the Anthropic format has no place for media of this kind' })
  return { type: 'text', text: `[${part.filename ?? what}: an attachment that cannot be shown here]` }
}

function isText(mediaType: string): boolean {
  return /^text\/|[/+](json|xml|yaml)$|^application\/(javascript|x-sh|toml)$/.test(mediaType)
}
