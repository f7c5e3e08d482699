import { wireFormats } from '../../model/request.ts'
import { fuzzReplies, fuzzRequests, fuzzStreams, type Tally } from './fuzz.ts'

// `npm run fuzz [count] [first seed]`: mutated requests, streams and whole replies for every codec. A finding's seed makes it again.

const [count = 10_000, from = 1] = process.argv.slice(2).map(Number)
let findings = 0
for (const format of wireFormats) {
  const kinds: Record<string, Tally> = {
    requests: fuzzRequests(format, count, from),
    streams: fuzzStreams(format, count, from),
    'whole replies': fuzzReplies(format, count, from),
  }
  for (const [kind, tally] of Object.entries(kinds)) {
    console.log(
      `${format} ${kind}: ${tally.tried} tried, ${tally.understood} understood, ${tally.findings.length} findings`,
    )
    for (const { seed, what, stack } of tally.findings.slice(0, 10)) console.log(`  seed ${seed}: ${what}\n${stack}`)
    findings += tally.findings.length
  }
}
process.exitCode = findings > 0 ? 1 : 0
