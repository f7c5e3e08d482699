import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['{server,main,preload,renderer,e2e,scripts}/**/*.test.{ts,tsx}'],
    reporters: ['default', './scripts/closing-line.mjs'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
})
