import { describe, expect, test } from 'vitest'
import { collect } from '../../model/collect.ts'
import type { AssistantPart, ChatRequest, JsonObject, Loss } from '../../model/request.ts'
import type { StreamEvent } from '../../model/response.ts'
import { gemini } from '../gemini/index.ts'
import { antigravity } from './index.ts'

const { codec } = antigravity
const quiet = { loss: () => undefined }
const route = { operation: 'generate', stream: true, sse: true } as const

function request(fields: Partial<ChatRequest>): ChatRequest {
  return {
    model: 'gemini-3-pro',
    stream: true,
    messages: [{ role: 'user', content: [{ type: 'text', text: 'Hi' }] }],
    tools: [],
    sampling: {},
    ...fields,
  }
}

const inner = (fields: Partial<ChatRequest>): JsonObject =>
  codec.encodeRequest(request(fields), quiet)['request'] as JsonObject

function decodeStream(chunks: readonly object[], answered?: ChatRequest): StreamEvent[] {
  const decoder = codec.decodeStream(answered === undefined ? quiet : { ...quiet, request: answered })
  const events = chunks.flatMap((chunk) => [...decoder.push({ data: JSON.stringify(chunk) })])
  return [...events, ...decoder.end()]
}

const answer = (parts: readonly object[], finishReason?: string): object => ({
  response: { candidates: [{ content: { role: 'model', parts }, finishReason }], responseId: 'r' },
  traceId: 't',
})

describe('antigravity-1: the envelope', () => {
  test('a request has the model outside and no project of its own', () => {
    const body = codec.encodeRequest(
      request({
        messages: [{ role: 'system', content: [{ type: 'text', text: 'Be kind' }] }, ...request({}).messages],
      }),
      quiet,
    )
    expect(body).toEqual({
      model: 'gemini-3-pro',
      userAgent: 'octopus',
      request: {
        systemInstruction: { parts: [{ text: 'Be kind' }] },
        contents: [{ role: 'user', parts: [{ text: 'Hi' }] }],
      },
    })
    const sent = antigravity.bindAccount!(Buffer.from(JSON.stringify(body)), { project: 'p', requestId: 'r' })
    expect(JSON.parse(sent.toString())).toEqual({ ...body, project: 'p', requestId: 'r' })
  })
  test('answers come in it and go out in it', () => {
    const events = decodeStream([answer([{ text: 'Hello' }]), answer([{ text: '' }], 'STOP')])
    const encoder = codec.encodeStream(request({}))
    const frames = [...events.map((event) => encoder.push(event)), encoder.end()].join('').split('\r\n\r\n')
    expect(frames.slice(0, -1).map((frame): unknown => JSON.parse(frame.slice(6)))).toMatchObject([
      { response: { candidates: [{ content: { parts: [{ text: 'Hello' }] } }] }, traceId: 'r' },
      { response: { candidates: [{ finishReason: 'STOP' }] }, traceId: 'r' },
    ])
    const whole = codec.encodeResponse(collect(events), request({}))
    expect(collect(decodeStream([whole]))).toEqual(collect(events))
  })
})

describe('antigravity-2: Claude behind it', () => {
  test('its ids are kept, OTHER with a call is a call, usage may come after the finish', () => {
    const response = collect(
      decodeStream([
        answer([{ functionCall: { id: 'toolu_vrtx_1', name: 'f', args: {} } }], 'OTHER'),
        { response: { usageMetadata: { promptTokenCount: 20, candidatesTokenCount: 3, totalTokenCount: 23 } } },
      ]),
    )
    expect(response).toMatchObject({
      content: [{ type: 'tool-call', id: 'toolu_vrtx_1', arguments: '{}' }],
      finish: { reason: 'tool-calls', raw: 'OTHER' },
      usage: { input: 20, output: 3 },
    })
  })
  test('its history needs no dummy signature', () => {
    const messages = [
      ...request({}).messages,
      { role: 'assistant', content: [{ type: 'tool-call', id: '1', name: 'f', arguments: '{}' }] },
      { role: 'tool', content: [{ type: 'tool-result', callId: '1', content: [] }] },
    ] as const
    expect(JSON.stringify(inner({ model: 'claude-opus-4-6-thinking', messages }))).not.toContain('thoughtSignature')
    expect(JSON.stringify(inner({ messages }))).toContain('thoughtSignature')
  })
})

describe('antigravity-2: Claude that thinks', () => {
  const model = 'claude-opus-4-6-thinking'
  const reasoning = { budgetTokens: 2000 }
  const thinks = (fields: Partial<ChatRequest>) => {
    const losses: Loss[] = []
    const context = { loss: (loss: Loss) => losses.push(loss), origin: 'here' }
    const body = codec.encodeRequest(request({ model, reasoning, ...fields }), context)['request'] as JsonObject
    return { body, losses: losses.map((loss) => loss.field) }
  }
  test('sampling is left alone and no tool is forced', () => {
    const { body, losses } = thinks({
      sampling: { temperature: 0.2, topK: 5, topP: 0.99, maxTokens: 9000 },
      tools: [{ type: 'function', name: 'f', parameters: {} }],
      toolChoice: 'required',
    })
    expect(body['generationConfig']).toEqual({
      topP: 0.99,
      maxOutputTokens: 9000,
      thinkingConfig: { thinkingBudget: 2000, includeThoughts: true },
    })
    expect(body['toolConfig']).toEqual({ functionCallingConfig: { mode: 'AUTO' } })
    expect(losses).toEqual(['temperature', 'topK', 'tool_choice'])
  })
  test('its signed thoughts are asked for although the client does not read them', () => {
    const { body } = thinks({ reasoning: { budgetTokens: 2000, visible: false } })
    expect(body['generationConfig']).toMatchObject({ thinkingConfig: { includeThoughts: true } })
  })
  test('a turn that answers a call without its signed thought is not thought about', () => {
    const opaque = { format: 'antigravity', value: 'c2ln', origin: 'here' } as const
    const messages = (...thought: readonly AssistantPart[]) =>
      [
        ...request({}).messages,
        { role: 'assistant', content: [...thought, { type: 'tool-call', id: '1', name: 'f', arguments: '{}' }] },
        { role: 'tool', content: [{ type: 'tool-result', callId: '1', content: [] }] },
      ] as const
    expect(thinks({ messages: messages() })).toMatchObject({ losses: ['reasoning'] })
    expect(JSON.stringify(thinks({ messages: messages() }).body)).not.toContain('thinkingBudget')
    const signed = thinks({ messages: messages({ type: 'reasoning', text: 'Hm', opaque }) })
    expect(signed.losses).toEqual([])
    expect(signed.body['generationConfig']).toMatchObject({ thinkingConfig: { thinkingBudget: 2000 } })
  })
})

describe('antigravity-3: what it rejects', () => {
  const parameters = {
    $schema: 'x',
    type: 'object',
    properties: { kind: { const: 'a', default: 'a' }, node: { $ref: '#/$defs/Node' } },
    $defs: { Node: { type: ['object', 'null'], properties: { next: { $ref: '#/$defs/Node' } } } },
  }
  const tool = { type: 'function', name: 'mcp/files.read', parameters } as const
  test('no const, no reference, no default, no slash in a name', () => {
    const [entry] = inner({ tools: [tool] })['tools'] as { functionDeclarations: JsonObject[] }[]
    expect(entry?.functionDeclarations).toEqual([
      {
        name: 'mcp_x2f_files_x2e_read',
        description: '',
        parameters: {
          type: 'OBJECT',
          properties: {
            kind: { type: 'STRING', enum: ['a'] },
            node: { type: 'OBJECT', nullable: true, properties: { next: { type: 'OBJECT' } } },
          },
        },
      },
    ])
  })
  test('the name comes back as the client wrote it', () => {
    const { content } = collect(decodeStream([answer([{ functionCall: { name: 'mcp_x2f_files_x2e_read' } }], 'STOP')]))
    expect(content).toMatchObject([{ name: 'mcp/files.read' }])
  })
  test('a name that is too long is cut, and found again through the request', () => {
    const name = `mcp/${'very_long_'.repeat(8)}name`
    const answered = request({ tools: [{ ...tool, name }], toolChoice: { name } })
    const { tools, toolConfig } = inner(answered)
    const [entry] = tools as { functionDeclarations: { name: string }[] }[]
    const short = entry!.functionDeclarations[0]!.name
    expect(short).toMatch(/^[A-Za-z0-9_-]{1,64}$/)
    expect(toolConfig).toEqual({ functionCallingConfig: { mode: 'ANY', allowedFunctionNames: [short] } })
    expect(
      collect(decodeStream([answer([{ functionCall: { name: short } }], 'STOP')], answered)).content,
    ).toMatchObject([{ name }])
  })
  test('the limit is above the thinking budget', () => {
    const config = (fields: Partial<ChatRequest>) => inner(fields)['generationConfig']
    const model = 'claude-opus-4-6-thinking'
    expect(config({ model, reasoning: { budgetTokens: 32_000 } })).toEqual({
      maxOutputTokens: 64_000,
      thinkingConfig: { thinkingBudget: 32_000, includeThoughts: true },
    })
    expect(config({ model, reasoning: { budgetTokens: 8000 }, sampling: { maxTokens: 4000 } })).toEqual({
      maxOutputTokens: 4000,
      thinkingConfig: { thinkingBudget: 2000, includeThoughts: true },
    })
    expect(
      config({ model: 'gemini-2.5-pro', reasoning: { budgetTokens: 8000 }, sampling: { maxTokens: 8000 } }),
    ).toEqual({ maxOutputTokens: 8000, thinkingConfig: { thinkingBudget: 4000 } })
  })
  test('structured output is told in the old schema', () => {
    const schema = { type: 'object', properties: { n: { type: ['integer', 'null'] } }, additionalProperties: false }
    expect(inner({ output: { type: 'json-schema', name: 'x', schema } })['generationConfig']).toEqual({
      responseMimeType: 'application/json',
      responseSchema: { type: 'OBJECT', properties: { n: { type: 'INTEGER', nullable: true } } },
    })
  })
})

describe('antigravity-5: gemini-cli as a client', () => {
  const body = {
    model: 'gemini-2.5-pro',
    project: 'p',
    user_prompt_id: 'u',
    request: {
      contents: [
        { role: 'user', parts: [{ text: 'read it' }] },
        {
          role: 'model',
          parts: [
            {
              functionCall: { name: 'read', args: { path: 'a' }, id: 'f1' },
              thoughtSignature: 'skip_thought_signature_validator',
            },
          ],
        },
        { role: 'user', parts: [{ functionResponse: { id: 'f1', name: 'read', response: { output: '4711' } } }] },
      ],
      systemInstruction: { role: 'user', parts: [{ text: 'You are an agent' }] },
      tools: [
        {
          functionDeclarations: [
            {
              name: 'read',
              description: 'Reads',
              parametersJsonSchema: { type: 'object', properties: { path: { type: 'string' } } },
            },
          ],
        },
      ],
      generationConfig: {
        temperature: 1,
        topP: 0.95,
        topK: 64,
        thinkingConfig: { includeThoughts: true, thinkingBudget: 8192 },
      },
      session_id: 's',
    },
  }
  test('its request loses nothing on the way to Gemini', () => {
    const losses: Loss[] = []
    const decoded = codec.decodeRequest({ headers: {}, body, route }, (loss) => losses.push(loss))
    expect(decoded).toMatchObject({
      model: 'gemini-2.5-pro',
      stream: true,
      reasoning: { budgetTokens: 8192, visible: true },
    })
    expect(decoded).not.toHaveProperty('native')
    const sent = gemini.codec.encodeRequest(decoded, { loss: (loss) => losses.push(loss) })
    const [user, , result] = body.request.contents
    const functionCall = { name: 'read', args: { path: 'a' }, id: 'f1' }
    expect(sent).toEqual({
      contents: [user, { role: 'model', parts: [{ functionCall }] }, result],
      systemInstruction: { parts: [{ text: 'You are an agent' }] },
      tools: body.request.tools,
      generationConfig: body.request.generationConfig,
    })
    expect(losses).toEqual([])
  })
  test.each([
    [{ model: 'm' }, 'request'],
    [
      { model: 'm', request: { contents: [{ role: 'model', parts: [{ functionCall: {} }] }] } },
      'request.contents[0].parts[0].functionCall.name',
    ],
  ])('%j is refused at %s', (wrong, param) => {
    expect(() => codec.decodeRequest({ headers: {}, body: wrong, route }, quiet.loss)).toThrow(
      expect.objectContaining({ kind: 'invalid_request', detail: { param } }),
    )
  })
})

test('a signature of Gemini is not one of Antigravity', () => {
  const opaque = { format: 'gemini', value: 'c2ln' } as const
  const messages = [{ role: 'assistant', content: [{ type: 'text', text: 'A', opaque }] }] as const
  expect(inner({ messages })['contents']).toEqual([{ role: 'model', parts: [{ text: 'A' }] }])
})
