/**
 * Counts tokens about as OpenAI's o200k vocabulary does, without the vocabulary: that takes 0.2 s of the event loop and 77 MB to load, and
 * a second for a hostile text; and the vendors whose replies need an estimate use vocabularies of their own anyway. The text is cut into
 * the same pieces (https://github.com/openai/tiktoken, tiktoken_ext/openai_public.py); how many tokens a piece takes by its length and
 * script is measured (estimate.test.ts compares with a real tokenizer).
 */
const pieces =
  /[A-Za-z0-9+/_-]{40,}={0,2}|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?:'(?:s|t|re|ve|m|ll|d))?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+/gu

/** Beyond so many characters a sample is counted and the result extrapolated: about 10 ms of work. */
const COUNTED_CHARS = 64 * 1024
const SAMPLES = 16

export function countTokens(text: string): number {
  if (text.length <= COUNTED_CHARS) return Math.round(countWhole(text))
  const length = COUNTED_CHARS / SAMPLES
  const stride = (text.length - length) / (SAMPLES - 1)
  let tokens = 0
  for (let sample = 0; sample < SAMPLES; sample++) {
    const from = Math.floor(sample * stride)
    tokens += countWhole(text.slice(from, from + length))
  }
  return Math.round((tokens * text.length) / COUNTED_CHARS)
}

function countWhole(text: string): number {
  let tokens = 0
  for (const [piece] of text.matchAll(pieces)) tokens += tokensOf(piece)
  return tokens
}

const SPACE = 0x20

function tokensOf(piece: string): number {
  const { length } = piece
  const first = piece.charCodeAt(0)
  const letter = length > 1 && !isLetterOrDigit(first) ? piece.charCodeAt(1) : first
  if (length > 8 && letter <= 0x24f && isOneSign(piece.trimEnd())) return 1 + length / (isLatin(letter) ? 8 : 40)
  if (length >= 40 && noise.test(piece)) return length * (/[A-Z]/.test(piece) ? 0.7 : 0.57)
  if (isDigit(letter)) return 1
  if (isLatin(letter)) return latin(piece, first === letter ? length : length - 1)
  if (letter > 0x24f) return foreign(piece)
  if (first <= SPACE && letter <= SPACE) return 1 + Math.floor(length / 80)
  return length <= 2 ? 1 : 1 + (length - 2) * 0.25
}

/** A rule in a text, an indentation: a few tokens, however long. */
function isOneSign(piece: string): boolean {
  return piece === piece.charAt(0).repeat(piece.length)
}

/** Letters and digits by chance: base64, hashes. */
const noise = /\d(?:.*[A-Za-z]){6}/s

/** `letters`: of the word, without a blank or sign before it. */
function latin(piece: string, letters: number): number {
  // the vocabulary's long words are English
  if (accented.test(piece)) return 1 + Math.max(0, letters - 2) * 0.27
  const lower = /[a-z]$/.test(piece)
  if (!lower) return 1 + Math.max(0, letters - 3) * 0.22
  return 1 + Math.max(0, Math.min(letters, 20) - 5) * 0.07 + Math.max(0, letters - 20) * 0.3
}
const accented = /[\u00c0-\u024f]/

/** Tokens per character. */
const scripts: readonly (readonly [script: RegExp, rate: number])[] = [
  [/\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}/u, 0.7],
  [/\p{Script=Hangul}/u, 0.6],
  [/\p{Script=Cyrillic}/u, 0.29],
  [/\p{Script=Greek}/u, 0.4],
  [/\p{Script=Arabic}|\p{Script=Hebrew}/u, 0.36],
  [/\p{Script=Thai}|\p{Script=Lao}|\p{Script=Khmer}/u, 0.4],
  [/\p{L}/u, 0.4],
]
/** Emoji and the like, each of two units. */
const OTHER_SIGNS = 0.65

function foreign(piece: string): number {
  const rate = scripts.find(([script]) => script.test(piece))?.[1] ?? OTHER_SIGNS
  return Math.max(1, piece.length * rate)
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39
}

/** Basic Latin and Latin-1 to Latin Extended-B. */
function isLatin(code: number): boolean {
  return (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a) || (code >= 0xc0 && code <= 0x24f)
}

function isLetterOrDigit(code: number): boolean {
  return isDigit(code) || isLatin(code) || code > 0x24f
}
