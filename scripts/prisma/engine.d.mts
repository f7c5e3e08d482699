export function diff(kind: 'sqlite' | 'postgresql', from: string | null, to: string): Promise<string>
export function diffSqliteFile(file: string, schema: string): Promise<string>
export function isEmpty(sql: string): boolean
