// the Vercel AI SDK warns of every model that it does not know by name
Object.assign(globalThis, { AI_SDK_LOG_WARNINGS: false })

import { allPairs, isGreen, runMatrix, table } from './matrix.ts'

// `npm run conformance [words]`: only cells whose client, format or case holds every word.

const words = process.argv.slice(2)
const pairs = allPairs().filter(({ client, recording }) => {
  const name = `${client.name} ${recording.format} ${recording.id}`
  return words.every((word) => name.includes(word))
})
const started = performance.now()
const cells = await runMatrix(pairs, (done) => {
  if (process.stderr.isTTY) process.stderr.write(`\r${done}/${pairs.length}`)
})
const red = cells.filter((cell) => !isGreen(cell))
for (const { client, upstream, id, stream, differences } of red)
  console.log(`RED ${client} ← ${upstream} ${stream ? 'stream' : 'whole'} ${id}\n    ${differences.join('\n    ')}`)

const explained = new Map<string, number>()
for (const cell of cells) for (const why of cell.explained) explained.set(why, (explained.get(why) ?? 0) + 1)
console.log('\nDeclared losses (cells in which each was seen):')
for (const [why, count] of [...explained].sort(([, a], [, b]) => b - a)) console.log(`  ${count}  ${why}`)

console.log(`\n${table(cells)}`)
const seconds = Math.round((performance.now() - started) / 1000)
console.log(`\n${cells.length - red.length} of ${cells.length} cells agree (${seconds} s)`)
process.exitCode = red.length > 0 ? 1 : 0
