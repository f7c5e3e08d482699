import { createCipheriv, createDecipheriv, hash, randomBytes, randomInt, scrypt } from 'node:crypto'
import { constants } from 'node:fs'
import { copyFile, link, mkdir, open, readFile, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { Secret } from '../secret.ts'
import { DatabaseRefusal } from './database.ts'

const version = 'v1'
const keyBytes = 32
const nonceBytes = 12
const tagBytes = 16

/** Where a sealed text lives, `table.column`: sealed text moved to another column does not open. */
export type SealedPlace = `${string}.${string}`

/** The key that seals what the database must not show: AES-256-GCM with a fresh nonce for each text. */
export class DataKey {
  /** Names the key without telling anything of it; part of every sealed text. */
  readonly id: string
  readonly #key: Buffer

  /** `key` is 32 bytes. */
  constructor(key: Uint8Array) {
    if (key.byteLength !== keyBytes) throw new DatabaseRefusal(`the data key must have ${keyBytes} bytes`)
    this.#key = Buffer.from(key)
    this.id = hash('sha256', Buffer.concat([Buffer.from('octopus key id\0'), this.#key]), 'hex').slice(0, 8)
  }

  /** `v1.<key id>.<base64url of nonce, tag and ciphertext>` */
  seal(text: string, place: SealedPlace): string {
    const nonce = randomBytes(nonceBytes)
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce, { authTagLength: tagBytes })
    cipher.setAAD(Buffer.from(place))
    const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
    return `${version}.${this.id}.${Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64url')}`
  }

  /** Throws DatabaseRefusal for text that was sealed with another key, for another place, or changed since. */
  open(sealed: string, place: SealedPlace): Secret {
    const [how, keyId, payload] = sealed.split('.')
    if (how !== version || keyId === undefined || payload === undefined)
      throw new DatabaseRefusal(`${place} holds something that is not sealed as this program seals`)
    if (keyId !== this.id) throw new DatabaseRefusal(wrongKey(keyId, this.id))
    const bytes = Buffer.from(payload, 'base64url')
    const decipher = createDecipheriv('aes-256-gcm', this.#key, bytes.subarray(0, nonceBytes), {
      authTagLength: tagBytes,
    })
    decipher.setAAD(Buffer.from(place))
    try {
      decipher.setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes))
      const text = decipher.update(bytes.subarray(nonceBytes + tagBytes), undefined, 'utf8') + decipher.final('utf8')
      return new Secret(text)
    } catch (cause) {
      throw new DatabaseRefusal(`a sealed text in ${place} was changed or moved since it was written`, { cause })
    }
  }
}

function wrongKey(theirs: string, ours: string): string {
  return (
    `the secrets in this database were sealed with another data key (${theirs}; this one is ${ours}): ` +
    'give the OCTOPUS_SECRET_KEY or put back the secret.key file that belongs to this database'
  )
}

export interface DataKeyOptions {
  /** The value of OCTOPUS_SECRET_KEY: 32 bytes as base64 or hex, or a passphrase of at least 12 characters. */
  readonly given: Secret | undefined
  /** Holds `secret.key` when nothing is given. */
  readonly dataDir: string
}

/**
 * The data key: what is given, else the file `secret.key` of the data folder, which is made (mode 0600) when it is missing.
 * Throws DatabaseRefusal for a short passphrase, for a file that others may read, or that holds no key.
 */
export async function loadDataKey({ given, dataDir }: DataKeyOptions): Promise<DataKey> {
  if (given !== undefined && given.reveal() !== '') return new DataKey(await fromText(given.reveal().trim()))
  await mkdir(dataDir, { recursive: true, mode: 0o700 })
  const file = path.join(dataDir, 'secret.key')
  await createKeyFile(file)
  return new DataKey(await readKeyFile(file))
}

const derive = promisify<string, string, number, { N: number; r: number; p: number; maxmem: number }, Buffer>(scrypt)

async function fromText(text: string): Promise<Buffer> {
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, 'hex')
  if (/^[\w+/-]{43}=?$/.test(text)) {
    const bytes = Buffer.from(text, 'base64')
    if (bytes.byteLength === keyBytes) return bytes
  }
  if (text.length < 12)
    throw new DatabaseRefusal(
      'OCTOPUS_SECRET_KEY is too short: give 32 random bytes as base64 or hex (openssl rand -base64 32), ' +
        'or a passphrase of at least 12 characters',
    )
  // the salt is fixed because every instance on the database must come to the same key, with nothing but the passphrase
  return derive(text, 'octopus data key', keyBytes, { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 1024 * 1024 })
}

/** Whole or not at all, also when several start-ups do it at once: written beside, then linked into place. */
async function createKeyFile(file: string): Promise<void> {
  if (await exists(file)) return
  const draft = `${file}.${randomBytes(6).toString('hex')}`
  const handle = await open(draft, 'wx', 0o600)
  try {
    await handle.writeFile(`${randomBytes(keyBytes).toString('base64')}\n`)
    await handle.sync()
  } finally {
    await handle.close()
  }
  try {
    await link(draft, file).catch(async (error: unknown) => {
      if (codeIs(error, 'EEXIST')) throw error
      // file systems without hard links (exFAT, some network drives)
      await copyFile(draft, file, constants.COPYFILE_EXCL)
    })
  } catch (error) {
    if (!codeIs(error, 'EEXIST')) throw error
  } finally {
    await rm(draft, { force: true })
  }
}

async function readKeyFile(file: string): Promise<Buffer> {
  const { mode } = await stat(file)
  if (process.platform !== 'win32' && (mode & 0o077) !== 0)
    throw new DatabaseRefusal(
      `${file} may be read by other users (mode ${(mode & 0o777).toString(8)}): it opens all provider keys, so run: chmod 600 '${file}'`,
    )
  const bytes = Buffer.from((await readFile(file, 'utf8')).trim(), 'base64')
  if (bytes.byteLength !== keyBytes)
    throw new DatabaseRefusal(
      `${file} does not hold a data key (${keyBytes} bytes as base64): put back the file that was there`,
    )
  return bytes
}

async function exists(file: string): Promise<boolean> {
  try {
    await stat(file)
    return true
  } catch (error) {
    if (codeIs(error, 'ENOENT')) return false
    throw error
  }
}

function codeIs(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

/** By which an API key is found without being stored in the clear: SHA-256, hex. Keys are long and random, so no salt is needed. */
export function hashApiKey(key: string): string {
  return hash('sha256', key, 'hex')
}

const alphanumerics = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/** `sk-octopus-` and 48 alphanumerics, each equally likely (286 bits). */
export function newApiKey(): Secret {
  let text = 'sk-octopus-'
  for (let length = 0; length < 48; length++) text += alphanumerics.charAt(randomInt(alphanumerics.length))
  return new Secret(text)
}
