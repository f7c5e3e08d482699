import type { Opaque, ReasoningPart, WireFormat } from '../../model/request.ts'
import { asArray, asString } from '../narrow.ts'
import { mayReplay, unwrapOpaque, wrapOpaque } from '../signature.ts'

/**
 * Accepted in place of a signature where a call was made by another model.
 * https://ai.google.dev/gemini-api/docs/thought-signatures#faqs
 */
export const DUMMY_SIGNATURE = Buffer.from('skip_thought_signature_validator').toString('base64')

/** Both documented dummies, and the first without base64, as gemini-cli writes it into its history. */
const DUMMIES: ReadonlySet<string> = new Set([
  DUMMY_SIGNATURE,
  Buffer.from('context_engineering_is_the_way_to_go').toString('base64'),
  'skip_thought_signature_validator',
  'context_engineering_is_the_way_to_go',
])

/** A thought that another provider signed, riding on the call behind it: Gemini clients keep signatures of calls, but drop thoughts. */
const RIDER = 'octopus-thought'

/** Thoughts longer than this do not ride: every later request of the client would carry them. Characters. */
const LONGEST_RIDER = 65_536

export interface Rider {
  readonly thought: ReasoningPart
  /** Text stood between the thought and the call that carries it. */
  readonly beforeText: boolean
}

export interface Signature {
  readonly opaque?: Opaque
  /** The thought that belongs in front of the signed part. */
  readonly rider?: Rider
}

/** What stands in a `thoughtSignature` that a client sent back; a dummy says nothing. */
export function readSignature(value: string | undefined, format: WireFormat): Signature {
  if (value === undefined || value === '' || DUMMIES.has(value)) return {}
  const opaque = unwrapOpaque(value, format)
  const rider = opaque.format === format ? undefined : readRider(opaque)
  return rider === undefined ? { opaque } : { rider }
}

/** The signature of an upstream's part, stamped with the channel that made it. */
export function signedBy(
  value: unknown,
  maker: { readonly format: WireFormat; readonly origin: string | undefined },
): Opaque | undefined {
  const text = asString(value)
  if (text === undefined || text === '' || DUMMIES.has(text)) return undefined
  const opaque: Opaque = { format: maker.format, value: text }
  return maker.origin === undefined ? opaque : { ...opaque, origin: maker.origin }
}

/** The value for the channel that made it; undefined for every other. */
export function replayable(
  opaque: Opaque | undefined,
  target: { readonly format: WireFormat; readonly origin: string | undefined },
): string | undefined {
  return opaque !== undefined && mayReplay(opaque, target.format, target.origin) ? opaque.value : undefined
}

/** A signature for the call that follows a foreign thought; undefined where the thought is not signed or too long. */
export function riderOn({ thought, beforeText }: Rider): string | undefined {
  const { opaque, text, redacted = false, id = '' } = thought
  if (opaque === undefined || text.length + opaque.value.length > LONGEST_RIDER) return undefined
  return wrapOpaque({ ...opaque, value: JSON.stringify([RIDER, text, redacted, id, opaque.value, beforeText]) })
}

function readRider(opaque: Opaque): Rider | undefined {
  if (!opaque.value.startsWith(`["${RIDER}",`)) return undefined
  let list: readonly unknown[] | undefined
  try {
    list = asArray(JSON.parse(opaque.value))
  } catch {
    return undefined
  }
  const [, text, redacted, id, value, beforeText] = list ?? []
  if (typeof text !== 'string' || typeof id !== 'string' || typeof value !== 'string') return undefined
  const thought: ReasoningPart = {
    type: 'reasoning',
    text,
    ...(redacted === true && { redacted }),
    ...(id !== '' && { id }),
    opaque: { ...opaque, value },
  }
  return { thought, beforeText: beforeText === true }
}
