import type { JsonObject } from '../../model/request.ts'
import type { Usage } from '../../model/response.ts'
import { asArray, asCount, asNumber, asObject } from '../narrow.ts'

/**
 * Anthropic's `usage` object, which comes whole in `message_start` and again in part in `message_delta`: of each field the later value
 * wins (`output_tokens` is cumulative). `input_tokens` excludes what was read from or written to the cache.
 */
export class UsageReader {
  #raw: JsonObject | undefined

  /** @param usage the `usage` of a message, a `message_start` or a `message_delta`; anything else is no news */
  read(usage: unknown): void {
    const fields = asObject(usage)
    if (fields === undefined) return
    const told = Object.entries(fields).filter(([, value]) => value !== null)
    this.#raw = { ...this.#raw, ...Object.fromEntries(told) }
  }

  /** Undefined until something was read. */
  get usage(): Usage | undefined {
    const raw = this.#raw
    if (raw === undefined) return undefined
    const parts = [partition(raw), ...compactions(raw).map(partition)]
    const sum = (count: keyof ReturnType<typeof partition>) => parts.reduce((total, part) => total + part[count], 0)
    const thinking = asNumber(asObject(raw.output_tokens_details)?.thinking_tokens)
    return {
      input: sum('input'),
      cacheRead: sum('cacheRead'),
      cacheWrite5m: sum('cacheWrite5m'),
      cacheWrite1h: sum('cacheWrite1h'),
      output: sum('output'),
      ...(thinking === undefined ? {} : { reasoning: asCount(thinking) }),
      raw,
    }
  }
}

/** The usage of a whole message. */
export function readUsage(usage: unknown): Usage | undefined {
  const reader = new UsageReader()
  reader.read(usage)
  return reader.usage
}

/** `Usage` → the object of a message; a reply of this format that passes through unconverted keeps its own. */
export function writeUsage(usage: Usage | undefined): JsonObject {
  const { input = 0, cacheRead = 0, cacheWrite5m = 0, cacheWrite1h = 0, output = 0, reasoning } = usage ?? {}
  return {
    input_tokens: input,
    cache_creation_input_tokens: cacheWrite5m + cacheWrite1h,
    cache_read_input_tokens: cacheRead,
    cache_creation: { ephemeral_5m_input_tokens: cacheWrite5m, ephemeral_1h_input_tokens: cacheWrite1h },
    output_tokens: output,
    ...(reasoning === undefined ? {} : { output_tokens_details: { thinking_tokens: reasoning } }),
  }
}

function partition(raw: JsonObject) {
  const split = asObject(raw.cache_creation)
  const hour = asCount(split?.ephemeral_1h_input_tokens)
  const written =
    asNumber(raw.cache_creation_input_tokens) === undefined
      ? hour + asCount(split?.ephemeral_5m_input_tokens)
      : asCount(raw.cache_creation_input_tokens)
  const cacheWrite1h = Math.min(hour, written)
  return {
    input: asCount(raw.input_tokens),
    cacheRead: asCount(raw.cache_read_input_tokens),
    cacheWrite5m: written - cacheWrite1h,
    cacheWrite1h,
    output: asCount(raw.output_tokens),
  }
}

/**
 * A compaction is an extra run of the same model that is billed but left out of the top-level counts
 * (https://platform.claude.com/docs/en/build-with-claude/compaction, "Understanding usage"). An advisor's run is another model's, at
 * another price, and stays in `raw`.
 */
function compactions(raw: JsonObject): readonly JsonObject[] {
  const runs = (asArray(raw.iterations) ?? []).map(asObject)
  return runs.filter((run) => run !== undefined).filter((run) => run.type === 'compaction')
}
