import { lookup } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'

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

export class ForbiddenAddressError extends Error {
  override readonly name = 'ForbiddenAddressError'
  constructor(host: string) {
    super(`${host} is a cloud metadata or link-local address: channels must not point there`)
  }
}

/** dns.lookup that refuses forbidden results, so that a public name resolving to a metadata address is caught at connect time. */
export const guardedLookup: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error !== null) {
      callback(error, '', 0)
      return
    }
    if (addresses.some(({ address }) => isForbiddenAddress(address))) {
      callback(new ForbiddenAddressError(hostname), '', 0)
      return
    }
    if (options.all === true) callback(null, addresses)
    else callback(null, addresses[0]?.address ?? '', addresses[0]?.family)
  })
}
