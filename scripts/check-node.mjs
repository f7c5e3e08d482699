// An optional dependency brings Node 24; when its download failed, npm says nothing, and the system's older Node would run and crash.
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 19)) {
  console.error(
    `Node ${process.version} is too old: Octopus needs 22.19 or newer. Run "npm ci" again (it brings Node 24 on Linux and Windows), or install Node 24.`,
  )
  process.exit(1)
}
