import { describe, expect, test } from 'vitest'
import fc from 'fast-check'
import {
  customAsFunction,
  customToolNames,
  InputUnwrapper,
  InputWrapper,
  unwrapInput,
  wrapInput,
} from './custom-tools.ts'

function inPieces(text: string, cuts: readonly number[]): string[] {
  const places = [...new Set(cuts.map((cut) => cut % (text.length + 1)))].sort((a, b) => a - b)
  return [...places, text.length].map((end, at) => text.slice(at === 0 ? 0 : places[at - 1], end))
}

function unwrapPieces(pieces: readonly string[]): string {
  const unwrapper = new InputUnwrapper()
  return pieces.map((piece) => unwrapper.push(piece)).join('') + unwrapper.end()
}

describe('custom tools', () => {
  test('a custom tool becomes a function of one string, with its grammar told', () => {
    const tool = customAsFunction({
      type: 'custom',
      name: 'apply_patch',
      description: 'Edits files.',
      grammar: { type: 'grammar', syntax: 'lark', definition: 'start: begin end' },
    })
    expect(tool.name).toBe('apply_patch')
    expect(tool.parameters.required).toEqual(['input'])
    expect(tool.description).toMatch(/^Edits files\.[^]*lark grammar:\nstart: begin end$/)
    expect(customToolNames([tool, { type: 'custom', name: 'x' }])).toEqual(new Set(['x']))
  })

  test('free text survives, cut anywhere', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.array(fc.nat(), { maxLength: 20 }), (text, cuts) => {
        expect(unwrapInput(wrapInput(text))).toBe(text)
        expect(unwrapPieces(inPieces(wrapInput(text), cuts))).toBe(text)
        const wrapper = new InputWrapper()
        const wrapped = inPieces(text, cuts).map((piece) => wrapper.push(piece))
        expect(unwrapInput(wrapped.join('') + wrapper.end())).toBe(text)
      }),
    )
  })

  test('every escape of JSON is understood, at every cut, and no piece ends in half a character', () => {
    const args = String.raw` { "input" : "a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00` + '😀\n' + String.raw`\u005c" } `
    const text = 'a"\\/\b\f\n\r\té😀😀\n\\'
    for (let cut = 0; cut <= args.length; cut++) {
      const unwrapper = new InputUnwrapper()
      const pieces = [unwrapper.push(args.slice(0, cut)), unwrapper.push(args.slice(cut)), unwrapper.end()]
      expect(pieces.join('')).toBe(text)
      for (const piece of pieces) expect(piece.isWellFormed()).toBe(true)
    }
  })

  test.each([
    ['another name', '{"patch":"*** Begin"}', '*** Begin'],
    ['no JSON at all', '*** Begin Patch', '*** Begin Patch'],
    ['several fields', '{"a":"1","b":"2"}', '{"a":"1","b":"2"}'],
    ['input is not first', '{"why":1,"input":"x"}', 'x'],
    ['no string', '{"input":5}', '{"input":5}'],
    ['nothing', '', ''],
    ['cut in the string', '{"input":"abc\\u00', 'abc'],
    ['more white space than a head has', `{${' '.repeat(3000)}"input":"x"}`, 'x'],
  ])('a model that errs is understood: %s', (_, args, text) => {
    for (const size of [1, 3, 4000]) {
      const pieces = Array.from({ length: Math.ceil(args.length / size) }, (_, at) =>
        args.slice(at * size, at * size + size),
      )
      expect(unwrapPieces(pieces)).toBe(text)
    }
  })

  test('two megabytes in small pieces', () => {
    const text = 'line "of" text\n'.repeat(140_000)
    const args = wrapInput(text)
    const pieces = Array.from({ length: Math.ceil(args.length / 5) }, (_, at) => args.slice(at * 5, at * 5 + 5))
    expect(unwrapPieces(pieces) === text).toBe(true)
  })
})
