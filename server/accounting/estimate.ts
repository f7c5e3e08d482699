import type { Usage } from '../model/response.ts'
export function estimateUsage(t: { readonly request: string; readonly response: string; readonly share: number }): Usage {
  return { input: Math.ceil(t.request.length / 4), output: Math.ceil(t.response.length / 4 / t.share), cacheRead: 0, cacheWrite5m: 0, cacheWrite1h: 0, estimated: true }
}
