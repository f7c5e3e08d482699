import { expect, test } from 'vitest'
import { recordedCases, wireFormats, type RecordedCase } from '../fake-upstream/index.ts'
import { clients } from './clients/index.ts'
import { compare } from './compare.ts'
import { runMatrix, table } from './matrix.ts'
import { readRecording } from './recording/index.ts'

// A selection; `npm run conformance` asks for every recording with every client.

Object.assign(globalThis, { AI_SDK_LOG_WARNINGS: false })

/** What makes a recording worth asking for: thoughts, calls, several of them, caches, text beyond ASCII. */
const worth = ({ tags }: RecordedCase): number =>
  tags.filter((tag) => ['think', 'call', 'par', 'cacheR', 'cite', 'utf8', 'sig'].includes(tag)).length

const richest = wireFormats.flatMap((format) =>
  [true, false].flatMap((stream) =>
    recordedCases
      .filter((one) => one.format === format && one.status === 200 && one.stream === stream && !one.cut)
      .sort((a, b) => worth(b) - worth(a))
      .slice(0, 1),
  ),
)

test('every client reads what every upstream said', async () => {
  const broken = recordedCases.filter(({ id }) => id === 'mid-529-overloaded' || id === 'err-401-invalid-key')
  const pairs = [...richest, ...broken].flatMap((recording) => clients.map((client) => ({ client, recording })))
  const cells = await runMatrix(pairs)
  const red = cells.filter(({ differences }) => differences.length > 0)
  expect(red, table(cells)).toEqual([])
  expect(cells).toHaveLength(pairs.length)
}, 60_000)

test.each(['text', 'reasoning', 'calls', 'finish', 'usage', 'broken'] as const)('a wrong %s is seen', (field) => {
  const found =
    recordedCases.find(({ id }) => id === 'pyd-anthropic-tool-with-thinking-0') ?? expect.fail('no such case')
  const answer = readRecording(found)
  const [choice] = answer.choices
  if (choice === undefined || answer.usage === undefined) expect.fail('the recording is poor')
  const wrong = {
    text: { choices: [{ ...choice, text: `${choice.text}.` }] },
    reasoning: { choices: [{ ...choice, reasoning: choice.reasoning.slice(1) }] },
    calls: { choices: [{ ...choice, calls: [] }] },
    finish: { choices: [{ ...choice, finish: 'stop' as const }] },
    usage: { usage: { ...answer.usage, output: answer.usage.output + 1 } },
    broken: { broken: 'it broke' },
  }
  const where = { client: 'openai chat', clientFormat: 'openai-chat', upstream: 'anthropic', stream: false } as const
  expect(compare(answer, answer, where).differences).toEqual([])
  expect(compare(answer, { ...answer, ...wrong[field] }, where).differences).not.toEqual([])
})
