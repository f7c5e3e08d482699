import type { Kind } from './schema.mjs'

export function statementsOf(sql: string): readonly string[]
export function scripts(before: string | null, now: string): Promise<Readonly<Record<Kind, string>> | null>
export function embed(): Promise<string>
