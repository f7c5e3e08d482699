import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RelayError } from '../errors.ts'
import { fieldValue, scanTopLevel, splice } from './scan.ts'

const bytes = (text: string): Buffer => Buffer.from(text, 'utf8')

describe('scanTopLevel', () => {
  it('finds what JSON.parse finds, in any object', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.jsonValue(), fc.nat(4), (object, model, spaces) => {
        const body = bytes(JSON.stringify({ ...object, model }, null, spaces))
        const found = scanTopLevel(body, ['model', 'stream'])
        expect(found.model === undefined ? undefined : fieldValue(body, found.model)).toEqual(
          JSON.parse(JSON.stringify(model)),
        )
        expect(found.stream === undefined).toBe(!Object.hasOwn(object, 'stream'))
      }),
    )
  })

  it('does not take a nested field, or one inside a string, for a top-level one', () => {
    const body = bytes(`{"a":{"model":"x"},"t":"\\"model\\":\\"y\\"","l":[{"model":"z"}],"model":"right"}`)
    const { model } = scanTopLevel(body, ['model'])
    expect(model && fieldValue(body, model)).toBe('right')
  })

  it('sees a field whose name is written with escapes', () => {
    const body = bytes('{"\\u006dodel":"hidden"}')
    const { model } = scanTopLevel(body, ['model'])
    expect(model && fieldValue(body, model)).toBe('hidden')
  })

  it.each([
    ['given twice', '{"model":"a","model":"b"}', /'model' is given twice/],
    ['given twice, once in disguise', '{"model":"a","\\u006dodel":"b"}', /'model' is given twice/],
    ['empty', '', /no body/],
    ['an array', '[1]', /must be a JSON object/],
    ['a string', '"model"', /must be a JSON object/],
    ['cut short', '{"model":"a"', /not valid JSON/],
    ['cut inside a string', '{"model":"a', /not valid JSON/],
    ['followed by garbage', '{"model":"a"} x', /not valid JSON/],
    ['without colons', '{"model" "a"}', /not valid JSON/],
    ['with a trailing comma', '{"model":"a",}', /not valid JSON/],
    ['not JSON', 'model=a', /not valid JSON/],
  ])('refuses a body that is %s', (_name, text, message) => {
    expect(() => scanTopLevel(bytes(text), ['model'])).toThrow(message)
    expect(() => scanTopLevel(bytes(text), ['model'])).toThrow(RelayError)
  })

  it('never echoes the body in its error', () => {
    const secret = 'my-private-prompt'
    expect(() => scanTopLevel(bytes(`{"messages":"${secret}`), ['model'])).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining(secret) as unknown }),
    )
  })

  it('takes time in proportion to the body, for backslashes too', () => {
    const body = bytes(`{"text":"${'\\\\'.repeat(500_000)}","model":"m"}`)
    expect(scanTopLevel(body, ['model']).model).toBeDefined()
    const quotes = bytes(`{"text":"${'\\"'.repeat(500_000)}","model":"m"}`)
    expect(scanTopLevel(quotes, ['model']).model).toBeDefined()
  })
})

describe('splice', () => {
  it('changes the span and nothing else', () => {
    const body = bytes('{ "model" : "é", "x":1 }')
    const { model } = scanTopLevel(body, ['model'])
    expect(model && splice(body, model, '"other"').toString()).toBe('{ "model" : "other", "x":1 }')
  })
})
