import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../model/request.ts'
import { schemaToJson } from './schema-in.ts'
import { toJsonDialect, toSubset } from './schema.ts'

describe('the subset', () => {
  test.each<[string, JsonObject, JsonObject]>([
    ['a type list with null', { type: ['string', 'null'] }, { type: 'STRING', nullable: true }],
    ['a type list', { type: ['string', 'integer'] }, { anyOf: [{ type: 'STRING' }, { type: 'INTEGER' }] }],
    [
      'anyOf with null is one nullable type',
      { anyOf: [{ type: 'string', maxLength: 3 }, { type: 'null' }], description: 'D' },
      { type: 'STRING', maxLength: 3, description: 'D', nullable: true },
    ],
    ['oneOf', { oneOf: [{ type: 'string' }, { type: 'number' }] }, { anyOf: [{ type: 'STRING' }, { type: 'NUMBER' }] }],
    ['an enum with null', { enum: ['a', null] }, { type: 'STRING', enum: ['a'], nullable: true }],
    [
      'a numeric enum is told in words',
      { type: 'integer', enum: [1, 2] },
      { type: 'INTEGER', description: 'Allowed: 1, 2.' },
    ],
    ['a constant', { const: 'x' }, { type: 'STRING', enum: ['x'] }],
    ['a true constant', { const: true, description: 'D.' }, { type: 'BOOLEAN', description: 'D. Allowed: true.' }],
    ['an array without items', { type: 'array' }, { type: 'ARRAY', items: { type: 'STRING' } }],
    [
      'a tuple',
      { type: 'array', prefixItems: [{ type: 'string' }, { type: 'number' }] },
      { type: 'ARRAY', items: { anyOf: [{ type: 'STRING' }, { type: 'NUMBER' }] } },
    ],
    ['a format that is refused', { type: 'string', format: 'uri' }, { type: 'STRING', description: 'Format: uri.' }],
    ['a format that is known', { type: 'string', format: 'date-time' }, { type: 'STRING', format: 'date-time' }],
    [
      'exclusive limits of integers',
      { type: 'integer', exclusiveMinimum: 0, exclusiveMaximum: 10 },
      { type: 'INTEGER', minimum: 1, maximum: 9 },
    ],
    [
      'required names that do not exist',
      { type: 'object', properties: { a: { type: 'string' } }, required: ['a', 'b'], additionalProperties: false },
      { type: 'OBJECT', properties: { a: { type: 'STRING' } }, required: ['a'] },
    ],
    [
      'allOf with references',
      {
        allOf: [{ $ref: '#/$defs/A' }, { $ref: '#/$defs/B' }],
        $defs: {
          A: { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] },
          B: { properties: { b: { type: 'number' } }, required: ['b'] },
        },
      },
      { type: 'OBJECT', properties: { a: { type: 'STRING' }, b: { type: 'NUMBER' } }, required: ['a', 'b'] },
    ],
    [
      'a reference beside a description',
      {
        properties: { a: { $ref: '#/definitions/A', description: 'mine' } },
        definitions: { A: { type: 'boolean', description: 'its' } },
      },
      { type: 'OBJECT', properties: { a: { type: 'BOOLEAN', description: 'mine' } } },
    ],
    [
      'a property that is called like a keyword',
      { properties: { const: { type: 'string' } } },
      { type: 'OBJECT', properties: { const: { type: 'STRING' } } },
    ],
    [
      'a property that may be anything',
      { properties: { a: true, b: false, c: {} } },
      { type: 'OBJECT', properties: { a: { type: 'STRING' }, c: { type: 'STRING' } } },
    ],
    ['an unknown reference', { $ref: '#/$defs/None' }, { type: 'OBJECT' }],
  ])('%s', (_name, schema, wanted) => {
    expect(toSubset(schema)).toEqual(wanted)
  })
  test('references that go round are cut', () => {
    const schema = {
      $ref: '#/$defs/Tree',
      $defs: {
        Tree: {
          type: 'object',
          properties: { value: { type: 'string' }, children: { type: 'array', items: { $ref: '#/$defs/Tree' } } },
        },
      },
    }
    expect(toSubset(schema)).toEqual({
      type: 'OBJECT',
      properties: { value: { type: 'STRING' }, children: { type: 'ARRAY', items: { type: 'OBJECT' } } },
    })
  })
  test('references that double with every step end', () => {
    const $defs: Record<string, JsonObject> = { D0: { type: 'string' } }
    for (let level = 1; level < 40; level++) {
      const $ref = `#/$defs/D${level - 1}`
      $defs[`D${level}`] = { type: 'object', properties: { a: { $ref }, b: { $ref } } }
    }
    expect(JSON.stringify(toSubset({ $ref: '#/$defs/D39', $defs })).length).toBeLessThan(1_000_000)
  })
  test('allOf that goes round ends', () => {
    expect(toSubset({ $defs: { A: { allOf: [{ $ref: '#/$defs/A' }] } }, allOf: [{ $ref: '#/$defs/A' }] })).toEqual({
      type: 'STRING',
    })
  })
})

describe('JSON Schema for Gemini', () => {
  test.each<[string, JsonObject, JsonObject]>([
    [
      'what it takes stays',
      { type: ['string', 'null'], $ref: '#/$defs/A', $defs: { A: {} } },
      { type: ['string', 'null'], $ref: '#/$defs/A', $defs: { A: {} } },
    ],
    ['$schema and const go', { $schema: 'x', properties: { a: { const: 1 } } }, { properties: { a: { enum: [1] } } }],
    [
      'properties keep their names',
      { properties: { const: { type: 'string' }, $schema: { type: 'string' } } },
      { properties: { const: { type: 'string' }, $schema: { type: 'string' } } },
    ],
    [
      'allOf is merged',
      { allOf: [{ type: 'object' }, { properties: { a: {} } }] },
      { type: 'object', properties: { a: {} } },
    ],
    [
      'values are no schemas',
      { default: { const: 1 }, enum: [{ $schema: 1 }] },
      { default: { const: 1 }, enum: [{ $schema: 1 }] },
    ],
  ])('%s', (_name, schema, wanted) => {
    expect(toJsonDialect(schema)).toEqual(wanted)
  })
})

describe("Gemini's schema as JSON Schema", () => {
  test.each<[string, JsonObject, JsonObject]>([
    [
      'types',
      { type: 'OBJECT', properties: { A: { type: 'STRING' } }, property_ordering: ['A'] },
      { type: 'object', properties: { A: { type: 'string' } } },
    ],
    ['nullable', { type: 'STRING', nullable: true, enum: ['a'] }, { type: ['string', 'null'], enum: ['a', null] }],
    [
      'nullable union',
      { any_of: [{ type: 'STRING' }], nullable: true },
      { anyOf: [{ type: 'string' }, { type: 'null' }] },
    ],
    [
      'counts in quotes',
      { type: 'ARRAY', minItems: '2', items: { type: 'NUMBER' } },
      { type: 'array', minItems: 2, items: { type: 'number' } },
    ],
    [
      'JSON Schema stays',
      { type: 'object', $defs: { a_b: { type: 'null' } }, additionalProperties: false },
      { type: 'object', $defs: { a_b: { type: 'null' } }, additionalProperties: false },
    ],
    [
      'properties keep their names',
      { type: 'OBJECT', properties: { max_items: { type: 'STRING' }, nullable: { type: 'BOOLEAN' } } },
      { type: 'object', properties: { max_items: { type: 'string' }, nullable: { type: 'boolean' } } },
    ],
  ])('%s', (_name, schema, wanted) => {
    expect(schemaToJson(schema)).toEqual(wanted)
  })
})
