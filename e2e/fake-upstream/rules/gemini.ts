import { isObject, list, object, objects, text, type JsonObject } from '../json.ts'
import type { Target } from '../target.ts'
import { geminiHistory } from './gemini-history.ts'
import { camel, googleSchema } from './json-schema.ts'
import {
  anything,
  bool,
  faultsOf,
  jsonObject,
  listOf,
  mapOf,
  num,
  obj as plainObj,
  str,
  type Fault,
  type ObjectShape,
  type Report,
  type Shape,
} from './shape.ts'

// https://ai.google.dev/api/generate-content, read as protobuf's JSON mapping reads it: two names for a field, null for absent

const obj = (shape: ObjectShape): Shape => absent(plainObj({ ...shape, nameOf: camel }))
/** null counts as absent. */
const absent =
  (shape: Shape): Shape =>
  (value, path, report) => {
    if (value !== null) shape(value, path, report)
  }
/** Enum words are exact; numbers stand for them too. */
const word =
  (...words: readonly string[]): Shape =>
  (value, path, report) => {
    if (typeof value !== 'number' && !words.includes(text(value)))
      report({ kind: 'value', path, detail: `(Enum), ${JSON.stringify(value)}` })
  }
/** Integers may be written as text. */
const whole =
  (min: number): Shape =>
  (value, path, report) => {
    const number = typeof value === 'string' && value !== '' ? Number(value) : value
    if (typeof number !== 'number' || !Number.isInteger(number))
      report({ kind: 'value', path, detail: `(TYPE_INT32), ${JSON.stringify(value)}` })
    else if (number < min) report({ kind: 'rule', path, detail: `${String(path.at(-1))} must be at least ${min}.` })
  }
const bytes = str({ pattern: /^[A-Za-z0-9+/_-]*={0,2}$/ })

const blob = obj({ required: { mimeType: str({ min: 1 }), data: bytes }, optional: { displayName: str() } })
const fileData = obj({ required: { fileUri: str({ min: 1 }) }, optional: { mimeType: str(), displayName: str() } })

const data: Readonly<Record<string, Shape>> = {
  text: str(),
  inlineData: blob,
  fileData,
  functionCall: obj({
    required: { name: str({ min: 1 }) },
    optional: { id: str(), args: jsonObject, partialArgs: listOf(jsonObject), willContinue: bool },
  }),
  functionResponse: obj({
    required: { name: str({ min: 1 }), response: jsonObject },
    optional: {
      id: str(),
      willContinue: bool,
      scheduling: str(),
      parts: listOf(obj({ optional: { inlineData: blob, fileData } })),
    },
  }),
  executableCode: obj({ required: { code: str() }, optional: { language: str(), id: str() } }),
  codeExecutionResult: obj({ required: { outcome: str() }, optional: { output: str(), id: str() } }),
  toolCall: jsonObject,
  toolResponse: jsonObject,
}
const part = obj({
  optional: {
    ...data,
    thought: bool,
    thoughtSignature: bytes,
    videoMetadata: jsonObject,
    partMetadata: jsonObject,
    mediaResolution: jsonObject,
  },
  rules: [
    (value, path, report) => {
      const given = Object.keys(value).filter((name) => Object.hasOwn(data, camel(name)))
      if (given.length > 1)
        report({ kind: 'value', path, detail: `oneof field 'data' is already set. Cannot set '${given[1] ?? ''}'` })
      // A bare signature is how the last part of a streamed thought comes back.
      const signed = value.thoughtSignature ?? value.thought_signature
      if (given.length === 0 && signed === undefined)
        report({
          kind: 'rule',
          path,
          detail: `* GenerateContentRequest.${path.join('.')}.data: required oneof field 'data' must have one initialized field`,
        })
    },
  ],
})

const content = (roles: readonly string[]): Shape =>
  obj({
    optional: { role: str(), parts: listOf(part) },
    rules: [
      (value, path, report) => {
        const role = text(value.role)
        if (role !== '' && !roles.includes(role))
          report({ kind: 'rule', path, detail: `Please use a valid role: ${roles.join(', ')}.` })
        if (list(value.parts).length === 0)
          report({
            kind: 'rule',
            path,
            detail: `* GenerateContentRequest.${path.join('.')}.parts: contents.parts must not be empty.`,
          })
      },
    ],
  })

const functionName = str({ pattern: /^[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}$/ })
const declaration = obj({
  required: { name: functionName },
  optional: {
    description: str(),
    parameters: absent(googleSchema),
    parametersJsonSchema: anything,
    response: absent(googleSchema),
    responseJsonSchema: anything,
    behavior: str(),
  },
  rules: [
    (value, path, report) => {
      if (value.parameters !== undefined && (value.parametersJsonSchema ?? value.parameters_json_schema) !== undefined)
        report({
          kind: 'rule',
          path,
          detail: `* GenerateContentRequest.${path.join('.')}: parameters and parameters_json_schema are mutually exclusive.`,
        })
    },
  ],
})
const tool = obj({
  optional: {
    functionDeclarations: listOf(declaration),
    googleSearch: jsonObject,
    googleSearchRetrieval: jsonObject,
    codeExecution: jsonObject,
    urlContext: jsonObject,
    fileSearch: jsonObject,
    computerUse: jsonObject,
    googleMaps: jsonObject,
    mcpServers: listOf(jsonObject),
    retrieval: jsonObject,
    enterpriseWebSearch: jsonObject,
  },
})

const generationConfig = obj({
  optional: {
    stopSequences: listOf(str({ min: 1 }), { max: 5 }),
    responseMimeType: str(),
    responseSchema: absent(googleSchema),
    responseJsonSchema: anything,
    _responseJsonSchema: anything,
    responseModalities: listOf(word('TEXT', 'IMAGE', 'AUDIO', 'MODALITY_UNSPECIFIED')),
    candidateCount: whole(1),
    maxOutputTokens: whole(1),
    temperature: num({ min: 0, max: 2 }),
    topP: num({ min: 0, max: 1 }),
    topK: num({ min: 0 }),
    seed: whole(-Infinity),
    presencePenalty: num({ min: -2, max: 2 }),
    frequencyPenalty: num({ min: -2, max: 2 }),
    responseLogprobs: bool,
    logprobs: whole(0),
    enableEnhancedCivicAnswers: bool,
    enableAffectiveDialog: bool,
    speechConfig: jsonObject,
    thinkingConfig: obj({
      optional: {
        includeThoughts: bool,
        thinkingBudget: whole(-1),
        thinkingLevel: word(
          'THINKING_LEVEL_UNSPECIFIED',
          'MINIMAL',
          'LOW',
          'MEDIUM',
          'HIGH',
          'low',
          'high',
          'minimal',
          'medium',
        ),
      },
    }),
    imageConfig: jsonObject,
    mediaResolution: str(),
    audioTimestamp: bool,
    routingConfig: jsonObject,
    modelSelectionConfig: jsonObject,
  },
  rules: [configRules],
})

/** The fields of a request; Antigravity wraps the same ones. */
export const generateFields: ObjectShape = {
  required: { contents: listOf(content(['user', 'model', 'function']), { min: 1 }) },
  optional: {
    model: str(),
    tools: listOf(tool),
    toolConfig: obj({
      optional: {
        functionCallingConfig: obj({
          optional: {
            mode: word('MODE_UNSPECIFIED', 'AUTO', 'ANY', 'NONE', 'VALIDATED'),
            allowedFunctionNames: listOf(str()),
            streamFunctionCallArguments: bool,
          },
        }),
        retrievalConfig: jsonObject,
        includeServerSideToolInvocations: bool,
      },
    }),
    safetySettings: listOf(obj({ required: { category: str(), threshold: str() }, optional: { method: str() } })),
    systemInstruction: content(['user', 'model', 'system']),
    generationConfig,
    cachedContent: str(),
    labels: mapOf(str()),
    serviceTier: str(),
    store: bool,
    modelArmorConfig: jsonObject,
  },
  rules: [toolRules, geminiHistory],
}

const request = obj(generateFields)
const countRequest = obj({
  optional: { contents: generateFields.required?.contents ?? anything, generateContentRequest: request, model: str() },
})

export function geminiFaults(body: JsonObject, target: Target): readonly Fault[] {
  // The rules about history ask which model it is; the API has it from the path.
  const named = { ...body, model: target.model }
  return faultsOf(target.operation === 'count-tokens' ? countRequest : request, named)
}

const pick = (value: JsonObject, name: string): unknown =>
  Object.entries(value).find(([given]) => camel(given) === name)?.[1]

function configRules(config: JsonObject, path: Fault['path'], report: Report): void {
  const say = (detail: string): void => report({ kind: 'rule', path, detail })
  const thinking = object(pick(config, 'thinkingConfig'))
  if (pick(thinking, 'thinkingBudget') !== undefined && pick(thinking, 'thinkingLevel') !== undefined)
    say('You can only set only one of thinking budget and thinking level.')
  const schemas = ['responseSchema', 'responseJsonSchema', '_responseJsonSchema'].filter(
    (name) => (pick(config, name) ?? null) !== null,
  )
  if (schemas.length > 1) say('response_schema and response_json_schema are mutually exclusive.')
  const mime = text(pick(config, 'responseMimeType'))
  if (schemas.length > 0 && mime !== 'application/json' && mime !== 'text/x.enum')
    say(
      `* GenerateContentRequest.generation_config.response_schema: only allowed when response_mime_type is application/json or text/x.enum, got '${mime}'`,
    )
}

function toolRules(body: JsonObject, _path: Fault['path'], report: Report): void {
  const say = (path: Fault['path'], detail: string): void => report({ kind: 'rule', path, detail })
  const names = objects(body.tools).flatMap((entry) =>
    objects(pick(entry, 'functionDeclarations')).map((one) => text(one.name)),
  )
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) say(['tools'], `Duplicate function declaration found: ${twice}`)

  const calling = object(pick(object(pick(body, 'toolConfig')), 'functionCallingConfig'))
  const allowed = list(pick(calling, 'allowedFunctionNames'))
  if (allowed.length > 0 && calling.mode !== 'ANY' && calling.mode !== 'VALIDATED')
    say(['toolConfig'], 'Allowed function names should be set only when function calling mode is ANY.')
  const strange = allowed.find((name) => !names.includes(text(name)))
  if (strange !== undefined && names.length > 0)
    say(['toolConfig'], `Allowed function name ${text(strange)} is not found in function declarations.`)
  if (calling.mode === 'ANY' && names.length === 0)
    say(['toolConfig'], 'Function calling config is set without function_declarations.')

  const config = object(pick(body, 'generationConfig'))
  const old = !/gemini-3/.test(text(body.model))
  if (old && names.length > 0 && pick(config, 'responseMimeType') === 'application/json')
    say(['generationConfig'], "Function calling with a response mime type: 'application/json' is unsupported")
  if (body.systemInstruction !== undefined && !isObject(body.systemInstruction))
    report({ kind: 'type', path: ['systemInstruction'], detail: 'an object' })
}
