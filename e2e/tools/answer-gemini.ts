import { pieces, type Answer, type Manner, type Turn } from './turn.ts'

const usageMetadata = { promptTokenCount: 1200, candidatesTokenCount: 40, totalTokenCount: 1240 }

/**
 * A generateContent answer: calls end with STOP and have no id, and of several only the first is signed.
 * https://ai.google.dev/gemini-api/docs/thought-signatures
 */
export function geminiAnswer(turn: Turn, manner: Manner): Answer {
  const seal = turn.thought?.seal
  const thoughts = pieces(turn.thought?.text ?? '').map((text) => ({ text, thought: true }))
  const calls = turn.calls.map((call, index) => ({
    functionCall: { name: call.name, args: argsOf(call) },
    ...(index === 0 && seal !== undefined && { thoughtSignature: seal }),
  }))
  // An answer without calls is signed on an empty last part.
  const last = calls.length === 0 && seal !== undefined ? [{ text: '', thoughtSignature: seal }] : []
  const parts = [...thoughts, ...textsOf(turn), ...calls, ...last]
  return {
    whole: reply(manner, { parts, finishReason: 'STOP', usageMetadata }),
    events: parts.map((part, at) => ({
      data: reply(manner, { parts: [part], usageMetadata, ...(at === parts.length - 1 && { finishReason: 'STOP' }) }),
    })),
  }
}

/**
 * Claude behind Antigravity: its thoughts are signed themselves, its calls have ids and end with OTHER, and usage may come behind
 * the end.
 */
export function vertexClaudeAnswer(turn: Turn, manner: Manner): Answer {
  const { text = '', seal: thoughtSignature = '' } = turn.thought ?? {}
  const thought = { thought: true, text, thoughtSignature }
  const calls = turn.calls.map((call, index) => ({
    functionCall: { id: `toolu_vrtx_${manner.serial}x${index}`, name: call.name, args: argsOf(call) },
  }))
  const finishReason = calls.length > 0 ? 'OTHER' : 'STOP'
  const thoughts = [...pieces(text).map((piece) => ({ thought: true, text: piece })), { ...thought, text: '' }]
  const streamed = [...(text === '' ? [] : thoughts), ...textsOf(turn), ...calls]
  return {
    whole: reply(manner, {
      parts: [...(text === '' ? [] : [thought]), ...textsOf(turn), ...calls],
      finishReason,
      usageMetadata,
    }),
    events: [
      ...streamed.map((part, at) => ({
        data: reply(manner, { parts: [part], ...(at === streamed.length - 1 && { finishReason }) }),
      })),
      { data: reply(manner, { parts: [{ text: '' }], usageMetadata }) },
    ],
  }
}

interface Told {
  readonly parts: readonly object[]
  readonly finishReason?: string
  readonly usageMetadata?: object
}

function reply({ model, serial }: Manner, { parts, finishReason, usageMetadata: usage }: Told): object {
  return {
    candidates: [{ content: { role: 'model', parts }, index: 0, ...(finishReason !== undefined && { finishReason }) }],
    ...(usage && { usageMetadata: usage }),
    modelVersion: model,
    responseId: `reply-${serial}`,
  }
}

const textsOf = (turn: Turn): readonly object[] => pieces(turn.text).map((text) => ({ text }))
const argsOf = (call: Turn['calls'][number]): object => ('input' in call ? { input: call.input } : call.arguments)
