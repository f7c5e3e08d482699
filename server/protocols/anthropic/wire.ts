import type { Json, JsonObject, ReportLoss } from '../../model/request.ts'
import type { Finish, FinishReason } from '../../model/response.ts'

/** A block that is still being put together. */
export interface Block {
  type: string
  [field: string]: Json | undefined
}

type Given<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>
}

/** The fields that have a value: an absent one says more than one that is `undefined`. */
export function given<T extends object>(fields: T): Given<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Given<T>
}

/** Reports a kind of loss once, however often it occurs in a long conversation. */
export function onceEach(loss: ReportLoss): ReportLoss {
  const told = new Set<string>()
  return (entry) => {
    const key = `${entry.field}\n${entry.reason}`
    if (told.has(key)) return
    told.add(key)
    loss(entry)
  }
}

const REASONS: Readonly<Record<string, FinishReason>> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  tool_use: 'tool-calls',
  refusal: 'refusal',
}

/** `pause_turn` ("send it again") and words to come are `other`. */
export function readFinish(reason: string, stopSequence: string | undefined): Finish {
  return given({ reason: REASONS[reason] ?? 'other', raw: reason, stopSequence })
}

/** @param called whether the answer holds a tool call: some upstreams end such an answer with a plain stop */
export function writeStopReason({ reason, raw, stopSequence }: Finish, called: boolean): string {
  switch (reason) {
    case 'length':
      return 'max_tokens'
    case 'tool-calls':
      return 'tool_use'
    case 'content-filter':
    case 'refusal':
      return 'refusal'
    case 'stop':
      return called ? 'tool_use' : stopSequence === undefined ? 'end_turn' : 'stop_sequence'
    case 'other':
    case 'error':
      return called ? 'tool_use' : raw === 'pause_turn' ? raw : 'end_turn'
  }
}

/** The arguments of a call as the object that `tool_use` holds. Text that is none (a model erred or was cut) is kept in a field. */
export function inputOf(args: string): JsonObject {
  if (args.trim() === '') return {}
  try {
    const value: unknown = JSON.parse(args)
    if (isInput(value)) return value
  } catch {
    return { arguments: args }
  }
  return { arguments: args }
}

function isInput(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
