import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { WireFormat } from '../fake-upstream/index.ts'
import type { Package } from './install.ts'

/** What a user would be told to set. */
export interface Address {
  readonly url: string
  readonly key: string
}

/** How a tool is pointed at the gateway, and made to keep quiet otherwise. */
export interface SetUp {
  readonly args: readonly string[]
  /** All that a user has to set. */
  readonly env: Readonly<Record<string, string>>
  /** Configuration files below the home directory: what a user has to write. */
  readonly files?: Readonly<Record<string, string>>
  /** No updates, no telemetry: only for these runs. */
  readonly quiet?: Readonly<Record<string, string>>
}

/** A call that reads a file with the tool's own means. */
export interface ReadingTool {
  readonly name: string
  arguments(file: string): Readonly<Record<string, unknown>>
}

export interface CodingTool {
  readonly name: string
  readonly package: Package
  /** The format that it speaks. */
  readonly format: WireFormat
  /** What it is told to use; the key maps it to a group. Some tools choose their own tools by it. */
  readonly model: string
  readonly reading: ReadingTool
  /** The name of its free-form tool that writes files, where it has one. */
  readonly patching?: string
  setUp(address: Address, prompt: string): SetUp
}

const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`

const claudeCode: CodingTool = {
  name: 'Claude Code',
  package: {
    name: '@anthropic-ai/claude-code',
    version: '2.1.330',
    binary: `@anthropic-ai/claude-code-${process.platform}-${process.arch}/claude${process.platform === 'win32' ? '.exe' : ''}`,
  },
  format: 'anthropic',
  model: 'coding',
  reading: { name: 'Read', arguments: (file) => ({ file_path: file }) },
  setUp: ({ url, key }, prompt) => ({
    args: ['-p', prompt, '--allowedTools', 'Read'],
    env: { ANTHROPIC_BASE_URL: url, ANTHROPIC_AUTH_TOKEN: key, ANTHROPIC_MODEL: 'coding' },
    quiet: { CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1', DISABLE_AUTOUPDATER: '1' },
  }),
}

const codex = (model: string): CodingTool => ({
  name: model === 'coding' ? 'Codex CLI' : `Codex CLI, ${model}`,
  package: { name: '@openai/codex', version: '0.169.0' },
  format: 'openai-responses',
  model,
  reading: { name: 'exec_command', arguments: (file) => ({ cmd: `cat '${file}'` }) },
  // It offers the free-form tool to models that it knows.
  ...(model !== 'coding' && { patching: 'apply_patch' }),
  setUp: ({ url, key }, prompt) => ({
    args: ['exec', '--skip-git-repo-check', '--dangerously-bypass-approvals-and-sandbox', prompt],
    env: { OCTOPUS_API_KEY: key },
    files: {
      '.codex/config.toml': [
        `model = "${model}"`,
        'model_provider = "octopus"',
        'check_for_update_on_startup = false',
        '[model_providers.octopus]',
        'name = "Octopus"',
        `base_url = "${url}/v1"`,
        'wire_api = "responses"',
        'env_key = "OCTOPUS_API_KEY"',
        '[analytics]',
        'enabled = false',
        '',
      ].join('\n'),
    },
  }),
})

const geminiCli: CodingTool = {
  name: 'Gemini CLI',
  package: { name: '@google/gemini-cli', version: '0.61.0' },
  format: 'gemini',
  model: 'coding',
  reading: { name: 'read_file', arguments: (file) => ({ file_path: file }) },
  setUp: ({ url, key }, prompt) => ({
    args: ['-p', prompt, '--skip-trust', '--approval-mode', 'yolo'],
    env: { GOOGLE_GEMINI_BASE_URL: url, GEMINI_API_KEY: key, GEMINI_MODEL: 'coding' },
    files: {
      '.gemini/settings.json': JSON.stringify({
        security: { auth: { selectedType: 'gemini-api-key' } },
        privacy: { usageStatisticsEnabled: false },
        general: { enableAutoUpdate: false },
      }),
    },
  }),
}

const opencode = (npm: string, format: WireFormat, base: string): CodingTool => ({
  name: `opencode, ${npm}`,
  package: {
    name: 'opencode-ai',
    version: '1.18.33',
    binary: `opencode-${platform}/bin/opencode${process.platform === 'win32' ? '.exe' : ''}`,
  },
  format,
  model: 'coding',
  reading: { name: 'read', arguments: (file) => ({ filePath: file }) },
  setUp: ({ url, key }, prompt) => ({
    args: ['run', prompt],
    env: {},
    files: {
      '.config/opencode/opencode.json': JSON.stringify({
        provider: {
          octopus: {
            npm,
            name: 'Octopus',
            options: { baseURL: `${url}${base}`, apiKey: key },
            models: { coding: { limit: { context: 200_000, output: 32_000 } } },
          },
        },
        model: 'octopus/coding',
        autoupdate: false,
        share: 'disabled',
      }),
    },
    quiet: { OPENCODE_DISABLE_MODELS_FETCH: '1', OPENCODE_DISABLE_AUTOUPDATE: '1' },
  }),
})

const qwenCode: CodingTool = {
  name: 'Qwen Code',
  package: { name: '@qwen-code/qwen-code', version: '0.24.4' },
  format: 'openai-chat',
  model: 'coding',
  reading: { name: 'read_file', arguments: (file) => ({ file_path: file }) },
  setUp: ({ url, key }, prompt) => ({
    args: ['-p', prompt, '--approval-mode', 'yolo'],
    env: { OPENAI_BASE_URL: `${url}/v1`, OPENAI_API_KEY: key, OPENAI_MODEL: 'coding' },
    files: {
      '.qwen/settings.json': JSON.stringify({
        privacy: { usageStatisticsEnabled: false },
        general: { enableAutoUpdate: false },
      }),
    },
  }),
}

export const codingTools: readonly CodingTool[] = [
  claudeCode,
  codex('coding'),
  codex('gpt-5.5'),
  geminiCli,
  opencode('@ai-sdk/openai-compatible', 'openai-chat', '/v1'),
  opencode('@ai-sdk/openai', 'openai-responses', '/v1'),
  opencode('@ai-sdk/anthropic', 'anthropic', '/v1'),
  opencode('@ai-sdk/google', 'gemini', '/v1beta'),
  qwenCode,
]

/** Writes the configuration files of a set-up. */
export function writeFiles(home: string, { files = {} }: SetUp): void {
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(home, name)
    mkdirSync(path.dirname(file), { recursive: true })
    writeFileSync(file, content)
  }
}
