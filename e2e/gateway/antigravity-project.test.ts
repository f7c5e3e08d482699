import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { recorded } from '../fake-upstream/index.ts'
import { object, parse, text } from '../fake-upstream/json.ts'
import { send } from './http.ts'
import {
  addressOf,
  channel,
  emptyProvision,
  gatewayKey,
  plainBody,
  startWorld,
  upstreamKey,
  type World,
} from './world.ts'

// antigravity-1: the envelope of a converted request has a project, which only the account's host knows.

const reply = recorded('antigravity', 'agw-gcli-context-compress-interactive-compress-1')

/** A host that knows no accounts at all. */
const asked: { readonly path: string; readonly project: string }[] = []
const plain = createServer((request, response) => {
  const parts: Buffer[] = []
  request.on('data', (part: Buffer) => parts.push(part))
  request.on('end', () => {
    const { project } = object(parse(Buffer.concat(parts).toString('utf8')))
    const path = request.url ?? ''
    asked.push({ path, project: text(project) })
    const knows = path.includes('enerateContent')
    response.writeHead(knows ? reply.status : 404, knows ? reply.headers : {})
    response.end(knows ? reply.body : '')
  })
})

let world: World
beforeAll(async () => {
  await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve))
  const { port } = plain.address() as AddressInfo
  world = await startWorld((upstream) => {
    const provision = emptyProvision()
    const plainChannel = {
      ...channel(upstream, 'antigravity', { name: 'plain', models: ['m'] }),
      endpoints: [{ format: 'antigravity', baseUrl: `http://127.0.0.1:${port}` }],
      keys: [upstreamKey('antigravity', 'plain')],
    }
    provision.channels.push(channel(upstream, 'antigravity', { name: 'google', models: ['m'] }), plainChannel)
    for (const name of ['google', 'plain']) provision.groups.push({ name, items: [{ channel: name, model: 'm' }] })
    return provision
  })
})
beforeEach(() => {
  world.upstream.reset()
  world.upstream.on('m', { ...reply, lenient: false })
  asked.length = 0
})
afterAll(async () => {
  await world.close()
  plain.close()
})

async function ask(format: 'openai-chat' | 'antigravity', model: string): Promise<number> {
  const { status } = await send(`${world.gateway.url}${addressOf(format, { model, stream: true })}`, {
    headers: { authorization: `Bearer ${gatewayKey}`, 'content-type': 'application/json' },
    body: JSON.stringify(plainBody(format, { model, stream: true })),
  })
  return status
}

test('antigravity-1: a converted request names the project of the account, which is looked up once', async () => {
  expect([await ask('openai-chat', 'google'), await ask('openai-chat', 'google')]).toEqual([200, 200])
  expect(world.upstream.violations()).toEqual([])
  const received = world.upstream.requests.map(({ path, json }) => [path, json.project])
  expect(received).toEqual([
    ['/v1internal:loadCodeAssist', undefined],
    ['/v1internal:streamGenerateContent?alt=sse', 'fake-project'],
    ['/v1internal:streamGenerateContent?alt=sse', 'fake-project'],
  ])
})

test("antigravity-1: a client's own envelope keeps its project", async () => {
  expect(await ask('antigravity', 'google')).toBe(200)
  expect(world.upstream.requests.map(({ json }) => json.project)).toEqual(['p'])
})

test('antigravity-1: a host that names no project gets the request without one, and is not asked again', async () => {
  expect([await ask('openai-chat', 'plain'), await ask('openai-chat', 'plain')]).toEqual([200, 200])
  const path = '/v1internal:streamGenerateContent?alt=sse'
  expect(asked).toEqual([
    { path: '/v1internal:loadCodeAssist', project: '' },
    { path, project: '' },
    { path, project: '' },
  ])
})
