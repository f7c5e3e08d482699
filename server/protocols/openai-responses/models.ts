/**
 * What OpenAI's own models refuse, by their names; names of other vendors say nothing, so nothing is held back from them.
 */
const name = (model: string): string => (model.split('/').at(-1) ?? model).toLowerCase().replace(/^ft:/, '')

/** "Encrypted content is not supported with this model", "Unsupported parameter: 'reasoning.effort'" are 400s of these. */
export function neverReasons(model: string): boolean {
  return /^(gpt-3|gpt-4|chatgpt-|gpt-5(\.\d+)?-chat|davinci|babbage)/.test(name(model))
}

/** "Unsupported parameter: 'temperature' is not supported with this model": with reasoning on, these sample as they like. */
export function refusesSampling(model: string, effort: string | undefined): boolean {
  const plain = name(model)
  if (/^(o\d|codex-)/.test(plain)) return true
  return /^gpt-5/.test(plain) && !neverReasons(model) && effort !== 'none'
}

/**
 * Whether thoughts in plain text may go back: DeepSeek, gpt-oss and their kind send them so and want them again with the calls,
 * while OpenAI's own models know only those that they sealed.
 */
export function readsPlainThoughts(model: string): boolean {
  const plain = name(model)
  return plain.startsWith('gpt-oss') || !/^(gpt-|o\d|chatgpt-|codex|computer-use)/.test(plain)
}
