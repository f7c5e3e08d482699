/** SQLSTATE classes 21, 22, 23 (cardinality, data, integrity) and 54 (limits), and a value of the wrong type. */
const dataStates = /^(2[123]|54)[0-9A-Z]{3}$|^42804$/
const sqliteCodes = /^SQLITE_(CONSTRAINT|TOOBIG|MISMATCH|RANGE)/
/** MySQL's own numbers where the SQLSTATE says too little: packet too large, wrong string, out of range, wrong value, too long. */
const mysqlNumbers = [1153, 1264, 1265, 1292, 1366, 1406]

/**
 * Whether the database refuses what was to be written, and would refuse it for ever; everything else (connection, lock, disk, rights) can
 * pass, and then the same write succeeds.
 */
export function isRefusedData(error: unknown): boolean {
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    // better-sqlite3 has no code for values that it cannot bind
    if (cause instanceof TypeError || cause instanceof RangeError) return true
    const code = 'code' in cause ? String(cause.code) : ''
    if (dataStates.test(code) || sqliteCodes.test(code)) return true
    if ('sqlState' in cause && dataStates.test(String(cause.sqlState))) return true
    if ('errno' in cause && typeof cause.errno === 'number' && mysqlNumbers.includes(cause.errno)) return true
  }
  return false
}
