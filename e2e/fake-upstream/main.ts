import { parseArgs } from 'node:util'
import { startFakeUpstream, wireFormats } from './index.ts'

/** `node e2e/fake-upstream/main.ts --port 8901`: the fake provider as a process of its own. */
const { values } = parseArgs({ options: { port: { type: 'string', default: '0' } } })
const upstream = await startFakeUpstream({ port: Number(values.port) })
console.log(`listening on ${upstream.url}`)
for (const format of wireFormats) console.log(`${format}: ${upstream.baseUrl(format)}`)
