/**
 * Builds what runs: generated Prisma clients, then dist/headless.js (one bundle, lazy parts in chunks of their own).
 * `--if-changed` does nothing when no source file is newer than the last build.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { build } from 'esbuild'

const stampFile = 'dist/.stamp'
const sources = globSync(
  ['server/**/*.{ts,json}', 'resources/**/*.json', 'prisma/*.prisma', 'scripts/**/*.mjs', 'package-lock.json'],
  {
    exclude: (name) => name.includes('generated') || name.endsWith('.test.ts') || name.includes('fixtures'),
  },
).sort()

const hash = createHash('sha256')
for (const file of sources) hash.update(file).update('\0').update(readFileSync(file))
const stamp = hash.digest('hex')

if (process.argv.includes('--if-changed') && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) {
  process.exit(0)
}

const started = performance.now()
const generated = spawnSync(process.execPath, ['scripts/prisma/generate.mjs'], { stdio: 'inherit' })
if (generated.status !== 0) process.exit(generated.status ?? 1)

rmSync('dist', { recursive: true, force: true })
mkdirSync('dist', { recursive: true })
const { version } = JSON.parse(readFileSync('package.json', 'utf8'))
await build({
  entryPoints: { headless: 'server/headless.ts' },
  outdir: 'dist',
  bundle: true,
  splitting: true,
  platform: 'node',
  format: 'esm',
  target: 'node22',
  sourcemap: true,
  // natives stay in node_modules; pg-native is only tried for
  external: ['better-sqlite3', 'pg-native'],
  define: { OCTOPUS_VERSION: JSON.stringify(version) },
  chunkNames: 'chunks/[name]-[hash]',
  // bundled CommonJS calls require() for Node's own modules
  banner: {
    js: "import { createRequire as octopusRequire } from 'node:module'; const require = octopusRequire(import.meta.url);",
  },
  logLevel: 'warning',
})
writeFileSync(stampFile, stamp)
console.log(`built dist/ in ${Math.round(performance.now() - started)} ms`)
