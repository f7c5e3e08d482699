/** A proxy address as it may be shown: user name and password hidden. */
export function maskAddress(url: string): string {
  if (!URL.canParse(url)) return url
  const { username, password } = new URL(url)
  return username === '' && password === '' ? url : url.replace(/^([^/]*:\/\/)[^/]*@/, '$1***@')
}

/** Whether an address holds the mask: then it was read from us, and says nothing about the credentials. */
export function isMasked(url: string): boolean {
  return /^[^/]*:\/\/\*\*\*@/.test(url)
}
