import { describe, expect, test } from 'vitest'
import { RelayError } from '../../errors.ts'
import type { ChatRequest, JsonObject } from '../../model/request.ts'
import { asArray, asObject } from '../narrow.ts'
import { openaiChat } from './index.ts'

const { codec } = openaiChat
const user = { role: 'user', content: 'hi' }

function decode(body: JsonObject): ChatRequest {
  const messages = body.messages ?? [user]
  return codec.decodeRequest(
    { headers: {}, body: { model: 'm', ...body, messages }, route: { operation: 'generate' } },
    () => undefined,
  )
}

const fn = (name: string): JsonObject => ({
  type: 'function',
  function: { name, parameters: { type: 'object', properties: {} } },
})

describe('decodeRequest', () => {
  test('roles, parts and their order', () => {
    const request = decode({
      messages: [
        { role: 'system', content: 'a' },
        { role: 'developer', content: [{ type: 'text', text: 'b', cache_control: { type: 'ephemeral', ttl: '1h' } }] },
        {
          role: 'user',
          name: 'ann',
          content: [
            { type: 'text', text: 'c' },
            { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA', detail: 'low' } },
            { type: 'image_url', image_url: { url: 'https://x/y.png' } },
            { type: 'input_audio', input_audio: { data: 'BBBB', format: 'mp3' } },
            { type: 'file', file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,CCCC' } },
            { type: 'file', file: { file_id: 'file-1' } },
            { type: 'video_url', video_url: { url: 'https://x/y.webm?z' } },
          ],
        },
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: 'c1', type: 'function', function: { name: 'f', arguments: '' } }],
        },
        { role: 'tool', tool_call_id: 'c1', content: [{ type: 'text', text: 'd' }] },
        {
          role: 'assistant',
          content: [
            { type: 'text', text: 'e' },
            { type: 'refusal', refusal: 'no' },
          ],
        },
      ],
    })
    expect(request.messages).toEqual([
      { role: 'system', origin: 'system', content: [{ type: 'text', text: 'a' }] },
      { role: 'system', origin: 'developer', content: [{ type: 'text', text: 'b', cache: { ttl: '1h' } }] },
      {
        role: 'user',
        name: 'ann',
        content: [
          { type: 'text', text: 'c' },
          { type: 'media', mediaType: 'image/png', source: { kind: 'base64', data: 'AAAA' }, detail: 'low' },
          { type: 'media', mediaType: '', source: { kind: 'url', url: 'https://x/y.png' } },
          { type: 'media', mediaType: 'audio/mpeg', source: { kind: 'base64', data: 'BBBB' } },
          { type: 'media', mediaType: 'application/pdf', source: { kind: 'base64', data: 'CCCC' }, filename: 'a.pdf' },
          { type: 'media', mediaType: '', source: { kind: 'file', format: 'openai-chat', id: 'file-1' } },
          { type: 'media', mediaType: 'video/webm', source: { kind: 'url', url: 'https://x/y.webm?z' } },
        ],
      },
      { role: 'assistant', content: [{ type: 'tool-call', id: 'c1', name: 'f', arguments: '' }] },
      { role: 'tool', content: [{ type: 'tool-result', callId: 'c1', content: [{ type: 'text', text: 'd' }] }] },
      {
        role: 'assistant',
        content: [
          { type: 'text', text: 'e' },
          { type: 'text', text: 'no', refusal: true },
        ],
      },
    ])
  })

  test('all parameters', () => {
    const request = decode({
      stream: true,
      stream_options: { include_usage: true, include_obfuscation: false },
      max_completion_tokens: 9,
      temperature: 0,
      top_p: 0.5,
      top_k: 3,
      stop: 'x',
      seed: 4,
      parallel_tool_calls: false,
      frequency_penalty: 0.1,
      presence_penalty: 0.2,
      n: 2,
      logprobs: true,
      top_logprobs: 5,
      reasoning_effort: 'xhigh',
      response_format: { type: 'json_schema', json_schema: { name: 'r', schema: { type: 'object' }, strict: true } },
      user: 'u',
      metadata: { a: 'b' },
      service_tier: 'flex',
      prompt_cache_key: 'k',
      logit_bias: { 5: 1 },
      verbosity: 'low',
      store: null,
    })
    expect(request).toEqual({
      model: 'm',
      stream: true,
      messages: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }],
      tools: [],
      sampling: {
        maxTokens: 9,
        temperature: 0,
        topP: 0.5,
        topK: 3,
        stop: ['x'],
        seed: 4,
        parallelToolCalls: false,
        frequencyPenalty: 0.1,
        presencePenalty: 0.2,
        choices: 2,
        logprobs: true,
        topLogprobs: 5,
      },
      reasoning: { effort: 'xhigh' },
      output: { type: 'json-schema', name: 'r', schema: { type: 'object' }, strict: true },
      metadata: { userId: 'u', labels: { a: 'b' } },
      serviceTier: 'flex',
      cacheKey: 'k',
      includeUsage: true,
      native: {
        format: 'openai-chat',
        fields: { logit_bias: { 5: 1 }, verbosity: 'low', stream_options: { include_obfuscation: false } },
      },
    })
  })

  test.each([
    [{ reasoning: { effort: 'low' } }, { effort: 'low' }],
    [{ reasoning: { max_tokens: 2000, exclude: true } }, { budgetTokens: 2000, visible: false }],
    [{ reasoning: { enabled: false } }, { effort: 'none' }],
    [{ thinking: { type: 'enabled' } }, { adaptive: true }],
    [{ thinking: { type: 'enabled', budget_tokens: 4096 } }, { budgetTokens: 4096 }],
    [{ thinking: { type: 'disabled' } }, { effort: 'none' }],
    [{ enable_thinking: false }, { effort: 'none' }],
    [{ enable_thinking: true, thinking_budget: 100 }, { budgetTokens: 100 }],
    [{}, undefined],
  ])('reasoning in every dialect: %j', (body, reasoning) => {
    expect(decode(body).reasoning).toEqual(reasoning)
  })

  test.each([
    ['auto', 'auto'],
    ['none', 'none'],
    ['required', 'required'],
    ['any', 'required'],
    [{ type: 'auto' }, 'auto'],
    [{ type: 'function', function: { name: 'f' } }, { name: 'f' }],
    [{ type: 'custom', custom: { name: 'f' } }, { name: 'f' }],
    [{ type: 'tool', name: 'f' }, { name: 'f' }],
  ])('tool choice %j', (choice, expected) => {
    expect(decode({ tools: [fn('f')], tool_choice: choice }).toolChoice).toEqual(expected)
  })

  test('tool choice: only some tools are allowed, so only these are offered', () => {
    const allowed = { mode: 'required', tools: [{ type: 'function', function: { name: 'g' } }] }
    const request = decode({
      tools: [fn('f'), fn('g')],
      tool_choice: { type: 'allowed_tools', allowed_tools: allowed },
    })
    expect(request.toolChoice).toBe('required')
    expect(request.tools.map((entry) => entry.name)).toEqual(['g'])
  })

  test('tools of every kind', () => {
    const grammar = { type: 'grammar', grammar: { syntax: 'lark', definition: 'start: "x"' } }
    const request = decode({
      tools: [
        {
          type: 'function',
          function: { name: 'f', description: 'd', strict: true },
          cache_control: { type: 'ephemeral' },
        },
        { type: 'custom', custom: { name: 'patch', format: grammar } },
        { type: 'openrouter:web_search', parameters: {} },
        { type: 'function', name: 'flat', parameters: { type: 'object' } },
      ],
    })
    expect(request.tools).toEqual([
      {
        type: 'function',
        name: 'f',
        description: 'd',
        strict: true,
        parameters: { type: 'object', properties: {} },
        cache: { ttl: '5m' },
      },
      { type: 'custom', name: 'patch', grammar: { type: 'grammar', syntax: 'lark', definition: 'start: "x"' } },
      {
        type: 'native',
        format: 'openai-chat',
        name: 'openrouter:web_search',
        definition: { type: 'openrouter:web_search', parameters: {} },
      },
      { type: 'function', name: 'flat', parameters: { type: 'object' } },
    ])
  })

  test('model-5: a custom call and its result', () => {
    const { messages: list } = decode({
      messages: [
        user,
        { role: 'assistant', tool_calls: [{ id: 'c', type: 'custom', custom: { name: 'patch', input: '*** Begin' } }] },
        { role: 'tool', tool_call_id: 'c', content: 'ok' },
      ],
    })
    expect(list[1]).toEqual({
      role: 'assistant',
      content: [{ type: 'tool-call', id: 'c', name: 'patch', arguments: '*** Begin', custom: true }],
    })
    expect(list[2]).toMatchObject({ content: [{ callId: 'c', custom: true }] })
  })

  test('the older functions and their messages', () => {
    const request = decode({
      functions: [{ name: 'f', parameters: { type: 'object' } }],
      function_call: { name: 'f' },
      messages: [
        user,
        { role: 'assistant', content: null, function_call: { name: 'f', arguments: '{"a":1}' } },
        { role: 'function', name: 'f', content: '7' },
      ],
    })
    expect(request).toMatchObject({
      legacyFunctions: true,
      toolChoice: { name: 'f' },
      tools: [{ type: 'function', name: 'f' }],
    })
    const [, turn, answer] = request.messages
    const made = turn?.content[0]
    if (made?.type !== 'tool-call') throw new Error('no call')
    expect(made).toMatchObject({ name: 'f', arguments: '{"a":1}' })
    expect(answer?.content[0]).toMatchObject({ type: 'tool-result', callId: made.id, name: 'f' })
  })

  test('chat-3: thoughts of our own answers come back as the blocks they were', () => {
    const signature = { format: 'anthropic', value: 'sig', origin: '3' } as const
    const response = {
      id: 'r',
      model: 'm',
      createdAt: 1,
      finish: { reason: 'tool-calls' },
      content: [
        { type: 'reasoning', text: 'first', opaque: signature },
        { type: 'reasoning', text: '', redacted: true, opaque: { format: 'anthropic', value: 'hidden' } },
        { type: 'text', text: 'said' },
        { type: 'reasoning', text: 'then', opaque: signature },
        { type: 'tool-call', id: 'a', name: 'f', arguments: '{}', opaque: { format: 'gemini', value: 'g' } },
        { type: 'reasoning', text: 'last', id: 'rs_1', opaque: { format: 'openai-responses', value: 'enc' } },
        { type: 'tool-call', id: 'b', name: 'f', arguments: '{}' },
      ],
    } as const
    const request = decode({})
    const whole = asObject(asArray(codec.encodeResponse(response, request).choices)?.[0])?.message
    expect(asObject(whole)).toMatchObject({ reasoning_content: 'firstthenlast', content: 'said' })
    const replayed = decode({ messages: [user, asObject(whole)!] }).messages[1]
    expect(replayed).toEqual({ role: 'assistant', content: response.content })
    // a client that changed the text cannot give signatures back
    const changed = decode({ messages: [user, { ...asObject(whole)!, reasoning_content: 'fir' }] }).messages[1]
    expect(changed?.content.filter((part) => part.type === 'reasoning' && part.opaque?.value === 'sig')).toEqual([])
  })

  test('chat-3: OpenRouter’s details stay whole', () => {
    const details = [
      { type: 'reasoning.text', text: 'ab', signature: 's', index: 0 },
      { type: 'reasoning.encrypted', data: 'xx', index: 1 },
    ]
    const [, turn] = decode({
      messages: [user, { role: 'assistant', content: 'x', reasoning: 'ab', reasoning_details: details }],
    }).messages
    const whole: ChatRequest = {
      model: 'deepseek/deepseek-chat',
      stream: false,
      messages: [turn!],
      tools: [],
      sampling: {},
    }
    const again = asArray(codec.encodeRequest(whole, { loss: () => undefined }).messages)?.[0]
    expect(again).toMatchObject({ content: 'x', reasoning_details: details })
  })

  test.each([
    [{ messages: undefined as never, model: 'm' }, 'messages'],
    [{ messages: [] }, 'messages'],
    [{ messages: 'x' as never }, 'messages'],
    [{ messages: [5] }, 'messages[0]'],
    [{ messages: [{ content: 'x' }] }, 'messages[0].role'],
    [{ messages: [{ role: 'robot', content: 'x' }] }, 'messages[0].role'],
    [{ messages: [{ role: 'user', content: 5 }] }, 'messages[0].content'],
    [{ messages: [{ role: 'user', content: [{ type: 'text' }] }] }, 'messages[0].content[0].text'],
    [{ messages: [{ role: 'user', content: [{ type: 'smell' }] }] }, 'messages[0].content[0].type'],
    [{ messages: [{ role: 'user', content: [{ type: 'image_url' }] }] }, 'messages[0].content[0].image_url.url'],
    [
      { messages: [{ role: 'user', content: [{ type: 'input_audio', input_audio: { data: 'x' } }] }] },
      'messages[0].content[0].input_audio.format',
    ],
    [
      {
        messages: [user, user, { role: 'assistant', tool_calls: [{ id: 'x', function: { name: 'f', arguments: 5 } }] }],
      },
      'messages[2].tool_calls[0].function.arguments',
    ],
    [{ messages: [{ role: 'assistant', tool_calls: [{ id: 'x' }] }] }, 'messages[0].tool_calls[0].function'],
    [{ messages: [{ role: 'tool', content: 'x' }] }, 'messages[0].tool_call_id'],
    [{ tools: {} as never }, 'tools'],
    [{ tools: [{ type: 'function', function: {} }] }, 'tools[0].function.name'],
    [{ tools: [{ type: 'function', function: { name: 'f', parameters: 'x' } }] }, 'tools[0].function.parameters'],
    [{ tool_choice: 'maybe' }, 'tool_choice'],
    [{ temperature: 'hot' }, 'temperature'],
    [{ max_tokens: '5' }, 'max_tokens'],
    [{ stop: [5] }, 'stop[0]'],
    [{ reasoning_effort: 'huge' }, 'reasoning_effort'],
    [{ response_format: { type: 'xml' } }, 'response_format.type'],
    [{ response_format: { type: 'json_schema' } }, 'response_format.json_schema'],
    [{ metadata: { a: 5 } }, 'metadata.a'],
    [{ stream: 'yes' }, 'stream'],
  ])('a wrong field is named: %j → %s', (body, param) => {
    const run = (): unknown =>
      'model' in body
        ? codec.decodeRequest({ headers: {}, body: { model: 'm' }, route: { operation: 'generate' } }, () => undefined)
        : decode(body)
    expect(run).toThrow(RelayError)
    expect(run).toThrow(
      expect.objectContaining({ kind: 'invalid_request', detail: expect.objectContaining({ param }) as unknown }),
    )
  })
})
