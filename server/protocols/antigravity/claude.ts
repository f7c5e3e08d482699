import type { JsonObject, ReportLoss } from '../../model/request.ts'
import { objects, partsOf, without } from '../gemini/wire.ts'
import { asNumber, asObject } from '../narrow.ts'

/** Anthropic's own default limit for models that think. Tokens. */
const OUTPUT = 64_000

/**
 * Claude behind Antigravity keeps Anthropic's rules for thinking: the limit is above the budget, the turn that tool results answer
 * begins with its signed thought, sampling is left alone, and no tool is forced.
 * https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking
 */
export function fitClaude(inner: JsonObject, loss: ReportLoss): JsonObject {
  const config = asObject(inner['generationConfig']) ?? {}
  const thinkingConfig = asObject(config['thinkingConfig'])
  const budget = asNumber(thinkingConfig?.['thinkingBudget']) ?? 0
  if (budget <= 0) return inner
  if (answersUnsignedTurn(inner)) {
    loss({ field: 'reasoning', reason: 'the turn before has no signed thought, so Claude may not think in this one' })
    return { ...inner, generationConfig: without(config, 'thinkingConfig') }
  }
  const maxOutputTokens = config['maxOutputTokens'] ?? Math.max(OUTPUT, budget + 1)
  const generationConfig = {
    ...withoutSampling(config, loss),
    maxOutputTokens,
    // The signature stands on the thought: a client that does not read thoughts (Claude Code) must still send it back.
    thinkingConfig: { ...thinkingConfig, includeThoughts: true },
  }
  return { ...unforced(inner, loss), generationConfig }
}

function answersUnsignedTurn({ contents }: JsonObject): boolean {
  const turns = objects(contents)
  const last = turns.at(-1)
  if (last === undefined || !partsOf({ content: last }).some((part) => part['functionResponse'] !== undefined))
    return false
  const [first] = partsOf({ content: turns.at(-2) })
  return first?.['thought'] !== true || first['thoughtSignature'] === undefined
}

function withoutSampling(config: JsonObject, loss: ReportLoss): JsonObject {
  const { temperature, topP } = config
  const wrong = [
    ...(temperature !== undefined && temperature !== 1 ? ['temperature'] : []),
    ...(typeof topP === 'number' && topP < 0.95 ? ['topP'] : []),
    ...(config['topK'] !== undefined ? ['topK'] : []),
  ]
  for (const field of wrong) loss({ field, reason: 'Claude does not take it while it thinks' })
  return without(config, ...wrong)
}

function unforced(inner: JsonObject, loss: ReportLoss): JsonObject {
  const toolConfig = asObject(inner['toolConfig'])
  if (asObject(toolConfig?.['functionCallingConfig'])?.['mode'] !== 'ANY') return inner
  loss({ field: 'tool_choice', reason: 'Claude cannot be forced to a tool while it thinks' })
  return { ...inner, toolConfig: { ...toolConfig, functionCallingConfig: { mode: 'AUTO' } } }
}
