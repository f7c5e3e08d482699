import type { WireFormat } from '../fake-upstream/index.ts'
import type { Answer, Choice } from './answer.ts'
import type { ClientName } from './clients/index.ts'

/** One thing that a client cannot be told, why, and what the answer looks like without it. */
export interface Loss {
  readonly why: string
  readonly applies: (where: Where) => boolean
  readonly without: (answer: Answer) => Answer
}

export interface Where {
  readonly client: ClientName
  readonly clientFormat: WireFormat
  readonly upstream: WireFormat
  readonly stream: boolean
}

const each =
  (change: (choice: Choice) => Choice) =>
  (answer: Answer): Answer => ({ ...answer, choices: answer.choices.map(change) })

const converted = ({ clientFormat, upstream }: Where): boolean => clientFormat !== upstream
const speaks =
  (...formats: readonly WireFormat[]) =>
  (where: Where): boolean =>
    converted(where) && formats.includes(where.clientFormat)
const isVercel = ({ client }: Where): boolean => client.startsWith('@ai-sdk/')

/**
 * All that may differ between what a provider said and what a client reads. Applied in this order; a difference that no row explains
 * is a red cell.
 */
export const losses: readonly Loss[] = [
  {
    why: '@ai-sdk/google takes every chunk of a stream for the first answer, also of several.',
    applies: ({ client, stream }) => client === '@ai-sdk/google' && stream,
    without: (answer) => (answer.choices.length > 1 ? { ...answer, choices: [joined(answer.choices)] } : answer),
  },
  {
    why: 'Of several answers the first is told: only Chat and Gemini have room for more, and the Vercel AI SDK reads one.',
    applies: (where) => isVercel(where) || !['openai-chat', 'gemini'].includes(where.clientFormat),
    without: (answer) => ({ ...answer, choices: answer.choices.slice(0, 1) }),
  },
  {
    why: '@ai-sdk/openai has no field for the thoughts of a chat completion (they are in reasoning_content, which it does not read).',
    applies: ({ client }) => client === '@ai-sdk/openai chat',
    without: each((choice) => ({ ...choice, reasoning: '' })),
  },
  {
    why: 'Code that Gemini ran, and its results, are text for clients of other formats: none of them has parts for it.',
    applies: (where) => converted(where) && ['gemini', 'antigravity'].includes(where.upstream),
    without: each((choice) => ({ ...choice, text: choice.textWithCode ?? choice.text })),
  },
  {
    why: 'An Anthropic answer holds no pictures: a note stands in the place of each.',
    applies: speaks('anthropic'),
    without: each((choice) => ({
      ...choice,
      text: choice.text + choice.pictures.map((type) => `[${type} that cannot be shown here]`).join(''),
    })),
  },
  {
    why: 'An answer of which the provider itself says that it is malformed is an error where the format has a way to say so.',
    applies: speaks('anthropic', 'openai-responses'),
    without: (answer) =>
      answer.choices.some(({ finish }) => finish === 'error') ? { ...answer, broken: 'malformed' } : answer,
  },
  {
    why: 'Chat has one word for an answer that broke off for a reason outside its text: content_filter.',
    applies: speaks('openai-chat'),
    without: finished('error', 'content-filter'),
  },
  {
    why: 'A Responses client looks for a refusal among the parts: where the provider refuses without a word, there is one.',
    applies: speaks('openai-responses'),
    without: each((choice) =>
      choice.finish === 'refusal' && choice.text + choice.refusal === '' && choice.calls.length === 0
        ? { ...choice, refusal: 'The model refused to answer.' }
        : choice,
    ),
  },
  {
    why: 'The Vercel AI SDK has no refusals: their words are text.',
    applies: isVercel,
    without: each((choice) => ({ ...choice, text: choice.text + choice.refusal, refusal: '' })),
  },
  {
    why: 'Only Anthropic has a word for a refusal without refusing words; others say that the answer was filtered.',
    applies: (where) => (converted(where) && where.clientFormat !== 'anthropic') || isVercel(where),
    without: each((choice) =>
      choice.finish === 'refusal' && choice.refusal === '' ? { ...choice, finish: 'content-filter' } : choice,
    ),
  },
  {
    why: 'Anthropic has no word for a filtered answer but refusal.',
    applies: (where) => speaks('anthropic')(where) && !isVercel(where),
    without: finished('content-filter', 'refusal'),
  },
  {
    why: "An end of another kind (Anthropic's pause_turn, which asks to be continued) is an end where the format knows no other.",
    applies: (where) => speaks('openai-chat', 'openai-responses', 'anthropic')(where),
    without: finished('other', 'stop'),
  },
  {
    why: 'A reply in which there is nothing for this client (only items of the Responses API, or nothing at all) fails: another channel may answer.',
    applies: converted,
    without: (answer) =>
      answer.choices.length > 0 && answer.choices.every(isNothing) ? { ...answer, broken: 'nothing to tell' } : answer,
  },
  {
    why: 'Responses and Gemini derive "calls" from the answer: an end that claims calls without any is an end.',
    applies: speaks('openai-responses', 'gemini'),
    without: each((choice) =>
      choice.finish === 'tool-calls' && choice.calls.length === 0 ? { ...choice, finish: 'stop' } : choice,
    ),
  },
]

function finished(from: Choice['finish'], to: Choice['finish']): Loss['without'] {
  return each((choice) => (choice.finish === from ? { ...choice, finish: to } : choice))
}

const isNothing = ({ text, refusal, reasoning, calls, pictures, finish }: Choice): boolean =>
  text + refusal + reasoning === '' &&
  calls.length === 0 &&
  pictures.length === 0 &&
  (finish === 'stop' || finish === 'other')

function joined(choices: readonly Choice[]): Choice {
  const [first, ...others] = choices
  if (first === undefined) throw new Error('no answer to join')
  return others.reduce(
    (sum, { text, calls, finish }) => ({ ...sum, text: sum.text + text, calls: [...sum.calls, ...calls], finish }),
    first,
  )
}

/** Not a loss of ours: the client reads the provider's own bytes in the same way when no gateway is between. */
export const clientsOwn = 'The client reads the recording so without the gateway as well.'
