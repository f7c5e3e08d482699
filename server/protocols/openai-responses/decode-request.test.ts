import { describe, expect, it } from 'vitest'
import { RelayError } from '../../errors.ts'
import type { ChatRequest, JsonObject, Loss } from '../../model/request.ts'
import { carryThought } from './thoughts.ts'
import { codec } from './codec.ts'
import { jsonOf, recorded } from './recorded.ts'

function decode(body: JsonObject): { request: ChatRequest; losses: Loss[] } {
  const losses: Loss[] = []
  const wire = { headers: {}, body: { model: 'm', ...body }, route: { operation: 'generate' as const } }
  return { request: codec.decodeRequest(wire, (loss) => losses.push(loss)), losses }
}

const messages = (...input: JsonObject[]): ChatRequest['messages'] => decode({ input }).request.messages
const text = (value: string): { type: 'text'; text: string } => ({ type: 'text', text: value })

describe('recorded requests', () => {
  const STATEFUL = new Set(['previous_response_id', 'conversation', 'background'])
  it.each(recorded('.request.json'))('%s is understood, or refused for what it wants stored', (name) => {
    const body = jsonOf(name)
    const stateful = Object.keys(body).some(
      (field) => STATEFUL.has(field) && body[field] !== false && body[field] !== null,
    )
    if (stateful) {
      expect(() => decode(body)).toThrow(RelayError)
      return
    }
    const { request } = decode(body)
    expect(request.messages.length).toBeGreaterThan(0)
    for (const message of request.messages)
      if (message.role === 'tool') for (const result of message.content) expect(result.name).toBeTypeOf('string')
  })
})

describe('input', () => {
  it('takes a string, and instructions before it', () => {
    expect(decode({ instructions: 'Be brief.', input: 'Hi' }).request.messages).toEqual([
      { role: 'system', content: [text('Be brief.')], origin: 'system' },
      { role: 'user', content: [text('Hi')] },
    ])
  })

  it('responses-4: assistant history is output_text, user input input_text; messages may lack a type', () => {
    expect(
      messages(
        { role: 'system', content: 'S' },
        { role: 'developer', content: [{ type: 'input_text', text: 'D' }] },
        { role: 'user', content: [{ type: 'input_text', text: 'U' }] },
        { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'A', annotations: [] }] },
        { type: 'message', role: 'assistant', content: [{ type: 'refusal', refusal: 'No' }] },
      ),
    ).toEqual([
      { role: 'system', content: [text('S')], origin: 'system' },
      { role: 'system', content: [text('D')], origin: 'developer' },
      { role: 'user', content: [text('U')] },
      { role: 'assistant', content: [text('A'), { ...text('No'), refusal: true }] },
    ])
  })

  it('joins one assistant turn from its items, in their order, and the results that follow', () => {
    const turns = messages(
      { role: 'user', content: 'go' },
      { type: 'reasoning', id: 'rs_1', summary: [{ type: 'summary_text', text: 'think' }], encrypted_content: 'AA==' },
      { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'reading' }] },
      { type: 'function_call', id: 'fc_1', call_id: 'c1', name: 'read', arguments: '{"p":1}' },
      { type: 'function_call', call_id: 'c2', name: 'read', arguments: '' },
      { type: 'function_call_output', call_id: 'c2', output: 'two' },
      { type: 'function_call_output', call_id: 'c1', output: 'one' },
      { role: 'assistant', content: 'done' },
    )
    expect(turns.map((turn) => turn.role)).toEqual(['user', 'assistant', 'tool', 'assistant'])
    expect(turns[1]?.content).toEqual([
      { type: 'reasoning', text: 'think', id: 'rs_1', opaque: { format: 'openai-responses', value: 'AA==' } },
      text('reading'),
      { type: 'tool-call', id: 'c1', name: 'read', arguments: '{"p":1}' },
      { type: 'tool-call', id: 'c2', name: 'read', arguments: '' },
    ])
    expect(turns[2]?.content).toEqual([
      { type: 'tool-result', callId: 'c2', name: 'read', content: [text('two')] },
      { type: 'tool-result', callId: 'c1', name: 'read', content: [text('one')] },
    ])
  })

  it('reads images, files and audio as bytes, addresses and ids', () => {
    const [message] = messages({
      role: 'user',
      content: [
        { type: 'input_image', image_url: 'data:image/png;base64,AAAA', detail: 'high' },
        { type: 'input_image', image_url: 'https://example.com/a.png', detail: 'auto' },
        { type: 'input_image', file_id: 'file_1' },
        { type: 'input_file', filename: 'a.pdf', file_data: 'data:application/pdf;base64,BBBB' },
        { type: 'input_file', filename: 'b.csv', file_data: 'CCCC' },
        { type: 'input_file', file_url: 'https://example.com/c.pdf?x=1' },
        { type: 'input_audio', input_audio: { data: 'DDDD', format: 'mp3' } },
      ],
    })
    expect(message?.content).toEqual([
      { type: 'media', mediaType: 'image/png', source: { kind: 'base64', data: 'AAAA' }, detail: 'high' },
      { type: 'media', mediaType: '', source: { kind: 'url', url: 'https://example.com/a.png' } },
      { type: 'media', mediaType: '', source: { kind: 'file', format: 'openai-responses', id: 'file_1' } },
      { type: 'media', mediaType: 'application/pdf', source: { kind: 'base64', data: 'BBBB' }, filename: 'a.pdf' },
      { type: 'media', mediaType: 'text/csv', source: { kind: 'base64', data: 'CCCC' }, filename: 'b.csv' },
      {
        type: 'media',
        mediaType: 'application/pdf',
        source: { kind: 'url', url: 'https://example.com/c.pdf?x=1' },
      },
      { type: 'media', mediaType: 'audio/mpeg', source: { kind: 'base64', data: 'DDDD' } },
    ])
  })

  it('reads a tool output as text, as parts with images, as nothing, and as a slip', () => {
    const call = (id: string): JsonObject => ({ type: 'function_call', call_id: id, name: 'f', arguments: '{}' })
    const output = (id: string, value?: JsonObject['x']): JsonObject => ({
      type: 'function_call_output',
      call_id: id,
      ...(value === undefined ? {} : { output: value }),
    })
    const turns = messages(
      ...['a', 'b', 'c', 'd'].map(call),
      output('a', 'plain'),
      output('b', [
        { type: 'input_text', text: 'seen' },
        { type: 'input_image', image_url: 'data:image/png;base64,AAAA' },
      ]),
      output('c'),
      output('d', { ok: true }),
    )
    expect(turns[1]?.content.map((result) => (result.type === 'tool-result' ? result.content : []))).toEqual([
      [text('plain')],
      [text('seen'), { type: 'media', mediaType: 'image/png', source: { kind: 'base64', data: 'AAAA' } }],
      [],
      [text('{"ok":true}')],
    ])
  })

  it('leaves out what a tool gave back in parts of an unknown kind', () => {
    const { request, losses } = decode({
      input: [
        { type: 'function_call', call_id: 'a', name: 'f', arguments: '{}' },
        {
          type: 'function_call_output',
          call_id: 'a',
          output: [
            { type: 'encrypted_content', encrypted_content: 'x' },
            { type: 'input_text', text: 'ok' },
          ],
        },
      ],
    })
    expect(request.messages[1]?.content).toMatchObject([{ content: [{ type: 'text', text: 'ok' }] }])
    expect(losses.map((loss) => loss.field)).toEqual(['input[1].output[0]'])
  })

  it('responses-7: custom tool calls and their outputs carry free text', () => {
    const turns = messages(
      { type: 'custom_tool_call', call_id: 'c', name: 'apply_patch', input: '*** Begin Patch' },
      { type: 'custom_tool_call_output', call_id: 'c', output: 'ok' },
    )
    expect(turns).toEqual([
      {
        role: 'assistant',
        content: [{ type: 'tool-call', id: 'c', name: 'apply_patch', arguments: '*** Begin Patch', custom: true }],
      },
      {
        role: 'tool',
        content: [{ type: 'tool-result', callId: 'c', name: 'apply_patch', custom: true, content: [text('ok')] }],
      },
    ])
  })

  it('responses-3: sealed thoughts without a summary are kept; empty ones are not', () => {
    expect(
      messages(
        { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'AA==' },
        { type: 'reasoning', id: 'rs_2', summary: [], encrypted_content: null },
        { type: 'reasoning', id: 'rs_3', summary: [], content: [{ type: 'reasoning_text', text: 'raw' }] },
        { role: 'assistant', content: 'x' },
      )[0]?.content,
    ).toEqual([
      { type: 'reasoning', text: '', id: 'rs_1', opaque: { format: 'openai-responses', value: 'AA==' } },
      { type: 'reasoning', text: 'raw', id: 'rs_3' },
      text('x'),
    ])
  })

  it('model-4: thoughts of other formats come back to what they belong to, with the channel that made them', () => {
    const foreign = { format: 'gemini', value: 'sig', origin: 'channel 7' } as const
    const claude = { format: 'anthropic', value: 'sig', origin: 'channel 8' } as const
    const sealed = (value: string): JsonObject => ({ type: 'reasoning', summary: [], encrypted_content: value })
    const turns = messages(
      { type: 'reasoning', summary: [{ text: 'hm' }], encrypted_content: carryThought(claude, 'reasoning') },
      sealed(carryThought(claude, 'redacted')),
      sealed(carryThought(foreign, 'text')),
      { type: 'function_call', call_id: 'c', name: 'f', arguments: '{}' },
      { type: 'function_call_output', call_id: 'c', output: 'x' },
      sealed(carryThought(foreign, 'previous')),
    )
    expect(turns[0]?.content).toEqual([
      { type: 'reasoning', text: 'hm', opaque: claude },
      { type: 'reasoning', text: '', redacted: true, opaque: claude },
      { type: 'text', text: '', opaque: foreign },
      { type: 'tool-call', id: 'c', name: 'f', arguments: '{}', opaque: foreign },
    ])
    expect(turns.map((turn) => turn.role)).toEqual(['assistant', 'tool'])
  })

  it('keeps a generated image as a picture of the assistant', () => {
    expect(messages({ type: 'image_generation_call', id: 'ig_1', result: 'AAAA', output_format: 'jpeg' })).toEqual([
      {
        role: 'assistant',
        content: [{ type: 'media', mediaType: 'image/jpeg', source: { kind: 'base64', data: 'AAAA' } }],
      },
    ])
  })

  it('carries shells and screens that the client runs as calls, and loses what the provider ran', () => {
    const { request, losses } = decode({
      input: [
        { type: 'local_shell_call', call_id: 'l', action: { command: ['ls'] } },
        { type: 'local_shell_call_output', call_id: 'l', output: 'a.txt' },
        { type: 'computer_call', call_id: 's', action: { type: 'screenshot' } },
        {
          type: 'computer_call_output',
          call_id: 's',
          output: { type: 'computer_screenshot', image_url: 'data:image/png;base64,AAAA' },
        },
        { type: 'web_search_call', id: 'ws_1', status: 'completed' },
        { type: 'compaction', encrypted_content: 'AA==' },
        { type: 'something_new' },
        { role: 'user', content: 'go on' },
      ],
    })
    expect(request.messages.map((message) => message.role)).toEqual(['assistant', 'tool', 'assistant', 'tool', 'user'])
    expect(request.messages[0]?.content).toEqual([
      { type: 'tool-call', id: 'l', name: 'local_shell', arguments: '{"command":["ls"]}' },
    ])
    expect(request.messages[3]?.content).toMatchObject([{ content: [{ type: 'media', mediaType: 'image/png' }] }])
    expect(losses.map((loss) => loss.field)).toEqual(['input[4]', 'input[5]', 'input[6]'])
  })

  it.each<[string, JsonObject, string]>([
    ['no input', {}, 'input'],
    ['a number', { input: 3 }, 'input'],
    ['an item that is none', { input: ['x'] }, 'input[0]'],
    ['an unknown role', { input: [{ role: 'tool', content: 'x' }] }, 'input[0].role'],
    ['content that is none', { input: [{ role: 'user', content: 3 }] }, 'input[0].content'],
    [
      'an unknown part',
      {
        input: [
          { role: 'user', content: 'a' },
          { role: 'user', content: [{ type: 'video' }] },
        ],
      },
      'input[1].content[0].type',
    ],
    [
      'a part without text',
      { input: [{ role: 'user', content: [{ type: 'input_text' }] }] },
      'input[0].content[0].text',
    ],
    [
      'an image without anything',
      { input: [{ role: 'user', content: [{ type: 'input_image' }] }] },
      'input[0].content[0].image_url',
    ],
    ['a call without id', { input: [{ type: 'function_call', name: 'f', arguments: '{}' }] }, 'input[0].call_id'],
    ['an output without id', { input: [{ type: 'function_call_output', output: 'x' }] }, 'input[0].call_id'],
    ['a reference to something stored', { input: [{ type: 'item_reference', id: 'msg_1' }] }, 'input[0]'],
    ['stored conversations', { input: 'x', conversation: 'conv_1' }, 'conversation'],
    ['stored prompts', { input: 'x', prompt: { id: 'pmpt_1' } }, 'prompt'],
    ['answers to be fetched later', { input: 'x', background: true }, 'background'],
    ['an answer stored earlier', { input: 'x', previous_response_id: 'resp_1' }, 'previous_response_id'],
    ['a temperature in words', { input: 'x', temperature: 'hot' }, 'temperature'],
    ['an unknown effort', { input: 'x', reasoning: { effort: 'huge' } }, 'reasoning.effort'],
    ['a schema without a name', { input: 'x', text: { format: { type: 'json_schema' } } }, 'text.format.name'],
    ['an unknown format', { input: 'x', text: { format: { type: 'xml' } } }, 'text.format.type'],
    ['a tool without a name', { input: 'x', tools: [{ type: 'function' }] }, 'tools[0].name'],
    ['a tool without a type', { input: 'x', tools: [{ name: 'f' }] }, 'tools[0].type'],
    [
      'a bad tool in a namespace',
      { input: 'x', tools: [{ type: 'namespace', name: 'n', tools: [{ type: 'function' }] }] },
      'tools[0].tools[0].name',
    ],
    ['an unknown choice', { input: 'x', tool_choice: 'any' }, 'tool_choice'],
    ['a choice without a name', { input: 'x', tool_choice: { type: 'function' } }, 'tool_choice.name'],
    ['metadata that is no text', { input: 'x', metadata: { a: 1 } }, 'metadata.a'],
  ])('refuses %s, naming the field', (_, body, param) => {
    expect(() => decode(body)).toThrow(
      expect.objectContaining({ kind: 'invalid_request', detail: expect.objectContaining({ param }) as unknown }),
    )
  })
})
