import { RelayError } from '../../errors.ts'
import type { JsonObject, OutputShape, Reasoning, Sampling } from '../../model/request.ts'
import type { Fields } from './fields.ts'
import { schemaToJson } from './schema-in.ts'

const KNOWN = new Set([
  'maxOutputTokens',
  'temperature',
  'topP',
  'topK',
  'stopSequences',
  'seed',
  'presencePenalty',
  'frequencyPenalty',
  'candidateCount',
  'responseLogprobs',
  'logprobs',
  'thinkingConfig',
])
const SHAPE = new Set(['responseMimeType', 'responseSchema', 'responseJsonSchema', '_responseJsonSchema'])

export interface DecodedConfig {
  readonly sampling: Sampling
  readonly reasoning?: Reasoning | undefined
  readonly output?: OutputShape | undefined
  /** What only Gemini knows (speech, images, modalities …). */
  readonly rest?: JsonObject | undefined
}

export function decodeGenerationConfig(config: Fields | undefined): DecodedConfig {
  if (config === undefined) return { sampling: {} }
  const output = decodeShape(config)
  const known = output === undefined ? KNOWN : new Set([...KNOWN, ...SHAPE])
  const rest = withoutDefaults(config.others(known))
  return {
    sampling: decodeSampling(config),
    reasoning: decodeThinking(config.fields('thinkingConfig')),
    output,
    rest: Object.keys(rest).length === 0 ? undefined : rest,
  }
}

function decodeSampling(config: Fields): Sampling {
  const sampling = {
    maxTokens: config.number('maxOutputTokens'),
    temperature: config.number('temperature'),
    topP: config.number('topP'),
    topK: config.number('topK'),
    stop: config.strings('stopSequences'),
    seed: config.number('seed'),
    presencePenalty: config.number('presencePenalty'),
    frequencyPenalty: config.number('frequencyPenalty'),
    choices: several(config.number('candidateCount')),
    logprobs: config.boolean('responseLogprobs'),
    topLogprobs: config.number('logprobs'),
  }
  const said: Sampling = Object.fromEntries(Object.entries(sampling).filter(([, value]) => value !== undefined))
  return said
}

/** One answer is what everybody gives unasked. */
function several(count: number | undefined): number | undefined {
  return count === 1 ? undefined : count
}

const LEVELS: Readonly<Record<string, NonNullable<Reasoning['effort']>>> = {
  MINIMAL: 'minimal',
  LOW: 'low',
  MEDIUM: 'medium',
  HIGH: 'high',
}

function decodeThinking(thinking: Fields | undefined): Reasoning | undefined {
  if (thinking === undefined) return undefined
  const budget = thinking.number('thinkingBudget')
  const level = thinking.string('thinkingLevel')?.toUpperCase()
  const visible = thinking.boolean('includeThoughts')
  if (budget !== undefined && level !== undefined && level !== 'THINKING_LEVEL_UNSPECIFIED')
    throw new RelayError('invalid_request', `'${thinking.path}' may have thinkingBudget or thinkingLevel, not both`, {
      param: thinking.path,
    })
  const effort = level === undefined ? undefined : LEVELS[level]
  return {
    ...(effort !== undefined && { effort }),
    ...(budget === 0 && { effort: 'none' as const }),
    ...(budget !== undefined && budget > 0 && { budgetTokens: budget }),
    ...(budget !== undefined && budget < 0 && { adaptive: true }),
    ...(visible !== undefined && { visible }),
  }
}

/** Only JSON answers have an equal elsewhere; `text/x.enum` stays native. */
function decodeShape(config: Fields): OutputShape | undefined {
  const mime = config.string('responseMimeType')
  if (mime !== 'application/json') return undefined
  const json = config.plain('responseJsonSchema') ?? config.plain('_responseJsonSchema')
  const schema = json ?? config.plain('responseSchema')
  if (schema === undefined) return { type: 'json' }
  return { type: 'json-schema', name: 'response', schema: schemaToJson(schema) }
}

/** Words that only repeat a default would be reported as losses at every other provider. */
function withoutDefaults(rest: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(rest).filter(([name, value]) => {
      if (name === 'responseMimeType' || name === 'response_mime_type') return value !== 'text/plain'
      if (name !== 'responseModalities' && name !== 'response_modalities') return true
      return !(Array.isArray(value) && value.length === 1 && String(value[0]).toUpperCase() === 'TEXT')
    }),
  )
}
