/**
 * Who may import whom: the table of README.md, as errors. A folder's own files are always allowed.
 * `may` lists what a folder may reach outside itself; tests may reach anything below server/.
 */
const NOT_TESTS = '\\.test\\.ts$|/testing/'
const may = (from, allowed, { npm = [], node = true } = {}) => ({
  name: `imports-of-${from.replaceAll(/[^a-z]+/g, '-')}`,
  severity: 'error',
  from: { path: `^${from}(/|\\.ts$)`, pathNot: NOT_TESTS },
  to: {
    pathNot: [
      `^${from}(/|\\.ts$)`,
      ...allowed.map((folder) => `^${folder}(/|\\.ts$)`),
      ...npm.map((name) => `^node_modules/(@types/)?${name}/`),
      ...(node ? ['^(node:)?[a-z_/]+$'] : []),
    ],
  },
})

export default {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'server-knows-no-electron',
      severity: 'error',
      from: { path: '^server/' },
      to: { path: '^(main|preload|renderer)/|^node_modules/electron/|^electron$' },
    },
    may('server/errors', [], { node: false }),
    may('server/secret', []),
    may('server/model', ['server/errors'], { node: false }),
    may('server/contract', ['server/model'], { npm: ['zod', 'eventsource-parser'], node: false }),
    may('server/protocols', ['server/model', 'server/errors']),
    may('server/balance', ['server/errors']),
    may('server/upstream', ['server/errors', 'server/balance', 'server/secret', 'server/model'], {
      npm: ['undici', 'ipaddr.js'],
    }),
    may('server/demo', ['server/model', 'server/protocols', 'server/errors', 'server/upstream']),
    may('server/store', ['server/contract', 'server/model', 'server/secret'], {
      npm: ['@prisma/[^/]+', 'better-sqlite3', 'mariadb', 'pg', 'zod'],
    }),
    may('server/accounting', ['server/model', 'server/store', 'server/contract', 'server/errors']),
    may(
      'server/relay',
      [
        'server/protocols',
        'server/model',
        'server/errors',
        'server/balance',
        'server/upstream',
        'server/accounting',
        'server/store',
        'server/secret',
      ],
      { npm: ['json-merge-patch'] },
    ),
    may('server/jobs', [
      'server/store',
      'server/upstream',
      'server/protocols',
      'server/accounting',
      'server/contract',
      'server/errors',
      'server/model',
      'server/secret',
    ]),
    may('server/management', [
      'server/contract',
      'server/store',
      'server/jobs',
      'server/accounting',
      'server/upstream',
      'server/protocols',
      'server/model',
      'server/errors',
      'server/secret',
      'server/balance',
    ]),
    may(
      'server/provision',
      ['server/contract', 'server/store', 'server/management', 'server/upstream', 'server/model', 'server/secret'],
      { npm: ['zod'] },
    ),
    may('server/transport', ['server/contract'], { npm: ['express', 'zod', 'cookie'] }),
    may(
      'server/http',
      ['server/transport', 'server/relay', 'server/protocols', 'server/contract', 'server/errors', 'server/model'],
      { npm: ['express', 'zod'] },
    ),
    {
      name: 'only-entries-import-the-assembly',
      severity: 'error',
      from: { pathNot: ['^server/headless\\.ts$', '^main/gateway-entry\\.ts$', NOT_TESTS, '^e2e/'] },
      to: { path: '^server/index\\.ts$' },
    },
    {
      name: 'only-the-store-touches-prisma',
      severity: 'error',
      from: { path: '^(server|main|preload|renderer)/', pathNot: '^server/store/' },
      to: { path: '^node_modules/(@prisma|better-sqlite3|pg|mariadb)/|^server/store/generated/' },
    },
    {
      name: 'format-folders-are-islands',
      severity: 'error',
      from: { path: '^server/protocols/([a-z-]+)/', pathNot: NOT_TESTS },
      to: { path: '^server/protocols/([a-z-]+)/', pathNot: ['^server/protocols/$1/', '^server/protocols/gemini/'] },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    exclude: { path: 'server/store/generated/' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
}
