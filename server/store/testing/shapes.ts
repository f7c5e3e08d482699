import * as mariadb from 'mariadb'
import pg from 'pg'
import type { DatabaseConfig } from '../database.ts'
import { mysqlOptions } from '../drivers/mysql.ts'

/** Runs SQL as it stands, outside of everything that is tested. */
export async function runSql(database: DatabaseConfig, statements: readonly string[]): Promise<unknown[][]> {
  const results: unknown[][] = []
  if (database.kind === 'sqlite') {
    const { default: Database } = await import('better-sqlite3')
    const connection = new Database(database.file)
    for (const sql of statements) {
      const statement = connection.prepare(sql)
      results.push(statement.reader ? statement.all() : (statement.run(), []))
    }
    connection.close()
  } else if (database.kind === 'postgresql') {
    const connection = new pg.Client({ connectionString: database.url.reveal() })
    await connection.connect()
    for (const sql of statements) results.push((await connection.query<Record<string, unknown>>(sql)).rows)
    await connection.end()
  } else {
    const connection = await mariadb.createConnection(mysqlOptions(database.url))
    for (const sql of statements) {
      const rows: unknown = await connection.query(sql)
      results.push(Array.isArray(rows) ? rows.map((row: unknown) => row) : [])
    }
    await connection.end()
  }
  return results
}

const postgresqlFacts = `
  SELECT 'column ' || c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || ' not null=' || a.attnotnull
    || ' default=' || coalesce(pg_get_expr(d.adbin, d.adrelid), '') AS fact
  FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = 'r'
    JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
  WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relname <> 'schema_migration'
  UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'schema_migration'
  UNION ALL SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND conname NOT LIKE 'schema_migration%'`

const mysqlFacts = [
  `SELECT table_name t, column_name c, column_type ty, is_nullable n, column_default d, extra e, collation_name co
   FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name <> 'schema_migration'`,
  `SELECT table_name t, index_name i, CAST(non_unique AS CHAR) u, GROUP_CONCAT(column_name ORDER BY seq_in_index) c
   FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name <> 'schema_migration' GROUP BY 1, 2, 3`,
  `SELECT r.table_name t, r.constraint_name n, r.referenced_table_name rt, r.delete_rule dr, r.update_rule ur,
     GROUP_CONCAT(CONCAT(u.column_name, '>', u.referenced_column_name)) c
   FROM information_schema.referential_constraints r
     JOIN information_schema.key_column_usage u
       ON u.constraint_schema = r.constraint_schema AND u.constraint_name = r.constraint_name AND u.table_name = r.table_name
   WHERE r.constraint_schema = DATABASE() GROUP BY 1, 2, 3, 4, 5`,
]

/** Everything that a server's catalogue says of our tables, as sorted lines: two databases of one shape say the same. */
export async function shapeOf(database: DatabaseConfig): Promise<string[]> {
  const sql = {
    sqlite: [`SELECT type, name, tbl_name, sql FROM sqlite_master WHERE tbl_name <> 'schema_migration' ORDER BY name`],
    postgresql: [postgresqlFacts],
    mysql: mysqlFacts,
  }[database.kind]
  return (await runSql(database, sql))
    .flat()
    .map((row) => JSON.stringify(row))
    .sort()
}
