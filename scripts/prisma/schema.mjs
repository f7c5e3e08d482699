// The one schema, rendered for each database.
import { readFileSync } from 'node:fs'
import path from 'node:path'

export const root = path.resolve(import.meta.dirname, '../..')
export const kinds = ['sqlite', 'postgresql', 'mysql']
const schemaFile = path.join(root, 'prisma/schema.prisma')
export const readSchema = () => readFileSync(schemaFile, 'utf8')

/**
 * The schema for one database: provider and output folder are set, and a mark `// @KIND: ATTRIBUTE` at a line's end
 * becomes that attribute for that kind and vanishes for the others.
 */
export function render(schema, kind, output = `../../../server/store/generated/${kind}`) {
  return schema
    .replace(/provider(\s*)= "sqlite"/, `provider$1= "${kind}"`)
    .replace(/output(\s*)= "[^"]*"/, `output$1= "${output}"`)
    .split('\n')
    .map((line) => {
      const mark = /^(\s+\w.*?)\s*\/\/ @(\w+): (.+?)\s*$/.exec(line)
      if (!mark) return line
      return mark[2] === kind ? `${mark[1]} ${mark[3]}` : mark[1]
    })
    .join('\n')
}
