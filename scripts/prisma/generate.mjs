// npm run generate [-- --force]: one Prisma client per database into server/store/generated/ (not committed).
// Does nothing while schema, renderer and Prisma are the same as last time. Needs no network.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { kinds, readSchema, render, root } from './schema.mjs'

const require = createRequire(import.meta.url)
const prisma = path.dirname(require.resolve('prisma/package.json'))
const { version } = JSON.parse(readFileSync(path.join(prisma, 'package.json'), 'utf8'))
const generated = path.join(root, 'server/store/generated')
const stampFile = path.join(generated, 'stamp')
const schema = readSchema()
const stamp = createHash('sha256')
  .update([version, readFileSync(path.join(import.meta.dirname, 'schema.mjs')), schema].join('\0'))
  .digest('hex')

const fresh =
  !process.argv.includes('--force') &&
  existsSync(stampFile) &&
  readFileSync(stampFile, 'utf8') === stamp &&
  kinds.every((kind) => existsSync(path.join(generated, kind, 'client.ts')))

if (!fresh) {
  rmSync(generated, { recursive: true, force: true })
  for (const kind of kinds) await generate(kind)
  writeFileSync(stampFile, stamp)
  console.log(`generated the Prisma clients for ${kinds.join(', ')}`)
}

async function generate(kind) {
  const file = path.join(root, 'prisma/generated', kind, 'schema.prisma')
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(file, render(schema, kind))
  const child = spawn(
    process.execPath,
    [path.join(prisma, 'build/index.js'), 'generate', '--no-hints', '--schema', file],
    {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        // `generate` insists on finding a schema engine (and would download it) but never runs it: any existing file will do.
        PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
        CHECKPOINT_DISABLE: '1',
        PRISMA_HIDE_UPDATE_MESSAGE: '1',
      },
    },
  )
  let said = ''
  child.stdout.on('data', (text) => (said += text))
  child.stderr.on('data', (text) => (said += text))
  const code = await new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  if (code !== 0) {
    console.error(said)
    throw new Error(`prisma generate failed for ${kind}`)
  }
}
