import { ContractError } from '../contract/define.ts'
import type { Issue } from '../contract/issues.ts'
import { summarise } from '../contract/issues.ts'
import { codeOf } from './retry.ts'

export function invalidInput(issues: readonly Issue[]): ContractError {
  return new ContractError('invalid_input', summarise(issues), { issues })
}

/** Throws the issues, if there are any. */
export function requireNone(issues: readonly Issue[]): void {
  if (issues.length > 0) throw invalidInput(issues)
}

export function nameTaken(what: string, name: string): ContractError {
  const message = `is taken: there is another ${what} named ${JSON.stringify(name)}`
  return new ContractError('conflict', `name ${message}`, { issues: [{ path: 'name', message }] })
}

export function notFound(what: string, id: number | string): ContractError {
  return new ContractError('not_found', `there is no ${what} ${id}`)
}

/** Prisma's word for a broken unique index: somebody took the name between our look and our write. */
export function isDuplicate(error: unknown): boolean {
  return codeOf(error) === 'P2002'
}
