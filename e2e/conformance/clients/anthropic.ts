import Anthropic from '@anthropic-ai/sdk'
import type { Answer } from '../answer.ts'
import { readMessage } from '../recording/anthropic.ts'
import { object } from '../recording/json.ts'
import { anyArguments, describeTool, words, type Ask } from './ask.ts'

export async function askAnthropic(ask: Ask): Promise<Answer> {
  const client = new Anthropic({ baseURL: ask.baseUrl, apiKey: ask.key, maxRetries: 0 })
  const request = {
    model: ask.model,
    max_tokens: 1000,
    system: words.system,
    messages: [{ role: 'user' as const, content: words.user }],
    ...(ask.tools.length > 0 && {
      tools: ask.tools.map((name) => ({ name, description: describeTool(name), input_schema: anyArguments })),
    }),
  }
  const message = ask.stream
    ? await client.messages.stream(request).finalMessage()
    : await client.messages.create(request)
  return readMessage(object(message))
}
