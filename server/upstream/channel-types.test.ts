import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { BaseUrl, ChannelTypeRow } from '../contract/channels.ts'
import { wireFormats } from '../model/request.ts'
import { channelTypes } from './channel-types.ts'

describe('channel types', () => {
  it.each([...channelTypes.values()])('$id is a row of the contract with usable addresses', (type) => {
    expect(ChannelTypeRow.parse(type)).toEqual(type)
    expect(type.endpoints.length).toBeGreaterThan(0)
    for (const { baseUrl } of type.endpoints) {
      expect(BaseUrl.parse(baseUrl)).toBe(baseUrl)
      expect(baseUrl).not.toMatch(/\/$/)
    }
    if (type.listing !== null) expect(type.endpoints.map(({ format }) => format)).toContain(type.listing)
  })

  it('names only vendors that the price book has', () => {
    const book = JSON.parse(readFileSync('resources/prices.json', 'utf8')) as { vendors: Record<string, unknown> }
    for (const { vendor } of channelTypes.values()) {
      if (vendor !== null) expect(Object.keys(book.vendors)).toContain(vendor)
    }
  })

  it('has a type for each wire format, named like it', () => {
    for (const format of wireFormats) expect(channelTypes.get(format)?.endpoints[0]?.format).toBe(format)
  })

  it('offers the demo in every format and asks it for no key', () => {
    const demo = channelTypes.get('demo')
    expect(demo?.endpoints.map(({ format }) => format)).toEqual(wireFormats)
    expect(demo?.keyRequired).toBe(false)
  })

  it('sends providers over TLS, all but those of this machine', () => {
    for (const { endpoints } of channelTypes.values()) {
      for (const { baseUrl } of endpoints) expect(baseUrl).toMatch(/^https:|^http:\/\/(127\.0\.0\.1:\d+|demo\.invalid)/)
    }
  })
})
