import { pieces, type Answer, type Manner, type Turn } from './turn.ts'

const usageMetadata = { promptTokenCount: 1200, candidatesTokenCount: 40, totalTokenCount: 1240 }

/**
 * A generateContent answer: calls end with STOP and have no id, and of several only the first is signed.
 * https://ai.google.dev/gemini-api/docs/thought-signatures
 */
export function geminiAnswer(turn: Turn, { model, serial }: Manner): Answer {
  const seal = turn.thought?.seal
  const thoughts = pieces(turn.thought?.text ?? '').map((text) => ({ text, thought: true }))
  const texts = pieces(turn.text).map((text) => ({ text }))
  const calls = turn.calls.map((call, index) => ({
    functionCall: { name: call.name, args: 'input' in call ? { input: call.input } : call.arguments },
    ...(index === 0 && seal !== undefined && { thoughtSignature: seal }),
  }))
  // An answer without calls is signed on an empty last part.
  const last = calls.length === 0 && seal !== undefined ? [{ text: '', thoughtSignature: seal }] : []
  const parts = [...thoughts, ...texts, ...calls, ...last]
  const reply = (given: readonly object[], finishReason?: string): object => ({
    candidates: [{ content: { role: 'model', parts: given }, index: 0, ...(finishReason && { finishReason }) }],
    usageMetadata,
    modelVersion: model,
    responseId: `reply-${serial}`,
  })
  return {
    whole: reply(parts, 'STOP'),
    events: parts.map((part, at) => ({ data: reply([part], at === parts.length - 1 ? 'STOP' : undefined) })),
  }
}
