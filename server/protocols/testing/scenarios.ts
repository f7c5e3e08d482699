import type { ChatRequest, Message, ToolCallPart, Tool, WireFormat } from '../../model/request.ts'

const text = (words: string) => ({ type: 'text' as const, text: words })
const user = (words: string): Message => ({ role: 'user', content: [text(words)] })
const call = (id: string, args: string, name = 'weather'): ToolCallPart => ({
  type: 'tool-call',
  id,
  name,
  arguments: args,
})
const result = (callId: string, words: string) => ({
  type: 'tool-result' as const,
  callId,
  name: 'weather',
  content: [text(words)],
})
const picture = { kind: 'base64' as const, data: 'iVBORw0KGgo=' }

const weather: Tool = {
  type: 'function',
  name: 'weather',
  description: 'Tells the weather of a city.',
  parameters: {
    type: 'object',
    properties: { city: { type: 'string', description: 'Its name' }, days: { type: 'integer' } },
    required: ['city'],
  },
}

/** One conversation, and the formats in which it cannot be said whole, each with the reason. */
export interface Scenario {
  readonly name: string
  readonly request: Partial<ChatRequest>
  readonly lost?: Partial<Readonly<Record<WireFormat, string>>>
}

export const hello = [user('Hi')]

/** The canonical scenarios: what a codec says of them, it must understand again. */
export const scenarios: readonly Scenario[] = [
  { name: 'one turn', request: {} },
  { name: 'system first', request: { messages: [{ role: 'system', content: [text('Be brief.')] }, ...hello] } },
  {
    name: 'several turns',
    request: {
      messages: [user('Hi'), { role: 'assistant', content: [text('Hello!')] }, user('How are you? ü🙂')],
    },
  },
  {
    name: 'text of several parts',
    request: { messages: [{ role: 'user', content: [text('one'), text('two')] }] },
  },
  {
    name: 'a picture',
    request: {
      messages: [
        { role: 'user', content: [text('What is this?'), { type: 'media', mediaType: 'image/png', source: picture }] },
      ],
    },
  },
  { name: 'tools', request: { tools: [weather] } },
  { name: 'tool choice: none', request: { tools: [weather], toolChoice: 'none' } },
  { name: 'tool choice: required', request: { tools: [weather], toolChoice: 'required' } },
  { name: 'tool choice: by name', request: { tools: [weather], toolChoice: { name: 'weather' } } },
  {
    name: 'a call and its result',
    request: {
      tools: [weather],
      messages: [
        user('Weather in Rome?'),
        { role: 'assistant', content: [text('Let me look.'), call('call_1', '{"city":"Rome"}')] },
        { role: 'tool', content: [result('call_1', 'sunny')] },
      ],
    },
  },
  {
    name: 'parallel calls',
    request: {
      tools: [weather],
      messages: [
        user('Rome and Oslo?'),
        { role: 'assistant', content: [call('call_1', '{"city":"Rome"}'), call('call_2', '{"city":"Oslo"}')] },
        { role: 'tool', content: [result('call_1', 'sunny'), result('call_2', 'snow')] },
        { role: 'assistant', content: [text('Sun, and snow.')] },
        user('Thanks'),
      ],
    },
  },
  { name: 'a limit of tokens', request: { sampling: { maxTokens: 2000 } } },
  { name: 'temperature and top p', request: { sampling: { maxTokens: 100, temperature: 0.5, topP: 0.9 } } },
  {
    name: 'stop words',
    request: { sampling: { maxTokens: 100, stop: ['END', '###'] } },
    lost: { 'openai-responses': 'there is no stop' },
  },
  {
    name: 'top k',
    request: { sampling: { maxTokens: 100, topK: 40 } },
    lost: { 'openai-chat': 'there is no top_k', 'openai-responses': 'there is no top_k' },
  },
  {
    name: 'seed',
    request: { sampling: { maxTokens: 100, seed: 7 } },
    lost: { 'openai-responses': 'there is no seed', anthropic: 'there is no seed' },
  },
  {
    name: 'penalties',
    request: { sampling: { maxTokens: 100, frequencyPenalty: 0.5, presencePenalty: 0.25 } },
    lost: { 'openai-responses': 'there are no penalties', anthropic: 'there are no penalties' },
  },
  {
    name: 'one call at a time',
    request: { tools: [weather], sampling: { maxTokens: 100, parallelToolCalls: false } },
    lost: {
      anthropic: 'it is said within tool_choice, which has a type',
      gemini: 'calls cannot be kept single',
      antigravity: 'calls cannot be kept single',
    },
  },
  {
    name: 'effort',
    request: { sampling: { maxTokens: 9000 }, reasoning: { effort: 'high' } },
    lost: { anthropic: 'models before adaptive thinking take a budget only' },
  },
  {
    name: 'budget',
    request: { sampling: { maxTokens: 9000 }, reasoning: { budgetTokens: 4096 } },
    lost: { 'openai-chat': 'there are efforts only', 'openai-responses': 'there are efforts only' },
  },
  {
    name: 'JSON',
    request: { output: { type: 'json' } },
    lost: {
      'openai-chat': 'the word JSON must stand in the prompt',
      'openai-responses': 'the word JSON must stand in the prompt',
      anthropic: 'there is no such mode: the system prompt asks for it',
    },
  },
  {
    name: 'JSON of a schema',
    request: {
      output: {
        type: 'json-schema',
        name: 'person',
        strict: true,
        schema: {
          type: 'object',
          properties: { name: { type: 'string' } },
          required: ['name'],
          additionalProperties: false,
        },
      },
    },
    lost: {
      anthropic: 'older models have no such mode: the system prompt asks for it',
      gemini: 'a schema has no name and is always strict',
      antigravity: 'a schema has no name, and no additionalProperties',
    },
  },
  {
    name: 'who asks',
    request: { metadata: { userId: 'someone' } },
    lost: { gemini: 'nobody is named', antigravity: 'nobody is named' },
  },
]
