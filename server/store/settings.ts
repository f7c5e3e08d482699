import { z } from 'zod'
import { Settings, type SettingsPatch } from '../contract/settings.ts'
import { maskedProxy } from './channels.ts'
import { parsed, text } from './columns.ts'
import type { StoreContext } from './context.ts'
import type { StoreLog } from './database.ts'
import type { SqlRow } from './driver.ts'
import { isMasked, maskAddress } from './masking.ts'
import { invalidInput } from './refusals.ts'
import type { DataKey } from './secrets.ts'

type Section = keyof Settings
type Fields = Readonly<Record<string, unknown>>

const sections = ['relay', 'network', 'log', 'sync', 'antigravity'] as const satisfies readonly Section[]
const Stored = z.record(z.string(), z.unknown())
/** A proxy's address may hold a password. */
const sealedSections: ReadonlySet<Section> = new Set(['network'])
const sealedPlace = 'setting.network'
const rowName = (section: Section): string => `settings.${section}`

export const settingsQuery = `SELECT name, value FROM setting WHERE name LIKE 'settings.%'`

/** Settings from their rows: only what was ever changed is stored, so that everything else follows the program's defaults. */
export function toSettings(rows: readonly SqlRow[], dataKey: DataKey, log: StoreLog): Settings {
  const stored = Object.fromEntries(sections.map((section) => [section, storedSection(rows, section, dataKey)]))
  const result = Settings.safeParse(stored)
  if (result.success) return result.data
  // a field that no longer parses (of another version, or edited by hand) falls back to its default; the others stand
  for (const { path, message } of result.error.issues) {
    const [section, field] = path
    log.warn(`the stored setting ${path.join('.')} ${message}: its default is used`)
    const fields = stored[String(section)]
    if (fields) stored[String(section)] = without(fields, String(field))
  }
  return Settings.parse(stored)
}

function without(fields: Fields, name: string): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([field]) => field !== name))
}

function storedSection(rows: readonly SqlRow[], section: Section, dataKey: DataKey): Fields {
  const row = rows.find((candidate) => candidate['name'] === rowName(section))
  if (row === undefined) return {}
  const value = text(row, 'value')
  const source = sealedSections.has(section) ? dataKey.open(value, sealedPlace).reveal() : value
  return parsed(source, Stored) ?? {}
}

/** All that can be changed while the gateway runs. */
export class SettingsStore {
  readonly #context: StoreContext

  constructor(context: StoreContext) {
    this.#context = context
  }

  /** For showing: credentials in the proxy's address are masked. The relay reads the configuration instead. */
  get(): Settings {
    const settings = this.#context.current().settings
    return { ...settings, network: { ...settings.network, proxyUrl: maskAddress(settings.network.proxyUrl) } }
  }

  /** Changes the given fields; arrays are replaced whole. Throws ContractError invalid_input for a mask that is not ours. */
  async patch(patch: SettingsPatch): Promise<Settings> {
    await this.#context.change(async (tx) => {
      const { dataKey } = this.#context
      const names = sections.filter((section) => patch[section] !== undefined)
      const rows = await tx.setting.findMany({ where: { name: { in: names.map(rowName) } } })
      for (const section of names) {
        const stored = storedSection(rows, section, dataKey)
        const text = JSON.stringify({ ...stored, ...this.#unmasked(patch[section] ?? {}, stored) })
        const row = {
          value: sealedSections.has(section) ? dataKey.seal(text, sealedPlace) : text,
          updated_at: BigInt(Date.now()),
        }
        const { count } = await tx.setting.updateMany({ where: { name: rowName(section) }, data: row })
        if (count === 0) await tx.setting.create({ data: { name: rowName(section), ...row } })
      }
    })
    return this.get()
  }

  #unmasked(given: Fields, stored: Fields): Fields {
    const defined = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
    const { proxyUrl } = defined
    if (typeof proxyUrl !== 'string' || !isMasked(proxyUrl)) return defined
    const known = stored['proxyUrl']
    if (typeof known !== 'string' || maskAddress(known) !== proxyUrl)
      throw invalidInput([maskedProxy('network.proxyUrl')])
    return { ...defined, proxyUrl: known }
  }
}
