import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Usage } from '../model/response.ts'
import type { PriceRow, TokenPrices } from '../store/configuration.ts'
import { Catalogue, namesOf } from './catalogue.ts'
import { catalogueFrom } from './models-dev.ts'
import { PriceBook, cost, type Price, type PriceQuestion } from './pricing.ts'

/** USD per million tokens, as price lists print them. */
function prices(usd: Partial<Record<keyof TokenPrices, number>>): TokenPrices {
  const of = (kind: keyof TokenPrices): number | null => {
    const price = usd[kind]
    return price === undefined ? null : Math.round(price * 1e9)
  }
  return {
    input: of('input'),
    output: of('output'),
    cacheRead: of('cacheRead'),
    cacheWrite5m: of('cacheWrite5m'),
    cacheWrite1h: of('cacheWrite1h'),
    reasoning: of('reasoning'),
  }
}

function price(tokens: TokenPrices, rest: Partial<Price> = {}): Price {
  return {
    source: 'default',
    vendor: null,
    matchedModel: 'm',
    asOf: null,
    tokens,
    tiers: [],
    perRequestNanoUsd: 0,
    ...rest,
  }
}

const used = (usage: Partial<Usage>): Usage => ({
  input: 0,
  cacheRead: 0,
  cacheWrite5m: 0,
  cacheWrite1h: 0,
  output: 0,
  ...usage,
})

const sonnet = price(prices({ input: 3, output: 15, cacheRead: 0.3, cacheWrite5m: 3.75, cacheWrite1h: 6 }))
const gpt5 = price(prices({ input: 1.25, output: 10, cacheRead: 0.125 }))
const geminiPro = price(prices({ input: 1.25, output: 10, cacheRead: 0.125 }), {
  tiers: [{ abovePromptTokens: 200_000, tokens: prices({ input: 2.5, output: 15, cacheRead: 0.25 }) }],
})
const plain = price(prices({ input: 1, output: 2 }))
const thinking = price(prices({ input: 0.4, output: 1.2, reasoning: 4 }))

describe('cost, in USD worked by hand', () => {
  test.each<[what: string, usage: Partial<Usage>, price: Price, multiplier: number, usd: number | null]>([
    ['nothing used', {}, sonnet, 1, 0],
    ['Anthropic: input and output', { input: 1000, output: 500 }, sonnet, 1, 0.003 + 0.0075],
    ['Anthropic: cache read', { input: 12, cacheRead: 100_000, output: 1 }, sonnet, 1, 0.000036 + 0.03 + 0.000015],
    ['Anthropic: write for 5 minutes', { cacheWrite5m: 10_000 }, sonnet, 1, 0.0375],
    ['Anthropic: write for an hour', { cacheWrite1h: 10_000 }, sonnet, 1, 0.06],
    ['Anthropic: both writes', { cacheWrite5m: 456, cacheWrite1h: 100 }, sonnet, 1, 0.00171 + 0.0006],
    ['OpenAI: cached input', { input: 500, cacheRead: 1536, output: 300 }, gpt5, 1, 0.000625 + 0.000192 + 0.003],
    ['OpenAI: reasoning is output', { output: 1000, reasoning: 900 }, gpt5, 1, 0.01],
    ['Gemini: up to 200k', { input: 200_000, output: 1000 }, geminiPro, 1, 0.25 + 0.01],
    ['Gemini: one above 200k', { input: 200_001, output: 1000 }, geminiPro, 1, 0.5000025 + 0.015],
    ['Gemini: cached tokens are prompt', { input: 1, cacheRead: 200_000 }, geminiPro, 1, 0.0000025 + 0.05],
    ['Gemini: a long answer is no long prompt', { input: 10, output: 300_000 }, geminiPro, 1, 0.0000125 + 3],
    ['reasoning with its own price', { output: 1000, reasoning: 400 }, thinking, 1, 0.00072 + 0.0016],
    ['more reasoning than output counts as output', { output: 10, reasoning: 50 }, thinking, 1, 0.00004],
    ['per request', {}, price(prices({}), { perRequestNanoUsd: 40_000_000 }), 1, 0.04],
    ['per request and tokens', { input: 1e6 }, { ...plain, perRequestNanoUsd: 5_000_000 }, 1, 1.005],
    ['multiplier', { input: 1000, output: 500 }, sonnet, 0.8, 0.0084],
    ['multiplier on the price per request', {}, { ...plain, perRequestNanoUsd: 1_000_000 }, 2, 0.002],
    ['multiplier 0', { input: 1000 }, sonnet, 0, 0],
    ['0 is a price', { input: 1e6, output: 1e6, cacheRead: 5 }, price(prices({ input: 0, output: 0 })), 1, 0],
    ['no cache prices: as input', { cacheRead: 1e6, cacheWrite5m: 1e6, cacheWrite1h: 1e6 }, plain, 1, 3],
    [
      'no price of an hour: as 5 minutes',
      { cacheWrite1h: 1e6 },
      price(prices({ input: 1, cacheWrite5m: 1.25 })),
      1,
      1.25,
    ],
    ['no output price', { input: 10, output: 1 }, price(prices({ input: 1 })), 1, null],
    ['no output price, no output', { input: 1e6 }, price(prices({ input: 1 })), 1, 1],
    ['no input price', { input: 1 }, price(prices({ output: 1 })), 1, null],
    ['no input price, cached alone', { cacheRead: 1e6 }, price(prices({ cacheRead: 1 })), 1, 1],
    ['no prices at all', { input: 1 }, price(prices({})), 1, null],
    ['a tier without cache price keeps the base', { input: 200_001, cacheRead: 1e6 }, tierless(), 1, 0.400002 + 0.1],
    ['the highest tier that is exceeded', { input: 300_000 }, threeTiers(), 1, 0.9],
    ['a tier between', { input: 128_001 }, threeTiers(), 1, 0.256002],
  ])('%s', (...[, usage, price, multiplier, usd]) => {
    expect(cost(used(usage), price, multiplier)).toBe(usd === null ? null : Math.round(usd * 1e9))
  })

  test('is rounded once, at the end', () => {
    // each kind alone would be 0.4 nano-USD
    const tiny: TokenPrices = { ...prices({}), input: 400_000, output: 400_000, cacheRead: 400_000 }
    expect(cost(used({ input: 1, output: 1, cacheRead: 1 }), price(tiny), 1)).toBe(1)
    expect(cost(used({ input: 1 }), price(tiny), 1)).toBe(0)
  })

  function tierless(): Price {
    const tiers = [{ abovePromptTokens: 200_000, tokens: prices({ input: 2 }) }]
    return price(prices({ input: 1, cacheRead: 0.1 }), { tiers })
  }
  function threeTiers(): Price {
    const tiers = [
      { abovePromptTokens: 128_000, tokens: prices({ input: 2 }) },
      { abovePromptTokens: 256_000, tokens: prices({ input: 3 }) },
    ]
    return price(prices({ input: 1 }), { tiers })
  }
})

const list = new Catalogue(() =>
  JSON.stringify(
    catalogueFrom(
      {
        reseller: {
          models: { 'gpt-5': { cost: { input: 9, output: 9 } }, 'only-here-v2': { cost: { input: 7, output: 7 } } },
        },
        copilot: {
          models: { 'gpt-5': { cost: { input: 0, output: 0 } }, 'plan-model': { cost: { input: 0, output: 0 } } },
        },
        openrouter: {
          models: {
            'anthropic/claude-sonnet-4.5': { cost: { input: 3, output: 15 } },
            'meta/llama-3.3:free': { cost: { input: 0, output: 0 } },
            'vendor/depends': { cost: { input: -1, output: -1 } },
          },
        },
        openai: { models: { 'gpt-5': { cost: { input: 1.25, output: 10, cache_read: 0.125 } }, 'no-cost': {} } },
        anthropic: {
          models: {
            'claude-sonnet-4-5': { cost: { input: 3, output: 15, cache_read: 0.3, cache_write: 3.75 } },
            'claude-opus-5-20260101': { cost: { input: 5, output: 25 } },
            'claude-opus-5-20260601': { cost: { input: 4, output: 20 } },
          },
        },
        google: {
          models: {
            'gemini-2.5-pro': {
              cost: {
                input: 1.25,
                output: 10,
                tiers: [{ input: 2.5, output: 15, tier: { type: 'context', size: 200_000 } }],
              },
            },
          },
        },
      },
      { source: 'a test', date: '2026-09-28', licence: 'none' },
    ),
  ),
)

const row = (channelId: number | null, model: string, input: number): PriceRow => ({
  id: input,
  channelId,
  model,
  tokens: prices({ input, output: input }),
  tiers: [],
  perRequestNanoUsd: 0,
})

describe('lookup', () => {
  const book = new PriceBook([row(5, 'gpt-5', 100), row(null, 'gpt-5', 200), row(null, 'mine', 0)], list)

  test.each<[what: string, PriceQuestion, found: [source: string, vendor: string | null, input: number] | null]>([
    ['the channel’s own price', { channelId: 5, vendor: 'openai', model: 'gpt-5' }, ['channel', null, 100]],
    ['the default on another channel', { channelId: 6, vendor: 'openai', model: 'gpt-5' }, ['default', null, 200]],
    ['the default without a channel', { channelId: null, vendor: null, model: 'gpt-5' }, ['default', null, 200]],
    ['a default of 0', { channelId: 5, vendor: null, model: 'mine' }, ['default', null, 0]],
    ['unknown', { channelId: 5, vendor: 'openai', model: 'gpt-99' }, null],
  ])('%s', (_, question, found) => {
    const price = book.lookup(question)
    expect(price && [price.source, price.vendor, price.tokens.input]).toEqual(
      found && [...found.slice(0, 2), found[2] * 1e9],
    )
    expect(book.lookup(question)).toBe(price)
  })

  const bare = new PriceBook([], list)
  test.each<[what: string, vendor: string | null, model: string, found: [vendor: string, model: string] | null]>([
    ['the vendor of the channel', 'reseller', 'gpt-5', ['reseller', 'gpt-5']],
    ['the vendor’s own 0 is believed', 'copilot', 'gpt-5', ['copilot', 'gpt-5']],
    ['without a vendor the maker', null, 'gpt-5', ['openai', 'gpt-5']],
    ['with a vendor that does not list it', 'anthropic', 'gpt-5', ['openai', 'gpt-5']],
    ['only at a reseller', null, 'only-here-v2', ['reseller', 'only-here-v2']],
    ['somebody’s flat rate makes nothing free', null, 'plan-model', null],
    ['free by its own name', null, 'meta/llama-3.3:free', ['openrouter', 'meta/llama-3.3:free']],
    ['the free variant of a paid model is not the paid one', null, 'gpt-5:free', null],
    ['a vendor’s prefix', null, 'openai/gpt-5', ['openai', 'gpt-5']],
    ['a long prefix', null, 'accounts/fireworks/models/gpt-5', ['openai', 'gpt-5']],
    ['Gemini’s models/', 'google', 'models/gemini-2.5-pro', ['google', 'gemini-2.5-pro']],
    ['case', null, 'GPT-5', ['openai', 'gpt-5']],
    ['a date', null, 'gpt-5-2025-08-07', ['openai', 'gpt-5']],
    ['a date at the end of a Claude', 'anthropic', 'claude-sonnet-4-5-20250929', ['anthropic', 'claude-sonnet-4-5']],
    ['Vertex’s date', null, 'claude-sonnet-4-5@20250929', ['anthropic', 'claude-sonnet-4-5']],
    ['Bedrock’s name', null, 'us.anthropic.claude-sonnet-4-5-20250929-v1:0', ['anthropic', 'claude-sonnet-4-5']],
    ['dot or dash', 'anthropic', 'claude-sonnet-4.5', ['anthropic', 'claude-sonnet-4-5']],
    ['undated: the latest', null, 'claude-opus-5', ['anthropic', 'claude-opus-5-20260601']],
    ['-latest', null, 'claude-opus-5-latest', ['anthropic', 'claude-opus-5-20260601']],
    ['within the vendor first', 'openrouter', 'claude-sonnet-4-5', ['anthropic', 'claude-sonnet-4-5']],
    ['another size is another model', null, 'gpt-5:8b', null],
    ['without cost', 'openai', 'no-cost', null],
    ['a price that depends', 'openrouter', 'vendor/depends', null],
    ['nothing', null, '', null],
  ])('catalogue: %s', (...[, vendor, model, found]) => {
    const price = bare.lookup({ channelId: 1, vendor, model })
    expect(price && [price.vendor, price.matchedModel]).toEqual(found)
    if (price !== null) expect(price).toMatchObject({ source: 'models.dev', asOf: Date.UTC(2026, 8, 28) })
  })

  test('all that models.dev says of a price is kept', () => {
    expect(bare.lookup({ channelId: 1, vendor: 'anthropic', model: 'claude-sonnet-4-5' })?.tokens).toEqual(
      prices({ input: 3, output: 15, cacheRead: 0.3, cacheWrite5m: 3.75, cacheWrite1h: 6 }),
    )
    expect(bare.lookup({ channelId: 1, vendor: 'google', model: 'gemini-2.5-pro' })?.tiers).toEqual([
      { abovePromptTokens: 200_000, tokens: prices({ input: 2.5, output: 15 }) },
    ])
  })
})

test.each([
  ['gpt-4o-2024-08-06', ['gpt-4o-2024-08-06', 'gpt-4o']],
  ['qwen-max-0125', ['qwen-max-0125']],
  ['kimi-k2-0905-preview', ['kimi-k2-0905-preview']],
  ['mistral-large-2411', ['mistral-large-2411', 'mistral-large']],
  ['claude-opus-5:thinking', ['claude-opus-5']],
  ['llama3:70b', ['llama3:70b']],
  ['o3', ['o3']],
])('%s is also looked for as %j', (id, names) => expect(namesOf(id)).toEqual(names))

test.each([
  ['no object', null],
  ['an error page', { error: 'not found' }],
  ['a catalogue without OpenAI', { anthropic: { models: { a: { cost: { input: 1 } } } } }],
  ['a catalogue without prices', { openai: { models: {} }, anthropic: { models: {} } }],
])('%s does not pass for a catalogue', (_, api) =>
  expect(() => catalogueFrom(api, { source: '', date: '', licence: '' })).toThrow(TypeError),
)

test('the shipped snapshot knows today’s models', () => {
  const file = path.join(import.meta.dirname, '../../resources/prices.json')
  let reads = 0
  const shipped = new Catalogue(() => {
    reads++
    return readFileSync(file, 'utf8')
  })
  const book = new PriceBook([], shipped)
  expect(reads).toBe(0)
  for (const [vendor, model] of [
    ['openai', 'gpt-5'],
    ['anthropic', 'claude-sonnet-4-5'],
    ['google', 'gemini-2.5-pro'],
    ['deepseek', 'deepseek-chat'],
    ['openrouter', 'anthropic/claude-sonnet-4.5'],
    [null, 'claude-haiku-4-5-20251001'],
  ] as const) {
    const price = book.lookup({ channelId: 1, vendor, model })
    expect(cost(used({ input: 1000, cacheRead: 1000, output: 1000 }), price!, 1)).toBeGreaterThan(0)
  }
  expect(reads).toBe(1)
  expect(shipped.source).toContain('models.dev')
})
