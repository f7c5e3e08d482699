import { countTokens as tokenize } from 'gpt-tokenizer/encoding/o200k_base'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { countRequestTokens, estimateUsage } from './estimate.ts'
import { countTokens } from './tokens.ts'

const root = path.join(import.meta.dirname, '../..')
const file = (name: string): string => readFileSync(path.join(root, name), 'utf8')

/** Off by so much at most, as a share of the real tokenizer's count. */
function expectNear(text: string, tolerance: number): void {
  const real = tokenize(text, { disallowedSpecial: new Set() })
  expect(Math.abs(countTokens(text) - real) / real).toBeLessThan(tolerance)
}

const english =
  'A gateway stands between a tool and the companies that run language models. It reads which model the tool asks for, looks up who can serve it, and passes the question on; when one of them fails before it has said anything, the next one is asked. '
const german =
  'Das Gateway prüft den Schlüssel, sucht die Gruppe und fragt die Kanäle der Reihe nach, bis einer antwortet; was verbraucht wurde, steht danach im Protokoll. '
const french =
  'La passerelle vérifie la clé, cherche le groupe puis interroge les canaux l’un après l’autre jusqu’à ce que l’un d’eux réponde. '
const russian = 'Шлюз проверяет ключ, находит группу и опрашивает каналы по очереди, пока один из них не ответит. '
const chinese = '网关检查密钥，找到对应的分组，然后依次询问各个渠道，直到其中一个作出回答；用量随后写入日志。'
const japanese = 'ゲートウェイは鍵を確認し、グループを探し、答えが返るまで順番にチャンネルへ問い合わせます。'
const korean = '게이트웨이는 키를 확인하고 그룹을 찾은 다음 하나가 응답할 때까지 채널에 차례로 묻습니다. '

describe('the count is near the real tokenizer’s', () => {
  test.each<[what: string, text: string, tolerance: number]>([
    ['English', english, 0.1],
    ['English in capitals', english.toUpperCase(), 0.3],
    ['German', german, 0.2],
    ['French', french, 0.2],
    ['Russian', russian, 0.2],
    ['Chinese', chinese, 0.2],
    ['Japanese', japanese, 0.2],
    ['Korean', korean, 0.2],
    ['TypeScript', file('server/accounting/drain.ts'), 0.1],
    ['a script', file('scripts/prices/snapshot.mjs'), 0.1],
    ['SQL', file('prisma/migrations/0001_initial/postgresql.sql'), 0.2],
    ['JSON', file('package.json'), 0.2],
    ['numbers', file('resources/prices.json').slice(0, 50_000), 0.15],
    ['a licence', file('LICENSE'), 0.2],
    ['a text with a rule', `${english}\n${'='.repeat(80)}\n`, 0.1],
    ['emoji', '😀👍🎉🚀 '.repeat(20), 0.5],
    ['base64', Buffer.from(english).toString('base64'), 0.3],
    ['a mixture', english + chinese + file('package.json') + russian, 0.15],
    ['a long text, of which a part is counted', (english + german).repeat(1000), 0.1],
  ])('%s', (_, text, tolerance) => expectNear(text, tolerance))

  test.each(['', ' ', '\n', 'a', '漢', '\ud800', '\0'])('of %j is small', (text) => {
    expect(countTokens(text)).toBe(text === '' ? 0 : 1)
  })

  test('hostile megabytes are counted by a bounded number of pieces', () => {
    // a tokenizer that merges pairs needs minutes for these
    for (const unit of ['a', 'A', 'Aa', ' ', '\n', '!?', '漢', 'a1-', '9', '\ud800'])
      expect(countTokens(unit.repeat(2_000_000 / unit.length))).toBeGreaterThan(1000)
  })
})

describe('a request', () => {
  const said = { system: english, messages: [{ role: 'user', content: [{ type: 'text', text: german }] }] }

  test('counts its texts, not the signs of JSON', () => {
    const request = JSON.stringify({ model: 'sonnet', ...said })
    const texts = tokenize(english) + tokenize(german)
    expect(countRequestTokens(request)).toBeGreaterThanOrEqual(texts * 0.9)
    expect(countRequestTokens(request)).toBeLessThan(texts * 1.15 + 15)
  })

  test('escapes are what they stand for', () => {
    const escaped = JSON.stringify({ content: chinese }).replace(
      /[^\0-\x7f]/g,
      (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
    )
    expect(countRequestTokens(escaped)).toBe(countRequestTokens(JSON.stringify({ content: chinese })))
  })

  test('an image counts as one, however many bytes it has', () => {
    const withImage = (bytes: number): string => {
      const data = Buffer.alloc(bytes, 'image').toString('base64')
      return JSON.stringify({ ...said, image: { data }, url: `data:image/png;base64,${data}` })
    }
    const without = countRequestTokens(JSON.stringify(said))
    expect(countRequestTokens(withImage(3000)) - without).toBe(countRequestTokens(withImage(300_000)) - without)
    expect(countRequestTokens(withImage(3000)) - without).toBeGreaterThan(1000)
  })

  test('signatures and encrypted thoughts are not billed', () => {
    const plain = JSON.stringify({ messages: [{ role: 'user', content: english }] })
    const signed = JSON.stringify({ messages: [{ role: 'user', content: english, signature: 'x9'.repeat(400) }] })
    expect(countRequestTokens(signed)).toBe(countRequestTokens(plain))
  })

  test('that is cut off is counted as text', () => {
    const request = JSON.stringify(said)
    expect(countRequestTokens(request.slice(0, -20))).toBeGreaterThan(countRequestTokens(request) * 0.8)
  })
})

describe('usage', () => {
  test('is flagged, and its kinds are whole numbers', () => {
    expect(estimateUsage({ request: '{"content":"Hello there"}', response: 'Hello! How can I help?' })).toEqual({
      input: 4,
      cacheRead: 0,
      cacheWrite5m: 0,
      cacheWrite1h: 0,
      output: tokenize('Hello! How can I help?'),
      estimated: true,
    })
  })

  test('a sample stands for the whole', () => {
    const whole = english.repeat(100)
    const { output } = estimateUsage({ request: '', response: whole })
    const sampled = estimateUsage({ request: '', response: whole.slice(0, whole.length / 4), share: 0.25 })
    expect(Math.abs(sampled.output - output) / output).toBeLessThan(0.02)
  })
})
