import { describe, expect, test } from 'vitest'
import type { ChatRequest, JsonObject, Loss } from '../../model/request.ts'
import { codec, contents, decodeRequest, encode, quiet, weather } from './test-codec.ts'

describe('gemini-7: schemas and thinking', () => {
  test('parameters go out as JSON Schema', () => {
    const parameters = {
      $schema: 'http://json-schema.org/draft-07/schema#',
      type: 'object',
      properties: { kind: { const: 'x' } },
      $defs: {},
    }
    expect(encode({ tools: [{ type: 'function', name: 'f', description: 'F', parameters }] })['tools']).toEqual([
      {
        functionDeclarations: [
          {
            name: 'f',
            description: 'F',
            parametersJsonSchema: { type: 'object', properties: { kind: { enum: ['x'] } }, $defs: {} },
          },
        ],
      },
    ])
  })
  test('both spellings of parameters come in as JSON Schema', () => {
    const { tools } = decodeRequest({
      contents: 'Hi',
      tools: [
        {
          functionDeclarations: [
            {
              name: 'a',
              parameters: {
                type: 'OBJECT',
                properties: {
                  n: { type: 'INTEGER', nullable: true, minimum: 1 },
                  l: { type: 'ARRAY', items: { type: 'STRING' }, max_items: '3' },
                },
              },
            },
            {
              name: 'b',
              parameters_json_schema: { type: 'object', properties: { x: { type: 'string' } }, required: ['x'] },
            },
            { name: 'c' },
          ],
        },
      ],
    })
    expect(tools.map((tool) => (tool.type === 'function' ? tool.parameters : null))).toEqual([
      {
        type: 'object',
        properties: {
          n: { type: ['integer', 'null'], minimum: 1 },
          l: { type: 'array', items: { type: 'string' }, maxItems: 3 },
        },
      },
      { type: 'object', properties: { x: { type: 'string' } }, required: ['x'] },
      { type: 'object', properties: {} },
    ])
  })
  test.each<[string, ChatRequest['reasoning'], number | undefined, JsonObject | undefined]>([
    ['gemini-3-pro', { effort: 'high', budgetTokens: 5000 }, undefined, { thinkingLevel: 'HIGH' }],
    ['gemini-3-pro', { effort: 'minimal' }, undefined, { thinkingLevel: 'LOW' }],
    ['gemini-3-flash', { effort: 'none' }, undefined, { thinkingLevel: 'MINIMAL' }],
    ['gemini-3-flash', { effort: 'max', visible: true }, undefined, { thinkingLevel: 'HIGH', includeThoughts: true }],
    ['gemini-3-pro', { budgetTokens: 5000 }, undefined, { thinkingBudget: 5000 }],
    ['gemini-3-pro', { adaptive: true, summary: 'auto' }, undefined, { includeThoughts: true }],
    ['gemini-2.5-flash', { effort: 'high' }, undefined, { thinkingBudget: 24_576 }],
    ['gemini-2.5-flash', { effort: 'none', visible: false }, undefined, { thinkingBudget: 0 }],
    ['gemini-2.5-pro', { effort: 'none' }, undefined, { thinkingBudget: 128 }],
    ['gemini-2.5-pro', { adaptive: true }, undefined, { thinkingBudget: -1 }],
    ['gemini-2.5-pro', { budgetTokens: 8000 }, 4000, { thinkingBudget: 2000 }],
    ['gemini-2.0-flash', { effort: 'high' }, undefined, undefined],
    ['my-alias', { effort: 'low' }, undefined, { thinkingLevel: 'LOW' }],
  ])('%s %j max %s', (...[model, reasoning, maxTokens, wanted]) => {
    const sampling = maxTokens === undefined ? {} : { maxTokens }
    const config = encode({ model, sampling, ...(reasoning !== undefined && { reasoning }) })['generationConfig']
    expect((config as JsonObject | undefined)?.['thinkingConfig']).toEqual(wanted)
  })
  test.each([
    [{ thinkingBudget: -1 }, { adaptive: true }],
    [{ thinkingBudget: 0 }, { effort: 'none' }],
    [
      { thinking_budget: 2000, include_thoughts: true },
      { budgetTokens: 2000, visible: true },
    ],
    [
      { thinkingLevel: 'HIGH', includeThoughts: false },
      { effort: 'high', visible: false },
    ],
  ])('%j is %j', (thinkingConfig, reasoning) => {
    expect(decodeRequest({ contents: 'Hi', generationConfig: { thinkingConfig } }).reasoning).toEqual(reasoning)
  })
  test('budget and level exclude each other', () => {
    const body = { contents: 'Hi', generationConfig: { thinkingConfig: { thinkingBudget: 5, thinkingLevel: 'LOW' } } }
    expect(() => decodeRequest(body)).toThrow(
      expect.objectContaining({ detail: { param: 'generationConfig.thinkingConfig' } }),
    )
  })
})

describe('gemini-11: structured output', () => {
  const schema = { type: 'object', properties: { score: { type: 'integer' } }, required: ['score'] }
  test('gemini-cli asks its router with types in capitals', () => {
    const body = {
      contents: 'Hi',
      generationConfig: {
        responseMimeType: 'application/json',
        responseJsonSchema: { type: 'OBJECT', properties: { score: { type: 'INTEGER' } }, required: ['score'] },
      },
    }
    const { output, native } = decodeRequest(body)
    expect(output).toEqual({ type: 'json-schema', name: 'response', schema })
    expect(native).toBeUndefined()
  })
  test('a schema, plain JSON, and a description', () => {
    const config = (output: ChatRequest['output']) => encode(output === undefined ? {} : { output })['generationConfig']
    expect(config({ type: 'json' })).toEqual({ responseMimeType: 'application/json' })
    expect(config({ type: 'json-schema', name: 'x', schema })).toEqual({
      responseMimeType: 'application/json',
      responseJsonSchema: schema,
    })
  })
  test('models before Gemini 3 take no schema beside functions: they are told in words', () => {
    const losses: Loss[] = []
    const body = encode(
      { model: 'gemini-2.5-pro', tools: [weather], output: { type: 'json-schema', name: 'x', schema } },
      losses,
    )
    expect(body).not.toHaveProperty('generationConfig')
    expect(JSON.stringify(body['systemInstruction'])).toContain('score')
    expect(losses).toEqual([expect.objectContaining({ field: 'response_format' })])
  })
})

describe('the rest of a request', () => {
  test('system messages are hoisted in order', () => {
    const text = (value: string) => [{ type: 'text', text: value }] as const
    const body = encode({
      messages: [
        { role: 'system', content: text('one') },
        { role: 'user', content: text('Hi') },
        { role: 'system', content: text('two'), origin: 'developer' },
      ],
    })
    expect(body).toMatchObject({
      systemInstruction: { parts: [{ text: 'one' }, { text: 'two' }] },
      contents: [{ role: 'user' }],
    })
  })
  test('a request of system messages alone still has a content', () => {
    expect(encode({ messages: [{ role: 'system', content: [{ type: 'text', text: 'x' }] }] })['contents']).toEqual([
      { role: 'user', parts: [{ text: '' }] },
    ])
  })
  test('sampling, both ways', () => {
    const generationConfig = {
      maxOutputTokens: 10,
      temperature: 0.5,
      topP: 0.9,
      topK: 40,
      stopSequences: ['a'],
      seed: 7,
      presencePenalty: 0.1,
      frequencyPenalty: 0.2,
      candidateCount: 2,
      responseLogprobs: true,
      logprobs: 3,
    }
    const { sampling } = decodeRequest({ contents: 'Hi', generationConfig })
    expect(sampling).toEqual({
      maxTokens: 10,
      temperature: 0.5,
      topP: 0.9,
      topK: 40,
      stop: ['a'],
      seed: 7,
      presencePenalty: 0.1,
      frequencyPenalty: 0.2,
      choices: 2,
      logprobs: true,
      topLogprobs: 3,
    })
    expect(encode({ sampling })['generationConfig']).toEqual(generationConfig)
  })
  test('what Gemini cannot say is reported', () => {
    const losses: Loss[] = []
    encode(
      {
        sampling: { parallelToolCalls: false, seed: 2 ** 40, stop: ['1', '2', '3', '4', '5', '6'] },
        metadata: { userId: 'u', labels: { a: 'b' } },
        cacheKey: 'k',
        serviceTier: 'scale',
        native: { format: 'anthropic', fields: { context_management: {} } },
        tools: [
          { type: 'native', format: 'anthropic', name: 'web_search', definition: {} },
          { type: 'function', name: 'weather', parameters: {}, strict: true },
        ],
        toolChoice: { name: 'web_search' },
      },
      losses,
    )
    expect(losses.map((loss) => loss.field).sort()).toEqual([
      'context_management',
      'metadata',
      'metadata.user_id',
      'parallel_tool_calls',
      'prompt_cache_key',
      'seed',
      'service_tier',
      'stop',
      'tool_choice',
      'tools.weather.strict',
      'tools.web_search',
    ])
  })
  test.each([
    ['auto', { mode: 'AUTO' }],
    ['none', { mode: 'NONE' }],
    ['required', { mode: 'ANY' }],
    [{ name: 'weather' }, { mode: 'ANY', allowedFunctionNames: ['weather'] }],
  ] as const)('tool choice %j, both ways', (toolChoice, functionCallingConfig) => {
    const body = encode({ tools: [weather], toolChoice })
    expect(body['toolConfig']).toEqual({ functionCallingConfig })
    expect(decodeRequest(body).toolChoice).toEqual(toolChoice)
    expect(encode({ toolChoice })).not.toHaveProperty('toolConfig')
  })
  test('native tools and fields of the request come out again', () => {
    const body = {
      contents: [{ role: 'user', parts: [{ text: 'Hi' }] }],
      tools: [{ googleSearch: {} }, { codeExecution: {} }, { urlContext: {} }],
      toolConfig: { functionCallingConfig: { mode: 'VALIDATED' }, includeServerSideToolInvocations: true },
      generationConfig: { responseModalities: ['TEXT', 'IMAGE'], imageConfig: { aspectRatio: '1:1' } },
      safetySettings: [{ category: 'HARM_CATEGORY_HARASSMENT', threshold: 'BLOCK_NONE' }],
      cachedContent: 'cachedContents/1',
    }
    expect(codec.encodeRequest(decodeRequest(body), quiet)).toEqual(body)
  })
  test('a custom tool is a function of one text', () => {
    const body = encode({ tools: [{ type: 'custom', name: 'apply_patch', description: 'Patch' }] })
    expect(body['tools']).toMatchObject([
      {
        functionDeclarations: [
          {
            name: 'apply_patch',
            parametersJsonSchema: { properties: { input: { type: 'string' } }, required: ['input'] },
          },
        ],
      },
    ])
  })
  test('media of every kind, both ways', () => {
    const parts = [
      { inlineData: { mimeType: 'image/png', data: 'iVBO' } },
      { inlineData: { mimeType: 'audio/wav', data: 'UklG' } },
      { fileData: { mimeType: 'application/pdf', fileUri: 'gs://bucket/a.pdf' } },
      { fileData: { mimeType: 'video/mp4', fileUri: 'https://www.youtube.com/watch?v=x' } },
      { fileData: { mimeType: 'image/png', fileUri: 'https://example.com/a.png' } },
    ]
    const { messages } = decodeRequest({ contents: [{ role: 'user', parts }] })
    expect(messages[0]?.content.map((part) => (part.type === 'media' ? part.source.kind : part.type))).toEqual([
      'base64',
      'base64',
      'file',
      'file',
      'url',
    ])
    expect(contents(messages)).toEqual([{ role: 'user', parts }])
  })
  test.each<[JsonObject, string]>([
    [{}, 'contents'],
    [{ contents: 7 }, 'contents'],
    [{ contents: [7] }, 'contents[0]'],
    [{ contents: [{ role: 'robot', parts: [] }] }, 'contents[0].role'],
    [{ contents: [{ role: 'user', parts: 'x' }] }, 'contents[0].parts'],
    [{ contents: [{ parts: [{ text: 7 }] }] }, 'contents[0].parts[0].text'],
    [
      { contents: [{}, {}, { role: 'model', parts: [{ functionCall: { args: {} } }] }] },
      'contents[2].parts[0].functionCall.name',
    ],
    [
      { contents: [{ role: 'model', parts: [{ functionCall: { name: 'a', args: [] } }] }] },
      'contents[0].parts[0].functionCall.args',
    ],
    [{ contents: [{ parts: [{ inline_data: { mime_type: 'image/png' } }] }] }, 'contents[0].parts[0].inline_data.data'],
    [{ contents: [{ parts: [{ functionResponse: { response: {} } }] }] }, 'contents[0].parts[0].functionResponse.name'],
    [{ contents: 'Hi', tools: [{ functionDeclarations: [{}] }] }, 'tools[0].functionDeclarations[0].name'],
    [{ contents: 'Hi', generationConfig: { temperature: 'hot' } }, 'generationConfig.temperature'],
    [{ contents: 'Hi', generationConfig: { stopSequences: [1] } }, 'generationConfig.stopSequences[0]'],
    [{ contents: 'Hi', systemInstruction: { parts: [{ inlineData: {} }] } }, 'systemInstruction.parts[0].text'],
  ])('%j is refused at %s', (body, param) => {
    expect(() => decodeRequest(body)).toThrow(expect.objectContaining({ kind: 'invalid_request', detail: { param } }))
  })
})
