import { isDeepStrictEqual } from 'node:util'
import {
  recorded,
  recordedCases,
  wireFormats,
  type FakeUpstream,
  type RecordedCase,
  type WireFormat,
} from '../fake-upstream/index.ts'
import { gatewayKey, provisionModels, startWorld, upstreamKey, type Provision, type World } from '../gateway/world.ts'
import type { Answer } from './answer.ts'
import { clients, type Client, type ClientName } from './clients/index.ts'
import type { Ask } from './clients/ask.ts'
import { compare, type Verdict } from './compare.ts'
import { clientsOwn } from './losses.ts'
import { readRecording } from './recording/index.ts'

export interface Cell extends Verdict {
  readonly client: ClientName
  readonly upstream: WireFormat
  readonly id: string
  readonly stream: boolean
}

/** One client asks for one recording. */
export interface Pair {
  readonly client: (typeof clients)[number]
  readonly recording: RecordedCase
}

export const allPairs = (): readonly Pair[] =>
  recordedCases.flatMap((recording) => clients.map((client) => ({ client, recording })))

const LIMIT_MS = 20_000

/** Asks everything, several at a time; `progress` hears of each. */
export async function runMatrix(pairs: readonly Pair[], progress?: (done: number) => void): Promise<readonly Cell[]> {
  const recordings = [...new Set(pairs.map(({ recording }) => recording))]
  const world = await startWorld((upstream) => provisionOf(upstream, recordings))
  try {
    for (const { id, format } of recordings) playFor(world, { id, format })
    const cells: Cell[] = []
    const waiting = [...pairs]
    const work = async (): Promise<void> => {
      for (let pair = waiting.shift(); pair !== undefined; pair = waiting.shift()) {
        cells.push(await cellOf(pair, world))
        progress?.(cells.length)
      }
    }
    await Promise.all(Array.from({ length: 6 }, work))
    return cells
  } finally {
    await world.close()
  }
}

const modelOf = (id: string): string => `case:${id}`

function provisionOf(upstream: FakeUpstream, recordings: readonly RecordedCase[]): Provision {
  const models: Partial<Record<WireFormat, readonly string[]>> = {}
  for (const format of wireFormats)
    models[format] = recordings.filter((one) => one.format === format).map(({ id }) => modelOf(id))
  return provisionModels(upstream, models)
}

/** The same id may be recorded in two formats: the channel that was asked decides. */
function playFor(world: World, { id, format }: { readonly id: string; readonly format: WireFormat }): void {
  world.upstream.on(modelOf(id), ({ target }) =>
    recorded(target?.format ?? format, id, { chunking: { random: id.length } }),
  )
}

async function cellOf({ client, recording }: Pair, world: World): Promise<Cell> {
  const { format: upstream, id, stream } = recording
  const expected = readRecording(recording)
  const before = world.upstream.requests.length
  const model = `${upstream}.${modelOf(id)}`
  const read = await answerTo(client, recording, { expected, baseUrl: world.gateway.url, key: gatewayKey, model })
  const where = { client: client.name, clientFormat: client.format, upstream, stream }
  const verdict = compare(expected, read, where)
  const violations = world.upstream.requests
    .slice(before)
    .filter(({ at, target }) => at === upstream && target?.model === modelOf(id))
    .flatMap((request) => request.violations.map((words) => `the request broke a rule: ${words}`))
  const cell = { client: client.name, upstream, id, stream }
  const broken = [...new Set(violations)]
  if (verdict.differences.length > 0 && client.format === upstream) {
    const direct = await answerTo(client, recording, { expected, ...directly(world, upstream, id) })
    if (isDeepStrictEqual(essence(direct), essence(read)))
      return { ...cell, explained: [...verdict.explained, clientsOwn], differences: broken }
  }
  return { ...cell, explained: verdict.explained, differences: [...verdict.differences, ...broken] }
}

/** The provider itself, without the gateway between. */
const directly = (world: World, format: WireFormat, id: string): Pick<Ask, 'baseUrl' | 'key' | 'model'> => ({
  baseUrl: world.upstream.url,
  key: upstreamKey(format, 'direct'),
  model: modelOf(id),
})

/** Two failures are the same failure, whatever their words. */
const essence = (answer: Answer): unknown => (answer.broken === undefined ? answer : 'broken')

async function answerTo(
  client: Client,
  { format, stream }: RecordedCase,
  { expected, ...place }: { readonly expected: Answer } & Pick<Ask, 'baseUrl' | 'key' | 'model'>,
): Promise<Answer> {
  const ask = {
    ...place,
    stream,
    tools: [...new Set(expected.choices.flatMap(({ calls }) => calls.map(({ name }) => name)))],
    choices: expected.choices.length,
    verbatim: client.format === format,
  }
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<Answer>((resolve) => {
    const broken = `no end within ${LIMIT_MS / 1000} s: it hangs`
    timer = setTimeout(() => resolve({ choices: [], broken }), LIMIT_MS)
  })
  const answer = client.ask(ask).catch((error: unknown): Answer => ({
    choices: [],
    broken: error instanceof Error ? `${error.name}: ${error.message}` : String(error),
  }))
  const read = await Promise.race([answer, late])
  clearTimeout(timer)
  return read
}

/** Rows of clients, columns of upstream formats, `passed/total` in each cell. */
export function table(cells: readonly Cell[]): string {
  const rows = clients.map(({ name }) => [
    name,
    ...wireFormats.map((upstream) => {
      const mine = cells.filter((cell) => cell.client === name && cell.upstream === upstream)
      return `${mine.filter(isGreen).length}/${mine.length}`
    }),
  ])
  const lines = [['client \\ upstream', ...wireFormats], ...rows]
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0))) ?? []
  return lines.map((line) => line.map((word, column) => word.padEnd(widths[column] ?? 0)).join('  ')).join('\n')
}

export const isGreen = ({ differences }: Cell): boolean => differences.length === 0
