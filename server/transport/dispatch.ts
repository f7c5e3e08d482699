import type { z } from 'zod'
import { ContractError, type ApiError, type Procedure } from '../contract/define.ts'
import { contract, type CallContext, type Handlers, type Name } from '../contract/index.ts'
import { check, summarise } from '../contract/issues.ts'

/** Where defects are told; the caller hears only that there was one. */
export interface FaultLog {
  error(fields: Readonly<Record<string, unknown>>, message: string): void
}

type Dispatched = { readonly ok: true; readonly output: unknown } | { readonly ok: false; readonly error: ApiError }

/** Calls a procedure by name. Never rejects. */
export type Dispatch = (name: string, input: unknown, context: CallContext) => Promise<Dispatched>

/** A row with its types forgotten, for code that treats all rows alike. */
export type AnyProcedure = Procedure<z.ZodType, z.ZodType>

export const procedures: ReadonlyMap<string, AnyProcedure> = new Map(Object.entries<AnyProcedure>(contract))

/** The one way to a handler, over HTTP and over a port: validate, call, validate. */
export function createDispatch(handlers: Handlers, log: FaultLog): Dispatch {
  // each handler takes exactly what its own row's schema makes; the table of all of them cannot say so
  const table = handlers as unknown as Readonly<
    Record<Name, (input: unknown, context: CallContext) => Promise<unknown>>
  >
  const isName = (name: string): name is Name => procedures.has(name)

  return async (name, input, context) => {
    const row = procedures.get(name)
    if (row === undefined || !isName(name))
      return refused({ code: 'not_found', message: `there is no call named ${name}` })
    const given = check(row.input, input)
    if (!given.ok) return refused({ code: 'invalid_input', message: summarise(given.issues), issues: given.issues })
    try {
      const answer = check(row.output, await table[name](given.value, context))
      if (answer.ok) return { ok: true, output: answer.value }
      log.error({ call: name, issues: answer.issues }, 'a handler answered outside the contract')
      return refused(defect)
    } catch (error) {
      if (error instanceof ContractError) return refused(toApiError(error))
      log.error({ call: name, err: error }, 'a handler failed')
      return refused(defect)
    }
  }
}

const defect: ApiError = {
  code: 'internal',
  message: 'Something failed inside the gateway. Its log says what.',
}

function refused(error: ApiError): Dispatched {
  return { ok: false, error }
}

function toApiError(error: ContractError): ApiError {
  return {
    code: error.code,
    message: error.message,
    ...(error.issues === undefined ? {} : { issues: error.issues }),
    ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
  }
}
