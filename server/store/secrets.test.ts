import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Secret } from '../secret.ts'
import { DatabaseRefusal } from './database.ts'
import { DataKey, hashApiKey, loadDataKey, newApiKey } from './secrets.ts'

const key = new DataKey(Buffer.alloc(32, 1))
const other = new DataKey(Buffer.alloc(32, 2))

describe('sealing', () => {
  it.each(['', 'sk-proj-abcdef', 'ünïcödé 🐙', 'x'.repeat(100_000)])('opens to what was sealed', (text) => {
    expect(key.open(key.seal(text, 'api_key.secret'), 'api_key.secret').reveal()).toBe(text)
  })

  it('never gives the same text twice, and never shows it', () => {
    const [one, two] = [key.seal('secret text', 'api_key.secret'), key.seal('secret text', 'api_key.secret')]
    expect(one).not.toBe(two)
    expect(one).toMatch(new RegExp(`^v1\\.${key.id}\\.[\\w-]+$`))
    expect(Buffer.from(one.split('.')[2] ?? '', 'base64url').toString('latin1')).not.toContain('secret')
  })

  it('is bound to its column', () => {
    const sealed = key.seal('text', 'api_key.secret')
    expect(() => key.open(sealed, 'channel_key.secret')).toThrow(/changed or moved/)
  })

  it.each([
    ['cut', (sealed: string) => sealed.slice(0, -4)],
    ['almost empty', (sealed: string) => sealed.slice(0, 15)],
    ['turned', (sealed: string) => sealed.slice(0, 30) + (sealed[30] === 'A' ? 'B' : 'A') + sealed.slice(31)],
    ['of another version', (sealed: string) => sealed.replace('v1', 'v9')],
    ['not sealed at all', () => 'sk-proj-abcdef'],
  ])('does not open text that is %s', (_how, change) => {
    expect(() => key.open(change(key.seal('some text', 'a.b')), 'a.b')).toThrow(DatabaseRefusal)
  })

  it('names both keys when the wrong one is given, and shows neither', () => {
    const sealed = key.seal('text', 'a.b')
    expect(() => other.open(sealed, 'a.b')).toThrow(
      new RegExp(`another data key \\(${key.id}; this one is ${other.id}\\).*OCTOPUS_SECRET_KEY`),
    )
  })
})

describe('the data key', () => {
  let dataDir: string
  beforeEach(async () => {
    dataDir = await mkdtemp(path.join(tmpdir(), 'octopus-key-'))
  })
  afterEach(async () => {
    await rm(dataDir, { recursive: true, force: true })
  })
  const from = (text: string) => loadDataKey({ given: new Secret(text), dataDir })

  it('is made once, readable for its owner alone', async () => {
    const made = await loadDataKey({ given: undefined, dataDir })
    expect((await loadDataKey({ given: undefined, dataDir })).id).toBe(made.id)
    expect(await readdir(dataDir)).toEqual(['secret.key'])
    if (process.platform !== 'win32') expect((await stat(path.join(dataDir, 'secret.key'))).mode & 0o777).toBe(0o600)
  })

  it('is the same for start-ups that make it at the same moment', async () => {
    const keys = await Promise.all(Array.from({ length: 10 }, () => loadDataKey({ given: undefined, dataDir })))
    expect(new Set(keys.map(({ id }) => id)).size).toBe(1)
    expect(await readdir(dataDir)).toEqual(['secret.key'])
  })

  it('is the same from base64, base64url and hex', async () => {
    const bytes = Buffer.alloc(32, 0xfb)
    const ids = [
      await from(bytes.toString('base64')),
      await from(bytes.toString('base64url')),
      await from(bytes.toString('hex')),
    ].map(({ id }) => id)
    expect(ids).toEqual(Array(3).fill(new DataKey(bytes).id))
  })

  it('comes from a passphrase, always the same', async () => {
    const one = await from('correct horse battery staple')
    expect((await from('correct horse battery staple')).id).toBe(one.id)
    expect((await from('correct horse battery stable')).id).not.toBe(one.id)
    expect(await readdir(dataDir)).toEqual([])
  })

  it('does not come from a short passphrase', async () => {
    await expect(from('hunter2')).rejects.toThrow(/OCTOPUS_SECRET_KEY is too short/)
  })

  it.runIf(process.platform !== 'win32')('does not come from a file that others may read', async () => {
    await loadDataKey({ given: undefined, dataDir })
    await chmod(path.join(dataDir, 'secret.key'), 0o644)
    await expect(loadDataKey({ given: undefined, dataDir })).rejects.toThrow(/mode 644.*chmod 600/)
  })

  it('does not come from a file that holds something else, and leaves that file alone', async () => {
    const file = path.join(dataDir, 'secret.key')
    await writeFile(file, 'not a key', { mode: 0o600 })
    await expect(loadDataKey({ given: undefined, dataDir })).rejects.toThrow(/does not hold a data key/)
    expect(await readFile(file, 'utf8')).toBe('not a key')
  })
})

describe('API keys', () => {
  it('are a prefix and 48 alphanumerics, and print as a secret', () => {
    const made = newApiKey()
    expect(made.reveal()).toMatch(/^sk-octopus-[A-Za-z0-9]{48}$/)
    expect(`${made.toString()}${JSON.stringify(made)}`).not.toContain('octopus')
  })

  it('use every character about equally often', () => {
    const counts = new Map<string, number>()
    for (let made = 0; made < 1000; made++)
      for (const character of newApiKey().reveal().slice('sk-octopus-'.length))
        counts.set(character, (counts.get(character) ?? 0) + 1)
    // 48 000 draws of 62: 774 expected, 28 the deviation; `byte % 62` would give eight characters 937
    expect(counts.size).toBe(62)
    expect(Math.max(...counts.values())).toBeLessThan(774 + 5 * 28)
    expect(Math.min(...counts.values())).toBeGreaterThan(774 - 5 * 28)
  })

  it('are found by SHA-256', () => {
    expect(hashApiKey('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  })
})
