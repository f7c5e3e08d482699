// mock.c in Node, for machines without a C compiler: the same directive, the same answers, the same stamps, about 8 times slower.
import http from 'node:http'

const port = Number(process.argv[process.argv.indexOf('--port') + 1] ?? 0)
const words =
  'The quick brown fox jumps over the lazy dog while a gateway relays each token to its client as soon as it arrives '
const text = (size) => words.repeat(Math.ceil(size / words.length)).slice(0, size)
const stamp = () => `@${process.hrtime.bigint()}@`
const frame = (data, event) => `${event === undefined ? '' : `event: ${event}\n`}data: ${JSON.stringify(data)}\n\n`

const chunk = (choices, more) =>
  frame({
    id: 'chatcmpl-mock0000000000000000000001',
    object: 'chat.completion.chunk',
    created: 1763856000,
    model: 'mock-model',
    service_tier: 'default',
    system_fingerprint: 'fp_mock',
    choices,
    ...more,
  })
const choice = (delta, finish_reason = null) => [{ index: 0, delta, logprobs: null, finish_reason }]
const event = (type, fields) => frame({ type, ...fields }, type)
const message = { id: 'msg_mock01', type: 'message', role: 'assistant', model: 'mock-model' }

const formats = {
  chat: {
    head: () => chunk(choice({ role: 'assistant', content: '', refusal: null })),
    chunk: (words) => chunk(choice({ content: stamp() + words })),
    tail: (n, usage) =>
      chunk(choice({}, 'stop')) +
      (usage ? chunk([], { usage: { prompt_tokens: 25, completion_tokens: n, total_tokens: n + 25 } }) : '') +
      'data: [DONE]\n\n',
    json: (words) => ({
      id: 'chatcmpl-mock0000000000000000000001',
      object: 'chat.completion',
      created: 1763856000,
      model: 'mock-model',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: stamp() + words, refusal: null },
          logprobs: null,
          finish_reason: 'stop',
        },
      ],
      usage: { prompt_tokens: 25, completion_tokens: 120, total_tokens: 145 },
    }),
  },
  messages: {
    head: () =>
      event('message_start', {
        message: { ...message, content: [], stop_reason: null, usage: { input_tokens: 25, output_tokens: 1 } },
      }) + event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
    chunk: (words) => event('content_block_delta', { index: 0, delta: { type: 'text_delta', text: stamp() + words } }),
    tail: (n) =>
      event('content_block_stop', { index: 0 }) +
      event('message_delta', { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: n } }) +
      event('message_stop', {}),
    json: (words) => ({
      ...message,
      content: [{ type: 'text', text: stamp() + words }],
      stop_reason: 'end_turn',
      usage: { input_tokens: 25, output_tokens: 120 },
    }),
  },
}

function answer(response, format, { body }) {
  const options = { n: 200, pace: 0, size: 0 }
  for (const [, name, value] of (/\[\[mock([^\]]*)\]\]/.exec(body)?.[1] ?? '').matchAll(/ (\w+)=(\d+)/g))
    options[name] = Number(value)
  if (!/"stream"\s*:\s*true/.test(body)) {
    const json = JSON.stringify(format.json(text(options.size || 600)))
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(json) })
    response.end(json)
    return
  }
  const words = text(options.size || 24)
  const tail = () => format.tail(options.n, /"include_usage"\s*:\s*true/.test(body))
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' })
  if (options.pace === 0) {
    response.end(format.head() + Array.from({ length: options.n }, () => format.chunk(words)).join('') + tail())
    return
  }
  response.write(format.head() + format.chunk(words))
  let sent = 1
  let due = performance.now()
  const later = () => {
    due += options.pace / 1000
    setTimeout(next, Math.max(0, due - performance.now()))
  }
  const next = () => {
    if (response.destroyed) return
    if (sent++ >= options.n) {
      response.end(tail())
      return
    }
    response.write(format.chunk(words))
    later()
  }
  later()
}

const server = http.createServer((request, response) => {
  const parts = []
  request.on('data', (part) => parts.push(part))
  request.on('end', () => {
    const format = request.url.includes('/messages') ? formats.messages : formats.chat
    answer(response, format, { body: Buffer.concat(parts).toString() })
  })
})
server.listen(port, '127.0.0.1', () => console.log(`mock on 127.0.0.1:${server.address().port}`))
