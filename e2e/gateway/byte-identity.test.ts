import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { recorded, recordedCases, wireFormats, type Chunking, type RecordedCase } from '../fake-upstream/index.ts'
import { send, type Heard } from './http.ts'
import {
  addressOf,
  channel,
  emptyProvision,
  gatewayKey,
  keyHeader,
  plainBody,
  readError,
  startWorld,
  type World,
} from './world.ts'

// Same format on both sides: the gateway is a pipe. What the provider sent is what the client gets, to the byte.

const nameOf = ({ format, id }: RecordedCase): string => `${format}/${id}`
const label = (one: RecordedCase): { name: string; one: RecordedCase } => ({ name: nameOf(one), one })

/** Upstream refusals that the gateway answers for itself: the client's own key was fine. */
const aboutTheKey = (one: RecordedCase): boolean => [401, 402, 403].includes(one.status)

let world: World
beforeAll(async () => {
  world = await startWorld((upstream) => {
    const provision = emptyProvision()
    for (const format of wireFormats) {
      const cases = recordedCases.filter((one) => one.format === format)
      const good = cases.filter((one) => one.status === 200)
      provision.channels.push(channel(upstream, format, { name: format, models: good.map(({ id }) => `case:${id}`) }))
      for (const one of good)
        provision.groups.push({ name: nameOf(one), items: [{ channel: format, model: `case:${one.id}` }] })
      // A refusal may cool or suspend its key: each has a channel of its own.
      for (const one of cases.filter(({ status }) => status !== 200)) {
        const name = `${format}-${one.id}`
        provision.channels.push(channel(upstream, format, { name, models: [`case:${one.id}`] }))
        provision.groups.push({ name: nameOf(one), items: [{ channel: name, model: `case:${one.id}` }] })
      }
    }
    return provision
  })
})
afterAll(() => world.close())

/** The recorded request, oddly spaced so that a re-written body would show. */
function bodyFor(one: RecordedCase, model: string): string {
  const { format, stream } = one
  const base = one.request() ?? plainBody(format, { model, stream })
  const named = format === 'gemini' || format === 'antigravity' ? { ...base } : { ...base, stream }
  if (format !== 'gemini') Object.assign(named, { model })
  return `\n ${JSON.stringify(named, null, '\t ')} \n`
}

async function relay(one: RecordedCase, chunking: Chunking): Promise<Heard> {
  const { format, stream } = one
  const model = nameOf(one)
  world.upstream.on(`case:${one.id}`, recorded(format, one.id, { chunking, lenient: true }))
  return send(`${world.gateway.url}${addressOf(format, { model, stream })}`, {
    headers: { 'content-type': 'application/json', ...keyHeader(format, gatewayKey) },
    body: bodyFor(one, model),
  })
}

function expectIdentical(heard: Heard, one: RecordedCase): void {
  expect(heard.status).toBe(one.status)
  expect(heard.body.toString('utf8')).toBe(one.reply().toString('utf8'))
  expect(heard.body.equals(one.reply())).toBe(true)
  expect(heard.headers['content-type']).toBe(recorded(one.format, one.id).headers['content-type'])
}

const good = recordedCases.filter((one) => one.status === 200 && !one.cut)

describe('a recorded answer arrives as it was sent', () => {
  test.each(good.map(label))('$name', async ({ one }) => {
    expectIdentical(await relay(one, { random: one.id.length }), one)
  })
})

describe('also one byte at a time', () => {
  const small = good.filter((one) => one.stream && one.reply().length < 20_000)
  const sample = wireFormats.flatMap((format) => small.filter((one) => one.format === format).slice(0, 6))
  test.each(sample.map(label))('$name', async ({ one }) => {
    expectIdentical(await relay(one, { bytes: 1 }), one)
  })
})

describe('also event by event', () => {
  const streams = wireFormats.flatMap((format) => good.filter((one) => one.stream && one.format === format).slice(-8))
  test.each(streams.map(label))('$name', async ({ one }) => {
    expectIdentical(await relay(one, 'event'), one)
  })
})

describe('a refusal arrives in the words of the provider', () => {
  const refusals = recordedCases.filter((one) => one.status !== 200 && !aboutTheKey(one))
  test.each(refusals.map(label))('$name', async ({ one }) => {
    expectIdentical(await relay(one, 'whole'), one)
  })
})

describe('a refused channel key is not the fault of the client', () => {
  test.each(recordedCases.filter(aboutTheKey).map(label))('$name', async ({ one }) => {
    const heard = await relay(one, 'whole')
    expect(heard.status).toBe(502)
    expect(readError(one.format, heard.body.toString('utf8')).message).not.toBe('')
  })
})

describe('the provider gets what the client sent, apart from the model', () => {
  const asked = wireFormats.flatMap((format) =>
    good.filter((one) => one.format === format && one.request() !== undefined).slice(0, 40),
  )
  test.each(asked.map(label))('$name', async ({ one }) => {
    world.upstream.reset()
    await relay(one, 'whole')
    const received = world.upstream.requests.filter(({ target }) => target?.operation === 'generate')
    expect(received).toHaveLength(1)
    const body = received[0]?.body.toString('utf8') ?? ''
    const sent = bodyFor(one, nameOf(one)).replace(JSON.stringify(nameOf(one)), JSON.stringify(`case:${one.id}`))
    expect(body).toBe(sent)
    expect(world.upstream.requests.flatMap(({ leaks }) => leaks)).toEqual([])
    expect(received[0]?.target?.model).toBe(`case:${one.id}`)
  })
})
