import { describe, expect, it } from 'vitest'
import { ContractError } from '../contract/define.ts'
import type { CallContext, Handlers } from '../contract/index.ts'
import { createDispatch } from './dispatch.ts'

const context: CallContext = {
  via: 'ipc',
  signal: new AbortController().signal,
  remoteAddress: '',
  userAgent: '',
  sessionId: null,
  grant: () => undefined,
}

/** Only the handlers that a case needs; any other call is a mistake of the test and fails loudly. */
function dispatchTo(handlers: Partial<Handlers>) {
  const logged: Readonly<Record<string, unknown>>[] = []
  const dispatch = createDispatch(handlers as Handlers, { error: (fields) => logged.push(fields) })
  return { logged, call: (name: string, input: unknown) => dispatch(name, input, context) }
}

describe('dispatch', () => {
  it('gives the handler what the row makes of the input', async () => {
    const seen: unknown[] = []
    const { call } = dispatchTo({
      'log.list': (query) => {
        seen.push(query)
        return Promise.resolve({ rows: [], next: null })
      },
    })
    expect(await call('log.list', { limit: '20', stream: 'true', from: '5' })).toEqual({
      ok: true,
      output: { rows: [], next: null },
    })
    expect(seen).toEqual([{ limit: 20, stream: true, from: 5 }])
  })

  it('lets nothing out that the row does not name', async () => {
    const secretive = { models: ['m'], apiKey: 'sk-secret' }
    const { call } = dispatchTo({ 'channel.fetchModels': () => Promise.resolve(secretive) })
    expect(await call('channel.fetchModels', { id: 1 })).toEqual({ ok: true, output: { models: ['m'] } })
  })

  it.each([
    ['an unknown call', 'channel.explode', {}, { code: 'not_found' }],
    ['a name of every object', 'toString', {}, { code: 'not_found' }],
    [
      'a missing field',
      'channel.get',
      {},
      { code: 'invalid_input', issues: [{ path: 'id', message: 'must be a number' }] },
    ],
    [
      'a field deep inside',
      'channel.create',
      { name: 'a', type: 'openai-chat', endpoints: [{ format: 'anthropic', baseUrl: 'ftp://x' }] },
      {
        code: 'invalid_input',
        issues: [{ path: 'endpoints[0].baseUrl', message: expect.stringContaining('http://') as string }],
      },
    ],
    [
      'no object',
      'channel.create',
      'text',
      { code: 'invalid_input', issues: [{ path: '', message: 'must be an object, not a string' }] },
    ],
  ])('refuses %s without asking the handler', async (...[, name, input, error]) => {
    const { call, logged } = dispatchTo({})
    expect(await call(name, input)).toMatchObject({ ok: false, error })
    expect(logged).toEqual([])
  })

  it('passes a refusal on in its own words', async () => {
    const { call, logged } = dispatchTo({
      'channel.get': () => Promise.reject(new ContractError('not_found', 'there is no channel 7')),
    })
    expect(await call('channel.get', { id: '7' })).toEqual({
      ok: false,
      error: { code: 'not_found', message: 'there is no channel 7' },
    })
    expect(logged).toEqual([])
  })

  it('tells a defect to the log and not to the caller', async () => {
    const { call, logged } = dispatchTo({
      'channel.get': () => Promise.reject(new Error('password=hunter2 at /srv/secret')),
    })
    const answer = await call('channel.get', { id: 7 })
    expect(answer).toMatchObject({ ok: false, error: { code: 'internal' } })
    expect(JSON.stringify(answer)).not.toMatch(/hunter2|srv/)
    expect(logged).toMatchObject([{ call: 'channel.get', err: { message: 'password=hunter2 at /srv/secret' } }])
  })

  it('treats an answer outside the contract as a defect', async () => {
    const { call, logged } = dispatchTo({
      'apiKey.reveal': () => Promise.resolve({ key: 5 as unknown as string }),
    })
    expect(await call('apiKey.reveal', { id: 1 })).toMatchObject({ ok: false, error: { code: 'internal' } })
    expect(logged).toMatchObject([{ call: 'apiKey.reveal', issues: [{ path: 'key' }] }])
  })
})
