import type { Citation, JsonObject } from '../../model/request.ts'
import { asArray, asNumber, asObject, asString } from '../narrow.ts'
import { objects } from './wire.ts'

/** Longer texts lose the offsets of their citations (not the citations): a stream must not be kept whole for them. Characters. */
const LONGEST = 262_144

/** One part's text as far as offsets need it: Gemini counts UTF-8 bytes, the model UTF-16 units. */
export class OffsetText {
  #pieces: string[] = []
  #length = 0

  add(text: string): void {
    this.#length += text.length
    if (this.#length <= LONGEST) this.#pieces.push(text)
    else this.#pieces = []
  }

  clear(): void {
    this.#pieces = []
    this.#length = 0
  }

  /** Undefined when the text is too long to say, or the offset lies behind it. */
  units(bytes: number): number | undefined {
    const text = this.#text()
    if (text === undefined) return undefined
    const encoded = Buffer.from(text)
    return bytes > encoded.length ? undefined : encoded.toString('utf8', 0, bytes).length
  }

  bytes(units: number): number | undefined {
    const text = this.#text()
    return text === undefined || units > text.length ? undefined : Buffer.byteLength(text.slice(0, units))
  }

  #text(): string | undefined {
    if (this.#length > LONGEST) return undefined
    const text = this.#pieces.join('')
    this.#pieces = [text]
    return text
  }
}

/** `groundingMetadata` (searches) and `citationMetadata` (quoted sources) → citations of the text before them. */
export function decodeCitations(candidate: JsonObject, text: OffsetText): readonly Citation[] {
  const grounding = asObject(candidate['groundingMetadata'])
  const quoted = asObject(candidate['citationMetadata'])
  return [
    ...(grounding === undefined ? [] : supports(grounding, text)),
    ...[...objects(quoted?.['citationSources']), ...objects(quoted?.['citations'])].flatMap((source) => {
      const url = asString(source['uri'])
      return url === undefined ? [] : [{ url, ...titled(source), ...span(source, text) }]
    }),
  ]
}

function supports(grounding: JsonObject, text: OffsetText): readonly Citation[] {
  const chunks = (asArray(grounding['groundingChunks']) ?? []).map((chunk) => sourceOf(asObject(chunk) ?? {}))
  const cited = new Set<number>()
  const citations = objects(grounding['groundingSupports']).flatMap((support) => {
    const segment = asObject(support['segment']) ?? {}
    const quoted = asString(segment['text'])
    return (asArray(support['groundingChunkIndices']) ?? []).flatMap((index): Citation[] => {
      const source = typeof index === 'number' ? chunks[index] : undefined
      if (source === undefined || typeof index !== 'number') return []
      cited.add(index)
      return [{ ...source, ...(quoted !== undefined && { quoted }), ...span(segment, text) }]
    })
  })
  const rest = chunks.flatMap((source, index) => (source === undefined || cited.has(index) ? [] : [source]))
  return [...citations, ...rest]
}

/** A page, a place or a document; a passage of a file store has no address and cannot be cited. */
function sourceOf(chunk: JsonObject): Citation | undefined {
  const source = asObject(chunk['web']) ?? asObject(chunk['maps']) ?? asObject(chunk['retrievedContext'])
  const url = asString(source?.['uri'])
  return source === undefined || url === undefined ? undefined : { url, ...titled(source) }
}

function titled(source: JsonObject): { readonly title?: string } {
  const title = asString(source['title'])
  return title === undefined ? {} : { title }
}

/** A start of 0 is left out by proto JSON. */
function span(segment: JsonObject, text: OffsetText): { readonly start?: number; readonly end?: number } {
  const last = asNumber(segment['endIndex'])
  const end = last === undefined ? undefined : text.units(last)
  const start = end === undefined ? undefined : text.units(asNumber(segment['startIndex']) ?? 0)
  return start === undefined || end === undefined ? {} : { start, end }
}

/** Citations → `groundingMetadata`; each source stands once. Undefined where there are none. */
export function encodeCitations(
  citations: readonly { readonly citation: Citation; readonly text: OffsetText }[],
): JsonObject | undefined {
  if (citations.length === 0) return undefined
  const chunks = new Map<string, { readonly index: number; readonly chunk: JsonObject }>()
  const groundingSupports: JsonObject[] = []
  for (const { citation, text } of citations) {
    const { url, title, quoted, start, end } = citation
    const known = chunks.get(url) ?? {
      index: chunks.size,
      chunk: { web: { uri: url, ...(title !== undefined && { title }) } },
    }
    chunks.set(url, known)
    const startIndex = start === undefined ? undefined : text.bytes(start)
    const endIndex = end === undefined ? undefined : text.bytes(end)
    if (quoted === undefined && endIndex === undefined) continue
    groundingSupports.push({
      segment: {
        ...(startIndex !== undefined && startIndex > 0 && { startIndex }),
        ...(endIndex !== undefined && { endIndex }),
        ...(quoted !== undefined && { text: quoted }),
      },
      groundingChunkIndices: [known.index],
    })
  }
  return {
    groundingChunks: [...chunks.values()].map(({ chunk }) => chunk),
    ...(groundingSupports.length > 0 && { groundingSupports }),
  }
}
