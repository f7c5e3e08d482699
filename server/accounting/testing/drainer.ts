// Appends and drains as fast as it can, and notes each id in a file after its append: killed by drain.test.ts.
import { openSync, writeSync } from 'node:fs'
import { randomUUID } from 'node:crypto'
import { openDriver } from '../../store/drivers/open.ts'
import { WriteQueue } from '../../store/write-queue.ts'
import { startDrain } from '../drain.ts'
import { openSpool } from '../spool.ts'
import { aRecord, HeardLog } from './records.ts'

const [directory = '', file = '', notes = ''] = process.argv.slice(2)
const log = new HeardLog()
const noted = openSync(notes, 'a')
const spool = await openSpool({ directory, log, segmentBytes: 50_000 })
const driver = await openDriver({ kind: 'sqlite', file }, new WriteQueue(), log.plain)
startDrain({ spool, driver, log })
const body = { request: 'QQ=='.repeat(300), response: 'Qg=='.repeat(300), truncated: false }
for (let n = 0; ; n++) {
  const record = aRecord({ id: randomUUID(), at: Date.now(), ...(n % 5 === 0 && { bodies: body }) })
  spool.append(record)
  writeSync(noted, `${record.id}\n`)
  if (n % 20 === 0) await new Promise(setImmediate)
}
