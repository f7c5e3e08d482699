import { describe, expect, test } from 'vitest'
import type { ChatRequest, JsonObject, Loss, Message } from '../../model/request.ts'
import { asArray, asObject, asString } from '../narrow.ts'
import { openaiChat } from './index.ts'

const { codec } = openaiChat

function encode(
  request: Partial<ChatRequest>,
  origin?: string,
): { readonly body: JsonObject; readonly losses: Loss[] } {
  const losses: Loss[] = []
  const whole: ChatRequest = {
    model: 'gpt-4.1',
    stream: false,
    messages: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }],
    tools: [],
    sampling: {},
    ...request,
  }
  const body = codec.encodeRequest(whole, {
    loss: (loss) => losses.push(loss),
    ...(origin === undefined ? {} : { origin }),
  })
  const plain: unknown = JSON.parse(JSON.stringify(body))
  return { body: asObject(plain)!, losses }
}

const messages = (list: readonly Message[], model = 'gpt-4.1', origin?: string): readonly JsonObject[] =>
  asArray(encode({ messages: list, model }, origin).body.messages)!.map((message) => asObject(message)!)
const call = (id: string, name = 'f'): Extract<Message, { role: 'assistant' }>['content'][number] => ({
  type: 'tool-call',
  id,
  name,
  arguments: '{}',
})
const result = (callId: string, text: string): Extract<Message, { role: 'tool' }>['content'][number] => ({
  type: 'tool-result',
  callId,
  content: [{ type: 'text', text }],
})
const tool = (name: string): ChatRequest['tools'][number] => ({
  type: 'function',
  name,
  parameters: { type: 'object', properties: {} },
})

describe('encodeRequest', () => {
  test('chat-1: a streamed request asks for usage, a whole one has no stream_options', () => {
    expect(encode({ stream: true }).body).toMatchObject({ stream: true, stream_options: { include_usage: true } })
    expect(encode({}).body).not.toHaveProperty('stream_options')
  })

  test('chat-4: nothing that OpenAI rejects', () => {
    const { body, losses } = encode(
      {
        messages: [
          { role: 'system', content: [{ type: 'text', text: 's', cache: { ttl: '5m' } }] },
          { role: 'user', content: [{ type: 'text', text: 'u', cache: { ttl: '5m' } }] },
          {
            role: 'assistant',
            content: [{ type: 'reasoning', text: 't', opaque: { format: 'anthropic', value: 's' } }, call('a')],
          },
          { role: 'tool', content: [{ ...result('a', 'r'), cache: { ttl: '5m' } }] },
        ],
        tools: [{ ...tool('f'), cache: { ttl: '5m' } } as ChatRequest['tools'][number]],
      },
      '7',
    )
    expect(JSON.stringify(body)).not.toMatch(/cache_control|reasoning|"index"/)
    expect(losses.map((loss) => loss.field)).toEqual(['cache_control'])
    expect(body.messages).toEqual([
      { role: 'system', content: 's' },
      { role: 'user', content: 'u' },
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }],
      },
      { role: 'tool', tool_call_id: 'a', content: 'r' },
    ])
  })

  test('cache marks go to models that want them', () => {
    const list = messages(
      [{ role: 'user', content: [{ type: 'text', text: 'u', cache: { ttl: '1h' } }] }],
      'anthropic/claude-sonnet-5',
    )
    expect(list[0]?.content).toEqual([{ type: 'text', text: 'u', cache_control: { type: 'ephemeral', ttl: '1h' } }])
  })

  test('chat-5: tool ids over 40 characters are shortened, the call and its result alike, the same every time', () => {
    const long = 'x'.repeat(41)
    const other = 'x'.repeat(42)
    const history: Message[] = [
      { role: 'assistant', content: [call(long), call(other), call('y'.repeat(40))] },
      { role: 'tool', content: [result(long, '1'), result(other, '2'), result('y'.repeat(40), '3')] },
    ]
    const [turn, ...results] = messages(history)
    const ids = asArray(turn?.tool_calls)!.map((entry) => asString(asObject(entry)?.id))
    expect(results.map((message) => message.tool_call_id)).toEqual(ids)
    expect(ids.every((id) => /^[\w-]{1,40}$/.test(id ?? ''))).toBe(true)
    expect(new Set(ids).size).toBe(3)
    expect(ids[2]).toBe('y'.repeat(40))
    expect(messages(history)).toEqual([turn, ...results])
  })

  test('Mistral’s tool ids are nine letters and digits', () => {
    const [turn] = messages(
      [
        { role: 'assistant', content: [call('toolu_01')] },
        { role: 'tool', content: [result('toolu_01', '')] },
      ],
      'mistral-large',
    )
    expect(asObject(asArray(turn?.tool_calls)?.[0])?.id).toMatch(/^[a-zA-Z0-9]{9}$/)
  })

  test('chat-6: no tools, so neither a choice nor parallel calls', () => {
    const { body } = encode({ toolChoice: 'auto', sampling: { parallelToolCalls: true } })
    for (const field of ['tools', 'tool_choice', 'parallel_tool_calls']) expect(body).not.toHaveProperty(field)
    const { body: native, losses } = encode({
      toolChoice: 'auto',
      tools: [{ type: 'native', format: 'anthropic', name: 'web_search', definition: {} }],
    })
    expect(native).not.toHaveProperty('tools')
    expect(losses).toHaveLength(1)
  })

  test('model-4: thoughts go back to their own channel, whole, to any other not at all', () => {
    const origin = { format: 'openai-chat', origin: '7' } as const
    const details = JSON.stringify([{ type: 'reasoning.text', text: 2, signature: 's' }])
    const turn: Message = {
      role: 'assistant',
      content: [
        { type: 'reasoning', text: 'ab', opaque: { ...origin, value: 'reasoning_content' } },
        { type: 'reasoning', text: 'cd', opaque: { ...origin, value: details } },
        { ...call('x'), opaque: { ...origin, value: 'g' } },
      ],
    }
    const [own] = messages([turn], 'grok-4', '7')
    expect(own).toMatchObject({
      reasoning_content: 'ab',
      reasoning_details: [{ type: 'reasoning.text', text: 'cd', signature: 's' }],
      tool_calls: [{ extra_content: { google: { thought_signature: 'g' } } }],
    })
    const changed = turn.content.map((part) => (part.type === 'reasoning' ? { ...part, text: 'c' } : part))
    const [cut] = messages([{ role: 'assistant', content: changed }], 'grok-4', '7')
    expect(cut).not.toHaveProperty('reasoning_details')
    const [other] = messages([turn], 'grok-4', '8')
    expect(JSON.stringify(other)).not.toMatch(/reasoning|extra_content/)
  })

  test('chat-3: DeepSeek wants the field with every call, even where the thoughts were another’s', () => {
    const turn: Message = { role: 'assistant', content: [{ type: 'reasoning', text: 't' }, call('x')] }
    expect(messages([turn], 'deepseek-reasoner', '7')[0]).toMatchObject({ reasoning_content: ' ' })
    expect(
      messages([{ role: 'assistant', content: [{ type: 'text', text: 'x' }] }], 'deepseek-reasoner', '7')[0],
    ).not.toHaveProperty('reasoning_content')
  })

  test('model-7: results stand behind their calls, in the calls’ order, whatever stood between', () => {
    const list = messages([
      { role: 'assistant', content: [call('a'), call('b')] },
      { role: 'user', content: [{ type: 'text', text: 'wait' }] },
      { role: 'tool', content: [result('b', '2')] },
      { role: 'tool', content: [result('a', '1')] },
    ])
    expect(list.map((message) => message.tool_call_id ?? message.role)).toEqual(['assistant', 'a', 'b', 'user'])
  })

  test('model-7: calls of several messages are one turn; the same id twice is answered in order', () => {
    const list = messages([
      { role: 'assistant', content: [{ type: 'text', text: 'x' }] },
      { role: 'assistant', content: [call('a')] },
      { role: 'tool', content: [result('a', '1')] },
      { role: 'assistant', content: [call('a')] },
      { role: 'tool', content: [result('a', '2')] },
    ])
    expect(list.map((message) => message.content)).toEqual(['x', '1', null, '2'])
  })

  test('a call without a result is told so, a result without a call is read as the user’s', () => {
    const { body, losses } = encode({
      messages: [
        { role: 'assistant', content: [call('a')] },
        { role: 'tool', content: [result('z', 'lost')] },
      ],
    })
    expect(asArray(body.messages)).toMatchObject([
      { role: 'assistant' },
      { role: 'tool', tool_call_id: 'a' },
      { role: 'user', content: expect.stringContaining('lost') as string },
    ])
    expect(losses).toHaveLength(2)
  })

  test('pictures in tool results move behind all results of the turn', () => {
    const image = { type: 'media', mediaType: 'image/png', source: { kind: 'base64', data: 'AAAA' } } as const
    const list = messages([
      { role: 'assistant', content: [call('a'), call('b')] },
      {
        role: 'tool',
        content: [
          { type: 'tool-result', callId: 'a', content: [image] },
          { type: 'tool-result', callId: 'b', isError: true, content: [{ type: 'text', text: 'disk full' }] },
        ],
      },
    ])
    expect(list.slice(1)).toEqual([
      { role: 'tool', tool_call_id: 'a', content: '(see the next message)' },
      { role: 'tool', tool_call_id: 'b', content: 'Error: disk full' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'From the result of f (a):' },
          { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
        ],
      },
    ])
  })

  test('model-5: a custom tool is native where the model has it, else a function', () => {
    const custom: ChatRequest['tools'] = [
      {
        type: 'custom',
        name: 'patch',
        description: 'd',
        grammar: { type: 'grammar', syntax: 'lark', definition: 'start' },
      },
    ]
    const history: Message[] = [
      {
        role: 'assistant',
        content: [{ type: 'tool-call', id: 'c', name: 'patch', arguments: '*** "x"', custom: true }],
      },
      { role: 'tool', content: [{ ...result('c', 'ok'), custom: true }] },
    ]
    const native = encode({ model: 'gpt-5.1', tools: custom, messages: history, toolChoice: { name: 'patch' } }).body
    expect(native).toMatchObject({
      tools: [
        {
          type: 'custom',
          custom: { name: 'patch', format: { type: 'grammar', grammar: { syntax: 'lark', definition: 'start' } } },
        },
      ],
      tool_choice: { type: 'custom', custom: { name: 'patch' } },
      messages: [
        { tool_calls: [{ type: 'custom', custom: { name: 'patch', input: '*** "x"' } }] },
        { tool_call_id: 'c' },
      ],
    })
    expect(encode({ model: 'gpt-5-chat-latest', tools: custom }).body).toMatchObject({ tools: [{ type: 'function' }] })
    const wrapped = encode({ model: 'glm-5', tools: custom, messages: history, toolChoice: { name: 'patch' } }).body
    expect(wrapped).toMatchObject({
      tools: [{ type: 'function', function: { name: 'patch', parameters: { required: ['input'] } } }],
      tool_choice: { type: 'function', function: { name: 'patch' } },
      messages: [
        { tool_calls: [{ type: 'function', function: { arguments: '{"input":"*** \\"x\\""}' } }] },
        { tool_call_id: 'c' },
      ],
    })
  })

  test('names that OpenAI refuses are changed, and the reply has the client’s own again', () => {
    const names = ['a.b:c', 'x'.repeat(65), 'fine-1']
    const tools = names.map(tool)
    const { body } = encode({
      tools,
      toolChoice: { name: 'a.b:c' },
      messages: [{ role: 'assistant', content: [call('1', 'a.b:c')] }],
    })
    const sent = asArray(body.tools)!.map((entry) => asString(asObject(asObject(entry)?.function)?.name)!)
    expect(sent.every((name) => /^[\w-]{1,64}$/.test(name))).toBe(true)
    expect(new Set(sent).size).toBe(3)
    expect(sent[2]).toBe('fine-1')
    expect(body).toMatchObject({
      tool_choice: { function: { name: sent[0] } },
      messages: [{ tool_calls: [{ function: { name: sent[0] } }] }, {}],
    })
    const request: ChatRequest = { model: 'm', stream: false, messages: [], tools, sampling: {} }
    const calls = sent.map((name, at) => ({
      index: at,
      id: `c${at}`,
      type: 'function',
      function: { name, arguments: '{}' },
    }))
    const context = { loss: () => undefined, request }
    const whole = codec.decodeResponse({ choices: [{ message: { tool_calls: calls } }] }, context)
    expect(whole.content.map((part) => part.type === 'tool-call' && part.name)).toEqual(names)
    const decoder = codec.decodeStream(context)
    const events = decoder.push({
      data: JSON.stringify({ choices: [{ delta: { tool_calls: calls }, finish_reason: 'tool_calls' }] }),
    })
    const heads = [...events, ...decoder.end()].flatMap((event) => (event.type === 'block-start' ? [event.block] : []))
    expect(heads.map((head) => head.type === 'tool-call' && head.name)).toEqual(names)
  })

  test('model-7: structured output', () => {
    const schema = { type: 'object', additionalProperties: false }
    const output = { type: 'json-schema', name: 'my shape!', schema, strict: true } as const
    expect(encode({ output }).body.response_format).toEqual({
      type: 'json_schema',
      json_schema: { name: 'my_shape_', schema, strict: true },
    })
    const deepseek = encode({ model: 'deepseek-chat', output }).body
    expect(deepseek).toMatchObject({
      response_format: { type: 'json_object' },
      messages: [{ role: 'system', content: expect.stringContaining(JSON.stringify(schema)) as string }, {}],
    })
    // the word must stand somewhere in the messages
    expect(asArray(encode({ output: { type: 'json' } }).body.messages)).toHaveLength(2)
    const said: Message[] = [{ role: 'user', content: [{ type: 'text', text: 'as JSON' }] }]
    expect(asArray(encode({ output: { type: 'json' }, messages: said }).body.messages)).toHaveLength(1)
  })

  test('model-3: what this format cannot carry is reported', () => {
    const { body, losses } = encode({
      sampling: { topK: 5, stop: ['1', '2', '3', '4', '5'] },
      serviceTier: 'standard_only',
      metadata: { userId: 'u'.repeat(65), labels: { a: 'b' } },
      reasoning: { summary: 'auto' },
      native: { format: 'anthropic', fields: { context_management: {} } },
    })
    expect(losses.map((loss) => loss.field).sort()).toEqual([
      'context_management',
      'metadata',
      'reasoning.summary',
      'service_tier',
      'stop',
      'top_k',
    ])
    expect(body.stop).toEqual(['1', '2', '3', '4'])
    expect(body.user).toHaveLength(64)
  })

  test('model-2: fields of this dialect alone come out again, others’ do not', () => {
    const fields = { logit_bias: { 5: 1 }, stream_options: { include_obfuscation: false } }
    const { body } = encode({ stream: true, native: { format: 'openai-chat', fields } })
    expect(body).toMatchObject({
      logit_bias: { 5: 1 },
      stream_options: { include_obfuscation: false, include_usage: true },
    })
    const responses = encode({
      model: 'gpt-5',
      native: {
        format: 'openai-responses',
        fields: { text: { verbosity: 'low' }, safety_identifier: 's', truncation: 'auto' },
      },
    })
    expect(responses.body).toMatchObject({ verbosity: 'low', safety_identifier: 's' })
    expect(responses.losses.map((loss) => loss.field)).toEqual(['truncation'])
  })

  test('developer messages keep their name at OpenAI only', () => {
    const list: Message[] = [{ role: 'system', origin: 'developer', content: [{ type: 'text', text: 'x' }] }]
    expect(messages(list, 'gpt-5')[0]?.role).toBe('developer')
    expect(messages(list, 'deepseek-chat')[0]?.role).toBe('system')
  })
})
