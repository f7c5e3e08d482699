import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { ChannelCreate } from './channels.ts'
import { GroupCreate } from './groups.ts'
import { contract } from './index.ts'
import { check, summarise } from './issues.ts'
import { SettingsPatch } from './settings.ts'

const channel = { name: 'a', type: 'openai-chat' }

describe('check', () => {
  it.each<[string, z.ZodType, unknown, string]>([
    ['a missing field', ChannelCreate, { type: 'x' }, 'name is required'],
    ['no object at all', ChannelCreate, [], 'must be an object, not an array'],
    ['null', ChannelCreate, null, 'must be an object, not null'],
    ['a wrong type', ChannelCreate, { ...channel, name: 5 }, 'name must be a string, not a number'],
    ['an empty name', ChannelCreate, { ...channel, name: '  ' }, 'name must not be empty'],
    [
      'a nested field',
      ChannelCreate,
      {
        ...channel,
        endpoints: [
          { format: 'anthropic', baseUrl: 'https://a.example' },
          { format: 'anthropic', baseUrl: 'nope' },
        ],
      },
      'endpoints[1].baseUrl must be an http:// or https:// address',
    ],
    [
      'a wire format that does not exist',
      ChannelCreate,
      { ...channel, endpoints: [{ format: 'grpc', baseUrl: 'https://a.example' }] },
      'endpoints[0].format must be "openai-chat" or "openai-responses" or "anthropic" or "gemini" or "antigravity"',
    ],
    [
      'a header action',
      ChannelCreate,
      { ...channel, headers: [{ action: 'add', name: 'x' }] },
      'headers[0].action must',
    ],
    [
      'too small a number',
      GroupCreate,
      { name: 'g', items: [{ channelId: 1, model: 'm', priority: 0 }] },
      'items[0].priority must be at least 1',
    ],
    [
      'a fraction',
      GroupCreate,
      { name: 'g', items: [{ channelId: 1.5, model: 'm' }] },
      'items[0].channelId must be a whole number',
    ],
    ['an unknown field', SettingsPatch, { relay: { maxAttemps: 3 } }, 'relay.maxAttemps is not a known field'],
    ['a number in a query', contract['log.list'].input, { limit: 'many' }, 'limit must be a number'],
    ['a range in a query', contract['log.list'].input, { limit: '501' }, 'limit must be at most 500'],
    ['an odd field name', z.record(z.string(), z.number()), { 'a b': 'x' }, '["a b"] must be a number, not a string'],
  ])('%s', (...[, schema, input, said]) => {
    const checked = check(schema, input)
    expect(checked.ok).toBe(false)
    if (!checked.ok) expect(summarise(checked.issues)).toContain(said)
  })

  it('follows the alternative that was meant', () => {
    const Key = z.union([z.string(), z.strictObject({ secret: z.string(), note: z.string().optional() })])
    const said = (input: unknown) => {
      const checked = check(z.object({ keys: z.array(Key) }), { keys: [input] })
      return checked.ok ? '' : summarise(checked.issues)
    }
    expect(said({ secret: 5 })).toBe('keys[0].secret must be a string, not a number')
    expect(said({ secret: 's', notes: 'n' })).toBe('keys[0].notes is not a known field')
    expect(said(5)).toBe('keys[0] has none of the shapes allowed here')
  })

  it('tells many issues briefly', () => {
    const checked = check(z.array(z.string()), [1, 2, 3, 4, 5, 6, 7])
    expect(checked.ok ? '' : summarise(checked.issues)).toMatch(/and 2 more$/)
  })
})
