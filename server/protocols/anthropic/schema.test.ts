import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../model/request.ts'
import { inputSchema, strictSchema, withinStrictLimits } from './schema.ts'

const text = { type: 'string' }

describe('inputSchema', () => {
  test.each<[string, JsonObject, JsonObject]>([
    [
      'an object as it is',
      { $schema: 's', type: 'object', minProperties: 1 },
      { $schema: 's', type: 'object', minProperties: 1 },
    ],
    ['nothing', {}, { type: 'object' }],
    [
      'alternatives laid over one another',
      {
        properties: { a: text },
        required: ['a'],
        anyOf: [
          { properties: { b: text }, required: ['b', 'c'] },
          { properties: { c: text }, required: ['c'] },
        ],
      },
      { type: 'object', properties: { b: text, c: text, a: text }, required: ['a', 'c'] },
    ],
    [
      'all of several',
      { allOf: [{ properties: { a: text }, required: ['a'] }, { properties: { b: text } }] },
      { type: 'object', properties: { a: text, b: text }, required: ['a'] },
    ],
  ])('%s', (_, schema, expected) => {
    expect(inputSchema(schema)).toEqual(expected)
  })
})

describe('strictSchema', () => {
  const object = (properties: JsonObject, rest: JsonObject = {}): JsonObject => ({
    type: 'object',
    properties,
    ...rest,
  })
  const closed = (properties: JsonObject, rest: JsonObject = {}): JsonObject => ({
    type: 'object',
    properties,
    additionalProperties: false,
    ...rest,
  })

  test.each<[string, JsonObject, JsonObject | undefined]>([
    ['nested objects are closed', object({ a: object({ b: text }) }), closed({ a: closed({ b: text }) })],
    [
      'refused constraints are told',
      object({
        a: { type: 'string', minLength: 2, description: 'A' },
        b: { type: 'array', items: text, minItems: 1, maxItems: 3 },
      }),
      closed({
        a: { type: 'string', description: 'A {minLength: 2}' },
        b: { type: 'array', items: text, minItems: 1, description: '{maxItems: 3}' },
      }),
    ],
    [
      'formats and simple patterns stay',
      object({ a: { type: 'string', format: 'date' }, b: { type: 'string', pattern: '^a+$' } }),
      closed({ a: { type: 'string', format: 'date' }, b: { type: 'string', pattern: '^a+$' } }),
    ],
    [
      'oneOf is anyOf',
      object({ a: { oneOf: [text, { type: 'null' }] } }),
      closed({ a: { anyOf: [text, { type: 'null' }] } }),
    ],
    [
      'definitions stay',
      object({ a: { $ref: '#/$defs/b' } }, { $defs: { b: object({}, { additionalProperties: false }) } }),
      closed({ a: { $ref: '#/$defs/b' } }, { $defs: { b: closed({}) } }),
    ],
    ['a map cannot be', { type: 'object', additionalProperties: text }, undefined],
    ['an open object cannot be', { type: 'object' }, undefined],
    ['recursion cannot be', object({ a: { $ref: '#' } }), undefined],
    [
      'recursion through definitions cannot be',
      object(
        { a: { $ref: '#/$defs/b' } },
        { $defs: { b: { $ref: '#/$defs/c' }, c: object({ d: { $ref: '#/$defs/b' } }) } },
      ),
      undefined,
    ],
    ['references elsewhere cannot be', object({ a: { $ref: 'https://a' } }), undefined],
    ['tuples cannot be', object({ a: { type: 'array', prefixItems: [text] } }), undefined],
    ['objects in enums cannot be', object({ a: { enum: [{}] } }), undefined],
  ])('%s', (_, schema, expected) => {
    expect(strictSchema(schema)).toEqual(expected)
  })

  test('definitions that share others are looked at once each', () => {
    const layers = Object.fromEntries(
      Array.from({ length: 40 }, (_, at) => {
        const next = { $ref: `#/$defs/l${at + 1}` }
        return [`l${at}`, at === 39 ? text : object({ a: next, b: next })]
      }),
    )
    expect(strictSchema(object({ a: { $ref: '#/$defs/l0' } }, { $defs: layers }))).toBeDefined()
  })

  test('limits', () => {
    const optional = (count: number) =>
      object(Object.fromEntries(Array.from({ length: count }, (_, at) => [`p${at}`, text])))
    expect(withinStrictLimits([optional(24)])).toBe(true)
    expect(withinStrictLimits([optional(20), optional(5)])).toBe(false)
    expect(withinStrictLimits(Array.from({ length: 21 }, () => object({})))).toBe(false)
    const unions = Array.from({ length: 17 }, (_, at) => [`p${at}`, { type: ['string', 'null'] }] as const)
    const names = unions.map(([name]) => name)
    expect(withinStrictLimits([object(Object.fromEntries(unions), { required: names })])).toBe(false)
  })
})
