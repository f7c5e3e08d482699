import { GoogleGenAI, type GenerateContentParameters } from '@google/genai'
import type { Answer } from '../answer.ts'
import { readGenerateContent } from '../recording/gemini.ts'
import { object } from '../recording/json.ts'
import { anyArguments, describeTool, gather, words, type Ask } from './ask.ts'

export async function askGoogle(ask: Ask): Promise<Answer> {
  const { models } = new GoogleGenAI({ apiKey: ask.key, httpOptions: { baseUrl: ask.baseUrl } })
  const request: GenerateContentParameters = {
    model: ask.model,
    contents: words.user,
    config: {
      systemInstruction: words.system,
      ...(ask.tools.length > 0 && {
        tools: [
          {
            functionDeclarations: ask.tools.map((name) => ({
              name,
              description: describeTool(name),
              parametersJsonSchema: anyArguments,
            })),
          },
        ],
      }),
    },
  }
  if (!ask.stream) return readGenerateContent([object(await models.generateContent(request))])
  return readGenerateContent((await gather(await models.generateContentStream(request))).map(object))
}
