import { describe, expect, it } from 'vitest'
import { hashPassword, randomPassword, verifyPassword } from './password.ts'

describe('passwords', () => {
  it('are known again, and no others', async () => {
    const stored = await hashPassword('correct horse')
    expect(stored).toMatch(/^scrypt\$32768\$8\$3\$[\w-]{22}\$[\w-]{43}$/)
    expect(stored).not.toContain('horse')
    expect(await verifyPassword('correct horse', stored)).toBe(true)
    expect(await verifyPassword('correct horsf', stored)).toBe(false)
    expect(await verifyPassword('', stored)).toBe(false)
  })

  it('are salted', async () => {
    expect(await hashPassword('same')).not.toBe(await hashPassword('same'))
  })

  it('are the same however the keyboard composes them', async () => {
    expect(await verifyPassword('cafe\u0301', await hashPassword('caf\u00e9'))).toBe(true)
  })

  it.each([
    ['none was set', null],
    ['an empty one', ''],
    ['another scheme', 'argon2$x'],
    ['a cut one', 'scrypt$32768$8$3$AAAA$AA'],
  ])('open nothing when %s', async (_, stored) => {
    expect(await verifyPassword('', stored)).toBe(false)
    expect(await verifyPassword('anything', stored)).toBe(false)
  })

  it('are random and readable', () => {
    const made = new Set(Array.from({ length: 100 }, randomPassword))
    expect(made.size).toBe(100)
    for (const password of made) expect(password).toMatch(/^[a-hjkmnp-z2-9]{5}(-[a-hjkmnp-z2-9]{5}){3}$/)
  })
})
