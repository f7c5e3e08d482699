import type { Call } from '../answer.ts'
import { isObject, objects, text, type JsonObject } from '../../fake-upstream/json.ts'

/** A call whose arguments Vertex streams as pieces at JSON paths (`$.items[0].name`); pieces of one string are joined. */
export class PartialCall {
  readonly #name: string
  readonly #root: Record<string, unknown>

  constructor(name: string, args: JsonObject) {
    this.#name = name
    this.#root = structuredClone({ ...args })
  }

  add(pieces: unknown): void {
    for (const piece of objects(pieces)) {
      const path = [...text(piece.jsonPath).matchAll(/\.([^.[\]]+)|\[(\d+)\]/g)].map(([, name, index]) =>
        name === undefined ? Number(index) : name,
      )
      if (path.length > 0) this.#set(path, piece)
    }
  }

  call(): Call {
    return { name: this.#name, input: this.#root }
  }

  #set(path: readonly (string | number)[], piece: JsonObject): void {
    let node: Record<string | number, unknown> = this.#root
    for (const [at, step] of path.slice(0, -1).entries()) {
      if (!isObject(node[step]) && !Array.isArray(node[step])) node[step] = typeof path[at + 1] === 'number' ? [] : {}
      node = node[step] as Record<string | number, unknown>
    }
    const last = path.at(-1) ?? ''
    const known = node[last]
    if (typeof piece.stringValue === 'string') node[last] = (typeof known === 'string' ? known : '') + piece.stringValue
    else if (piece.numberValue !== undefined) node[last] = piece.numberValue
    else if (piece.boolValue !== undefined) node[last] = piece.boolValue
    else if ('nullValue' in piece) node[last] = null
  }
}
