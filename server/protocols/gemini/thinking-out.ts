import type { ChatRequest, JsonObject, Reasoning } from '../../model/request.ts'
import type { ModelTraits, Target } from './dialect.ts'

type Effort = NonNullable<Reasoning['effort']>

/** Google's own table for `reasoning_effort`. https://ai.google.dev/gemini-api/docs/openai#thinking */
const BUDGETS: Readonly<Record<Effort, number>> = {
  none: 0,
  minimal: 1024,
  low: 1024,
  medium: 8192,
  high: 24_576,
  xhigh: 24_576,
  max: 24_576,
}
/** 2.5 Pro and Claude cannot think less than this. */
const LEAST_PRO = 128
const LEAST_FOREIGN = 1024

/** `thinkingConfig`; `thinkingBudget` and `thinkingLevel` exclude each other. */
export function encodeThinking(request: ChatRequest, target: Target): JsonObject {
  const { reasoning } = request
  if (reasoning === undefined) return {}
  if (!target.traits.thinks) {
    target.loss({ field: 'reasoning', reason: 'this model does not think' })
    return {}
  }
  const visible = reasoning.visible ?? (reasoning.summary === undefined ? undefined : true)
  const amount = encodeAmount(reasoning, request.sampling.maxTokens, target)
  const config = {
    ...amount,
    ...(visible !== undefined && amount['thinkingBudget'] !== 0 && { includeThoughts: visible }),
  }
  return Object.keys(config).length === 0 ? {} : { thinkingConfig: config }
}

function encodeAmount(reasoning: Reasoning, maxTokens: number | undefined, target: Target): JsonObject {
  const { effort, budgetTokens, adaptive } = reasoning
  const { traits } = target
  if (traits.levels && effort !== undefined) return { thinkingLevel: level(effort, target) }
  if (budgetTokens !== undefined) return fit(budgetTokens, maxTokens, target)
  if (effort !== undefined) return fit(budgetOf(effort, traits), maxTokens, target)
  return adaptive === true && !traits.levels && !traits.foreign ? { thinkingBudget: -1 } : {}
}

function level(effort: Effort, { traits, loss }: Target): string {
  switch (effort) {
    case 'none':
      loss({ field: 'reasoning.effort', reason: 'this model always thinks; it is asked for the least' })
      return traits.pro ? 'LOW' : 'MINIMAL'
    case 'minimal':
      return traits.pro ? 'LOW' : 'MINIMAL'
    case 'low':
      return 'LOW'
    case 'medium':
      return 'MEDIUM'
    case 'high':
    case 'xhigh':
    case 'max':
      return 'HIGH'
  }
}

function budgetOf(effort: Effort, traits: ModelTraits): number {
  if (effort === 'none') return traits.pro && !traits.foreign ? LEAST_PRO : 0
  return (effort === 'xhigh' || effort === 'max') && traits.pro ? 32_768 : BUDGETS[effort]
}

/** Thoughts count as output, so a budget that is not below the limit would leave no room for the answer. */
function fit(budget: number, maxTokens: number | undefined, { traits, loss }: Target): JsonObject {
  if (budget === 0 || maxTokens === undefined || budget < maxTokens) return { thinkingBudget: budget }
  const smaller = Math.floor(maxTokens / 2)
  loss({ field: 'reasoning.budget', reason: `the budget must be below the ${maxTokens} tokens of the answer` })
  if (traits.foreign && smaller < LEAST_FOREIGN) return { thinkingBudget: 0 }
  return { thinkingBudget: smaller }
}
