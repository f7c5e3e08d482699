import type { SqlConnection, SqlValue } from './driver.ts'

type Kind = SqlConnection['kind']

/** Rows for one statement: PostgreSQL takes 65 535 values, SQLite 32 766. */
const valuesPerStatement = 30_000

export interface Rows {
  readonly table: string
  readonly columns: readonly string[]
  readonly rows: readonly (readonly SqlValue[])[]
}

/** What happens where a row with the same key is there: it is replaced, counted up, or left as it is. */
export type OnDuplicate =
  | { readonly key: readonly string[]; readonly set: readonly string[] }
  | { readonly key: readonly string[]; readonly add: readonly string[] }
  | 'ignore'

/** `INSERT` of many rows as few statements with their values; `duplicate` absent: a duplicate is an error. Nothing for no rows. */
export function insertStatements(
  kind: Kind,
  { table, columns, rows }: Rows,
  duplicate?: OnDuplicate,
): readonly { readonly sql: string; readonly values: readonly SqlValue[] }[] {
  const verb = duplicate === 'ignore' && kind === 'mysql' ? 'INSERT IGNORE' : 'INSERT'
  const head = `${verb} INTO ${table} (${columns.join(', ')}) VALUES `
  const tail = duplicate === undefined ? '' : onDuplicate(kind, table, duplicate)
  const one = `(${columns.map(() => '?').join(', ')})`
  const size = Math.max(1, Math.min(500, Math.floor(valuesPerStatement / columns.length)))
  const statements: { sql: string; values: readonly SqlValue[] }[] = []
  for (let from = 0; from < rows.length; from += size) {
    const part = rows.slice(from, from + size)
    statements.push({ sql: head + part.map(() => one).join(', ') + tail, values: part.flat() })
  }
  return statements
}

/** Runs `insertStatements`. */
export async function insert(connection: SqlConnection, rows: Rows, duplicate?: OnDuplicate): Promise<void> {
  for (const { sql, values } of insertStatements(connection.kind, rows, duplicate))
    await connection.execute(sql, values)
}

function onDuplicate(kind: Kind, table: string, duplicate: OnDuplicate): string {
  if (duplicate === 'ignore') return kind === 'mysql' ? '' : ' ON CONFLICT DO NOTHING'
  const given = (column: string): string => (kind === 'mysql' ? `VALUES(${column})` : `excluded.${column}`)
  const changes =
    'set' in duplicate
      ? duplicate.set.map((column) => `${column} = ${given(column)}`)
      : duplicate.add.map((column) => `${column} = ${table}.${column} + ${given(column)}`)
  return kind === 'mysql'
    ? ` ON DUPLICATE KEY UPDATE ${changes.join(', ')}`
    : ` ON CONFLICT (${duplicate.key.join(', ')}) DO UPDATE SET ${changes.join(', ')}`
}

/** A pattern for `LIKE ? ESCAPE '!'` that finds the text anywhere; compare lower case with lower case. */
export function containing(text: string): string {
  return `%${text.toLowerCase().replace(/[!%_]/g, '!$&')}%`
}

/** Text as a column of `max` characters takes it: without NUL (PostgreSQL refuses it) and without spaces around. */
export function columnText(text: string, max: number): string {
  const clean = text.replaceAll('\0', '').trim()
  return clean.length <= max ? clean : Array.from(clean).slice(0, max).join('').trimEnd()
}
