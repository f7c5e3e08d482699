// Prisma's schema engine in WebAssembly does not speak MySQL. Here PostgreSQL's SQL is turned into MySQL's, column types coming from
// the schema that is rendered for MySQL. What is not known here throws: that step is then written by hand into the migration's file.
import { createRequire } from 'node:module'

const { get_dmmf } = createRequire(import.meta.url)('@prisma/prisma-schema-wasm')

/** What Prisma makes of its types on MySQL where no `@db.` attribute says otherwise. */
const defaults = {
  String: 'VARCHAR(191)',
  Int: 'INTEGER',
  BigInt: 'BIGINT',
  Boolean: 'BOOLEAN',
  Float: 'DOUBLE',
  Bytes: 'LONGBLOB',
}
const postgresType = /^(TEXT|SERIAL|INTEGER|BIGSERIAL|BIGINT|BOOLEAN|DOUBLE PRECISION|BYTEA)/

function columnTypes(schema) {
  const { datamodel } = JSON.parse(
    get_dmmf(JSON.stringify({ prismaSchema: [['schema.prisma', schema]], noColor: true })),
  )
  const types = new Map()
  for (const model of datamodel.models)
    for (const field of model.fields.filter((candidate) => candidate.kind === 'scalar')) {
      const [word, parameters] = field.nativeType ?? []
      const native = word && word.toUpperCase() + (parameters.length > 0 ? `(${parameters.join(',')})` : '')
      types.set(`${model.dbName ?? model.name}.${field.dbName ?? field.name}`, native ?? defaults[field.type])
    }
  return types
}

const requote = (sql) => sql.replace(/"([^"]+)"/g, '`$1`')
const byHand = (step) => {
  throw new Error(`write this step of mysql.sql by hand: ${step}`)
}

/** Prisma's script is blocks of one comment line and one statement. */
const blocks = (sql) =>
  sql
    .trim()
    .split(/\n\n(?=-- )/)
    .map((block) => {
      const [head, ...body] = block.trim().split('\n')
      return { head, sql: body.join('\n').trim() }
    })
const createTable = /^CREATE TABLE "([^"]+)" \(\n(.*)\n\);$/s
const tableLines = (body) =>
  body
    .split('\n')
    .map((line) => line.trim().replace(/,$/, ''))
    .filter(Boolean)

function columnDefinitions(fullSql) {
  const definitions = new Map()
  for (const block of blocks(fullSql)) {
    const [, table, body] = createTable.exec(block.sql) ?? []
    if (!table) continue
    for (const line of tableLines(body)) {
      const [, column] = /^"([^"]+)" /.exec(line) ?? []
      if (column) definitions.set(`${table}.${column}`, line)
    }
  }
  return definitions
}

function indexTables(fullSql) {
  const tables = new Map()
  for (const block of blocks(fullSql)) {
    const [, index, table] = /^CREATE (?:UNIQUE )?INDEX "([^"]+)" ON "([^"]+)"/.exec(block.sql) ?? []
    if (index) tables.set(index, table)
  }
  return tables
}

/**
 * PostgreSQL's difference as MySQL's. `schema` is rendered for MySQL; `full` and `fullBefore` are PostgreSQL's SQL of the whole
 * schema now and before: a changed column is written anew, and MySQL wants an index's table to drop it.
 */
export function toMysql(difference, { schema, full, fullBefore }) {
  const types = columnTypes(schema)
  const definitions = columnDefinitions(full)
  const indexes = indexTables(fullBefore ?? '')

  const column = (table, definition) => {
    const [, name, rest] = /^"([^"]+)" (.*)$/s.exec(definition)
    const type = types.get(`${table}.${name}`)
    if (!type || !postgresType.test(rest)) throw new Error(`no MySQL type for ${table}.${name}: ${definition}`)
    if (/TEXT|BLOB/.test(type) && /DEFAULT/.test(rest))
      throw new Error(`MySQL allows no default on ${table}.${name} (${type})`)
    const typed = rest.replace(postgresType, type) + (/^(BIG)?SERIAL/.test(rest) ? ' AUTO_INCREMENT' : '')
    return `\`${name}\` ${/NOT NULL/.test(rest) ? typed : typed.replace(type, `${type} NULL`)}`
  }

  const alteration = (table, part) => {
    const words = part.trim()
    const added = /^ADD COLUMN\s+(.*)$/s.exec(words)
    if (added) return `ADD COLUMN ${column(table, added[1])}`
    const altered = /^ALTER COLUMN "([^"]+)"/.exec(words)
    if (altered) return `MODIFY COLUMN ${column(table, definitions.get(`${table}.${altered[1]}`))}`
    if (/^DROP COLUMN|^ADD CONSTRAINT .* FOREIGN KEY/.test(words)) return requote(words)
    const dropped = /^DROP CONSTRAINT ("[^"]+_fkey")$/.exec(words)
    if (dropped) return requote(`DROP FOREIGN KEY ${dropped[1]}`)
    return byHand(`ALTER TABLE "${table}" ${words}`)
  }

  const statement = (sql) => {
    const created = createTable.exec(sql)
    if (created) {
      const [, table, body] = created
      const lines = tableLines(body).map((line) =>
        line.startsWith('CONSTRAINT') ? requote(line.replace(/^CONSTRAINT "[^"]+" /, '')) : column(table, line),
      )
      // utf8mb4_bin: `=` and UNIQUE compare as SQLite and PostgreSQL do
      return `CREATE TABLE \`${table}\` (\n    ${lines.join(',\n    ')}\n) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;`
    }
    const altered = /^ALTER TABLE "([^"]+)"\s+(.*);$/s.exec(sql)
    if (altered) {
      const parts = new Set(altered[2].split(/,\n/).map((part) => alteration(altered[1], part)))
      return `ALTER TABLE \`${altered[1]}\` ${[...parts].join(',\n    ')};`
    }
    const dropped = /^DROP INDEX "([^"]+)";$/.exec(sql)
    if (dropped) return `DROP INDEX \`${dropped[1]}\` ON \`${indexes.get(dropped[1]) ?? byHand(sql)}\`;`
    return /^CREATE (UNIQUE )?INDEX|^DROP TABLE/.test(sql) ? requote(sql) : byHand(sql)
  }

  return (
    blocks(difference)
      .map(({ head, sql }) => `${head}\n${statement(sql)}`)
      .join('\n\n') + '\n'
  )
}
