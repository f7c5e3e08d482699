import { describe, expect, it } from 'vitest'
import type { ChatRequest, JsonObject } from '../../model/request.ts'
import { codec } from './codec.ts'

function decode(body: JsonObject): ChatRequest {
  const wire = { headers: {}, body: { model: 'm', ...body }, route: { operation: 'generate' as const } }
  return codec.decodeRequest(wire, () => undefined)
}

describe('tools', () => {
  it('responses-4: functions are flat; strict false says nothing', () => {
    const parameters = { type: 'object', properties: { a: { type: 'string' } } }
    expect(
      decode({
        input: 'x',
        tools: [
          { type: 'function', name: 'f', description: 'd', parameters, strict: false },
          { type: 'function', name: 'g', parameters: null, strict: true },
        ],
      }).tools,
    ).toEqual([
      { type: 'function', name: 'f', description: 'd', parameters },
      { type: 'function', name: 'g', parameters: { type: 'object', properties: {} }, strict: true },
    ])
  })

  it('responses-9: Codex has custom tools, namespaces, a search of its own and built-in ones', () => {
    const grammar = { type: 'grammar', syntax: 'lark', definition: 'start: "a"' }
    const search = { type: 'object', properties: { query: { type: 'string' } } }
    const request = decode({
      input: 'x',
      tools: [
        { type: 'custom', name: 'apply_patch', description: 'edit', format: grammar },
        {
          type: 'namespace',
          name: 'agents',
          description: 'n',
          tools: [{ type: 'function', name: 'spawn', parameters: {} }],
        },
        { type: 'tool_search', execution: 'client', description: 's', parameters: search },
        { type: 'web_search', external_web_access: false },
        { type: 'tool_search' },
      ],
    })
    expect(request.tools).toMatchObject([
      { type: 'custom', name: 'apply_patch', grammar },
      { type: 'function', name: 'agents__spawn', native: { fields: { namespace: 'agents', name: 'spawn' } } },
      { type: 'function', name: 'tool_search', parameters: search },
      { type: 'native', format: 'openai-responses', name: 'web_search', definition: { external_web_access: false } },
      { type: 'native', name: 'tool_search' },
    ])
  })

  it('finds the flat name again in history, and takes in tools that a search has found', () => {
    const found = { type: 'function', name: 'rate', parameters: { type: 'object', properties: {} } }
    const request = decode({
      input: [
        { role: 'user', content: 'x' },
        { type: 'additional_tools', role: 'developer', tools: [{ ...found, name: 'more' }] },
        { type: 'tool_search_call', call_id: 's', execution: 'client', arguments: { query: 'rate' } },
        { type: 'tool_search_output', call_id: 's', execution: 'client', tools: [found] },
        { type: 'function_call', call_id: 'a', namespace: 'rate', name: 'rate', arguments: '{}' },
        { type: 'function_call', call_id: 'b', namespace: 'agents', name: 'spawn', arguments: '{}' },
      ],
      tools: [{ type: 'tool_search', execution: 'client', parameters: { type: 'object', properties: {} } }],
    })
    expect(request.tools.map((tool) => tool.name)).toEqual(['tool_search', 'more', 'rate'])
    expect(request.messages[1]?.content).toEqual([
      { type: 'tool-call', id: 's', name: 'tool_search', arguments: '{"query":"rate"}' },
    ])
    expect(request.messages[2]?.content).toMatchObject([
      { callId: 's', name: 'tool_search', content: [{ text: 'Tools now available: rate' }] },
    ])
    expect(request.messages[3]?.content).toMatchObject([{ name: 'rate' }, { name: 'agents__spawn' }])
  })

  it.each<[JsonObject['x'], ChatRequest['toolChoice'], string[]]>([
    ['auto', 'auto', ['f', 'p', 'web_search']],
    ['none', 'none', ['f', 'p', 'web_search']],
    ['required', 'required', ['f', 'p', 'web_search']],
    [{ type: 'function', name: 'f' }, { name: 'f' }, ['f', 'p', 'web_search']],
    [{ type: 'custom', name: 'p' }, { name: 'p' }, ['f', 'p', 'web_search']],
    [
      {
        type: 'allowed_tools',
        mode: 'required',
        tools: [{ type: 'function', name: 'f' }, { type: 'web_search' }],
      },
      'required',
      ['f', 'web_search'],
    ],
    [{ type: 'web_search' }, undefined, ['f', 'p', 'web_search']],
  ])('tool_choice %j', (tool_choice, expected, names) => {
    const request = decode({
      input: 'x',
      tool_choice,
      tools: [{ type: 'function', name: 'f' }, { type: 'custom', name: 'p' }, { type: 'web_search' }],
    })
    expect(request.toolChoice).toEqual(expected)
    expect(request.tools.map((tool) => tool.name)).toEqual(names)
    if (expected === undefined) expect(request.native?.fields.tool_choice).toEqual(tool_choice)
  })
})

describe('allowed tools', () => {
  it('may be a whole namespace', () => {
    const member = (name: string): JsonObject => ({ type: 'function', name, parameters: {} })
    const request = decode({
      input: 'x',
      tools: [{ type: 'namespace', name: 'crm', tools: [member('find'), member('add')] }, member('other')],
      tool_choice: { type: 'allowed_tools', mode: 'auto', tools: [{ type: 'namespace', name: 'crm' }] },
    })
    expect(request.tools.map((tool) => tool.name)).toEqual(['crm__find', 'crm__add'])
  })
})

describe('fields', () => {
  it('reads every field that the model has a place for', () => {
    const schema = { type: 'object', properties: {} }
    const request = decode({
      input: 'x',
      stream: true,
      max_output_tokens: 100,
      temperature: 0.5,
      top_p: 0.9,
      top_logprobs: 3,
      parallel_tool_calls: false,
      reasoning: { effort: 'xhigh', summary: 'detailed' },
      text: { format: { type: 'json_schema', name: 'n', schema, strict: true }, verbosity: 'low' },
      metadata: { a: 'b' },
      safety_identifier: 'u',
      prompt_cache_key: 'k',
      service_tier: 'flex',
      store: false,
      include: ['reasoning.encrypted_content', 'message.output_text.logprobs', 'web_search_call.action.sources'],
      truncation: 'auto',
      client_metadata: { x: 'y' },
      user: null,
    })
    expect(request).toEqual({
      model: 'm',
      stream: true,
      messages: [{ role: 'user', content: [{ type: 'text', text: 'x' }] }],
      tools: [],
      sampling: {
        maxTokens: 100,
        temperature: 0.5,
        topP: 0.9,
        parallelToolCalls: false,
        logprobs: true,
        topLogprobs: 3,
      },
      reasoning: { effort: 'xhigh', summary: 'detailed', visible: true },
      output: { type: 'json-schema', name: 'n', schema, strict: true },
      metadata: { userId: 'u', labels: { a: 'b' } },
      serviceTier: 'flex',
      cacheKey: 'k',
      native: {
        format: 'openai-responses',
        fields: {
          truncation: 'auto',
          client_metadata: { x: 'y' },
          include: ['web_search_call.action.sources'],
          text: { verbosity: 'low' },
        },
      },
    })
  })

  it('keeps absent what is absent', () => {
    expect(decode({ input: 'x', stream: null, temperature: null, tools: null, reasoning: null })).toEqual({
      model: 'm',
      stream: false,
      messages: [{ role: 'user', content: [{ type: 'text', text: 'x' }] }],
      tools: [],
      sampling: {},
    })
  })
})
