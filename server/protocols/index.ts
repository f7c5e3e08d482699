import type { WireFormat } from '../model/request.ts'
import { anthropic } from './anthropic/index.ts'
import { antigravity } from './antigravity/index.ts'
import type { Protocol } from './codec.ts'
import { gemini } from './gemini/index.ts'
import { openaiChat } from './openai-chat/index.ts'
import { openaiResponses } from './openai-responses/index.ts'

/** Every wire format that clients and channels may speak. A format without its line here does not compile. */
export const protocols: Readonly<Record<WireFormat, Protocol>> = {
  'openai-chat': openaiChat,
  'openai-responses': openaiResponses,
  anthropic,
  gemini,
  antigravity,
}
