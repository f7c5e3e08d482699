import type { WireFormat } from '../../fake-upstream/index.ts'
import type { Answer } from '../answer.ts'
import { askAnthropic } from './anthropic.ts'
import type { Ask } from './ask.ts'
import { askGoogle } from './google.ts'
import { askOpenAiChat, askOpenAiResponses } from './openai.ts'
import {
  askVercelAnthropic,
  askVercelChat,
  askVercelCompatible,
  askVercelGoogle,
  askVercelResponses,
} from './vercel.ts'

export interface Client {
  readonly name: string
  /** The format that it speaks. */
  readonly format: WireFormat
  readonly ask: (ask: Ask) => Promise<Answer>
}

/** Every client that a person may point at the gateway, in the version that package.json names. */
export const clients = [
  { name: 'openai chat', format: 'openai-chat', ask: askOpenAiChat },
  { name: 'openai responses', format: 'openai-responses', ask: askOpenAiResponses },
  { name: '@anthropic-ai/sdk', format: 'anthropic', ask: askAnthropic },
  { name: '@google/genai', format: 'gemini', ask: askGoogle },
  { name: '@ai-sdk/openai chat', format: 'openai-chat', ask: askVercelChat },
  { name: '@ai-sdk/openai responses', format: 'openai-responses', ask: askVercelResponses },
  { name: '@ai-sdk/anthropic', format: 'anthropic', ask: askVercelAnthropic },
  { name: '@ai-sdk/google', format: 'gemini', ask: askVercelGoogle },
  { name: '@ai-sdk/openai-compatible', format: 'openai-chat', ask: askVercelCompatible },
] as const satisfies readonly Client[]

export type ClientName = (typeof clients)[number]['name']
