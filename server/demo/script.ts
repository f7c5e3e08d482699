import { randomBytes } from 'node:crypto'
import type { JsonObject } from '../model/request.ts'
import { asArray, asObject, asString } from '../protocols/narrow.ts'
import type { Answer, DemoError, Question } from './answer.ts'

/** How one request to the demo provider goes. */
export interface Script {
  /** Milliseconds before each token. */
  readonly paceMs: number
  /** Answer with this error instead. */
  readonly error?: DemoError
  /** Nothing comes at all, not even a header. */
  readonly silent?: boolean
  /** After so many events nothing more comes, and the connection stays open. */
  readonly stallAfter?: number
  /** After so many events the connection closes without the format's end. */
  readonly cutAfter?: number
  /** The reply is no JSON. */
  readonly malformed?: boolean
  readonly says: (question: Question) => Pick<Answer, 'reasoning' | 'text' | 'toolCall'>
}

const FAST_MS = 8
const SLOW_MS = 200

const pieces = (text: string): readonly string[] => text.match(/\S+\s*|\s+/g) ?? []
const text = (words: string) => ({ reasoning: [], text: pieces(words), toolCall: undefined })

const GREETING =
  'Hello from Octopus. This answer comes from the demo provider inside the gateway: no account, no network and no cost, ' +
  'but the same path that a real answer takes. Add a channel of your own, and put its models into a group.'

const greet: Script = { paceMs: FAST_MS, says: () => text(GREETING) }
const fails = (error: DemoError): Script => ({ ...greet, error })

const scripts: Readonly<Record<string, Script>> = {
  'demo-normal': greet,
  'demo-slow': { ...greet, paceMs: SLOW_MS },
  'demo-stall': { ...greet, stallAfter: 8 },
  'demo-silent': { ...greet, silent: true },
  'demo-cut-3': { ...greet, cutAfter: 3 },
  'demo-429': fails({
    status: 429,
    message: 'The demo provider pretends that its rate limit is reached.',
    retryAfterSeconds: 2,
  }),
  'demo-401': fails({ status: 401, message: 'The demo provider pretends that this key is wrong.' }),
  'demo-500': fails({ status: 500, message: 'The demo provider pretends to have broken down.' }),
  'demo-malformed': { ...greet, malformed: true },
  'demo-empty': { ...greet, says: () => text('') },
  'demo-tool': { ...greet, says: callTool },
  'demo-think': {
    ...greet,
    says: () => ({
      ...text(GREETING),
      reasoning: pieces('The user may want to see how thoughts travel. A short greeting is enough for that.'),
    }),
  },
  'demo-echo': {
    ...greet,
    says: ({ lastUserText }) => text(lastUserText === '' ? 'There is no text to repeat.' : lastUserText),
  },
  'demo-flaky': greet,
}

/** The models that the demo provider lists. `demo-cut-<n>` works with every n. */
export const demoModels: readonly string[] = Object.keys(scripts)

/** @param turn how many requests for a flaky model came before: every second one fails. */
export function scriptFor(model: string, turn: () => number): Script {
  const cut = /^demo-cut-(\d{1,4})$/.exec(model)
  if (cut !== null) return { ...greet, cutAfter: Number(cut[1]) }
  if (model === 'demo-flaky' && turn() % 2 === 1)
    return fails({ status: 503, message: 'The demo provider pretends to be overloaded: every second request fails.' })
  if (Object.hasOwn(scripts, model)) return scripts[model] ?? greet
  return {
    ...greet,
    says: () => text(`This is the demo provider of Octopus answering for the model ${model}. ${GREETING}`),
  }
}

/** A rough count that is the same for every dialect: a token for every four characters begun. */
export const countTokens = (words: string): number => Math.ceil(words.length / 4)

export function answerOf(script: Script, question: Question): Answer {
  const said = script.says(question)
  const reasoningTokens = said.reasoning.length
  const callTokens = said.toolCall === undefined ? 0 : countTokens(JSON.stringify(said.toolCall))
  return {
    ...said,
    seed: randomBytes(12).toString('hex'),
    model: question.model,
    createdAt: Math.floor(Date.now() / 1000),
    inputTokens: Math.max(1, countTokens(question.text)),
    outputTokens: reasoningTokens + said.text.length + callTokens,
    reasoningTokens,
  }
}

function callTool({ tool, afterToolResult }: Question): ReturnType<Script['says']> {
  if (afterToolResult) return text('The tool has answered. That is all that the demo wanted to show.')
  if (tool === undefined) return text('No tool was offered, so the demo has none to call.')
  const example = exampleOf(tool.schema, 0)
  return { reasoning: [], text: [], toolCall: { name: tool.name, arguments: asObject(example) ?? {} } }
}

const MAX_DEPTH = 8

/** A smallest value that a JSON schema allows, as far as its plain keywords say it (Gemini's upper-case type names included). */
function exampleOf(schema: JsonObject, depth: number): JsonObject | string | number | boolean | null | readonly [] {
  const choice = asArray(schema.enum)?.[0]
  if (typeof choice === 'string' || typeof choice === 'number' || typeof choice === 'boolean') return choice
  const type = asString(schema.type) ?? asString(asArray(schema.type)?.[0])
  switch (type?.toLowerCase() ?? 'object') {
    case 'string':
      return 'demo'
    case 'integer':
    case 'number':
      return typeof schema.minimum === 'number' ? schema.minimum : 1
    case 'boolean':
      return true
    case 'array':
      return []
    case 'null':
      return null
  }
  if (depth >= MAX_DEPTH) return {}
  const properties = asObject(schema.properties) ?? {}
  const wanted = (asArray(schema.required) ?? []).filter((name) => typeof name === 'string')
  return Object.fromEntries(
    wanted.map((name) => [
      name,
      exampleOf(asObject(Object.hasOwn(properties, name) ? properties[name] : undefined) ?? {}, depth + 1),
    ]),
  )
}
