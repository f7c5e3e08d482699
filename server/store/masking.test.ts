import { expect, it } from 'vitest'
import { isMasked, maskAddress } from './masking.ts'

it.each([
  ['http://proxy.example:3128', 'http://proxy.example:3128'],
  ['http://user:pass@proxy.example:3128', 'http://***@proxy.example:3128'],
  ['socks5://user@proxy.example', 'socks5://***@proxy.example'],
  ['http://us%40er:p%2Fa%40ss@proxy.example/path?a=b@c', 'http://***@proxy.example/path?a=b@c'],
  ['http://user:p@ss@proxy.example', 'http://***@proxy.example'],
  ['', ''],
])('the address %s is shown as %s', (url, shown) => {
  expect(maskAddress(url)).toBe(shown)
  expect(isMasked(shown)).toBe(shown.includes('***'))
})
