// The statements that the writer sends, and nothing else: whatever is not understood word for word
// is a failure of the simulation, so that a changed statement cannot pass unseen.

export type Statement =
  | { readonly kind: 'ping' }
  | { readonly kind: 'processes'; readonly prefix: string }
  | { readonly kind: 'insert'; readonly table: string; readonly missing: Missing | null }
  | { readonly kind: 'lookup'; readonly parts: readonly LookupPart[] }
  | { readonly kind: 'repair'; readonly range: Range };

/** Rows of the batch `timed` are left out where their day has one already. */
export interface Missing {
  readonly range: Range;
  /** Rows of the batch `untimed` are left out. */
  readonly withoutUntimed: boolean;
}

export interface Range {
  readonly table: string;
  readonly first: bigint;
  readonly last: bigint;
}

/** `range` is null for rows without a time. */
export interface LookupPart {
  readonly index: number;
  readonly table: string;
  readonly range: Range | null;
}

const BETWEEN = 'BETWEEN fromUnixTimestamp64Nano\\((-?\\d+)\\) AND '
  + 'fromUnixTimestamp64Nano\\((-?\\d+)\\)';

const INSERT = /^INSERT INTO (\w+) \(([^)]*)\) FORMAT Native$/;
const INSERT_MISSING = new RegExp('^INSERT INTO (\\w+) \\(([^)]*)\\) '
  + 'SELECT ([^)]*) FROM input\\(\'.*\'\\) '
  + 'WHERE \\(BatchId, toDate\\((\\w+)\\)\\) NOT IN \\( '
  + 'SELECT DISTINCT BatchId, toDate\\((\\w+)\\) FROM (\\w+) '
  + `WHERE BatchId = {timed:String} AND (\\w+) ${BETWEEN} \\) `
  + '(AND BatchId != {untimed:String} )?FORMAT Native$');
const LOOKUP = /^SELECT sum\(timed\), sum\(untimed\) FROM \((.*)\) GROUP BY i ORDER BY i$/;
const TIMED = new RegExp('^SELECT (\\d+) AS i, count\\(\\) AS timed, 0 AS untimed FROM (\\w+) '
  + `WHERE BatchId = {timed:String} AND \\w+ ${BETWEEN}$`);
const UNTIMED = /^SELECT (\d+), 0, count\(\) FROM (\w+) WHERE BatchId = {untimed:String}$/;
const REPAIR = new RegExp('^INSERT INTO otel_traces_trace_id_ts \\(TraceId, Start, End\\) '
  + 'SELECT TraceId, min\\(toDateTime\\(Timestamp\\)\\), max\\(toDateTime\\(Timestamp\\)\\) '
  + `FROM (otel_traces) WHERE BatchId = {timed:String} AND Timestamp ${BETWEEN} `
  + 'AND TraceId != \'\' GROUP BY TraceId$');
const PROCESSES =
  /^SELECT query_id FROM system\.processes WHERE startsWith\(query_id, '([\w-]+)'\)$/;

export function parseStatement(query: string): Statement {
  const text = query.replace(/\s+/g, ' ').trim();
  if (text === 'SELECT 1') return { kind: 'ping' };
  const processes = PROCESSES.exec(text);
  if (processes !== null) return { kind: 'processes', prefix: processes[1]! };
  const insert = INSERT.exec(text);
  if (insert !== null) return { kind: 'insert', table: insert[1]!, missing: null };
  const missing = INSERT_MISSING.exec(text);
  if (missing !== null) return insertMissing(missing);
  const lookup = LOOKUP.exec(text);
  if (lookup !== null) {
    return { kind: 'lookup', parts: lookup[1]!.split(' UNION ALL ').map(lookupPart) };
  }
  const repair = REPAIR.exec(text);
  if (repair !== null) return { kind: 'repair', range: rangeOf(repair[1]!, repair[2], repair[3]) };
  throw new Error(`the simulated store does not know: ${text}`);
}

function insertMissing(match: RegExpExecArray): Statement {
  const [, table, into, from, day, storedDay, storedIn, time, first, last, untimed] = match;
  const agree = into === from && table === storedIn && day === storedDay && day === time;
  if (!agree) throw new Error(`the parts of a statement differ: ${match[0]}`);
  const range = rangeOf(table!, first, last);
  return {
    kind: 'insert', table: table!, missing: { range, withoutUntimed: untimed !== undefined },
  };
}

function lookupPart(text: string): LookupPart {
  const timed = TIMED.exec(text);
  if (timed !== null) {
    const [, index, table, first, last] = timed;
    return { index: Number(index), table: table!, range: rangeOf(table!, first, last) };
  }
  const untimed = UNTIMED.exec(text);
  if (untimed === null) throw new Error(`the simulated store does not know: ${text}`);
  return { index: Number(untimed[1]), table: untimed[2]!, range: null };
}

const rangeOf = (table: string, first = '', last = ''): Range =>
  ({ table, first: BigInt(first), last: BigInt(last) });
