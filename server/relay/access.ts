import { RelayError } from '../errors.ts'
import type { HeaderMap } from '../protocols/codec.ts'
import type { ApiKey, Channel, Configuration, Group } from '../store/configuration.ts'
import { hashApiKey } from '../store/secrets.ts'

/** Every place where a client may put its key, in the order in which they are tried. `?key=` is Gemini's habit and is never logged. */
export function credentials(headers: HeaderMap, queryKey: string | null): readonly string[] {
  const found: string[] = []
  const add = (value: string | undefined | null): void => {
    if (value !== undefined && value !== null && value !== '') found.push(value)
  }
  const authorization = headers['authorization']
  if (authorization !== undefined) add(/^bearer\s+(.+)$/i.exec(authorization)?.[1]?.trim())
  add(headers['x-api-key'])
  add(headers['x-goog-api-key'])
  add(headers['api-key'])
  add(queryKey)
  return found
}

/**
 * Who calls. A client that sends several keys (Claude Code's apiKeyHelper sends two headers) is known by the first that is ours.
 * @throws RelayError `unauthenticated`, saying whether the key is missing, unknown, disabled or expired
 */
export function authenticate(configuration: Configuration, presented: readonly string[], nowMs: number): ApiKey {
  if (presented.length === 0)
    throw new RelayError(
      'unauthenticated',
      'no API key: send the gateway key as "Authorization: Bearer", x-api-key, x-goog-api-key or api-key',
    )
  for (const key of presented) {
    const caller = callerOf(configuration, key)
    if (caller === undefined) continue
    if (!caller.enabled)
      throw new RelayError('unauthenticated', `the API key '${caller.name}' is disabled: enable it in Octopus`)
    if (caller.expiresAt !== null && caller.expiresAt <= nowMs)
      throw new RelayError(
        'unauthenticated',
        `the API key '${caller.name}' expired on ${new Date(caller.expiresAt).toISOString()}`,
      )
    return caller
  }
  throw new RelayError('unauthenticated', 'the API key is not known to this gateway: copy it again from Octopus')
}

/** Names of groups and aliases are shorter; what is longer is kept out of wildcards, logs and answers. */
export const MODEL_NAME_CAP = 256

/** Keys that were found, for one picture of the configuration: hashing costs 2 µs, and a tool sends the same key every time. */
const found = new WeakMap<Configuration, Map<string, ApiKey>>()

function callerOf(configuration: Configuration, key: string): ApiKey | undefined {
  let known = found.get(configuration)
  if (known === undefined) found.set(configuration, (known = new Map<string, ApiKey>()))
  const before = known.get(key)
  if (before !== undefined) return before
  const caller = configuration.apiKeysByHash.get(hashApiKey(key))
  if (caller !== undefined) known.set(key, caller)
  return caller
}

/**
 * The group behind a public model name: the key's mapping, then the exact name, an alias, an alias with `*`, and last
 * `channel/model` where that is switched on.
 * @throws RelayError `model_not_found`, `forbidden`
 */
export function resolveGroup(configuration: Configuration, model: string, caller: ApiKey): Group {
  if (model.length > MODEL_NAME_CAP)
    throw new RelayError(
      'invalid_request',
      `'model' is longer than ${MODEL_NAME_CAP} characters: no model has such a name`,
      {
        param: 'model',
      },
    )
  const wanted = Object.hasOwn(caller.modelMapping, model) ? (caller.modelMapping[model] ?? model) : model
  const group = findGroup(configuration, wanted)
  if (group === undefined) {
    const known = visibleGroups(configuration, caller)
      .slice(0, 5)
      .map(({ name }) => name)
    const hint = known.length === 0 ? 'no group exists yet: make one in Octopus' : `known here: ${known.join(', ')}`
    throw new RelayError('model_not_found', `the model '${model}' does not exist (${hint})`, { param: 'model' })
  }
  if (caller.allowedGroups !== null && !caller.allowedGroups.has(group.name))
    throw new RelayError('forbidden', `the API key '${caller.name}' may not use the model '${model}'`, {
      param: 'model',
    })
  return group
}

/** The groups that a key may use, by name. */
export function visibleGroups(configuration: Configuration, caller: ApiKey): readonly Group[] {
  return [...configuration.groups.values()]
    .filter(({ name }) => caller.allowedGroups === null || caller.allowedGroups.has(name))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** By exact name, alias, alias with `*`, and `channel/model` where that is switched on. */
export function findGroup(configuration: Configuration, name: string): Group | undefined {
  const exact = configuration.groupsByName.get(name)
  if (exact !== undefined) return exact
  for (const group of configuration.groups.values()) if (group.aliases.includes(name)) return group
  for (const group of configuration.groups.values())
    if (group.aliases.some((alias) => alias.includes('*') && matchesWildcard(alias, name))) return group
  return configuration.settings.relay.exposeChannelModels ? channelModel(configuration, name) : undefined
}

/** `*` stands for any text. Each piece between two stars is looked for from where the last one ended: linear, whatever the alias. */
function matchesWildcard(alias: string, name: string): boolean {
  const [first = '', ...pieces] = alias.split('*')
  const last = pieces.pop() ?? ''
  if (!name.startsWith(first) || name.length < first.length + last.length || !name.endsWith(last)) return false
  let at = first.length
  for (const piece of pieces) {
    const found = name.indexOf(piece, at)
    if (found < 0) return false
    at = found + piece.length
  }
  return at <= name.length - last.length
}

/** `channel/model`: a group of one member that exists for this request only. */
function channelModel(configuration: Configuration, name: string): Group | undefined {
  for (const channel of configuration.channels.values()) {
    if (!name.startsWith(`${channel.name}/`)) continue
    const model = name.slice(channel.name.length + 1)
    if (channel.models.includes(model)) return singleMember(channel, model)
  }
  return undefined
}

function singleMember(channel: Channel, model: string): Group {
  return {
    id: 0,
    name: `${channel.name}/${model}`,
    mode: 'failover',
    aliases: [],
    items: [{ id: 0, groupId: 0, channelId: channel.id, model, priority: 1, weight: 1, enabled: true }],
    pinnedItemId: null,
    policy: {},
    affinitySeconds: 0,
    createdAt: 0,
  }
}
