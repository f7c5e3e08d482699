// npm run migration new NAME   what changed in prisma/schema.prisma since the last migration, as prisma/migrations/NNNN_NAME/
//                              {sqlite,postgresql,mysql}.sql, with the schema beside it (where the next one starts from)
// npm run migration embed      after editing the newest one's SQL by hand: writes server/store/migrations.ts anew
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import * as prettier from 'prettier'
import { diff, isEmpty } from './engine.mjs'
import { toMysql } from './mysql.mjs'
import { kinds, readSchema, render, root } from './schema.mjs'

const folder = path.join(root, 'prisma/migrations')
const embedded = path.join(root, 'server/store/migrations.ts')
const names = () => (existsSync(folder) ? readdirSync(folder).filter((name) => /^\d{4}_/.test(name)) : []).sort()

/** Statements of a script. Prisma ends each with `;` at a line's end and comments only on lines of their own. */
export const statementsOf = (sql) =>
  sql
    .split(/;[ \t]*$/m)
    .map((statement) => statement.replace(/^\s*--.*$/gm, '').trim())
    .filter(Boolean)

/** The three scripts that lead from one schema (null: nothing) to another; null when nothing changed. */
export async function scripts(before, now) {
  const from = (kind) => before && render(before, kind)
  const postgresql = await diff('postgresql', from('postgresql'), render(now, 'postgresql'))
  if (isEmpty(postgresql)) return null
  return {
    sqlite: await diff('sqlite', from('sqlite'), render(now, 'sqlite')),
    postgresql,
    mysql: toMysql(postgresql, {
      schema: render(now, 'mysql'),
      full: await diff('postgresql', null, render(now, 'postgresql')),
      fullBefore: before && (await diff('postgresql', null, render(before, 'postgresql'))),
    }),
  }
}

/** Text of the module that the program carries its migrations in. */
export async function embed() {
  const list = names().map((name) => ({
    name,
    ...Object.fromEntries(
      kinds.map((kind) => {
        const sql = readFileSync(path.join(folder, name, `${kind}.sql`), 'utf8').replaceAll('\r\n', '\n')
        const checksum = createHash('sha256').update(sql).digest('hex').slice(0, 16)
        return [kind, { checksum, statements: statementsOf(sql) }]
      }),
    ),
  }))
  const text = `// Written by scripts/prisma/migration.mjs from prisma/migrations/: the program reads no SQL files.

/** One step of the schema on one database. The checksum is of the SQL file: what was applied once must never change. */
export interface Script {
  readonly checksum: string
  readonly statements: readonly string[]
}
export interface Migration {
  readonly name: string
  readonly sqlite: Script
  readonly postgresql: Script
  readonly mysql: Script
}

export const migrations: readonly Migration[] = ${JSON.stringify(list, null, 2)}
`
  return prettier.format(text, { ...(await prettier.resolveConfig(embedded)), filepath: embedded })
}

async function create(name) {
  const last = names().at(-1)
  const before = last === undefined ? null : readFileSync(path.join(folder, last, 'schema.prisma'), 'utf8')
  const now = readSchema()
  const written = await scripts(before, now)
  if (written === null) return void console.log('the schema says what the last migration says')
  const number = String(Number(last?.slice(0, 4) ?? 0) + 1).padStart(4, '0')
  const target = path.join(folder, `${number}_${name}`)
  mkdirSync(target, { recursive: true })
  for (const kind of kinds) writeFileSync(path.join(target, `${kind}.sql`), written[kind])
  writeFileSync(path.join(target, 'schema.prisma'), now)
  console.log(`wrote ${path.relative(root, target)}: read it before you commit it`)
}

if (import.meta.filename === path.resolve(process.argv[1] ?? '')) {
  const [command, name] = process.argv.slice(2)
  if (command === 'new' && /^[a-z0-9_]+$/.test(name ?? '')) await create(name)
  else if (command !== 'embed') {
    console.error('usage: npm run migration new NAME (a-z, 0-9, _) | npm run migration embed')
    process.exit(2)
  }
  writeFileSync(embedded, await embed())
}
