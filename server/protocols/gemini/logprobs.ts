import type { Json, JsonObject } from '../../model/request.ts'
import { asArray, asNumber, asObject, asString } from '../narrow.ts'
import { objects } from './wire.ts'

/** `logprobsResult` → OpenAI's logprobs object; the token's bytes are those of its text. */
export function decodeLogprobs(result: JsonObject | undefined): Json | undefined {
  const chosen = objects(result?.['chosenCandidates'])
  if (chosen.length === 0) return undefined
  const top = (asArray(result?.['topCandidates']) ?? []).map((entry) => objects(asObject(entry)?.['candidates']))
  return {
    content: chosen.map((candidate, index) => ({
      ...tokenOf(candidate),
      top_logprobs: (top[index] ?? []).map(tokenOf),
    })),
  }
}

function tokenOf(candidate: JsonObject): JsonObject {
  const token = asString(candidate['token']) ?? ''
  return { token, logprob: asNumber(candidate['logProbability']) ?? 0, bytes: [...Buffer.from(token)] }
}

/** The same in Gemini's words; undefined where the object says nothing of the answer's tokens. */
export function encodeLogprobs(logprobs: Json | undefined): JsonObject | undefined {
  const content = objects(asObject(logprobs)?.['content'])
  if (content.length === 0) return undefined
  return {
    chosenCandidates: content.map(candidateOf),
    topCandidates: content.map((entry) => ({ candidates: objects(entry['top_logprobs']).map(candidateOf) })),
  }
}

function candidateOf(entry: JsonObject): JsonObject {
  return { token: asString(entry['token']) ?? '', logProbability: asNumber(entry['logprob']) ?? 0 }
}
