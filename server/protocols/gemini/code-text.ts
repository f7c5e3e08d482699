import type { JsonObject } from '../../model/request.ts'
import { asString } from '../narrow.ts'

/**
 * Code that the provider ran itself, and what came out, as text that any client can show. Undefined for other parts.
 */
export function codeAsText(read: (name: string) => JsonObject | undefined): string | undefined {
  const code = read('executableCode')
  if (code !== undefined) {
    const language = (asString(code['language']) ?? '').toLowerCase()
    return fence(language === 'python' ? language : '', asString(code['code']) ?? '')
  }
  const result = read('codeExecutionResult')
  return result === undefined ? undefined : fence('', asString(result['output']) ?? '')
}

function fence(language: string, text: string): string {
  return `\n\`\`\`${language}\n${text}${text.endsWith('\n') || text === '' ? '' : '\n'}\`\`\`\n`
}
