import type { Citation, JsonObject } from '../../model/request.ts'
import { asArray, asNumber, asObject, asString } from '../narrow.ts'

/** `annotations` of a message or delta. OpenRouter adds the quoted text as `content`. */
export function decodeCitations(annotations: unknown): Citation[] {
  return (asArray(annotations) ?? []).flatMap((value) => {
    const citation = asObject(asObject(value)?.url_citation)
    const url = asString(citation?.url)
    if (citation === undefined || url === undefined) return []
    const title = asString(citation.title)
    const quoted = asString(citation.content)
    const start = asNumber(citation.start_index)
    const end = asNumber(citation.end_index)
    return [
      {
        url,
        ...(title === undefined ? {} : { title }),
        ...(quoted === undefined ? {} : { quoted }),
        ...(start === undefined ? {} : { start }),
        ...(end === undefined ? {} : { end }),
      },
    ]
  })
}

/** `offset` is where the cited text begins in the message's content. */
export function encodeCitation(citation: Citation, offset: number): JsonObject {
  const { url, title, quoted, start, end } = citation
  return {
    type: 'url_citation',
    url_citation: {
      url,
      title: title ?? '',
      ...(quoted === undefined ? {} : { content: quoted }),
      start_index: (start ?? 0) + offset,
      end_index: (end ?? 0) + offset,
    },
  }
}
