import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { RelayError } from '../errors.ts'
import type { ChatRequest, MediaPart } from '../model/request.ts'
import { createUpstreamClient } from '../upstream/client.ts'
import type { Send } from '../upstream/exchange.ts'
import { createMediaFetch, withMediaBytes } from './media.ts'

const closers: (() => unknown)[] = []
let send: Send
beforeEach(() => {
  const client = createUpstreamClient()
  closers.push(() => client.close())
  send = client.send
})
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

async function serve(answer: RequestListener): Promise<string> {
  const server = createServer(answer)
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  closers.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const part = (url: string): MediaPart => ({ type: 'media', mediaType: '', source: { kind: 'url', url } })

function asking(...urls: readonly string[]): ChatRequest {
  return {
    model: 'm',
    stream: false,
    tools: [],
    sampling: {},
    messages: [
      { role: 'system', content: [] },
      { role: 'user', content: [{ type: 'text', text: 'look' }, ...urls.map(part)] },
    ],
  }
}

async function refusal(request: ChatRequest, fetched: ReturnType<typeof createMediaFetch>): Promise<RelayError> {
  const thrown: unknown = await withMediaBytes(request, () => false, fetched).then(
    () => expect.fail('nothing was refused'),
    (error: unknown) => error,
  )
  if (!(thrown instanceof RelayError)) throw thrown
  expect(thrown.kind).toBe('invalid_request')
  return thrown
}

const small = { files: 3, fileBytes: 2 * 1024 * 1024, bytes: 3 * 1024 * 1024, totalMs: 60_000 }

test('an address becomes bytes, each fetched once, over a redirect; what the target takes stays as it is', async () => {
  const asked: string[] = []
  const url = await serve((request, response) => {
    asked.push(request.url ?? '')
    if (request.url === '/old') response.writeHead(302, { location: '/new' }).end()
    else response.writeHead(200, { 'content-type': 'image/png; x=y' }).end(`bytes of ${request.url ?? ''}`)
  })
  const request = asking(`${url}/old`, `${url}/a`, `${url}/a`, `${url}/kept`)
  const accepts = (at: MediaPart) => at.source.kind === 'url' && at.source.url.endsWith('/kept')
  const { messages } = await withMediaBytes(request, accepts, createMediaFetch(send))
  const bytes = (text: string) => ({ kind: 'base64', data: Buffer.from(text).toString('base64') })
  expect(messages[1]?.content).toEqual([
    { type: 'text', text: 'look' },
    { type: 'media', mediaType: 'image/png', source: bytes('bytes of /new') },
    { type: 'media', mediaType: 'image/png', source: bytes('bytes of /a') },
    { type: 'media', mediaType: 'image/png', source: bytes('bytes of /a') },
    part(`${url}/kept`),
  ])
  expect(asked.sort()).toEqual(['/a', '/new', '/old'])
})

test('a request whose addresses the target takes is the same object', async () => {
  const request = asking('https://example.com/a.png')
  expect(await withMediaBytes(request, () => true, createMediaFetch(send))).toBe(request)
})

describe('what a request may make us fetch', () => {
  const sized: RequestListener = (request, response) =>
    void response.end(Buffer.alloc(Number(request.url?.slice(1).split('?')[0])))

  test('so many files', async () => {
    const url = await serve(sized)
    const urls = ['/1', '/2', '/3', '/1', '/4'].map((path) => url + path)
    const { message, detail } = await refusal(asking(...urls), createMediaFetch(send, small))
    expect(detail.param).toBe('messages[1].content[5]')
    expect(message).toBe(
      'messages[1].content[5] could not be fetched (a request may name 3 files by their addresses, and no more): send its bytes as base64',
    )
  })

  test('twenty files, where nobody says otherwise', async () => {
    let asked = 0
    const url = await serve((request, response) => {
      asked++
      response.end('x')
    })
    const fetched = createMediaFetch(send)
    const urls = Array.from({ length: 21 }, (_, at) => `${url}/${at}`)
    await withMediaBytes(asking(...urls.slice(0, 20)), () => false, fetched)
    const { detail } = await refusal(asking(...urls), fetched)
    expect(detail.param).toBe('messages[1].content[21]')
    expect(asked).toBe(20)
  })

  test('so much in one file', async () => {
    const url = await serve(sized)
    const { message } = await refusal(
      asking(`${url}/10`, `${url}/${small.fileBytes + 1}`),
      createMediaFetch(send, small),
    )
    expect(message).toContain('messages[1].content[2] could not be fetched (it is larger than 2 MB)')
  })

  test('so much in all files together', async () => {
    const url = await serve(sized)
    const urls = ['a', 'b'].map((name) => `${url}/${small.fileBytes}?${name}`)
    await withMediaBytes(asking(urls[0]!), () => false, createMediaFetch(send, small))
    const { message } = await refusal(asking(...urls), createMediaFetch(send, small))
    expect(message).toContain("the request's files are larger than 3 MB together")
  })

  test.each([
    ['that trickles', (more: () => void) => setInterval(more, 5)],
    ['that says nothing', () => undefined],
  ])('so long for a file %s', async (_, begin) => {
    const left = vi.fn()
    const url = await serve((request, response) => {
      response.on('close', left)
      const timer = begin(() => response.write('x'))
      response.on('close', () => clearInterval(timer))
    })
    const { message, detail } = await refusal(asking(url), createMediaFetch(send, { ...small, totalMs: 100 }))
    expect(message).toContain('it was not there within 0.1 s')
    expect(detail.param).toBe('messages[1].content[1]')
    await vi.waitFor(() => expect(left).toHaveBeenCalled())
  })
})

test.each([
  ['nowhere', 'not an address'],
  ['file:///etc/passwd', 'file: is not fetched'],
])('%s is no file for us', async (url, why) => {
  expect((await refusal(asking(url), createMediaFetch(send))).message).toContain(`(${why})`)
})

test.each(['127.0.0.1', 'localhost'])('the client that fetches for callers does not reach %s', async (host) => {
  const asked = vi.fn()
  const url = await serve((_, response) => {
    asked()
    response.end('secret')
  })
  const outside = createUpstreamClient('public')
  closers.push(() => outside.close())
  const { message } = await refusal(asking(url.replace('127.0.0.1', host)), createMediaFetch(outside.send))
  expect(message).toContain('is not on the public internet')
  expect(asked).not.toHaveBeenCalled()
})
