import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { agentSession, agentSessions, recorded, recordedCases, wireFormats } from '../fake-upstream/index.ts'
import { send } from './http.ts'
import { channel, emptyProvision, gatewayKey, startWorld, upstreamKey, type World } from './world.ts'

// What the coding agents send, as far as its shape goes, reaches a channel of their own format untouched and valid. One channel
// offers all formats here: the one of the client is chosen.

const publicModels = new Set(agentSessions.map((name) => modelOf(name)))
function modelOf(name: string): string {
  const { path, body } = agentSession(name)
  return /\/models\/([^:]+):/.exec(path)?.[1] ?? String(body['model'])
}

let world: World
beforeAll(async () => {
  world = await startWorld((upstream) => {
    const provision = emptyProvision()
    const dialects = wireFormats.filter((format) => format !== 'antigravity')
    provision.channels.push(
      {
        name: 'all',
        type: 'openai-chat',
        endpoints: dialects.map((format) => ({ format, baseUrl: upstream.baseUrl(format, 'all') })),
        keys: [upstreamKey('openai-chat', 'all')],
        models: ['real-model'],
      },
      channel(upstream, 'antigravity', { name: 'google', models: ['real-model'] }),
    )
    for (const model of publicModels) {
      provision.groups.push({ name: model, items: [{ channel: 'all', model: 'real-model' }] })
      provision.groups.push({ name: `google-${model}`, items: [{ channel: 'google', model: 'real-model' }] })
    }
    return provision
  })
})
beforeEach(() => {
  world.upstream.reset()
  world.upstream.on('real-model', ({ target }) => {
    const one = recordedCases.find(
      ({ format, stream, status }) => format === target?.format && stream === target.stream && status === 200,
    )
    return { ...recorded(target?.format ?? 'openai-chat', one?.id ?? ''), lenient: false }
  })
})
afterAll(() => world.close())

test.each(agentSessions)('%s', async (name) => {
  const { path, headers, body } = agentSession(name)
  const model = modelOf(name)
  const wrapped = path.includes('v1internal')
  const sent = JSON.stringify(wrapped ? { ...body, model: `google-${model}` } : body, null, 1)
  const heard = await send(`${world.gateway.url}${path}`, {
    headers: { ...headers, authorization: `Bearer ${gatewayKey}` },
    body: sent,
  })
  expect(heard.status, heard.body.toString('utf8').slice(0, 300)).toBe(200)

  const received = world.upstream.requests.at(-1) ?? expect.fail('nothing arrived')
  expect(received.violations).toEqual([])
  expect(received.target?.model).toBe('real-model')
  const named = `"model": "${wrapped ? 'google-' : ''}${model}"`
  expect(received.body.toString('utf8')).toBe(sent.replace(named, '"model": "real-model"'))
  // Betas, versions and the vendor's own session ids mean something to the vendor; what is about the client's machine does not.
  for (const [header, value] of Object.entries(headers)) {
    if (/^anthropic-(beta|version)$/.test(header)) expect(received.headers[header]).toBe(value)
    if (/^x-amp|^x-app$|^x-stainless|privileged|^x-session/.test(header))
      expect(received.headers[header]).not.toBe(value)
  }
})
