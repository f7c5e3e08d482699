import { describe, expect, test } from 'vitest'
import { agentSession, agentSessions, recordedCases } from '../cases.ts'
import { object, type JsonObject } from '../json.ts'
import { targetOf, type WireFormat } from '../target.ts'
import { bodyFaults, refusalOf } from './index.ts'

const paths: Record<WireFormat, (model: string) => string> = {
  'openai-chat': () => '/v1/chat/completions',
  'openai-responses': () => '/v1/responses',
  anthropic: () => '/v1/messages',
  gemini: (model) => `/v1beta/models/${model}:generateContent`,
  antigravity: () => '/v1internal:generateContent',
}

function faults(path: string, body: JsonObject): readonly string[] {
  const target = targetOf(new URL(path, 'http://fake'), {}, body)
  if (target === null) return [`nothing at ${path}`]
  return bodyFaults(body, target).map((fault) => refusalOf(fault, target.format).message)
}

describe('what the providers took is not refused', () => {
  const originals = /^(api\.openai\.com|api\.anthropic\.com|generativelanguage\.googleapis\.com)$/
  const taken = recordedCases.filter(
    (one) =>
      one.status === 200 && one.request() !== undefined && (originals.test(one.host) || one.format === 'antigravity'),
  )

  test('there are many of them', () => expect(taken.length).toBeGreaterThan(200))

  test.each(taken.map((one) => ({ name: `${one.format}/${one.id}`, one })))('$name', ({ one }) => {
    expect(faults(paths[one.format]('gemini-2.5-flash'), one.request() ?? {})).toEqual([])
  })

  test.each(agentSessions)('session %s', (name) => {
    const { path, body } = agentSession(name)
    expect(faults(path, body)).toEqual([])
  })
})

const say = (role: string, content: unknown, rest: object = {}): object => ({ role, content, ...rest })
const hi = say('user', 'hi')
const fn = (name: string, parameters: object = { type: 'object', properties: {} }): object => ({
  type: 'function',
  function: { name, parameters },
})
const chatCall = (...ids: string[]): object =>
  say('assistant', null, {
    tool_calls: ids.map((id) => ({ id, type: 'function', function: { name: 'f', arguments: '{}' } })),
  })
const chatResult = (id: string): object => say('tool', 'ok', { tool_call_id: id })

interface Row {
  readonly what: string
  readonly body: object
  readonly says: string | RegExp
  readonly model?: string
}

function table(format: WireFormat, base: object, rows: readonly Row[]): void {
  describe(`${format} refuses`, () => {
    test('nothing in the plain request', () => expect(faults(paths[format]('m'), object(base))).toEqual([]))
    test.each(rows)('$what', ({ body, says, model }) => {
      const found = faults(paths[format](model ?? 'm'), object({ ...base, ...body }))
      expect(found).toContainEqual(expect.stringMatching(says))
    })
  })
}

table('openai-chat', { model: 'm', messages: [hi] }, [
  { what: 'no messages', body: { messages: [] }, says: /array too short/ },
  { what: 'a foreign top-level field', body: { top_k: 3 }, says: "Unknown parameter: 'top_k'." },
  {
    what: 'cache_control in a part',
    body: { messages: [say('user', [{ type: 'text', text: 'x', cache_control: { type: 'ephemeral' } }])] },
    says: /Unknown parameter: 'messages\[0\]\.content\[0\]\.cache_control'/,
  },
  {
    what: 'reasoning in a message',
    body: { messages: [hi, say('assistant', 'x', { reasoning: 'y' })] },
    says: /reasoning/,
  },
  {
    what: 'an index in a call',
    body: {
      messages: [
        hi,
        say('assistant', null, {
          tool_calls: [{ index: 0, id: 'a', type: 'function', function: { name: 'f', arguments: '' } }],
        }),
        chatResult('a'),
      ],
    },
    says: /Unknown parameter: 'messages\[1\]\.tool_calls\[0\]\.index'/,
  },
  {
    what: 'a long call id',
    body: { messages: [hi, chatCall('x'.repeat(41)), chatResult('x'.repeat(41))] },
    says: /at most 40/,
  },
  {
    what: 'a file in a foreign shape',
    body: { messages: [say('user', [{ type: 'file', file: { data: 'x' } }])] },
    says: /file\.data/,
  },
  { what: 'an empty list of tools', body: { tools: [] }, says: /'tools'.*too short/ },
  {
    what: 'stream_options without stream',
    body: { stream_options: { include_usage: true } },
    says: /only allowed when 'stream'/,
  },
  { what: 'tool_choice without tools', body: { tool_choice: 'auto' }, says: /'tool_choice' is only allowed/ },
  { what: 'parallel_tool_calls without tools', body: { parallel_tool_calls: true }, says: /only allowed when 'tools'/ },
  {
    what: 'max_tokens for a model that thinks',
    body: { model: 'gpt-5', max_tokens: 5 },
    says: /max_completion_tokens/,
  },
  { what: 'both maxima', body: { max_tokens: 5, max_completion_tokens: 5 }, says: /at the same time/ },
  {
    what: 'a call without its result',
    body: { messages: [hi, chatCall('a', 'b'), chatResult('a'), hi] },
    says: /response messages: b/,
  },
  {
    what: 'a result without its call',
    body: { messages: [hi, chatResult('a')] },
    says: /preceeding message with 'tool_calls'/,
  },
  { what: 'an assistant who says nothing', body: { messages: [hi, say('assistant', null)] }, says: /content/ },
  { what: 'a name with a dot', body: { tools: [fn('a.b')] }, says: /tools\[0\]\.function\.name/ },
  { what: 'parameters that are no object', body: { tools: [fn('f', { type: 'array' })] }, says: /type: "object"/ },
  {
    what: 'an array without items',
    body: { tools: [fn('f', { type: 'object', properties: { a: { type: 'array' } } })] },
    says: /'properties', 'a'.*missing items/,
  },
  {
    what: 'a strict schema that is open',
    body: {
      tools: [
        {
          type: 'function',
          function: { name: 'f', strict: true, parameters: { type: 'object', properties: { a: {} } } },
        },
      ],
    },
    says: /additionalProperties/,
  },
  {
    what: 'JSON mode without the word',
    body: { response_format: { type: 'json_object' } },
    says: /must contain the word 'json'/,
  },
  { what: 'five stop words', body: { stop: ['a', 'b', 'c', 'd', 'e'] }, says: /at most 4/ },
  {
    what: 'a tool choice that is not there',
    body: { tools: [fn('f')], tool_choice: { type: 'function', function: { name: 'g' } } },
    says: /'g' not found/,
  },
  {
    what: 'a tool choice in another dialect',
    body: { tools: [fn('f')], tool_choice: { type: 'any' } },
    says: /tool_choice/,
  },
  { what: 'an unknown role', body: { messages: [say('model', 'x')] }, says: /role/ },
  {
    what: 'a number as content',
    body: { messages: [say('user', 5)] },
    says: /Invalid type for 'messages\[0\]\.content'/,
  },
  {
    what: 'effort in the Responses shape',
    body: { reasoning: { effort: 'low' } },
    says: "Unknown parameter: 'reasoning'.",
  },
])

const rsCall = (id: string, rest: object = {}): object => ({
  type: 'function_call',
  call_id: id,
  name: 'f',
  arguments: '{}',
  ...rest,
})
const rsOut = (id: string): object => ({ type: 'function_call_output', call_id: id, output: 'ok' })
const thought = (id: string): object => ({ type: 'reasoning', id, summary: [], encrypted_content: 'x' })

table('openai-responses', { model: 'm', input: [hi] }, [
  { what: 'no input', body: { input: undefined }, says: /'input'/ },
  {
    what: 'a foreign item id',
    body: { input: [hi, rsCall('a', { id: 'call_1' }), rsOut('a')] },
    says: /input\[1\]\.id/,
  },
  {
    what: 'an item id twice',
    body: { input: [hi, thought('rs_1'), say('assistant', 'x'), thought('rs_1'), say('assistant', 'x')] },
    says: /Duplicate item found with id rs_1/,
  },
  {
    what: 'a call id over 64',
    body: { input: [hi, rsCall('a'.repeat(65)), rsOut('a'.repeat(65))] },
    says: /at most 64/,
  },
  {
    what: 'a call without output',
    body: { input: [hi, rsCall('a')] },
    says: 'No tool output found for function call a.',
  },
  {
    what: 'an output without call',
    body: { input: [hi, rsOut('a')] },
    says: /No tool call found for function call output/,
  },
  {
    what: 'a custom call without output',
    body: { input: [hi, { type: 'custom_tool_call', call_id: 'a', name: 'f', input: 'x' }] },
    says: /custom tool call a/,
  },
  {
    what: 'a thought that nothing follows',
    body: { input: [hi, thought('rs_1')] },
    says: /without its required following item/,
  },
  {
    what: 'a thought that the user follows',
    body: { input: [hi, thought('rs_1'), hi] },
    says: /without its required following item/,
  },
  {
    what: 'a thought that nobody stored',
    body: { store: false, input: [hi, { type: 'reasoning', id: 'rs_1', summary: [] }, say('assistant', 'x')] },
    says: /Items are not persisted/,
  },
  {
    what: 'input_text of the assistant',
    body: { input: [say('assistant', [{ type: 'input_text', text: 'x' }])] },
    says: /content\[0\]\.type/,
  },
  {
    what: 'output_text of the user',
    body: { input: [say('user', [{ type: 'output_text', text: 'x' }])] },
    says: /content\[0\]\.type/,
  },
  {
    what: 'text parts of Chat',
    body: { input: [say('user', [{ type: 'text', text: 'x' }])] },
    says: /content\[0\]\.type/,
  },
  { what: 'a tool role', body: { input: [say('tool', 'x')] }, says: /role/ },
  { what: 'a tool in the shape of Chat', body: { tools: [fn('f')] }, says: /tools\[0\]\.(name|function)/ },
  { what: 'stop words', body: { stop: ['x'] }, says: "Unknown parameter: 'stop'." },
  { what: 'top_k', body: { top_k: 1 }, says: "Unknown parameter: 'top_k'." },
  {
    what: 'response_format',
    body: { response_format: { type: 'json_object' } },
    says: "Unknown parameter: 'response_format'.",
  },
  { what: 'max_tokens', body: { max_tokens: 100 }, says: "Unknown parameter: 'max_tokens'." },
  { what: 'too few output tokens', body: { max_output_tokens: 5 }, says: /between 16/ },
  { what: 'an unknown include', body: { include: ['thoughts'] }, says: /include\[0\]/ },
])

const block = (type: string, rest: object = {}): object => ({ type, ...rest })
const use = (id: string): object => block('tool_use', { id, name: 'f', input: {} })
const result = (id: string): object => block('tool_result', { tool_use_id: id, content: 'ok' })
const textBlock = block('text', { text: 'x' })
const marked = block('text', { text: 'x', cache_control: { type: 'ephemeral' } })
const longMark = block('text', { text: 'x', cache_control: { type: 'ephemeral', ttl: '1h' } })
const thinking = { type: 'enabled', budget_tokens: 2000 }
const anthropicTool = { name: 'f', input_schema: { type: 'object' } }

table('anthropic', { model: 'm', max_tokens: 4000, messages: [hi] }, [
  { what: 'no max_tokens', body: { max_tokens: undefined }, says: /max_tokens/ },
  {
    what: 'a foreign field',
    body: { frequency_penalty: 1 },
    says: 'frequency_penalty: Extra inputs are not permitted',
  },
  {
    what: 'a foreign nested field',
    body: { messages: [say('user', 'x', { name: 'n' })] },
    says: 'messages.0.name: Extra inputs',
  },
  {
    what: 'a first turn of the assistant',
    body: { messages: [say('assistant', 'x'), hi] },
    says: /first message must use the "user" role/,
  },
  {
    what: 'an empty text',
    body: { messages: [say('user', [block('text', { text: '' })])] },
    says: /at least 1|non-whitespace/,
  },
  { what: 'white space alone', body: { messages: [say('user', '  ')] }, says: /non-whitespace/ },
  { what: 'empty content', body: { messages: [say('user', [])] }, says: /non-empty content/ },
  {
    what: 'a last word that ends in white space',
    body: { messages: [hi, say('assistant', 'x ')] },
    says: /trailing whitespace/,
  },
  {
    what: 'a call without result',
    body: { messages: [hi, say('assistant', [use('a'), use('b')]), say('user', [result('a')])] },
    says: /immediately after: b/,
  },
  {
    what: 'a call that is answered later',
    body: { messages: [hi, say('assistant', [use('a')]), hi, say('assistant', 'x'), say('user', [result('a')])] },
    says: /immediately after: a/,
  },
  { what: 'a result without call', body: { messages: [say('user', [result('a')])] }, says: /unexpected `tool_use_id`/ },
  {
    what: 'two results of one call',
    body: { messages: [hi, say('assistant', [use('a')]), say('user', [result('a'), result('a')])] },
    says: /single result/,
  },
  {
    what: 'a result behind text',
    body: { messages: [hi, say('assistant', [use('a')]), say('user', [textBlock, result('a')])] },
    says: /must come first/,
  },
  {
    what: 'one id for two calls',
    body: { messages: [hi, say('assistant', [use('a'), use('a')]), say('user', [result('a')])] },
    says: /must be unique/,
  },
  {
    what: 'an id with a dot',
    body: { messages: [hi, say('assistant', [use('a.b')]), say('user', [result('a.b')])] },
    says: /tool_use.*|must match/,
  },
  {
    what: 'arguments as text',
    body: {
      messages: [
        hi,
        say('assistant', [block('tool_use', { id: 'a', name: 'f', input: '{}' })]),
        say('user', [result('a')]),
      ],
    },
    says: /input: Input should be an object/,
  },
  { what: 'a small budget', body: { thinking: { type: 'enabled', budget_tokens: 1000 } }, says: /between 1024/ },
  {
    what: 'a budget over max_tokens',
    body: { thinking: { type: 'enabled', budget_tokens: 4000 } },
    says: /must be greater than `thinking.budget_tokens`/,
  },
  { what: 'a temperature with thinking', body: { thinking, temperature: 0.5 }, says: /may only be set to 1/ },
  { what: 'top_k with thinking', body: { thinking, top_k: 5 }, says: /`top_k` must be unset/ },
  {
    what: 'a forced tool with thinking',
    body: { thinking, tools: [anthropicTool], tool_choice: { type: 'any' } },
    says: /forces tool use/,
  },
  {
    what: 'a call that no thought precedes',
    body: { thinking, messages: [hi, say('assistant', [use('a')]), say('user', [result('a')])] },
    says: /Expected `thinking` or `redacted_thinking`, but found `tool_use`/,
  },
  {
    what: 'a thought without signature',
    body: { messages: [hi, say('assistant', [block('thinking', { thinking: 'x' })]), hi] },
    says: /signature: Field required/,
  },
  {
    what: 'five cache marks',
    body: {
      messages: [
        say(
          'user',
          Array.from({ length: 5 }, () => marked),
        ),
      ],
    },
    says: /maximum of 4 blocks/,
  },
  {
    what: 'a long mark behind a short one',
    body: { messages: [say('user', [marked, longMark])] },
    says: /must not come after/,
  },
  { what: 'a system message as string list', body: { system: ['x'] }, says: /system/ },
  { what: 'a tool without schema', body: { tools: [{ name: 'f' }] }, says: 'tools.0.input_schema: Field required' },
  {
    what: 'a schema that is no object',
    body: { tools: [{ name: 'f', input_schema: { type: 'string' } }] },
    says: /input_schema\.type/,
  },
  {
    what: 'a choice at the top of a schema',
    body: { tools: [{ name: 'f', input_schema: { type: 'object', anyOf: [] } }] },
    says: /oneOf, allOf, or anyOf/,
  },
  { what: 'two tools of one name', body: { tools: [anthropicTool, anthropicTool] }, says: /Tool names must be unique/ },
  { what: 'a tool in the shape of OpenAI', body: { tools: [fn('f')] }, says: /tools\.0/ },
  { what: 'tool_choice as a word', body: { tools: [anthropicTool], tool_choice: 'auto' }, says: /tool_choice/ },
  {
    what: 'a choice that is not there',
    body: { tools: [anthropicTool], tool_choice: { type: 'tool', name: 'g' } },
    says: /'g' not found/,
  },
  { what: 'a temperature of 1.5', body: { temperature: 1.5 }, says: /between 0 and 1/ },
  {
    what: 'an image of another type',
    body: {
      messages: [say('user', [block('image', { source: { type: 'base64', media_type: 'image/bmp', data: 'AA==' } })])],
    },
    says: /media_type/,
  },
  { what: 'a blank stop word', body: { stop_sequences: [' '] }, says: /stop_sequences/ },
])

const turn = (role: string, ...parts: object[]): object => ({ role, parts })
const ask = turn('user', { text: 'hi' })
const gCall = (name: string, rest: object = {}): object => ({ functionCall: { name, args: {} }, ...rest })
const gResult = (name: string, rest: object = {}): object => ({
  functionResponse: { name, response: { ok: 1 }, ...rest },
})
const declare = (parameters: object, name = 'f'): object => ({
  tools: [{ functionDeclarations: [{ name, parameters }] }],
})
const prop = (schema: object): object => declare({ type: 'OBJECT', properties: { a: schema } })

const geminiRows: readonly Row[] = [
  { what: 'no contents', body: { contents: [] }, says: /too short|contents/ },
  { what: 'an unknown field', body: { messages: [] }, says: /Unknown name "messages"/ },
  { what: 'an assistant', body: { contents: [ask, turn('assistant', { text: 'x' })] }, says: /valid role/ },
  { what: 'no parts', body: { contents: [turn('user')] }, says: /must not be empty/ },
  { what: 'a part that is nothing', body: { contents: [turn('user', {})] }, says: /oneof field 'data'/ },
  {
    what: 'a part that is two things',
    body: { contents: [turn('user', { text: 'x', inlineData: { mimeType: 'a/b', data: '' } })] },
    says: /already set/,
  },
  {
    what: 'cache_control',
    body: { contents: [turn('user', { text: 'x', cache_control: {} })] },
    says: /Unknown name "cache_control"/,
  },
  {
    what: 'fewer results than calls',
    body: { contents: [ask, turn('model', gCall('f'), gCall('g')), turn('user', gResult('f'))] },
    says: /number of function response parts/,
  },
  {
    what: 'a result out of place',
    body: { contents: [ask, turn('user', gResult('f'))] },
    says: /immediately after a function call turn/,
  },
  {
    what: 'a call out of place',
    body: { contents: [turn('model', gCall('f')), turn('user', gResult('f'))] },
    says: /immediately after a user turn/,
  },
  {
    what: "a call's id as a result's name",
    body: { contents: [ask, turn('model', gCall('f')), turn('user', gResult('call_1'))] },
    says: /does not match the name/,
  },
  {
    what: 'a response that is text',
    body: {
      contents: [ask, turn('model', gCall('f')), turn('user', { functionResponse: { name: 'f', response: 'x' } })],
    },
    says: /response/,
  },
  {
    what: 'args that are text',
    body: { contents: [ask, turn('model', { functionCall: { name: 'f', args: '{}' } }), turn('user', gResult('f'))] },
    says: /args/,
  },
  { what: '$schema', body: declare({ type: 'OBJECT', $schema: 'x' }), says: /Unknown name "\$schema"/ },
  {
    what: 'additionalProperties',
    body: declare({ type: 'OBJECT', additionalProperties: false }),
    says: /Unknown name "additionalProperties"/,
  },
  { what: '$ref', body: prop({ $ref: '#/$defs/x' }), says: /Unknown name "\$ref"/ },
  { what: 'const', body: prop({ const: 'x' }), says: /Unknown name "const"/ },
  { what: 'a list of types', body: prop({ type: ['string', 'null'] }), says: /not repeating/ },
  { what: 'numbers in an enum', body: prop({ type: 'INTEGER', enum: [1, 2] }), says: /TYPE_STRING/ },
  { what: 'an array without items', body: prop({ type: 'ARRAY' }), says: /items: missing field/ },
  {
    what: 'a required property that is not there',
    body: declare({ type: 'OBJECT', properties: { a: {} }, required: ['b'] }),
    says: /required\[0\]: property is not defined/,
  },
  { what: 'an odd format', body: prop({ type: 'STRING', format: 'uri' }), says: /only 'enum' and 'date-time'/ },
  { what: 'a name with a slash', body: declare({ type: 'OBJECT' }, 'a/b'), says: /name/ },
  {
    what: 'two schemas',
    body: { tools: [{ functionDeclarations: [{ name: 'f', parameters: {}, parametersJsonSchema: {} }] }] },
    says: /mutually exclusive/,
  },
  {
    what: 'one name twice',
    body: { tools: [{ functionDeclarations: [{ name: 'f' }, { name: 'f' }] }] },
    says: /Duplicate function declaration/,
  },
  {
    what: 'budget and level',
    body: { generationConfig: { thinkingConfig: { thinkingBudget: 5, thinkingLevel: 'LOW' } } },
    says: /only set only one/,
  },
  {
    what: 'an unknown level',
    body: { generationConfig: { thinkingConfig: { thinkingLevel: 'EXTREME' } } },
    says: /EXTREME/,
  },
  {
    what: 'a schema without JSON',
    body: { generationConfig: { responseSchema: { type: 'OBJECT' } } },
    says: /response_mime_type/,
  },
  {
    what: 'six stop words',
    body: { generationConfig: { stopSequences: ['a', 'b', 'c', 'd', 'e', 'f'] } },
    says: /at most 5/,
  },
  {
    what: 'allowed names with AUTO',
    body: {
      ...declare({ type: 'OBJECT' }),
      toolConfig: { functionCallingConfig: { mode: 'AUTO', allowedFunctionNames: ['f'] } },
    },
    says: /only when function calling mode is ANY/,
  },
  {
    what: 'a signature that is no base64',
    body: { contents: [ask, turn('model', { text: 'x', thoughtSignature: 'a b!' })] },
    says: /thoughtSignature/,
  },
]
table('gemini', { contents: [ask] }, [
  ...geminiRows,
  {
    what: 'a call without signature',
    model: 'gemini-3-pro',
    body: { contents: [ask, turn('model', gCall('f')), turn('user', gResult('f'))] },
    says: /missing a thought_signature/,
  },
  { what: 'a system text that is no content', body: { systemInstruction: 'x' }, says: /systemInstruction/ },
])

test('gemini 3 wants a signature only on the first of parallel calls, and only in the current turn', () => {
  const signed = { thoughtSignature: 'c2ln' }
  const old = [ask, turn('model', gCall('f')), turn('user', gResult('f')), turn('model', { text: 'done' })]
  const now = [ask, turn('model', gCall('f', signed), gCall('g')), turn('user', gResult('f'), gResult('g'))]
  expect(faults(paths.gemini('gemini-3-pro'), { contents: [...old, ...now] })).toEqual([])
})

const inner = (request: object): object => ({ request: { contents: [ask], ...request } })
table('antigravity', { project: 'p', model: 'claude-x', ...inner({}) }, [
  ...geminiRows.map((row) => ({ ...row, body: inner(row.body) })),
  { what: 'no project', body: { project: undefined }, says: /project/ },
  { what: 'models/ before the model', body: { model: 'models/x' }, says: /model/ },
  { what: 'a model inside', body: inner({ model: 'x' }), says: /Unknown name "model"/ },
  { what: 'a bare request', body: { request: undefined, contents: [ask] }, says: /Unknown name "contents"/ },
  { what: 'a system text that is no object', body: inner({ systemInstruction: 'x' }), says: /systemInstruction/ },
  {
    what: 'a budget over the maximum',
    body: inner({ generationConfig: { maxOutputTokens: 100, thinkingConfig: { thinkingBudget: 100 } } }),
    says: /greater than/,
  },
  {
    what: 'const for Claude',
    body: inner({
      tools: [
        {
          functionDeclarations: [
            { name: 'f', parametersJsonSchema: { type: 'object', properties: { a: { const: 1 } } } },
          ],
        },
      ],
    }),
    says: /Unknown name "const"/,
  },
])
