import { lookup } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'
import ipaddr from 'ipaddr.js'

/**
 * Cloud metadata services: reaching them from a gateway hands out the machine's own credentials. They live on link-local
 * addresses (AWS, GCP, Azure 169.254.169.254; AWS over IPv6; Alibaba 100.100.100.200), which no provider ever uses.
 */
const forbidden = new BlockList()
forbidden.addSubnet('169.254.0.0', 16, 'ipv4')
forbidden.addAddress('100.100.100.200', 'ipv4')
forbidden.addAddress('fd00:ec2::254', 'ipv6')
forbidden.addSubnet('fe80::', 10, 'ipv6')

/** Whether an IP address may never be an upstream. IPv4 addresses in IPv6 clothing are seen through. */
export function isForbiddenAddress(address: string): boolean {
  const bare = address.replace(/^\[|\]$/g, '')
  const kind = isIP(bare)
  if (kind === 0) return false
  return forbidden.check(bare, kind === 4 ? 'ipv4' : 'ipv6')
}

/** Whether an IP address is on the public internet: not this machine, its network, or anything reserved. */
export function isPublicAddress(address: string): boolean {
  const bare = address.replace(/^\[|\]$/g, '')
  return ipaddr.isValid(bare) && ipaddr.process(bare).range() === 'unicast' && !isForbiddenAddress(bare)
}

export class ForbiddenAddressError extends Error {
  override readonly name = 'ForbiddenAddressError'
  constructor(host: string, why: string) {
    super(`${host} ${why}`)
  }
}

/** Where requests may go: `channel` anywhere but metadata services (Ollama lives on this machine), `public` only to the internet. */
export type Reach = 'channel' | 'public'

const reaches: Readonly<Record<Reach, { readonly allows: (address: string) => boolean; readonly why: string }>> = {
  channel: {
    allows: (address) => !isForbiddenAddress(address),
    why: 'is a cloud metadata or link-local address: channels must not point there',
  },
  public: { allows: isPublicAddress, why: 'is not on the public internet: the gateway does not fetch from inside' },
}

/** @throws ForbiddenAddressError for a literal address out of reach; names are judged when they are looked up */
export function requireReach(host: string, reach: Reach): void {
  const { allows, why } = reaches[reach]
  if (isIP(host.replace(/^\[|\]$/g, '')) !== 0 && !allows(host)) throw new ForbiddenAddressError(host, why)
}

/** dns.lookup that refuses results out of reach, so that a public name resolving to an inner address is caught at connect time. */
export const guardedLookup =
  (reach: Reach): LookupFunction =>
  (hostname, options, callback) => {
    const { allows, why } = reaches[reach]
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) {
        callback(error, '', 0)
        return
      }
      if (addresses.some(({ address }) => !allows(address))) {
        callback(new ForbiddenAddressError(hostname, why), '', 0)
        return
      }
      if (options.all === true) callback(null, addresses)
      else callback(null, addresses[0]?.address ?? '', addresses[0]?.family)
    })
  }
