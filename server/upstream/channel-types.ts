import { wireFormats, type WireFormat } from '../model/request.ts'

/** A kind of channel as the form draws it. The contract's ChannelTypeRow is the same, for the wire. */
export interface ChannelType {
  readonly id: string
  readonly label: string
  /** The vendor's name in the price book (models.dev), or null when prices must be matched by model alone. */
  readonly vendor: string | null
  readonly endpoints: readonly { readonly format: WireFormat; readonly baseUrl: string }[]
  readonly keyRequired: boolean
  /** The format whose listing the vendor offers; null: models are typed by hand. */
  readonly listing: WireFormat | null
  /** How a key looks, for the empty field. */
  readonly keyHint: string
  readonly warning: string | null
  /** Answers inside this process: nothing is dialled, and nothing costs anything. */
  readonly inProcess: boolean
}

type Row = Partial<Omit<ChannelType, 'id' | 'label' | 'endpoints'>> & {
  readonly label: string
  /** Several addresses of one format are tried in this order. */
  readonly at: Readonly<Partial<Record<WireFormat, string | readonly string[]>>>
}

/** A host that stands for the user's own in a default address; a channel that still has it cannot be saved. */
export const PLACEHOLDER = 'your-resource'

const ANTIGRAVITY_WARNING =
  'Antigravity has no public API. This uses private endpoints with your Google account, against their terms; accounts that did so have been banned. Use an account that you can lose.'

/**
 * Every channel type: a new preset is one row here. Base URLs are from the vendors' public API references (2026) and carry the
 * version segment, because Octopus adds only what follows it: `/chat/completions`, `/responses`, `/messages`,
 * `/models/{model}:generateContent`, `/v1internal:…`. Vendors tell Anthropic's tools a base without `/v1`; here it stands.
 */
const rows: Readonly<Record<string, Row>> = {
  'openai-chat': {
    label: 'OpenAI Chat',
    vendor: 'openai',
    at: { 'openai-chat': 'https://api.openai.com/v1' },
    keyHint: 'sk-…',
  },
  'openai-responses': {
    label: 'OpenAI Responses',
    vendor: 'openai',
    at: { 'openai-responses': 'https://api.openai.com/v1' },
    keyHint: 'sk-…',
  },
  anthropic: {
    label: 'Anthropic',
    vendor: 'anthropic',
    at: { anthropic: 'https://api.anthropic.com/v1' },
    keyHint: 'sk-ant-…',
  },
  gemini: {
    label: 'Gemini',
    vendor: 'google',
    at: { gemini: 'https://generativelanguage.googleapis.com/v1beta' },
    keyHint: 'AIza…',
  },
  antigravity: {
    label: 'Antigravity',
    vendor: 'google',
    at: { antigravity: ['https://daily-cloudcode-pa.googleapis.com', 'https://cloudcode-pa.googleapis.com'] },
    listing: null, // not a GET: the models come from a private call with the account's project
    keyHint: '1//… or ya29.…',
    warning: ANTIGRAVITY_WARNING,
  },
  demo: {
    label: 'Demo (no account needed)',
    vendor: null,
    // never dialled: the demo provider answers inside the process
    at: {
      'openai-chat': 'http://demo.invalid/v1',
      'openai-responses': 'http://demo.invalid/v1',
      anthropic: 'http://demo.invalid/v1',
      gemini: 'http://demo.invalid/v1beta',
      antigravity: 'http://demo.invalid',
    },
    keyRequired: false,
    keyHint: '',
    inProcess: true,
  },

  openai: {
    label: 'OpenAI (Chat and Responses)',
    vendor: 'openai',
    at: { 'openai-chat': 'https://api.openai.com/v1', 'openai-responses': 'https://api.openai.com/v1' },
    keyHint: 'sk-…',
  },
  'azure-openai': {
    label: 'Azure OpenAI',
    vendor: 'azure',
    at: {
      'openai-chat': `https://${PLACEHOLDER}.openai.azure.com/openai/v1`,
      'openai-responses': `https://${PLACEHOLDER}.openai.azure.com/openai/v1`,
    },
    listing: null, // /models lists the catalogue, not the deployments that can be called
  },
  openrouter: {
    label: 'OpenRouter',
    vendor: 'openrouter',
    at: {
      'openai-chat': 'https://openrouter.ai/api/v1',
      'openai-responses': 'https://openrouter.ai/api/v1',
      anthropic: 'https://openrouter.ai/api/v1',
    },
    keyHint: 'sk-or-…',
  },
  deepseek: {
    label: 'DeepSeek',
    vendor: 'deepseek',
    at: { 'openai-chat': 'https://api.deepseek.com/v1', anthropic: 'https://api.deepseek.com/anthropic/v1' },
    keyHint: 'sk-…',
  },
  moonshot: {
    label: 'Moonshot (Kimi)',
    vendor: 'moonshotai',
    at: { 'openai-chat': 'https://api.moonshot.ai/v1', anthropic: 'https://api.moonshot.ai/anthropic/v1' },
    keyHint: 'sk-…',
  },
  'moonshot-cn': {
    label: 'Moonshot (Kimi), China',
    vendor: 'moonshotai-cn',
    at: { 'openai-chat': 'https://api.moonshot.cn/v1', anthropic: 'https://api.moonshot.cn/anthropic/v1' },
    keyHint: 'sk-…',
  },
  zhipu: {
    label: 'Zhipu (GLM), China',
    vendor: 'zhipuai',
    at: {
      'openai-chat': 'https://open.bigmodel.cn/api/paas/v4',
      anthropic: 'https://open.bigmodel.cn/api/anthropic/v1',
    },
  },
  zai: {
    label: 'Z.ai (GLM)',
    vendor: 'zai',
    at: { 'openai-chat': 'https://api.z.ai/api/paas/v4', anthropic: 'https://api.z.ai/api/anthropic/v1' },
  },
  'zai-coding': {
    label: 'Z.ai (GLM) coding plan',
    vendor: 'zai-coding-plan',
    at: { 'openai-chat': 'https://api.z.ai/api/coding/paas/v4', anthropic: 'https://api.z.ai/api/anthropic/v1' },
  },
  minimax: {
    label: 'MiniMax',
    vendor: 'minimax',
    at: { 'openai-chat': 'https://api.minimax.io/v1', anthropic: 'https://api.minimax.io/anthropic/v1' },
  },
  'minimax-cn': {
    label: 'MiniMax, China',
    vendor: 'minimax-cn',
    at: { 'openai-chat': 'https://api.minimaxi.com/v1', anthropic: 'https://api.minimaxi.com/anthropic/v1' },
  },
  siliconflow: {
    label: 'SiliconFlow',
    vendor: 'siliconflow',
    at: { 'openai-chat': 'https://api.siliconflow.com/v1', anthropic: 'https://api.siliconflow.com/v1' },
    keyHint: 'sk-…',
  },
  'siliconflow-cn': {
    label: 'SiliconFlow, China',
    vendor: 'siliconflow-cn',
    at: { 'openai-chat': 'https://api.siliconflow.cn/v1', anthropic: 'https://api.siliconflow.cn/v1' },
    keyHint: 'sk-…',
  },
  volcengine: {
    label: 'Volcengine Ark (Doubao)',
    vendor: 'volcengine',
    at: {
      'openai-chat': 'https://ark.cn-beijing.volces.com/api/v3',
      'openai-responses': 'https://ark.cn-beijing.volces.com/api/v3',
    },
  },
  'volcengine-coding': {
    label: 'Volcengine Ark coding plan',
    vendor: 'volcengine-coding-plan',
    at: {
      'openai-chat': 'https://ark.cn-beijing.volces.com/api/coding/v3',
      anthropic: 'https://ark.cn-beijing.volces.com/api/coding/v1',
    },
  },
  dashscope: {
    label: 'Alibaba Model Studio (Qwen)',
    vendor: 'alibaba',
    at: {
      'openai-chat': 'https://dashscope-intl.aliyuncs.com/compatible-mode/v1',
      anthropic: 'https://dashscope-intl.aliyuncs.com/apps/anthropic/v1',
    },
    keyHint: 'sk-…',
  },
  'dashscope-cn': {
    label: 'Alibaba Bailian (Qwen), China',
    vendor: 'alibaba-cn',
    at: {
      'openai-chat': 'https://dashscope.aliyuncs.com/compatible-mode/v1',
      anthropic: 'https://dashscope.aliyuncs.com/apps/anthropic/v1',
    },
    keyHint: 'sk-…',
  },
  groq: {
    label: 'Groq',
    vendor: 'groq',
    at: { 'openai-chat': 'https://api.groq.com/openai/v1', 'openai-responses': 'https://api.groq.com/openai/v1' },
    keyHint: 'gsk_…',
  },
  xai: {
    label: 'xAI (Grok)',
    vendor: 'xai',
    // its Anthropic layer is deprecated
    at: { 'openai-chat': 'https://api.x.ai/v1', 'openai-responses': 'https://api.x.ai/v1' },
    keyHint: 'xai-…',
  },
  mistral: { label: 'Mistral', vendor: 'mistral', at: { 'openai-chat': 'https://api.mistral.ai/v1' } },
  together: { label: 'Together AI', vendor: 'togetherai', at: { 'openai-chat': 'https://api.together.xyz/v1' } },
  fireworks: {
    label: 'Fireworks AI',
    vendor: 'fireworks-ai',
    at: {
      'openai-chat': 'https://api.fireworks.ai/inference/v1',
      anthropic: 'https://api.fireworks.ai/inference/v1',
    },
    keyHint: 'fw_…',
  },
  cerebras: {
    label: 'Cerebras',
    vendor: 'cerebras',
    at: { 'openai-chat': 'https://api.cerebras.ai/v1' },
    keyHint: 'csk-…',
  },
  nvidia: {
    label: 'NVIDIA NIM',
    vendor: 'nvidia',
    at: { 'openai-chat': 'https://integrate.api.nvidia.com/v1' },
    keyHint: 'nvapi-…',
  },
  ollama: {
    label: 'Ollama (this machine)',
    vendor: null,
    at: {
      'openai-chat': 'http://127.0.0.1:11434/v1',
      'openai-responses': 'http://127.0.0.1:11434/v1',
      anthropic: 'http://127.0.0.1:11434/v1',
    },
    keyRequired: false,
  },
  lmstudio: {
    label: 'LM Studio (this machine)',
    vendor: null,
    at: {
      'openai-chat': 'http://127.0.0.1:1234/v1',
      'openai-responses': 'http://127.0.0.1:1234/v1',
      anthropic: 'http://127.0.0.1:1234/v1',
    },
    keyRequired: false,
  },
  vllm: {
    label: 'vLLM',
    vendor: null,
    at: {
      'openai-chat': 'http://127.0.0.1:8000/v1',
      'openai-responses': 'http://127.0.0.1:8000/v1',
      anthropic: 'http://127.0.0.1:8000/v1',
    },
    keyRequired: false,
  },
}

function complete(id: string, { label, at, ...row }: Row): ChannelType {
  const endpoints = wireFormats.flatMap((format) => [at[format] ?? []].flat().map((baseUrl) => ({ format, baseUrl })))
  return {
    id,
    label,
    vendor: null,
    endpoints,
    keyRequired: true,
    listing: endpoints[0]?.format ?? null,
    keyHint: '',
    warning: null,
    inProcess: false,
    ...row,
  }
}

/** By id, in the order in which they are offered. */
export const channelTypes: ReadonlyMap<string, ChannelType> = new Map(
  Object.entries(rows).map(([id, row]) => [id, complete(id, row)]),
)
