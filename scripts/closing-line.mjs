/** A vitest reporter: ends the run with one plain line, `N passed, N failed, N skipped`, for machines and for eyes. */
export default class ClosingLine {
  onTestRunEnd(modules) {
    const count = { passed: 0, failed: 0, skipped: 0 }
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        if (state in count) count[state] += 1
      }
      // a file that could not even be loaded has no tests to fail
      if (module.state() === 'failed' && [...module.children.allTests()].length === 0) count.failed += 1
    }
    console.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`)
  }
}
