import { Validator } from '@seriousme/openapi-schema-validator'
import { describe, expect, it } from 'vitest'
import { openApiDocument } from './openapi.ts'
import { procedures } from './dispatch.ts'

const document = JSON.parse(JSON.stringify(openApiDocument('1.2.3'))) as {
  paths: Record<string, Record<string, { operationId: string; security?: unknown[]; parameters?: { name: string }[] }>>
  components: { schemas: Record<string, unknown> }
}

describe('the OpenAPI document', () => {
  it('is valid OpenAPI 3.1', async () => {
    const validator = new Validator()
    const result = await validator.validate(structuredClone(document))
    expect(result.errors ?? []).toEqual([])
    expect(result.valid).toBe(true)
    expect(validator.version).toBe('3.1')
  })

  it('refers to nothing that is not in it', () => {
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]*)"/g)].map(([, reference]) => reference)
    expect(references.length).toBeGreaterThan(20)
    for (const reference of references) {
      const id = /^#\/components\/schemas\/(.+)$/.exec(reference ?? '')?.[1] ?? ''
      expect(Object.keys(document.components.schemas)).toContain(id)
    }
  })

  it('has every row of the contract, and says which are open', () => {
    const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods))
    const byId = new Map(operations.map((operation) => [operation.operationId, operation]))
    for (const [name, row] of procedures) {
      expect(byId.has(name)).toBe(true)
      expect(byId.get(name)?.security).toEqual(row.open === true ? [] : undefined)
      const inPath = [...row.http.matchAll(/:(\w+)/g)].map(([, field]) => field)
      const parameters = (byId.get(name)?.parameters ?? []).map((parameter) => parameter.name)
      expect(parameters).toEqual(expect.arrayContaining(inPath))
    }
    expect(byId.size).toBe(procedures.size + 1) // and the events
  })
})
