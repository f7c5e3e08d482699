import type { ChatRequest, JsonObject, Reasoning, ReportLoss } from '../../model/request.ts'
import type { ModelTraits } from './models.ts'
import { given } from './wire.ts'

/** How the request asks for thinking, and what else must give way to it. */
export interface ThinkingPlan {
  /** Absent: the field is not sent, and the model does as it does unasked. */
  readonly thinking?: JsonObject
  readonly effort?: string
  readonly maxTokens: number
  /** The model will (or may) think: signed thoughts of the history belong in the request, sampling is restricted. */
  readonly on: boolean
  /** A forced tool cannot be: the model always thinks. */
  readonly unforce?: boolean
}

/** "budget_tokens must be ≥ 1024 and less than max_tokens" */
const LEAST_BUDGET = 1024
const BUDGETS: Readonly<Record<NonNullable<Reasoning['effort']>, number>> = {
  none: 0,
  minimal: 1024,
  low: 4096,
  medium: 8192,
  high: 16_384,
  xhigh: 24_576,
  max: 32_768,
}

export interface ThinkingQuestion {
  readonly request: ChatRequest
  readonly traits: ModelTraits
  /** The turn that tool results answer does not begin with a signed thought. */
  readonly lacksThought: boolean
  readonly loss: ReportLoss
}

/**
 * Thinking and its exclusions (https://platform.claude.com/docs/en/build-with-claude/extended-thinking,
 * "Feature compatibility"): no forced tool, a budget below `max_tokens`, a signed thought before tool results.
 */
export function planThinking(question: ThinkingQuestion): ThinkingPlan {
  const { request, traits, loss } = question
  const wish = request.reasoning
  const maxTokens = request.sampling.maxTokens ?? traits.defaultMaxTokens
  const refused = wish?.effort === 'none' || wish?.budgetTokens === 0
  const asked = !refused && (wish?.effort !== undefined || wish?.budgetTokens !== undefined || wish?.adaptive === true)
  const give = (reason: string) => loss({ field: 'reasoning', reason })

  if (traits.thinking === 'none') {
    if (asked) give('this model does not think')
    return { maxTokens, on: false }
  }
  const forced = request.toolChoice === 'required' || typeof request.toolChoice === 'object'
  if (forced && request.tools.length > 0) {
    if (traits.unasked === 'always') return { ...unasked(question, maxTokens, refused), unforce: true }
    if (asked) give('a forced tool and thinking exclude each other')
    return off(traits, maxTokens)
  }
  if (refused && traits.unasked !== 'always') return off(traits, maxTokens)
  if (!asked) return unasked(question, maxTokens, refused)
  const adaptive = traits.thinking === 'adaptive' || (traits.thinking === 'either' && wish.budgetTokens === undefined)
  if (adaptive || (traits.thinking === 'either' && question.lacksThought)) return adaptivePlan(question, maxTokens)
  return budgetPlan(question, maxTokens)
}

function off(traits: ModelTraits, maxTokens: number): ThinkingPlan {
  return traits.unasked === 'on' ? { thinking: { type: 'disabled' }, maxTokens, on: false } : { maxTokens, on: false }
}

/** Nothing was asked, or "none" of a model that cannot help thinking. */
function unasked({ request, traits, loss }: ThinkingQuestion, maxTokens: number, refused: boolean): ThinkingPlan {
  if (traits.unasked === 'off') return { maxTokens, on: false }
  if (refused) loss({ field: 'reasoning', reason: 'this model always thinks: it was asked to think little' })
  const display = displayOf(request.reasoning)
  return given({
    thinking: display === undefined ? undefined : { type: 'adaptive', display },
    effort: refused ? 'low' : undefined,
    maxTokens,
    on: true,
  })
}

function adaptivePlan({ request, traits, loss }: ThinkingQuestion, maxTokens: number): ThinkingPlan {
  const wish = request.reasoning
  if (wish?.budgetTokens !== undefined)
    loss({ field: 'reasoning (budget of tokens)', reason: 'this model takes an effort instead' })
  const word = wish?.effort ?? (wish?.budgetTokens === undefined ? undefined : effortOf(wish.budgetTokens))
  const thinking = given({ type: 'adaptive', display: displayOf(wish) })
  return given({ thinking, effort: effortWord(word, traits), maxTokens, on: true })
}

function budgetPlan({ request, traits, lacksThought, loss }: ThinkingQuestion, maxTokens: number): ThinkingPlan {
  const wish = request.reasoning
  const told = request.sampling.maxTokens
  // said of unknown names too: an alias may well stand for a Claude, and a refusal is worse than an answer without thoughts
  if (lacksThought) {
    loss({
      field: 'reasoning',
      reason: 'the turn that tool results answer has no thought that is valid at this channel',
    })
    return { maxTokens, on: false }
  }
  if (maxTokens <= LEAST_BUDGET) {
    loss({
      field: 'reasoning',
      reason: `thinking needs a budget of ${LEAST_BUDGET} and more tokens than that to answer`,
    })
    return { maxTokens, on: false }
  }
  const exact = wish?.budgetTokens !== undefined
  const wanted = Math.max(LEAST_BUDGET, wish?.budgetTokens ?? BUDGETS[wish?.effort ?? 'high'])
  // where nobody named a limit there is room for both; a budget that we chose leaves a fifth of the limit for the answer
  const most = told === undefined && !traits.claude ? maxTokens + wanted : maxTokens
  const limit = exact ? most - 1 : Math.max(LEAST_BUDGET, Math.floor(most * 0.8))
  const budget = Math.min(wanted, limit)
  if (exact && budget < wanted && told !== undefined)
    loss({ field: 'reasoning (budget of tokens)', reason: 'it must be below the limit of tokens: cut' })
  const display = traits.claude ? displayOf(wish) : undefined
  return { thinking: given({ type: 'enabled', budget_tokens: budget, display }), maxTokens: most, on: true }
}

function displayOf(wish: Reasoning | undefined): 'summarized' | 'omitted' | undefined {
  return wish?.visible === undefined ? undefined : wish.visible ? 'summarized' : 'omitted'
}

function effortOf(budget: number): NonNullable<Reasoning['effort']> {
  return budget < 6000 ? 'low' : budget < 12_000 ? 'medium' : 'high'
}

function effortWord(effort: Reasoning['effort'], traits: ModelTraits): string | undefined {
  switch (effort) {
    case undefined:
    case 'none':
      return undefined
    case 'minimal':
      return 'low'
    case 'xhigh':
    case 'max':
      return traits.efforts.includes(effort) ? effort : 'high'
    case 'low':
    case 'medium':
    case 'high':
      return effort
  }
}
