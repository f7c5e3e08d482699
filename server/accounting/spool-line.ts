import { crc32 } from 'node:zlib'
import { failures } from '../errors.ts'
import { wireFormats } from '../model/request.ts'
import type { FinishedRequest } from './record.ts'

/**
 * One record is one line of JSON: `{"v":1,"crc":"0f1e2d3c","r":{…}}`. The checksum is CRC-32 over the bytes of `r`, so that a line
 * that a crash or a full disk tore, or that a disk spoiled, is told from a whole one.
 */
const HEAD = '{"v":1,"crc":"'
const MIDDLE = '","r":'
const TAIL = '}\n'
const CRC_AT = HEAD.length
const BODY_AT = CRC_AT + 8 + MIDDLE.length

/** Most lines are about 1 KB: they are written into this one place, which costs nothing to collect. */
const scratch = Buffer.allocUnsafeSlow(64 * 1024)

/** The line's bytes, with its newline: a view that holds until the next call. */
export function encodeLine(record: FinishedRequest): Buffer {
  const json = JSON.stringify(record)
  const most = BODY_AT + json.length * 3 + TAIL.length
  const line = most <= scratch.length ? scratch : Buffer.allocUnsafe(most)
  const end = BODY_AT + line.write(json, BODY_AT)
  const crc = crc32(line.subarray(BODY_AT, end))
  line.write(HEAD + crc.toString(16).padStart(8, '0') + MIDDLE, 'latin1')
  line.write(TAIL, end, 'latin1')
  return line.subarray(0, end + TAIL.length)
}

/** A line without its newline; null when it is not whole: the caller skips and reports it. */
export function decodeLine(line: Buffer): FinishedRequest | null {
  if (line.length <= BODY_AT || line.toString('latin1', 0, CRC_AT) !== HEAD || line[line.length - 1] !== 0x7d)
    return null
  const body = line.subarray(BODY_AT, -1)
  if (line.toString('latin1', CRC_AT, BODY_AT) !== crc32(body).toString(16).padStart(8, '0') + MIDDLE) return null
  try {
    const record: unknown = JSON.parse(body.toString('utf8'))
    return isFinishedRequest(record) ? record : null
  } catch {
    return null
  }
}

const formats: readonly unknown[] = [...wireFormats, 'passthrough']
const outcomes: readonly unknown[] = ['success', 'failure', 'cancelled']
const tokenKinds = ['input', 'cacheRead', 'cacheWrite5m', 'cacheWrite1h', 'output'] as const
const texts = [
  'id',
  'groupName',
  'requestedModel',
  'apiKeyName',
  'clientSoftware',
  'channelName',
  'upstreamModel',
] as const
const numbers = ['at', 'httpStatus', 'durationMs'] as const
const numbersOrNull = ['groupId', 'apiKeyId', 'channelId', 'costNanoUsd', 'firstTokenMs'] as const

/** Looks at everything that is counted or filtered by; the lists inside are only carried on as JSON. */
function isFinishedRequest(value: unknown): value is FinishedRequest {
  if (!isObject(value)) return false
  const { usage, error, bodies } = value
  return (
    texts.every((name) => typeof value[name] === 'string') &&
    numbers.every((name) => Number.isFinite(value[name])) &&
    numbersOrNull.every((name) => value[name] === null || Number.isFinite(value[name])) &&
    formats.includes(value['clientFormat']) &&
    (value['upstreamFormat'] === null || formats.includes(value['upstreamFormat'])) &&
    typeof value['stream'] === 'boolean' &&
    outcomes.includes(value['outcome']) &&
    Array.isArray(value['attempts']) &&
    Array.isArray(value['losses']) &&
    (usage === undefined || (isObject(usage) && tokenKinds.every((kind) => Number.isFinite(usage[kind])))) &&
    (error === undefined ||
      (isObject(error) && String(error['kind']) in failures && typeof error['message'] === 'string')) &&
    (bodies === undefined ||
      (isObject(bodies) && typeof bodies['request'] === 'string' && typeof bodies['response'] === 'string'))
  )
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
