import { agentSession, wireFormats, type WireFormat } from '../../fake-upstream/index.ts'
import { object, objects, text, type JsonObject } from '../recording/json.ts'

/** A session's opening request, its model replaced by one that the gateway knows. */
export interface Opening {
  readonly client: string
  readonly format: WireFormat
  readonly counts: boolean
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: JsonObject
}

export function opening(name: string, model: string): Opening {
  const session = agentSession(name)
  const path = session.path.replace(/\/models\/[^:]+:/, `/models/${encodeURIComponent(model)}:`)
  const format = formatOf(path)
  return {
    client: session.client,
    format,
    counts: /count/i.test(path),
    path,
    headers: session.headers,
    body: format === 'gemini' ? session.body : { ...session.body, model },
  }
}

function formatOf(path: string): WireFormat {
  const found: Readonly<Record<WireFormat, RegExp>> = {
    'openai-chat': /\/chat\/completions/,
    'openai-responses': /\/responses/,
    anthropic: /\/messages/,
    gemini: /\/models\//,
    antigravity: /v1internal/,
  }
  return wireFormats.find((format) => found[format].test(path)) ?? 'openai-chat'
}

/** A tool that the request declares. */
export interface DeclaredTool {
  readonly name: string
  /** Free text instead of arguments. */
  readonly custom: boolean
}

/** The tools that a request to a provider of this format declares. */
export function toolsOf(format: WireFormat, body: JsonObject): readonly DeclaredTool[] {
  const inner = body.request === undefined ? body : object(body.request)
  const named = (value: unknown): DeclaredTool => ({ name: text(object(value).name), custom: false })
  switch (format) {
    case 'openai-chat':
      return objects(inner.tools).map((tool) => ({
        name: text(object(tool[text(tool.type)]).name),
        custom: tool.type === 'custom',
      }))
    case 'openai-responses':
      return objects(inner.tools)
        .filter(({ type }) => type === 'function' || type === 'custom')
        .map(({ name, type }) => ({ name: text(name), custom: type === 'custom' }))
    case 'anthropic':
      return objects(inner.tools)
        .filter(({ input_schema: schema }) => schema !== undefined)
        .map(named)
    case 'gemini':
    case 'antigravity':
      return objects(inner.tools).flatMap(({ functionDeclarations }) => objects(functionDeclarations).map(named))
  }
}
