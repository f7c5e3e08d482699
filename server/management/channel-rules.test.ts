import { describe, expect, it } from 'vitest'
import { ChannelCreate, type ChannelRow, type ChannelUpdate } from '../contract/channels.ts'
import { summarise } from '../contract/issues.ts'
import {
  addressProblem,
  channelChangeIssues,
  newChannelIssues,
  withDefaults,
  type ChannelRules,
} from './channel-rules.ts'

const rules: ChannelRules = {
  listener: { port: 8080, hosts: ['127.0.0.1', 'box.lan', 'fd00::7'] },
  riskAccepted: false,
}

describe('addresses', () => {
  it.each([
    'https://api.openai.com/v1',
    'http://127.0.0.1:11434/v1',
    'http://localhost:8081',
    'http://192.168.1.9:8080/v1',
    'http://box.lan:1234/v1',
    'https://box.lan/v1',
    'http://example.com:8080/whole/address##',
  ])('%s is legitimate', (url) => {
    expect(addressProblem(url, rules.listener)).toBeNull()
  })

  it.each([
    ['http://127.0.0.1:8080/v1', /this gateway itself/],
    ['http://localhost:8080', /this gateway itself/],
    ['http://LOCALHOST:8080', /this gateway itself/],
    ['http://localhost.:8080', /this gateway itself/],
    ['http://octopus.localhost:8080', /this gateway itself/],
    ['http://127.9.9.9:8080/##', /this gateway itself/],
    ['http://2130706433:8080/', /this gateway itself/],
    ['http://[::1]:8080/v1', /this gateway itself/],
    ['http://[::ffff:127.0.0.1]:8080/v1', /this gateway itself/],
    ['http://0.0.0.0:8080/v1', /this gateway itself/],
    ['http://box.lan:8080/v1', /this gateway itself/],
    ['http://[fd00::7]:8080/v1', /this gateway itself/],
    ['http://169.254.169.254/latest', /metadata/],
    ['http://0xa9fea9fe/latest', /metadata/],
    ['http://[::ffff:169.254.169.254]/', /metadata/],
    ['http://[fd00:ec2::254]/', /metadata/],
    ['http://100.100.100.200/', /metadata/],
    ['http://metadata.google.internal/computeMetadata', /metadata/],
    ['http://Metadata.Google.Internal./', /metadata/],
    ['https://your-resource.openai.azure.com/openai/v1', /your own resource/],
  ])('%s is refused', (url, why) => {
    expect(addressProblem(url, rules.listener)).toMatch(why)
  })
})

const given = (fields: object) =>
  ChannelCreate.parse({ name: 'a', type: 'openai-chat', keys: [{ secret: 'sk-1' }], ...fields })
const said = (fields: object, more: Partial<ChannelRules> = {}) =>
  summarise(newChannelIssues(given(fields), { ...rules, ...more }))

describe('new channels', () => {
  it.each<[string, object, string]>([
    ['a whole one', {}, ''],
    ['no key where none is needed', { type: 'ollama', keys: [] }, ''],
    ['the demo', { type: 'demo', keys: [] }, ''],
    ['an unknown type', { type: 'openia' }, 'type must be one of openai-chat'],
    ['no key', { keys: [] }, 'keys must have at least one key'],
    ['a key without secret', { keys: [{ note: 'x' }] }, 'keys[0].secret is required'],
    ['a key of another channel', { keys: [{ id: 5, secret: 'x' }] }, 'keys[0].id is not a key of this channel'],
    ['a placeholder', { type: 'azure-openai' }, 'endpoints[0].baseUrl still names'],
    [
      'Host',
      {
        headers: [
          { action: 'set', name: 'X-Ok', value: '1' },
          { action: 'set', name: 'Host', value: 'evil' },
        ],
      },
      'headers[1].name must not be host',
    ],
    [
      'Content-Length',
      { headers: [{ action: 'set', name: 'Content-Length', value: '1' }] },
      'headers[0].name must not be content-length',
    ],
    [
      'Transfer-Encoding, removed',
      { headers: [{ action: 'remove', name: 'transfer-encoding' }] },
      'headers[0].name must not be transfer-encoding',
    ],
  ])('%s', (...[, fields, expected]) => {
    expect(said(fields).startsWith(expected) && (expected !== '' || said(fields) === '')).toBe(true)
  })

  it('must have their warning accepted, where there is one, before they are switched on', () => {
    const antigravity = { type: 'antigravity', keys: [{ secret: '1//x' }] }
    expect(said(antigravity)).toMatch(/^enabled must wait until the warning is accepted/)
    expect(said(antigravity, { riskAccepted: true })).toBe('')
    expect(said({ ...antigravity, enabled: false })).toBe('')
    expect(said({ ...antigravity, endpoints: [{ format: 'antigravity', baseUrl: 'http://127.0.0.1:9999' }] })).toBe('')
  })

  it('have the addresses of their type unless they name their own', () => {
    expect(withDefaults(given({ type: 'deepseek' })).endpoints).toEqual([
      { format: 'openai-chat', baseUrl: 'https://api.deepseek.com/v1' },
      { format: 'anthropic', baseUrl: 'https://api.deepseek.com/anthropic/v1' },
    ])
    const own = [{ format: 'openai-chat' as const, baseUrl: 'https://proxy.example/v1' }]
    expect(withDefaults(given({ type: 'deepseek', endpoints: own })).endpoints).toEqual(own)
  })
})

describe('changes', () => {
  const standing: ChannelRow = {
    ...ChannelCreate.omit({ keys: true, models: true }).parse({ name: 'a', type: 'openai-chat' }),
    id: 1,
    keys: [{ id: 5, hint: '…', enabled: true, note: '', models: null, suspendedUntil: null, lastStatus: null }],
    models: [],
    createdAt: 0,
    updatedAt: 0,
  }
  const changed = (change: Omit<ChannelUpdate, 'id'>, row = standing) =>
    summarise(channelChangeIssues(change, row, rules))

  it.each<[string, Omit<ChannelUpdate, 'id'>, string]>([
    ['a name', { name: 'b' }, ''],
    ['keys that stay', { keys: [{ id: 5, enabled: true, note: '', models: null }] }, ''],
    [
      'a key of another channel',
      { keys: [{ id: 6, enabled: true, note: '', models: null }] },
      'keys[0].id is not a key of this channel',
    ],
    ['no key left', { keys: [] }, 'keys must have at least one key: OpenAI Chat answers nobody without'],
    ['no key left, but none needed', { type: 'vllm', keys: [] }, ''],
    ['an unknown type', { type: 'x' }, 'type must be one of'],
    [
      'our own address',
      { endpoints: [{ format: 'openai-chat', baseUrl: 'http://127.0.0.1:8080/v1' }] },
      'endpoints[0].baseUrl must not be the address of this gateway',
    ],
  ])('%s', (...[, change, expected]) => {
    expect(changed(change).startsWith(expected) && (expected !== '' || changed(change) === '')).toBe(true)
  })

  it('of a type that is known no more: all but a new unknown type', () => {
    const odd = { ...standing, type: 'retired' }
    expect(changed({ enabled: false }, odd)).toBe('')
    expect(changed({ type: 'retired too' }, odd)).toMatch(/^type must be one of/)
    expect(changed({ headers: [{ action: 'remove', name: 'host' }] }, odd)).toMatch(/^headers\[0\]/)
  })
})
