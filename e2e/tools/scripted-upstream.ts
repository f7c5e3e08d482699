import { randomBytes } from 'node:crypto'
import type { FakeUpstream, Play, ReceivedRequest } from '../fake-upstream/index.ts'
import { object } from '../fake-upstream/json.ts'
import { playTurn } from './answer.ts'
import { conversationOf, valueOf, type Conversation } from './conversation.ts'
import type { ScriptedCall, Turn } from './turn.ts'
import { minded, type Upstream } from './upstreams.ts'

/** What the model does with a task: calls of tools, a turn at a time, and then its last words. */
export interface Script {
  readonly turns: readonly (readonly ScriptedCall[])[]
  readonly final: string
}

/** One answered request of a scene. */
export interface Answered {
  readonly request: ReceivedRequest
  /** Which turn of the script was played; `final` after the last, `side` for what belongs to no task (titles, routing). */
  readonly played: number | 'final' | 'side' | 'lost'
  readonly conversation: Conversation
  /** The earlier turns' sealed thoughts: how many could have come back, and how many did. */
  readonly thoughts: { readonly sent: number; readonly returned: number }
}

/** The exchange of one tool with one channel. */
export interface Scene {
  readonly answered: readonly Answered[]
}

/** Where a scene is played: the channel's name, and the model behind it. */
export interface Stage {
  readonly id: string
  readonly model: string
  readonly upstream: Upstream
}

interface Directed {
  readonly script: Script
  readonly upstream: Upstream
  readonly answered: Answered[]
  readonly seals: string[]
}

/** Lets the fake provider act as a model with a task, apart for each channel; the channel's name chooses the script. */
export class ScriptedUpstream {
  readonly #upstream: FakeUpstream
  readonly #scenes = new Map<string, Directed>()
  #serial = 0

  constructor(upstream: FakeUpstream) {
    this.#upstream = upstream
  }

  /** From now on requests that come through the channel of this name follow the script. */
  direct({ id, model, upstream }: Stage, script: Script): Scene {
    const scene: Directed = { script, upstream, answered: [], seals: [] }
    this.#scenes.set(id, scene)
    this.#upstream.on(model, (request) => this.#play(request))
    return scene
  }

  #play(request: ReceivedRequest): Play {
    const scene = this.#scenes.get(request.at)
    if (scene === undefined || request.target === null) throw new Error(`no script for a request at ${request.path}`)
    const { format, model, stream } = request.target
    const conversation = conversationOf(format, request.json)
    const played = stepOf(scene.script, conversation)
    const returned = scene.seals.filter((seal) => request.body.includes(seal)).length
    scene.answered.push({ request, played, conversation, thoughts: { sent: scene.seals.length, returned } })
    const turn = turnFor(scene.script, played, conversation)
    const thought = played === 'side' || !scene.upstream.thinks ? undefined : thoughtOf(scene.upstream, conversation)
    const sealed = thought?.seal === '' ? thought.text : thought?.seal
    if (sealed !== undefined && turn.calls.length > 0) scene.seals.push(sealed)
    const includeUsage = object(request.json.stream_options).include_usage === true
    const manner = { model, stream, includeUsage, serial: ++this.#serial }
    const answer = playTurn(format, { ...turn, ...(thought && { thought }) }, manner)
    return { ...answer, lenient: minded(scene.upstream, request).length === 0 }
  }
}

/** Where in the script a conversation stands: every call made so far must have its result. */
function stepOf({ turns }: Script, { tools, results }: Conversation): Answered['played'] {
  if (turns.flat().some((call) => !tools.has(call.name))) return 'side'
  let expected = 0
  for (const [index, calls] of turns.entries()) {
    if (results.length === expected) return index
    expected += calls.length
  }
  return results.length === expected ? 'final' : 'lost'
}

function turnFor(script: Script, played: Answered['played'], { tools, schema }: Conversation): Omit<Turn, 'thought'> {
  switch (played) {
    case 'side':
      return { text: schema === undefined ? 'A small task' : JSON.stringify(valueOf(schema)), calls: [] }
    case 'lost':
      return { text: 'Some results are missing.', calls: [] }
    case 'final':
      return { text: script.final, calls: [] }
    default:
      return {
        text: 'Let me look.',
        calls: (script.turns[played] ?? []).map((call) =>
          'input' in call && tools.get(call.name) === 'function'
            ? { name: call.name, arguments: { input: call.input } }
            : call,
        ),
      }
  }
}

/** A thought as the provider seals it: Chat's compatible providers do not, Gemini always does, also when it hides the words. */
function thoughtOf({ format, model }: Upstream, { thinking }: Conversation): Turn['thought'] {
  const text = `I wonder which of my tools helps, said ${randomBytes(6).toString('hex')}.`
  const seal = randomBytes(180).toString('base64')
  if (format === 'openai-chat') return { text, seal: '' }
  if (thinking) return { text, seal }
  return model.startsWith('gemini-') ? { text: '', seal } : undefined
}
