import { parsedInput, withCalls, type Answer, type Call, type FinishWord } from '../answer.ts'
import { count, object, objects, text, type JsonObject } from './json.ts'

/** A response object. */
export function readResponse(response: JsonObject): Answer {
  const items = objects(response.output)
  const parts = items.filter(({ type }) => type === 'message').flatMap(({ content }) => objects(content))
  const refusal = parts.map((part) => text(part.refusal)).join('')
  const calls: Call[] = items.flatMap((item) => {
    if (item.type === 'function_call') return [{ name: nameOf(item), input: parsedInput(text(item.arguments)) }]
    return item.type === 'custom_tool_call' ? [{ name: text(item.name), input: text(item.input) }] : []
  })
  const usage = object(response.usage)
  const [input, output] = [count(usage.input_tokens), count(usage.output_tokens)]
  const reasoning = count(object(usage.output_tokens_details).reasoning_tokens)
  return {
    choices: [
      {
        text: parts.map((part) => (part.type === 'output_text' ? text(part.text) : '')).join(''),
        refusal,
        reasoning: items
          .filter(({ type }) => type === 'reasoning')
          .flatMap(thoughts)
          .join('\n\n'),
        calls,
        pictures: items
          .filter(({ type, result }) => type === 'image_generation_call' && text(result) !== '')
          .map((item) => `image/${text(item.output_format) || 'png'}`),
        finish: finishOf(response, { calls, refusal }),
      },
    ],
    ...(input !== undefined &&
      output !== undefined && {
        usage: {
          input,
          cached: count(object(usage.input_tokens_details).cached_tokens) ?? 0,
          output,
          ...(reasoning !== undefined && { reasoning }),
        },
      }),
    ...(response.status === 'failed' && { broken: text(object(response.error).message) || 'failed' }),
  }
}

/** A function of a namespace has both names; one that was loaded later stands in a namespace of its own name. */
function nameOf({ name, namespace }: JsonObject): string {
  const space = text(namespace)
  return space === '' || space === name ? text(name) : `${space}__${text(name)}`
}

/** The thoughts themselves where they are open, else their summary. */
function thoughts(item: JsonObject): readonly string[] {
  const open = objects(item.content).map((part) => text(part.text))
  return open.length > 0 ? [open.join('')] : objects(item.summary).map((part) => text(part.text))
}

function finishOf(
  response: JsonObject,
  { calls, refusal }: { readonly calls: readonly Call[]; readonly refusal: string },
): FinishWord {
  if (response.status === 'incomplete') {
    const { reason } = object(response.incomplete_details)
    return reason === 'max_output_tokens' ? 'length' : reason === 'content_filter' ? 'content-filter' : 'other'
  }
  return refusal === '' ? withCalls('stop', calls) : 'refusal'
}

/** A stream's events: finished items, and the response that the terminal event tells. */
export function readResponseEvents(events: readonly JsonObject[]): Answer {
  const error = events.find(({ type }) => type === 'error')
  const end = events.findLast(({ type }) => /^response\.(completed|incomplete|failed)$/.test(text(type)))
  const items = events.filter(({ type }) => type === 'response.output_item.done').map(({ item }) => item)
  if (error !== undefined || end === undefined)
    return { choices: [], broken: text(error?.message) || text(object(error?.error).message) || 'no terminal event' }
  const response = object(end.response)
  const told = objects(response.output)
  return readResponse({ ...response, output: told.length > 0 ? told : items })
}
