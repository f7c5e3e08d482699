import type { IncomingHttpHeaders } from 'node:http'
import type { JsonObject } from '../json.ts'
import type { Refusal } from '../refusal.ts'
import type { Target, WireFormat } from '../target.ts'
import { anthropicFaults } from './anthropic.ts'
import { antigravityFaults } from './antigravity.ts'
import { geminiFaults } from './gemini.ts'
import { openAiChatFaults } from './openai-chat.ts'
import { openAiResponsesFaults } from './openai-responses.ts'
import type { Fault } from './shape.ts'

/** Checks a request's body as its provider would. */
export type BodyRules = (body: JsonObject, target: Target) => readonly Fault[]

const rules: Record<WireFormat, BodyRules> = {
  'openai-chat': openAiChatFaults,
  'openai-responses': openAiResponsesFaults,
  anthropic: anthropicFaults,
  gemini: geminiFaults,
  antigravity: antigravityFaults,
}

/** What the provider finds wrong with the body; empty when it would take it. */
export function bodyFaults(body: JsonObject, target: Target): readonly Fault[] {
  return target.operation === 'generate' || target.operation === 'count-tokens'
    ? rules[target.format](body, target)
    : []
}

/** A fault as the provider's refusal. */
export function refusalOf(fault: Fault, format: WireFormat): Refusal {
  switch (format) {
    case 'openai-chat':
    case 'openai-responses':
      return openAiWords(fault)
    case 'anthropic':
      return { status: 400, message: anthropicWords(fault) }
    case 'gemini':
    case 'antigravity':
      return { status: 400, message: googleWords(fault) }
  }
}

/** `messages[0].content` */
const bracketed = (path: Fault['path']): string =>
  path.map((step, index) => (typeof step === 'number' ? `[${step}]` : index === 0 ? step : `.${step}`)).join('')

function openAiWords({ kind, path, detail }: Fault): Refusal {
  const param = bracketed(path)
  switch (kind) {
    case 'missing':
      return {
        status: 400,
        message: `Missing required parameter: '${param}'.`,
        param,
        code: 'missing_required_parameter',
      }
    case 'unknown':
      return { status: 400, message: `Unknown parameter: '${param}'.`, param, code: 'unknown_parameter' }
    case 'type':
      return { status: 400, message: `Invalid type for '${param}': expected ${detail}.`, param, code: 'invalid_type' }
    case 'value':
      return { status: 400, message: `Invalid '${param}': ${detail}.`, param, code: 'invalid_value' }
    case 'rule':
      return { status: 400, message: detail, param }
  }
}

function anthropicWords({ kind, path, detail }: Fault): string {
  const place = path.join('.')
  switch (kind) {
    case 'missing':
      return `${place}: Field required`
    case 'unknown':
      return `${place}: Extra inputs are not permitted`
    case 'type':
      return `${place}: Input should be ${detail}`
    case 'value':
      return `${place}: ${detail}`
    case 'rule':
      return path.length === 0 ? detail : `${place}: ${detail}`
  }
}

function googleWords({ kind, path, detail }: Fault): string {
  const parent = bracketed(path.slice(0, -1))
  const name = String(path.at(-1) ?? '')
  switch (kind) {
    case 'missing':
      return `${bracketed(path)}: field is required.`
    case 'unknown':
      return `Invalid JSON payload received. Unknown name "${name}"${parent === '' ? '' : ` at '${parent}'`}: Cannot find field.`
    case 'type':
    case 'value':
      return `Invalid value at '${bracketed(path)}': ${detail}`
    case 'rule':
      return detail
  }
}

/** Headers that a client's request may have but that never belong at a provider. */
const FOREIGN = [
  'cookie',
  'origin',
  'referer',
  'forwarded',
  'via',
  'x-real-ip',
  'proxy-authorization',
  'sec-fetch-site',
  'sec-fetch-mode',
  'sec-fetch-dest',
]
const FOREIGN_FAMILY = /^(x-forwarded-|cf-|sec-ch-|x-octopus-(?!hop$))/

export interface Credentials {
  /** What this provider takes as a key. */
  readonly isKey: (credential: string) => boolean
}

/** What is wrong with the way in which the request was signed and sent; `unauthorized` is what the provider itself would mind. */
export function headerFaults(
  headers: IncomingHttpHeaders,
  url: URL,
  { format, credentials }: { readonly format: WireFormat; readonly credentials: Credentials },
): { readonly unauthorized: string | undefined; readonly leaks: readonly string[] } {
  const leaks: string[] = []
  for (const name of Object.keys(headers))
    if (FOREIGN.includes(name) || FOREIGN_FAMILY.test(name)) leaks.push(`the header ${name} reached the provider`)
  for (const [name, value] of Object.entries(headers))
    if (/sk-octopus-[A-Za-z0-9]/.test(String(value))) leaks.push(`a gateway key reached the provider in ${name}`)
  if (/sk-octopus-[A-Za-z0-9]/.test(url.search)) leaks.push('a gateway key reached the provider in the query')
  if (url.searchParams.has('key')) leaks.push('a key stands in the query')

  const given = CREDENTIAL_HEADERS.filter((name) => headers[name] !== undefined)
  if (given.length > 1) leaks.push(`two credentials were sent: ${given.join(', ')}`)
  const { header, prefix, missing } = WANTED[format]
  const value = String(headers[header] ?? '')
  if (!value.startsWith(prefix) || !credentials.isKey(value.slice(prefix.length)))
    return { unauthorized: missing, leaks }
  if (format === 'anthropic' && headers['anthropic-version'] === undefined)
    return { unauthorized: 'anthropic-version: header is required', leaks }
  return { unauthorized: undefined, leaks }
}

const CREDENTIAL_HEADERS = ['authorization', 'x-api-key', 'x-goog-api-key', 'api-key'] as const

const bearer = { header: 'authorization', prefix: 'Bearer ' } as const
const WANTED: Record<WireFormat, { readonly header: string; readonly prefix: string; readonly missing: string }> = {
  'openai-chat': { ...bearer, missing: 'Incorrect API key provided.' },
  'openai-responses': { ...bearer, missing: 'Incorrect API key provided.' },
  anthropic: { header: 'x-api-key', prefix: '', missing: 'invalid x-api-key' },
  gemini: { header: 'x-goog-api-key', prefix: '', missing: 'API key not valid. Please pass a valid API key.' },
  antigravity: { ...bearer, missing: 'Request had invalid authentication credentials.' },
}
