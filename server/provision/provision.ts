import { readFile } from 'node:fs/promises'
import { ContractError } from '../contract/define.ts'
import { check, summarise, type Issue } from '../contract/issues.ts'
import type { SettingsPatch } from '../contract/settings.ts'
import {
  channelChangeIssues,
  newChannelIssues,
  withDefaults,
  type ChannelRules,
  type Listener,
} from '../management/channel-rules.ts'
import { hashApiKey } from '../store/secrets.ts'
import type { Store } from '../store/store.ts'
import { apiKeyChange, channelChange, differing, groupChange, newApiKey, newChannel, newGroup } from './plan.ts'
import { ProvisionFile } from './schema.ts'

export interface ProvisionContext {
  /** Where this gateway will listen: no channel may point there. */
  readonly listener: Listener
}

/** What was done, each row as `channel "name"`. */
export interface Provisioned {
  readonly created: readonly string[]
  readonly updated: readonly string[]
  readonly unchanged: readonly string[]
}

/** Reads a provision file. Throws ContractError when it cannot be read or is not JSON. */
export async function readProvisionFile(path: string): Promise<unknown> {
  let text
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    throw new ContractError('invalid_input', `the provision file cannot be read: ${messageOf(error)}`)
  }
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch (error) {
    // the engine's message quotes the text around the fault, where a key may stand: only the place is told
    const place =
      /at position \d+(?: \(line \d+ column \d+\))?/.exec(messageOf(error))?.[0] ??
      'for a missing quote, comma or bracket'
    throw new ContractError('invalid_input', `the provision file ${path} is not JSON: look ${place}`)
  }
}

/**
 * Creates or updates what the file names, by name, and changes nothing else: fields that are not given and rows that are not named
 * stay. The whole file is checked before anything is written; a second run changes nothing. Throws ContractError `invalid_input`
 * whose issues name the fields: `channels[0].keys[1]`.
 */
export async function applyProvision(store: Store, json: unknown, context: ProvisionContext): Promise<Provisioned> {
  const checked = check(ProvisionFile, json)
  if (!checked.ok) throw refused(checked.issues)
  const file = checked.value
  const issues = await findIssues(file, store, context)
  if (issues.length > 0) throw refused(issues)

  const done = { created: [] as string[], updated: [] as string[], unchanged: [] as string[] }
  await applySettings(file.settings, store, done)
  for (const given of file.channels ?? []) {
    const label = `channel ${JSON.stringify(given.name)}`
    const standing = (await store.channels.list()).find(({ name }) => name === given.name)
    const opened = standing === undefined ? undefined : store.current().channels.get(standing.id)
    if (standing === undefined || opened === undefined) {
      await store.channels.create(withDefaults(newChannel(given)))
      done.created.push(label)
      continue
    }
    const change = channelChange(given, standing, opened)
    if (change !== null) await store.channels.update(change)
    done[change === null ? 'unchanged' : 'updated'].push(label)
  }

  const channels = new Map((await store.channels.list()).map(({ name, id }) => [name, id]))
  for (const given of file.groups ?? []) {
    const label = `group ${JSON.stringify(given.name)}`
    const standing = (await store.groups.list()).find(({ name }) => name === given.name)
    if (standing === undefined) {
      await store.groups.create(newGroup(given, channels))
      done.created.push(label)
      continue
    }
    const change = groupChange(given, standing, channels)
    if (change !== null) await store.groups.update(change)
    done[change === null ? 'unchanged' : 'updated'].push(label)
  }

  for (const given of file.apiKeys ?? []) {
    const label = `API key ${JSON.stringify(given.name)}`
    const standing = (await store.apiKeys.list()).find(({ name }) => name === given.name)
    if (standing === undefined) {
      await store.apiKeys.create(newApiKey(given))
      done.created.push(label)
      continue
    }
    const owner = given.key === undefined ? undefined : store.current().apiKeysByHash.get(hashApiKey(given.key))
    const change = apiKeyChange(given, standing, owner?.id === standing.id)
    if (change !== null) await store.apiKeys.update(change)
    done[change === null ? 'unchanged' : 'updated'].push(label)
  }
  return done
}

async function applySettings(
  patch: SettingsPatch | undefined,
  store: Store,
  done: { readonly updated: string[]; readonly unchanged: string[] },
): Promise<void> {
  if (patch === undefined) return
  const standing = store.current().settings
  const sections = Object.entries(patch).map(([name, fields]) => {
    return [name, differing(fields ?? {}, standing[name as keyof typeof standing])] as const
  })
  const changed = sections.filter(([, fields]) => Object.keys(fields).length > 0)
  if (changed.length > 0) await store.settings.patch(Object.fromEntries(changed))
  done[changed.length > 0 ? 'updated' : 'unchanged'].push('settings')
}

/** What the file's shape alone does not tell: names that stand twice or nowhere, and the rules for channels. */
async function findIssues(file: ProvisionFile, store: Store, context: ProvisionContext): Promise<Issue[]> {
  const { antigravity } = store.current().settings
  const accepted = file.settings?.antigravity?.accepted ?? antigravity.accepted
  const rules: ChannelRules = { listener: context.listener, riskAccepted: accepted }
  return [
    ...twice('channels', file.channels ?? []),
    ...twice('groups', file.groups ?? []),
    ...twice('apiKeys', file.apiKeys ?? []),
    ...(await channelIssues(file, store, rules)),
    ...(await itemIssues(file, store)),
    ...(await apiKeyIssues(file, store)),
  ]
}

function twice(list: string, rows: readonly { readonly name: string }[]): Issue[] {
  const seen = new Set<string>()
  return rows.flatMap(({ name }, at) => {
    if (!seen.has(name)) return (seen.add(name), [])
    return [{ path: `${list}[${at}].name`, message: `stands twice in the file: ${JSON.stringify(name)}` }]
  })
}

async function channelIssues(file: ProvisionFile, store: Store, rules: ChannelRules): Promise<Issue[]> {
  const standing = await store.channels.list()
  return (file.channels ?? []).flatMap((given, at): Issue[] => {
    const inFile = (issues: readonly Issue[]) =>
      issues.map((issue) => ({ ...issue, path: `channels[${at}].${issue.path}` }))
    const secrets = (given.keys ?? []).map((key) => (typeof key === 'string' ? key : key.secret))
    const repeated = secrets.flatMap((secret, place): Issue[] =>
      secrets.indexOf(secret) === place ? [] : [{ path: `keys[${place}]`, message: 'stands in the list already' }],
    )
    const row = standing.find(({ name }) => name === given.name)
    if (row === undefined) {
      if (given.type === undefined) return inFile([{ path: 'type', message: 'is required for a new channel' }])
      return inFile([...repeated, ...newChannelIssues(newChannel(given), rules)])
    }
    const { keys, ...fields } = given
    const change = { ...fields, ...(keys === undefined ? {} : { keys: newChannel({ ...given, type: row.type }).keys }) }
    return inFile([...repeated, ...channelChangeIssues(change, row, rules)])
  })
}

async function itemIssues(file: ProvisionFile, store: Store): Promise<Issue[]> {
  const inFile = (file.channels ?? []).map(({ name }) => name)
  const channels = new Set([...inFile, ...(await store.channels.list()).map(({ name }) => name)])
  return (file.groups ?? []).flatMap(({ items = [] }, group) => {
    const seen = new Set<string>()
    return items.flatMap(({ channel, model }, at): Issue[] => {
      const path = `groups[${group}].items[${at}]`
      const place = JSON.stringify([channel, model])
      const again = seen.has(place)
      seen.add(place)
      if (!channels.has(channel)) {
        return [{ path: `${path}.channel`, message: `names no channel: ${JSON.stringify(channel)}` }]
      }
      return again ? [{ path, message: 'names a channel and model that stand in the list already' }] : []
    })
  })
}

async function apiKeyIssues(file: ProvisionFile, store: Store): Promise<Issue[]> {
  const standing = await store.apiKeys.list()
  const inFile = (file.groups ?? []).map(({ name }) => name)
  const groups = new Set([...inFile, ...(await store.groups.list()).map(({ name }) => name)])
  const keys = new Map<string, string>()
  return (file.apiKeys ?? []).flatMap(({ name, key, allowedGroups }, at): Issue[] => {
    const path = `apiKeys[${at}]`
    const issues = (allowedGroups ?? []).flatMap((group, place): Issue[] =>
      groups.has(group)
        ? []
        : [{ path: `${path}.allowedGroups[${place}]`, message: `names no group: ${JSON.stringify(group)}` }],
    )
    if (key === undefined) {
      const isNew = !standing.some((row) => row.name === name)
      return isNew ? [...issues, { path: `${path}.key`, message: 'is required for a new API key' }] : issues
    }
    const owner = keys.get(key) ?? store.current().apiKeysByHash.get(hashApiKey(key))?.name
    keys.set(key, name)
    if (owner === undefined || owner === name) return issues
    return [...issues, { path: `${path}.key`, message: `is the key of ${JSON.stringify(owner)} already` }]
  })
}

function refused(issues: readonly Issue[]): ContractError {
  return new ContractError('invalid_input', `the provision file is refused: ${summarise(issues)}`, { issues })
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
