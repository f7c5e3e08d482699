import { createAnthropic } from '@ai-sdk/anthropic'
import { createGoogleGenerativeAI } from '@ai-sdk/google'
import { createOpenAI } from '@ai-sdk/openai'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import {
  generateText,
  jsonSchema,
  streamText,
  tool,
  type FinishReason,
  type LanguageModel,
  type LanguageModelUsage,
  type ToolSet,
} from 'ai'
import { withCalls, type Answer, type FinishWord } from '../answer.ts'
import { anyArguments, describeTool, words, type Ask } from './ask.ts'

type Asks = (ask: Ask) => Promise<Answer>

const through =
  (modelOf: (ask: Ask) => LanguageModel): Asks =>
  (ask) =>
    askVercel(ask, modelOf(ask))

export const askVercelChat = through(({ baseUrl, key, model }) =>
  createOpenAI({ baseURL: `${baseUrl}/v1`, apiKey: key }).chat(model),
)
export const askVercelResponses = through(({ baseUrl, key, model }) =>
  createOpenAI({ baseURL: `${baseUrl}/v1`, apiKey: key }).responses(model),
)
export const askVercelAnthropic = through(({ baseUrl, key, model }) =>
  createAnthropic({ baseURL: `${baseUrl}/v1`, apiKey: key })(model),
)
export const askVercelGoogle = through(({ baseUrl, key, model }) =>
  createGoogleGenerativeAI({ baseURL: `${baseUrl}/v1beta`, apiKey: key })(model),
)
export const askVercelCompatible = through(({ baseUrl, key, model }) =>
  createOpenAICompatible({ name: 'octopus', baseURL: `${baseUrl}/v1`, apiKey: key, includeUsage: true })(model),
)

async function askVercel(ask: Ask, model: LanguageModel): Promise<Answer> {
  // what a recorded model wrote need not fit any schema
  const inputSchema = jsonSchema(anyArguments, { validate: (value) => ({ success: true, value }) })
  const tools = Object.fromEntries(
    ask.tools.map((name) => [name, tool({ description: describeTool(name), inputSchema })]),
  ) as ToolSet
  const request = { model, maxRetries: 0, instructions: words.system, prompt: words.user, tools }
  if (!ask.stream) {
    const { text, toolCalls, finishReason, usage, finalStep } = await generateText(request)
    return answerOf({ text, reasoningText: finalStep.reasoningText, toolCalls, finishReason, usage })
  }
  const errors: unknown[] = []
  const result = streamText({ ...request, onError: ({ error }) => void errors.push(error) })
  await result.consumeStream()
  if (errors.length > 0) throw errors[0]
  const { reasoningText } = await result.finalStep
  const [text, toolCalls] = [await result.text, await result.toolCalls]
  return answerOf({
    text,
    reasoningText,
    toolCalls,
    finishReason: await result.finishReason,
    usage: await result.usage,
  })
}

interface Result {
  readonly text: string
  readonly reasoningText: string | undefined
  readonly toolCalls: readonly {
    readonly toolName: string
    readonly input: unknown
    readonly providerExecuted?: boolean
  }[]
  readonly finishReason: FinishReason
  readonly usage: LanguageModelUsage
}

function answerOf({ text, reasoningText = '', toolCalls, finishReason, usage }: Result): Answer {
  const calls = toolCalls
    .filter(({ providerExecuted }) => providerExecuted !== true)
    .map(({ toolName, input }) => ({ name: toolName, input }))
  const { inputTokens, outputTokens, inputTokenDetails, outputTokenDetails } = usage
  const finish: FinishWord = finishReason === 'interrupted' ? 'error' : finishReason
  const reasoning = outputTokenDetails.reasoningTokens
  return {
    choices: [{ text, refusal: '', reasoning: reasoningText, calls, pictures: [], finish: withCalls(finish, calls) }],
    ...(inputTokens !== undefined &&
      outputTokens !== undefined && {
        usage: {
          input: inputTokens,
          cached: inputTokenDetails.cacheReadTokens ?? 0,
          output: outputTokens,
          ...(reasoning !== undefined && { reasoning }),
        },
      }),
  }
}
