/**
 * Reads a JavaScript object literal of plain data, as a minifier writes it (`{a:!0,"b-c":[1e6,.5,null]}`), without running it.
 */

/** The value that begins at `at`. @throws SyntaxError where the text is no plain data */
export function readLiteral(text, at) {
  const reader = { text, at }
  return value(reader)
}

function value(reader) {
  const { text, at } = reader
  const first = text[at]
  if (first === '{') return object(reader)
  if (first === '[') return array(reader)
  if (first === '"' || first === "'" || first === '`') return string(reader)
  for (const [word, meaning] of words)
    if (text.startsWith(word, at)) {
      reader.at += word.length
      return meaning
    }
  const number = /-?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?/y
  number.lastIndex = at
  const found = number.exec(text)
  if (found === null) throw wrong(reader)
  reader.at += found[0].length
  return Number(found[0])
}

const words = [
  ['!0', true],
  ['!1', false],
  ['true', true],
  ['false', false],
  ['null', null],
  ['void 0', undefined],
]

function object(reader) {
  const result = {}
  reader.at++
  while (reader.text[reader.at] !== '}') {
    const name = key(reader)
    expect(reader, ':')
    result[name] = value(reader)
    if (reader.text[reader.at] !== '}') expect(reader, ',')
  }
  reader.at++
  return result
}

function array(reader) {
  const result = []
  reader.at++
  while (reader.text[reader.at] !== ']') {
    result.push(value(reader))
    if (reader.text[reader.at] !== ']') expect(reader, ',')
  }
  reader.at++
  return result
}

function key(reader) {
  if (reader.text[reader.at] === '"') return string(reader)
  const name = /[\w$]+/y
  name.lastIndex = reader.at
  const found = name.exec(reader.text)
  if (found === null) throw wrong(reader)
  reader.at += found[0].length
  return found[0]
}

function string(reader) {
  const quote = reader.text[reader.at++]
  let result = ''
  for (;;) {
    const char = reader.text[reader.at++]
    if (char === undefined) throw wrong(reader)
    if (char === quote) return result
    if (char === '$' && quote === '`' && reader.text[reader.at] === '{') throw wrong(reader)
    result += char === '\\' ? escaped(reader) : char
  }
}

const simple = { n: '\n', r: '\r', t: '\t', b: '\b', f: '\f', v: '\v', 0: '\0', '\n': '' }

function escaped(reader) {
  const char = reader.text[reader.at++]
  if (char !== 'x' && char !== 'u') return simple[char] ?? char
  const code = /(?:\{([0-9a-f]+)\}|([0-9a-f]{4})|([0-9a-f]{2}))/iy
  code.lastIndex = reader.at
  const found = code.exec(char === 'x' ? reader.text.slice(0, reader.at + 2) : reader.text)
  if (found === null) throw wrong(reader)
  reader.at += found[0].length
  return String.fromCodePoint(Number.parseInt(found[1] ?? found[2] ?? found[3], 16))
}

function expect(reader, char) {
  if (reader.text[reader.at] !== char) throw wrong(reader)
  reader.at++
}

function wrong({ text, at }) {
  return new SyntaxError(`not plain data at ${at}: ${text.slice(Math.max(0, at - 20), at + 20)}`)
}
