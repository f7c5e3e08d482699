import type { FinishedRequest } from '../record.ts'

/** A record as the relay makes them, with what a test wants different. */
export function aRecord(changes: Partial<FinishedRequest> = {}): FinishedRequest {
  return {
    id: '0199f0a0-0000-7000-8000-000000000001',
    at: Date.UTC(2026, 10, 20, 12, 30),
    clientFormat: 'anthropic',
    upstreamFormat: 'openai-chat',
    groupId: 3,
    groupName: 'sonnet',
    requestedModel: 'sonnet',
    apiKeyId: 2,
    apiKeyName: 'laptop',
    clientSoftware: 'claude-cli/2.1.3',
    stream: true,
    outcome: 'success',
    httpStatus: 200,
    attempts: [
      {
        channelId: 5,
        channelName: 'OpenRouter',
        model: 'anthropic/claude-sonnet-4.5',
        format: 'openai-chat',
        keyId: 7,
        keyNote: 'main',
        status: 200,
        outcome: 'answered',
        startedMs: 1,
        durationMs: 2100,
      },
    ],
    channelId: 5,
    channelName: 'OpenRouter',
    upstreamModel: 'anthropic/claude-sonnet-4.5',
    usage: {
      input: 1200,
      cacheRead: 8000,
      cacheWrite5m: 300,
      cacheWrite1h: 0,
      output: 450,
      reasoning: 90,
      raw: { prompt_tokens: 9500, completion_tokens: 450, prompt_tokens_details: { cached_tokens: 8000 } },
    },
    costNanoUsd: 13_875_000,
    firstTokenMs: 640,
    durationMs: 2120,
    losses: [{ field: 'top_k', reason: 'OpenAI Chat has no such field' }],
    ...changes,
  }
}

/** The n-th of many different records. */
export function numbered(n: number, changes: Partial<FinishedRequest> = {}): FinishedRequest {
  return aRecord({ id: `0199f0a0-0000-7000-8000-${String(n).padStart(12, '0')}`, ...changes })
}

/** Keeps what was said. */
export class HeardLog {
  readonly lines: string[] = []
  /** The store's log takes no fields. */
  readonly plain = {
    info: (message: string): void => this.info({}, message),
    warn: (message: string): void => this.warn({}, message),
  }
  info(_fields: object, message: string): void {
    this.lines.push(`info ${message}`)
  }
  warn(_fields: object, message: string): void {
    this.lines.push(`warn ${message}`)
  }
  error(_fields: object, message: string): void {
    this.lines.push(`error ${message}`)
  }
}
