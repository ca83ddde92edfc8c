// The statements that the writer sends, and nothing else: whatever is not understood word for word
// is a failure of the simulation, so that a changed statement cannot pass unseen.

/** Query parameters, as the client takes them. */
export type Params = Readonly<Record<string, unknown>>;

export type Statement =
  | { readonly kind: 'ping' }
  | { readonly kind: 'processes'; readonly prefix: string }
  | { readonly kind: 'insert'; readonly table: string; readonly unless: Unless | null }
  | { readonly kind: 'lookup'; readonly parts: readonly LookupPart[] }
  | { readonly kind: 'count'; readonly rows: Rows }
  | { readonly kind: 'repair traces'; readonly rows: Rows }
  | { readonly kind: 'repair batches'; readonly rows: Rows }
  | { readonly kind: 'note refused' };

/** Rows of a batch in a day that has rows of it among `stored` are left out, and all of `names`. */
export interface Unless {
  readonly stored: Rows;
  readonly names: readonly string[];
}

/** The rows of a table that meet one of the conditions. */
export interface Rows {
  readonly table: string;
  readonly conditions: readonly Condition[];
}

export interface Condition {
  /** Values of BatchId. */
  readonly names: readonly string[];
  /** Null: at any time. */
  readonly between: { readonly first: bigint; readonly last: bigint } | null;
}

export interface LookupPart {
  readonly index: number;
  readonly counts: 'timed' | 'untimed';
  readonly rows: Rows;
}

const INSERT = /^INSERT INTO (\w+) \(([^)]*)\) FORMAT Native$/;
const INSERT_UNLESS = new RegExp('^INSERT INTO (\\w+) \\(([^)]*)\\) '
  + 'SELECT ([^)]*) FROM input\\(\'.*\'\\) '
  + 'WHERE \\(BatchId, toDate\\((\\w+)\\)\\) NOT IN \\( '
  + 'SELECT DISTINCT BatchId, toDate\\((\\w+)\\) FROM (\\w+) WHERE (.*?) \\) '
  + '(?:AND BatchId (?:!=|NOT IN) ({\\w+:\\S+}) )?FORMAT Native$');
const LOOKUP = /^SELECT sum\(timed\), sum\(untimed\) FROM \((.*)\) GROUP BY i ORDER BY i$/;
const TIMED = /^SELECT (\d+) AS i, count\(\) AS timed, 0 AS untimed FROM (\w+) WHERE (.*)$/;
const UNTIMED = /^SELECT (\d+), 0, count\(\) FROM (\w+) WHERE (.*)$/;
const COUNT = /^SELECT count\(\) FROM (\w+) WHERE (.*)$/;
const REPAIR_TRACES = new RegExp('^INSERT INTO otel_traces_trace_id_ts \\(TraceId, Start, End\\) '
  + 'SELECT TraceId, min\\(toDateTime\\(Timestamp\\)\\), max\\(toDateTime\\(Timestamp\\)\\) '
  + 'FROM (otel_traces) WHERE (.*) AND TraceId != \'\' GROUP BY TraceId$');
const REPAIR_BATCHES = new RegExp('^INSERT INTO binnacle_batches '
  + '\\(BatchId, TableName, Day, Rows\\) '
  + 'SELECT BatchId, \'(\\w+)\', toDate\\(\\w+\\) AS Day, count\\(\\) FROM (\\w+) '
  + 'WHERE (.*) GROUP BY BatchId, Day$');
const NOTE_REFUSED = 'INSERT INTO binnacle_batches (BatchId, TableName, Refused) '
  + 'SELECT {id:String}, {signal:String}, {refused:UInt64}';
/** The comment is where the embedded engine keeps our id. */
const PROCESSES = new RegExp('^SELECT if\\(startsWith\\(query_id, \'([\\w-]+)\'\\), query_id, '
  + 'splitByChar\\(\' \', Settings\\[\'log_comment\'\\]\\)\\[1\\]\\) AS name '
  + 'FROM system\\.processes WHERE startsWith\\(name, \'\\1\'\\)$');
const CONDITION = new RegExp('^BatchId (?:=|IN) ({\\w+:\\S+})(?: AND \\w+ BETWEEN '
  + 'fromUnixTimestamp64Nano\\((-?\\d+)\\) AND fromUnixTimestamp64Nano\\((-?\\d+)\\))?$');

export function parseStatement(query: string, params: Params): Statement {
  const text = query.replace(/\s+/g, ' ').trim();
  if (text === 'SELECT 1') return { kind: 'ping' };
  if (text === NOTE_REFUSED) return { kind: 'note refused' };
  const rows = (table: string, condition: string) => rowsOf(table, condition, params);
  let found = PROCESSES.exec(text);
  if (found !== null) return { kind: 'processes', prefix: found[1]! };
  found = INSERT.exec(text);
  if (found !== null) return { kind: 'insert', table: found[1]!, unless: null };
  found = INSERT_UNLESS.exec(text);
  if (found !== null) return insertUnless(found, params);
  found = LOOKUP.exec(text);
  if (found !== null) {
    const parts = found[1]!.split(' UNION ALL ').map((part) => lookupPart(part, params));
    return { kind: 'lookup', parts };
  }
  found = COUNT.exec(text);
  if (found !== null) return { kind: 'count', rows: rows(found[1]!, found[2]!) };
  found = REPAIR_TRACES.exec(text);
  if (found !== null) return { kind: 'repair traces', rows: rows(found[1]!, found[2]!) };
  found = REPAIR_BATCHES.exec(text);
  if (found !== null && found[1] === found[2]) {
    return { kind: 'repair batches', rows: rows(found[2]!, found[3]!) };
  }
  throw unknown(text);
}

const unknown = (text: string) => new Error(`the simulated store does not know: ${text}`);

function insertUnless(match: RegExpExecArray, params: Params): Statement {
  const [text, table, into, from, day, storedDay, storedIn, condition, names] = match;
  if (into !== from || table !== storedIn || day !== storedDay) throw unknown(text);
  const stored = rowsOf(table!, condition!, params);
  const left = names === undefined ? [] : valuesOf(names, params);
  return { kind: 'insert', table: table!, unless: { stored, names: left } };
}

function lookupPart(text: string, params: Params): LookupPart {
  const timed = TIMED.exec(text);
  const found = timed ?? UNTIMED.exec(text);
  if (found === null) throw unknown(text);
  const [, index, table, condition] = found;
  return {
    index: Number(index), counts: timed === null ? 'untimed' : 'timed',
    rows: rowsOf(table!, condition!, params),
  };
}

/** `condition`, or `(condition)`, or `(condition OR condition)`. */
function rowsOf(table: string, text: string, params: Params): Rows {
  const inner = /^\((BatchId .*)\)$/.exec(text)?.[1] ?? text;
  const conditions = inner.split(' OR ').map((part) => {
    const found = CONDITION.exec(part);
    if (found === null) throw unknown(text);
    const [, names, first, last] = found;
    const between = first === undefined ? null : { first: BigInt(first), last: BigInt(last!) };
    return { names: valuesOf(names!, params), between };
  });
  return { table, conditions };
}

/** Of a parameter as it stands in a statement: `{name:String}` or `{name:Array(String)}`. */
function valuesOf(text: string, params: Params): readonly string[] {
  const [, name, type] = /^{(\w+):(String|Array\(String\))}$/.exec(text) ?? [];
  const value = name === undefined ? undefined : params[name];
  if (type === 'String' && typeof value === 'string') return [value];
  if (type === 'Array(String)' && Array.isArray(value)) return value.map(String);
  throw new Error(`no value for ${text}`);
}
