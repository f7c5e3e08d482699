import { withCalls, type Answer, type Call, type Choice, type Counts, type FinishWord } from '../answer.ts'
import { count, object, objects, text, type JsonObject } from './json.ts'
import { PartialCall } from './partial-call.ts'

interface Gathered {
  text: string
  textWithCode: string
  reasoning: string
  readonly calls: Call[]
  readonly pictures: string[]
  open: PartialCall | undefined
  finish: string
}

/** One answer, or the chunks of a stream; Antigravity's are taken out of their envelope. */
export function readGenerateContent(bodies: readonly JsonObject[]): Answer {
  const choices = new Map<number, Gathered>()
  let metadata: JsonObject = {}
  let blocked = false
  let broken: string | undefined
  for (const outer of bodies) {
    const body = outer.response === undefined ? outer : object(outer.response)
    if (outer.error !== undefined) broken ??= text(object(outer.error).message)
    if (body.usageMetadata !== undefined) metadata = object(body.usageMetadata)
    if (object(body.promptFeedback).blockReason !== undefined) blocked = true
    for (const [position, candidate] of objects(body.candidates).entries()) {
      const index = count(candidate.index) ?? position
      const empty = { text: '', textWithCode: '', reasoning: '', calls: [], pictures: [], open: undefined, finish: '' }
      const gathered = choices.get(index) ?? empty
      choices.set(index, gathered)
      for (const part of objects(object(candidate.content).parts)) gather(gathered, part)
      gathered.finish = text(candidate.finishReason) || gathered.finish
    }
  }
  const found = [...choices].sort(([a], [b]) => a - b).map(([, gathered]) => close(gathered))
  if (blocked && found.length === 0)
    found.push({ text: '', refusal: '', reasoning: '', calls: [], pictures: [], finish: 'content-filter' })
  const usage = counts(metadata)
  return { choices: found, ...(usage && { usage }), ...(broken !== undefined && { broken }) }
}

function gather(into: Gathered, part: JsonObject): void {
  const call = object(part.functionCall)
  if (part.functionCall !== undefined) {
    if (text(call.name) !== '') {
      finishCall(into)
      into.open = new PartialCall(text(call.name), object(call.args))
    }
    into.open?.add(call.partialArgs)
    if (call.willContinue !== true) finishCall(into)
    return
  }
  const mediaType = text(object(part.inlineData).mimeType)
  if (mediaType !== '') into.pictures.push(mediaType)
  if (part.thought === true) into.reasoning += text(part.text)
  else {
    into.text += text(part.text)
    into.textWithCode += text(part.text) + code(part)
  }
}

function finishCall(into: Gathered): void {
  if (into.open !== undefined) into.calls.push(into.open.call())
  into.open = undefined
}

/** What Gemini ran itself, as a person would write it down. */
function code(part: JsonObject): string {
  const ran = object(part.executableCode)
  const result = object(part.codeExecutionResult)
  const fenced = (language: string, body: string): string =>
    `\n\`\`\`${language}\n${body}${body === '' || body.endsWith('\n') ? '' : '\n'}\`\`\`\n`
  if (part.executableCode !== undefined) return fenced(text(ran.language).toLowerCase(), text(ran.code))
  return part.codeExecutionResult === undefined ? '' : fenced('', text(result.output))
}

function close(gathered: Gathered): Choice {
  finishCall(gathered)
  const { text, textWithCode, reasoning, calls, pictures, finish } = gathered
  return {
    text,
    refusal: '',
    pictures,
    reasoning,
    calls,
    finish: withCalls(finishWord(finish), calls),
    ...(textWithCode !== text && { textWithCode }),
  }
}

function finishWord(word: string): FinishWord {
  if (word === 'STOP' || word === '') return 'stop'
  if (word === 'MAX_TOKENS') return 'length'
  if (/^(SAFETY|RECITATION|BLOCKLIST|PROHIBITED_CONTENT|SPII|MODEL_ARMOR|LANGUAGE)$/.test(word)) return 'content-filter'
  return /MALFORMED|UNEXPECTED/.test(word) ? 'error' : 'other'
}

/** The tokens of tool results that Google fetched itself are input as well. */
function counts(metadata: JsonObject): Counts | undefined {
  const input = count(metadata.promptTokenCount)
  if (input === undefined) return undefined
  const reasoning = count(metadata.thoughtsTokenCount)
  return {
    input: input + (count(metadata.toolUsePromptTokenCount) ?? 0),
    cached: count(metadata.cachedContentTokenCount) ?? 0,
    output: (count(metadata.candidatesTokenCount) ?? 0) + (reasoning ?? 0),
    ...(reasoning !== undefined && { reasoning }),
  }
}
