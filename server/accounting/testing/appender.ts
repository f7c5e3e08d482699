// Appends as fast as it can and tells each id after its append: killed by spool.test.ts.
import { writeSync } from 'node:fs'
import { openSpool } from '../spool.ts'
import { numbered } from './records.ts'

const [directory = ''] = process.argv.slice(2)
const spool = await openSpool({ directory, log: console, segmentBytes: 20_000 })
for (let n = 0; ; n++) {
  const record = numbered(n)
  spool.append(record)
  try {
    writeSync(1, `${record.id}\n`)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error
  }
  if (n % 10 === 0) await new Promise(setImmediate)
}
