import type { Latency } from '../balance/latency.ts'
import type { Limits } from '../balance/limits.ts'
import { RelayError } from '../errors.ts'
import type { ReportLoss, WireFormat } from '../model/request.ts'
import type { Protocol } from '../protocols/codec.ts'
import { parseObject } from '../protocols/narrow.ts'
import { holdsWrapped } from '../protocols/signature.ts'
import type { ChannelKey, ConfigurationSource, Group } from '../store/configuration.ts'
import type { Send, UpstreamRequest } from '../upstream/exchange.ts'
import { completeUrl, proxyOf, upstreamHeaders } from '../upstream/target.ts'
import type { TimerWheel } from '../upstream/timer-wheel.ts'
import { Secret } from '../secret.ts'
import { authenticate, resolveGroup } from './access.ts'
import { Attempt } from './attempt.ts'
import type { AttemptPlan } from './outcome.ts'
import { withModel, withOverride } from './body.ts'
import type { Call, Conversation } from './call.ts'
import { membersOf, type KeylessTypes, type Member } from './candidates.ts'
import { addressName, type Choice } from './choice.ts'
import { withMediaBytes } from './media.ts'
import type { Gateway } from './relay.ts'
import type { Try } from './try.ts'

/** What the main path needs of the other layers; server/index.ts brings it together. */
export interface GatewayParts {
  readonly configuration: ConfigurationSource
  readonly protocols: Readonly<Record<WireFormat, Protocol>>
  /** How requests of a channel type leave: over the network, or to the demo provider inside the process. */
  readonly sendFor: (channelType: string) => Send
  readonly keyless: KeylessTypes
  readonly choice: Choice
  readonly limits: Limits
  /** Waiting times of addresses, for channels that have several. */
  readonly latency: Latency
  readonly wheel: TimerWheel
  /** For formats whose channels need more than the key as it is (Antigravity's access token and project). */
  readonly accounts: Partial<Readonly<Record<WireFormat, AccountLookup>>>
  /** Names this process in `x-octopus-hop`. */
  readonly instanceId: string
  /** Our own name at upstreams, where the client's is not passed on. */
  readonly userAgent: string
}

/** What stands behind a key: looked up before a call, and forgotten when the upstream refused it. */
export interface AccountLookup {
  /**
   * null: the key is used as it is. `converted`: the request comes from another format, and names no account of the client's own.
   * @throws RelayError `key_refused`, `upstream_failed`
   */
  find(member: Member, key: ChannelKey, converted: boolean): Promise<Account | null>
  forget(member: Member, key: ChannelKey): void
}

export interface Account {
  readonly credential: string
  readonly project: string
}

export const hopHeader = 'x-octopus-hop'

export function createGateway(parts: GatewayParts): Gateway {
  const { configuration, protocols, wheel } = parts
  const global = new Map<string, Secret>()
  const globalProxy = (url: string): Secret | null => {
    if (url === '') return null
    let secret = global.get(url)
    if (secret === undefined) global.set(url, (secret = new Secret(url)))
    return secret
  }

  /** Which other formats may stand in for a client's own. */
  const serves = {
    generate: () => () => true,
    // a foreign channel has no such question; where no channel of the format is left, the count is estimated
    'count-tokens': (format: WireFormat) => (other: WireFormat) => other === format,
    passthrough: (format: WireFormat) => (other: WireFormat) => protocols[other].family === protocols[format].family,
  }

  return {
    authenticate: (presented) => authenticate(configuration.current(), presented, Date.now()),

    resolveGroup: (model, caller) => resolveGroup(configuration.current(), model, caller),

    candidates: (group, call) => {
      const { format } = call.protocol
      const purpose = call.raw === undefined ? call.route.operation : 'passthrough'
      return membersOf(configuration.current(), group, {
        format,
        purpose,
        serves: serves[purpose](format),
        keyless: parts.keyless,
      })
    },

    choice: parts.choice,

    admit: (caller, signal) => parts.limits.admit(caller, signal),

    random: () => Math.random(),

    limits: (group, call) => {
      const { relay } = configuration.current().settings
      const deadlineMs = group.policy.deadlineMs ?? relay.deadlineMs
      return {
        maxMembers: group.policy.maxAttempts ?? relay.maxAttempts,
        deadline: deadlineMs === 0 || group.policy.neverGiveUp === true ? Infinity : call.startedAt + deadlineMs,
      }
    },

    attempt: (call, try_) => {
      const upstream = protocols[try_.member.format]
      const same = call.raw !== undefined || upstream.format === call.protocol.format
      if (same && parts.accounts[upstream.format] === undefined)
        return begin(call, try_, { upstream, conversation: null, account: null })
      return look(call, try_, { upstream, same })
    },
  }

  /** What a try needs before it can be planned, where that takes time. */
  async function look(
    call: Call,
    try_: Try,
    { upstream, same }: { readonly upstream: Protocol; readonly same: boolean },
  ): Promise<Attempt> {
    const { key, member } = try_
    const conversation = same ? null : await withBytes(call, upstream)
    const account = key === null ? null : await parts.accounts[upstream.format]?.find(member, key, !same)
    return begin(call, try_, { upstream, conversation, account: account ?? null })
  }

  function begin(call: Call, try_: Try, chosen: Chosen): Attempt {
    if (try_.signal.aborted) throw new RelayError('cancelled', 'the client went away')
    const attempt = new Attempt(plan(call, try_, chosen))
    try_.signal.onAbort(() => attempt.abort())
    return attempt
  }

  /** The conversation, with the bytes of media whose address this upstream cannot take. */
  async function withBytes(call: Call, upstream: Protocol): Promise<Conversation> {
    const conversation = call.conversation()
    const request = await withMediaBytes(conversation.request, (part) => upstream.acceptsUrl(part), call.fetchMedia)
    return request === conversation.request ? conversation : { ...conversation, request }
  }

  function plan(
    call: Call,
    { group, member, key, journal, startedAt }: Try,
    { upstream, conversation, account }: Chosen,
  ): AttemptPlan {
    const { settings } = configuration.current()
    // who never gives up may be asking for hours: each attempt has its own time
    const from = group.policy.neverGiveUp === true ? startedAt : call.startedAt
    const timers = timersOf(group, member, settings.relay)
    const same = conversation === null
    const loss: ReportLoss = (lost) => {
      journal.losses.push(lost)
    }
    if (conversation !== null) for (const lost of conversation.losses) loss(lost)
    const origin = String(member.channelId)
    const said = bodyFor(call, { upstream, conversation, target: { model: member.model, origin, loss } })
    const body = account === null ? said : (upstream.bindAccount?.(said, { ...account, requestId: call.id }) ?? said)
    const { operation } = call.route
    const target = call.raw ?? upstream.endpoint({ model: member.model, stream: call.peek.stream, operation })
    const commitWaitMs = sooner(timers.firstTokenMs, group.policy.deadlineMs ?? settings.relay.deadlineMs)
    const request: UpstreamRequest = {
      method: 'POST',
      ...completeUrl(member.baseUrl, target.path),
      headers: headersFor(call, {
        member,
        upstream,
        credential: account?.credential ?? key?.secret.reveal() ?? null,
        same,
      }),
      body: call.raw === undefined ? withOverride(body, member.channel.paramOverride) : body,
      proxy: proxyOf(member.channel, globalProxy(settings.network.proxyUrl)),
      connectMs: timers.connectMs,
      headersMs: timers.headersMs,
      idleMs: timers.idleMs,
    }
    return {
      request,
      send: member.addresses.length > 1 ? timed(member) : parts.sendFor(member.channel.type),
      upstream,
      client: call.protocol,
      stream: call.peek.stream,
      operation,
      raw: call.raw !== undefined,
      conversation,
      asked: () => conversation?.request ?? call.conversation().request,
      origin,
      loss,
      fallback: { id: call.id, createdAt: Math.floor(call.at / 1000) },
      commitBy: commitWaitMs === 0 ? Infinity : from + commitWaitMs,
      commitWaitMs,
      endBy: timers.totalMs === 0 ? Infinity : from + timers.totalMs,
      wheel,
    }
  }

  /** Measures the time to the first byte, by which the channel's addresses are told apart. */
  function timed(member: Member): Send {
    const send = parts.sendFor(member.channel.type)
    return (request, handler) => {
      const sentAt = performance.now()
      return send(request, {
        onHead: (status, headers) => {
          if (status < 500) parts.latency.note(addressName(member), performance.now() - sentAt)
          handler.onHead(status, headers)
        },
        onData: (chunk) => handler.onData(chunk),
        onEnd: () => handler.onEnd(),
        onError: (error) => handler.onError(error),
      })
    }
  }

  function headersFor(
    call: Call,
    {
      member,
      upstream,
      credential,
      same,
    }: {
      readonly member: Member
      readonly upstream: Protocol
      readonly credential: string | null
      readonly same: boolean
    },
  ): Record<string, string> {
    const hops = call.headers[hopHeader]
    return upstreamHeaders({
      client: call.headers,
      forwarded: same ? upstream.forwardedHeaders : [],
      own: {
        'content-type': call.raw?.contentType ?? 'application/json',
        accept:
          call.raw !== undefined
            ? (call.headers['accept'] ?? '*/*')
            : call.peek.stream
              ? 'text/event-stream'
              : 'application/json',
        'user-agent': same ? (call.headers['user-agent'] ?? parts.userAgent) : parts.userAgent,
        [hopHeader]: hops === undefined ? parts.instanceId : `${hops}, ${parts.instanceId}`,
        ...(credential === null ? {} : upstream.authorize(credential)),
      },
      rules: member.channel.headers,
    })
  }
}

/** A request that has passed through this very process before would go round for ever. */
export function refuseLoop(headers: Call['headers'], instanceId: string): void {
  const hops = headers[hopHeader]?.split(',').map((hop) => hop.trim()) ?? []
  if (hops.includes(instanceId))
    throw new RelayError(
      'loop_detected',
      'this request came back to the gateway: a channel points at the gateway itself',
    )
}

/** What an attempt has worked out before it plans its request. */
interface Chosen {
  readonly upstream: Protocol
  /** null: the formats are the same. */
  readonly conversation: Conversation | null
  readonly account: Account | null
}

/**
 * The request's bytes for one member: the client's own where the formats are the same, else said anew. Same-format bytes are touched
 * in one case only: the conversation was partly answered by channels of other formats, whose thoughts (wrapped by us) this upstream
 * would refuse.
 */
function bodyFor(
  call: Call,
  to: {
    readonly upstream: Protocol
    readonly conversation: Conversation | null
    readonly target: { readonly model: string; readonly origin: string; readonly loss: ReportLoss }
  },
): Buffer {
  const { upstream, conversation, target } = to
  if (conversation !== null) return encode(upstream, conversation, target)
  const body = withModel(call, target.model)
  if (call.raw !== undefined || !holdsWrapped(body)) return body
  if (upstream.withoutForeignThoughts === undefined) return encode(upstream, call.conversation(), target)
  const parsed = parseObject(body.toString('utf8'))
  return parsed === undefined ? body : Buffer.from(JSON.stringify(upstream.withoutForeignThoughts(parsed)), 'utf8')
}

function encode(
  upstream: Protocol,
  conversation: Conversation,
  target: { readonly model: string; readonly origin: string; readonly loss: ReportLoss },
): Buffer {
  const request = { ...conversation.request, model: target.model }
  return Buffer.from(
    JSON.stringify(upstream.codec.encodeRequest(request, { origin: target.origin, loss: target.loss })),
    'utf8',
  )
}

/** The shorter of two waits, of which 0 means none. */
const sooner = (a: number, b: number): number => (a === 0 ? b : b === 0 ? a : Math.min(a, b))

interface Timers {
  readonly connectMs: number
  readonly headersMs: number
  readonly firstTokenMs: number
  readonly idleMs: number
  readonly totalMs: number
}

/** Each timer on its own: the group's word, else the channel's, else the setting's. */
function timersOf(group: Group, member: Member, defaults: Timers): Timers {
  const of = (name: keyof Timers): number =>
    group.policy.timeouts?.[name] ?? member.channel.timeouts[name] ?? defaults[name]
  return {
    connectMs: of('connectMs'),
    headersMs: of('headersMs'),
    firstTokenMs: of('firstTokenMs'),
    idleMs: of('idleMs'),
    totalMs: of('totalMs'),
  }
}
