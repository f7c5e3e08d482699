import { RelayError } from '../../errors.ts'
import type { Json, JsonObject } from '../../model/request.ts'
import { asString } from '../narrow.ts'
import { objects } from './wire.ts'

/** A value that is still being written; text in pieces is joined once, at the end. */
type Node =
  | { readonly kind: 'text'; readonly pieces: string[] }
  | { readonly kind: 'value'; readonly value: Json }
  | { readonly kind: 'object'; readonly entries: Map<string, Node> }
  | { readonly kind: 'list'; readonly entries: Node[] }

const MOST_ENTRIES = 100_000
const DEEPEST = 100

/**
 * The arguments of a call that Vertex streams (`streamFunctionCallArguments`): each piece has a path (`$.operations[0].action`) and
 * a value, and text goes on over several pieces.
 * https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling#streaming-fc
 */
export class PartialArguments {
  #root: Node = { kind: 'object', entries: new Map() }

  /** Arguments that came whole. */
  set(args: JsonObject): void {
    for (const [name, value] of Object.entries(args)) {
      if (value !== undefined && this.#root.kind === 'object') this.#root.entries.set(name, { kind: 'value', value })
    }
  }

  /** @throws RelayError `upstream_failed` for a path that leads nowhere */
  push(pieces: unknown): void {
    for (const piece of objects(pieces)) {
      const path = asString(piece['jsonPath'])
      if (path !== undefined) this.#root = put(this.#root, { steps: stepsOf(path), at: 0, value: leafOf(piece) })
    }
  }

  json(): string {
    return JSON.stringify(valueOf(this.#root))
  }
}

function leafOf(piece: JsonObject): Node {
  const text = asString(piece['stringValue'])
  if (text !== undefined) return { kind: 'text', pieces: [text] }
  return { kind: 'value', value: piece['numberValue'] ?? piece['boolValue'] ?? null }
}

/** `$.a.b[0]['c d']` → a, b, 0, `c d` */
function stepsOf(path: string): readonly (string | number)[] {
  const steps: (string | number)[] = []
  const step = /\.([^.[\]]+)|\[(\d+)\]|\['((?:[^'\\]|\\.)*)'\]|\["((?:[^"\\]|\\.)*)"\]/y
  step.lastIndex = path.startsWith('$') ? 1 : 0
  while (step.lastIndex < path.length) {
    const match = step.exec(path)
    if (match === null || steps.length >= DEEPEST) throw badPath(path)
    const [, name, index, single, double] = match
    steps.push(index === undefined ? (name ?? (single ?? double ?? '').replace(/\\(.)/g, '$1')) : Number(index))
  }
  return steps
}

function put(
  node: Node | undefined,
  to: { readonly steps: readonly (string | number)[]; readonly at: number; readonly value: Node },
): Node {
  const step = to.steps[to.at]
  if (step === undefined) {
    if (node?.kind !== 'text' || to.value.kind !== 'text') return to.value
    node.pieces.push(...to.value.pieces)
    return node
  }
  const next = { ...to, at: to.at + 1 }
  if (typeof step === 'string') {
    const object = node?.kind === 'object' ? node : { kind: 'object' as const, entries: new Map<string, Node>() }
    object.entries.set(step, put(object.entries.get(step), next))
    return object
  }
  const list = node?.kind === 'list' ? node : { kind: 'list' as const, entries: [] }
  if (step > list.entries.length || step > MOST_ENTRIES) throw badPath(`[${step}]`)
  list.entries[step] = put(list.entries[step], next)
  return list
}

function valueOf(node: Node): Json {
  switch (node.kind) {
    case 'text':
      return node.pieces.join('')
    case 'value':
      return node.value
    case 'list':
      return node.entries.map(valueOf)
    case 'object':
      return Object.fromEntries([...node.entries].map(([name, value]) => [name, valueOf(value)]))
  }
}

function badPath(path: string): RelayError {
  return new RelayError(
    'upstream_failed',
    `the upstream streams an argument to '${path.slice(0, 100)}', which does not exist`,
  )
}
