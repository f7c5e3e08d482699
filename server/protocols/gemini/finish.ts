import type { Finish, FinishReason } from '../../model/response.ts'

/** https://ai.google.dev/api/generate-content#FinishReason and Vertex's additions; STOP and OTHER are decided by the parts. */
const REASONS: Readonly<Record<string, FinishReason>> = {
  STOP: 'stop',
  MAX_TOKENS: 'length',
  CONTINUATION: 'length',
  SAFETY: 'content-filter',
  RECITATION: 'content-filter',
  LANGUAGE: 'content-filter',
  BLOCKLIST: 'content-filter',
  PROHIBITED_CONTENT: 'content-filter',
  SPII: 'content-filter',
  MODEL_ARMOR: 'content-filter',
  IMAGE_SAFETY: 'content-filter',
  IMAGE_PROHIBITED_CONTENT: 'content-filter',
  IMAGE_RECITATION: 'content-filter',
  MALFORMED_FUNCTION_CALL: 'error',
  MALFORMED_RESPONSE: 'error',
  UNEXPECTED_TOOL_CALL: 'error',
  TOO_MANY_TOOL_CALLS: 'error',
  MISSING_THOUGHT_SIGNATURE: 'error',
  NO_IMAGE: 'other',
  IMAGE_OTHER: 'other',
  OTHER: 'other',
}

/** Gemini says STOP for calls too, Claude behind Antigravity says OTHER: only the parts tell. */
export function decodeFinish(raw: string, hasCalls: boolean): Finish {
  const reason = Object.hasOwn(REASONS, raw) ? (REASONS[raw] ?? 'other') : 'other'
  return { reason: hasCalls && (reason === 'stop' || reason === 'other') ? 'tool-calls' : reason, raw }
}

const WORDS: Readonly<Record<FinishReason, string>> = {
  stop: 'STOP',
  'tool-calls': 'STOP',
  length: 'MAX_TOKENS',
  'content-filter': 'SAFETY',
  refusal: 'SAFETY',
  error: 'OTHER',
  other: 'OTHER',
}

/** The upstream's own word where it is one of ours with the same meaning (Antigravity ↔ Gemini). */
export function encodeFinish(finish: Finish): string {
  const { raw, reason } = finish
  if (raw !== undefined && Object.hasOwn(REASONS, raw) && REASONS[raw] === reason) return raw
  return WORDS[reason]
}
