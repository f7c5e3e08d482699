import { isObject, object, objects, text, type JsonObject } from '../json.ts'
import type { Target } from '../target.ts'
import { generateFields } from './gemini.ts'
import { camel, walkSchema } from './json-schema.ts'
import { anything, faultsOf, jsonObject, listOf, obj, str, type Fault, type Report } from './shape.ts'

/** The envelope of Google's private code-assist endpoints, around Gemini's request. */
const envelope = obj({
  required: {
    model: str({ min: 1, pattern: /^(?!models\/)/ }),
    request: obj({
      ...generateFields,
      nameOf: camel,
      optional: {
        ...generateFields.optional,
        sessionId: str(),
        // The envelope names the model.
        model: (_value, path, report) => report({ kind: 'unknown', path, detail: '' }),
      },
    }),
  },
  optional: {
    project: str({ min: 1 }),
    userAgent: str(),
    requestId: str(),
    requestType: str(),
    userPromptId: str(),
    sessionId: str(),
    enabledCreditTypes: listOf(anything),
    displayName: str(),
  },
  nameOf: camel,
  rules: [projectNeeded, budget, cleanSchemas, instruction],
})
const countRequest = obj({
  required: { request: obj({ required: { model: str({ pattern: /^models\// }), contents: listOf(jsonObject) } }) },
})

export function antigravityFaults(body: JsonObject, target: Target): readonly Fault[] {
  return faultsOf(target.operation === 'count-tokens' ? countRequest : envelope, body)
}

function projectNeeded(body: JsonObject, path: Fault['path'], report: Report): void {
  if (text(body.project) === '') report({ kind: 'missing', path: [...path, 'project'], detail: '' })
}

function budget(body: JsonObject, _path: Fault['path'], report: Report): void {
  const config = object(object(body.request).generationConfig)
  const thinking = Number(object(config.thinkingConfig).thinkingBudget)
  if (Number(config.maxOutputTokens) <= thinking)
    report({
      kind: 'rule',
      path: ['request', 'generationConfig'],
      detail: 'max_tokens must be greater than thinking.budget_tokens',
    })
}

const REFUSED = ['const', '$ref', '$defs', 'default'] as const

/** Claude behind the endpoint takes less of JSON Schema than Gemini does; so do requests in Antigravity's own name. */
function cleanSchemas(body: JsonObject, _path: Fault['path'], report: Report): void {
  const { model, userAgent } = body
  if (!text(model).startsWith('claude') && userAgent !== 'antigravity') return
  for (const declaration of objects(object(body.request).tools).flatMap((tool) => objects(tool.functionDeclarations))) {
    const path = ['request', 'tools', text(declaration.name)]
    for (const schema of [declaration.parameters, declaration.parametersJsonSchema])
      if (isObject(schema))
        walkSchema(schema, (at, below) => {
          for (const keyword of REFUSED)
            if (Object.hasOwn(at, keyword)) report({ kind: 'unknown', path: [...path, ...below, keyword], detail: '' })
        })
  }
}

function instruction(body: JsonObject, _path: Fault['path'], report: Report): void {
  const given = object(body.request).systemInstruction
  if (given !== undefined && !isObject(given))
    report({ kind: 'type', path: ['request', 'systemInstruction'], detail: 'an object' })
}
