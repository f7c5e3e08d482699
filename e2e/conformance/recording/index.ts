import type { RecordedCase } from '../../fake-upstream/index.ts'
import { object, parse } from '../../fake-upstream/json.ts'
import type { Answer } from '../answer.ts'
import { readMessage, readMessageEvents } from './anthropic.ts'
import { readGenerateContent } from './gemini.ts'
import { sseEvents } from './json.ts'
import { readChat } from './openai-chat.ts'
import { readResponse, readResponseEvents } from './openai-responses.ts'

/**
 * What a recording says, read as plainly as the vendors' documents describe it. Nothing here is shared with the gateway's codecs:
 * they are what is being judged.
 */
export function readRecording(recorded: RecordedCase): Answer {
  const bytes = recorded.reply()
  if (recorded.status >= 400) return { choices: [], broken: `HTTP ${recorded.status}` }
  const bodies = recorded.stream ? sseEvents(bytes) : [object(parse(bytes.toString('utf8')))]
  const [body = {}] = bodies
  switch (recorded.format) {
    case 'openai-chat':
      return readChat(bodies)
    case 'openai-responses':
      return recorded.stream ? readResponseEvents(bodies) : readResponse(body)
    case 'anthropic':
      return recorded.stream ? readMessageEvents(bodies) : readMessage(body)
    case 'gemini':
    case 'antigravity':
      return readGenerateContent(bodies)
  }
}
