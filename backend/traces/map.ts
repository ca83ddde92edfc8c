// Which service calls which, and the databases, queues and strangers that they call: the edges
// between spans and their parents of another service, and the calls that no span answers.
//
// A period with more than `limits.spansMax` spans is answered from a sample of whole traces, see
// sample.ts. Numbers of calls are scaled up to the period; `sampling` says from what.

import { isoOfNs, withinParams, type Period, type Question, type Rows } from './rows.ts';
import { chooseSample, rollupSql, type Sample, type Sampling } from './sample.ts';

export const limits = {
  /** Spans that are joined; of more, a sample. */
  spansMax: 500_000,
  /** Edges of an answer, the busiest first; `truncated` says that there are more. */
  edgesMax: 2000,
} as const;

/** `external`: an address of which nothing else is known. */
export type NodeType = 'service' | 'database' | 'queue' | 'external';

export interface MapNode {
  /** `type:name`, for edges. */
  readonly id: string;
  readonly type: NodeType;
  readonly name: string;
  /** It sends spans of its own. */
  readonly isInstrumented: boolean;
}

export interface MapEdge {
  /** Ids of nodes. */
  readonly source: string;
  readonly target: string;
  /** Scaled up, if the map is of a sample. */
  readonly calls: number;
  /** Calls of which the caller's or the called one's span has failed. */
  readonly errors: number;
  readonly errorRate: number;
  /** `calls` for each second. */
  readonly rate: number;
  /** Nanoseconds, of the called one's spans; of the caller's where it has none. */
  readonly p50: number;
  readonly p95: number;
}

export interface ServiceMap {
  readonly from: string;
  readonly to: string;
  readonly nodes: readonly MapNode[];
  /** The busiest first. */
  readonly edges: readonly MapEdge[];
  readonly truncated: boolean;
  readonly sampling: Sampling;
}

/** With `service`, only its own edges. Throws QueryError. */
export async function readServiceMap(
  rows: Rows,
  period: Period,
  service?: string,
  spansMax: number = limits.spansMax,
): Promise<ServiceMap> {
  const sample = await chooseSample(rows, period, spansMax);
  const params = { ...withinParams(period), ...(service === undefined ? {} : { service }) };
  const ask = (question: Question) => rows<EdgeRow>({ ...question, params });
  const calls = await ask(callsQuestion(sample, service !== undefined));
  const peers = await ask(peersQuestion(sample, service !== undefined));
  const services = await rows<{ name: string }>({
    sql: `SELECT ServiceName AS name FROM otel_traces WHERE ${rollupSql(period)} GROUP BY name`,
    settings: { optimize_use_projections: 1 },
  });
  const seconds = (period.toMs - period.fromMs) / 1000;
  const all = merged([...calls, ...peers]).sort((a, b) => b.calls - a.calls || compare(a, b));
  const shown = all.slice(0, limits.edgesMax);
  return {
    from: isoOfNs(BigInt(period.fromMs) * 1_000_000n),
    to: isoOfNs(BigInt(period.toMs) * 1_000_000n),
    nodes: nodesOf(shown, services.map(({ name }) => name), service),
    edges: shown.map((row) => edgeOf(row, sample.sampling.share, seconds)),
    truncated: all.length > shown.length,
    sampling: sample.sampling,
  };
}

interface EdgeRow {
  readonly sourceType: NodeType;
  readonly source: string;
  readonly targetType: NodeType;
  readonly target: string;
  readonly calls: number;
  readonly errors: number;
  readonly quantiles: readonly number[];
}

/** Weights count in sixteenths, as those of latencies do. */
const QUANTILES = 'quantilesExactWeighted';
const LEVELS = '(0.5, 0.95)';
const OF_DURATION = '(duration, toUInt64(greatest(round(weight * 16), 1)))';
const asNumbers = (quantiles: string): string => `arrayMap(ns -> toFloat64(ns), ${quantiles})`;

/** Joined by a hash of both ids, which takes a quarter of their memory. */
function callsQuestion({ sql }: Sample, isOfService: boolean): Question {
  const own = isOfService
    ? 'AND (children.service = {service:String} OR parents.service = {service:String})' : '';
  return { sql: `
    SELECT 'service' AS sourceType, caller AS source, 'service' AS targetType, called AS target,
      sum(weight) AS calls, sumIf(weight, failed) AS errors,
      ${asNumbers(`${QUANTILES}${LEVELS}${OF_DURATION}`)} AS quantiles
    FROM (SELECT parents.service AS caller, children.service AS called,
        children.weight AS weight, children.failed OR parents.failed AS failed,
        children.duration AS duration
      FROM (SELECT cityHash64(TraceId, ParentSpanId) AS id, ServiceName AS service,
          SampleWeight AS weight, StatusCode = 'Error' AS failed, Duration AS duration
        FROM otel_traces WHERE ${sql} AND ParentSpanId != '') AS children
      INNER JOIN (SELECT cityHash64(TraceId, SpanId) AS id, ServiceName AS service,
          StatusCode = 'Error' AS failed
        FROM otel_traces WHERE ${sql}) AS parents ON children.id = parents.id
      WHERE children.service != parents.service ${own})
    GROUP BY caller, called` };
}

/** The first of these attributes that a span has says what it calls. */
const DATABASE = ['db.system.name', 'db.system'];
const DATABASE_NAMES = ['db.namespace', 'db.name', 'server.address', 'net.peer.name'];
const QUEUE = ['messaging.system'];
const QUEUE_NAMES = ['messaging.destination.name', 'messaging.destination'];
const ADDRESSES = ['server.address', 'net.peer.name', 'http.host', 'network.peer.address'];

const PEER = 'peer.service';

/** Written with each key once: the store takes long to read nested conditions. */
const firstOf = (keys: readonly string[]): string =>
  `arrayFirst(text -> text != '', arrayMap(key -> told[key], [${keys.map((key) => `'${key}'`)
    .join(', ')}]))`;

const TOLD = [...DATABASE, ...DATABASE_NAMES, ...QUEUE, ...QUEUE_NAMES, PEER, ...ADDRESSES]
  .map((key) => `'${key}'`).join(', ');

/**
 * Calls that no span of another side answers, and what is taken from queues without a parent that
 * put it there. What spans say of it is the same in very many, so that it is read once for all; a
 * condition on it here would be one on each span.
 */
function peersQuestion({ sql }: Sample, isOfService: boolean): Question {
  const own = isOfService ? 'AND ServiceName = {service:String}' : '';
  const unanswered = `cityHash64(TraceId, SpanId) NOT IN (
    SELECT cityHash64(TraceId, ParentSpanId) FROM otel_traces
    WHERE ${sql} AND SpanKind IN ('Server', 'Consumer'))`;
  const unasked = `cityHash64(TraceId, ParentSpanId) NOT IN (
    SELECT cityHash64(TraceId, SpanId) FROM otel_traces WHERE ${sql} AND SpanKind = 'Producer')`;
  const spans = (taken: boolean, where: string): string => `SELECT ServiceName AS service,
      ${taken} AS taken, mapFilter((key, value) -> key IN (${TOLD}), SpanAttributes) AS told,
      SampleWeight AS weight, StatusCode = 'Error' AS failed, Duration AS duration
    FROM otel_traces WHERE ${sql} ${own} AND ${where}`;
  const told = `SELECT service, taken, told, sum(weight) AS weights,
      sumIf(weight, failed) AS failures, ${QUANTILES}State${LEVELS}${OF_DURATION} AS durations
    FROM (${spans(false, `SpanKind IN ('Client', 'Producer') AND ${unanswered}`)}
      UNION ALL ${spans(true, `SpanKind = 'Consumer' AND ${unasked}`)})
    GROUP BY service, taken, told`;
  return { sql: `
    SELECT if(taken, type, 'service') AS sourceType, if(taken, name, service) AS source,
      if(taken, 'service', type) AS targetType, if(taken, service, name) AS target,
      sum(weights) AS calls, sum(failures) AS errors,
      ${asNumbers(`${QUANTILES}Merge${LEVELS}(durations)`)} AS quantiles
    FROM (SELECT service, taken, weights, failures, durations,
        multiIf(database != '', 'database', queue != '', 'queue', peer != '', 'service', 'external')
          AS type,
        multiIf(database != '', concat(database, '/', databaseName),
          queue != '', concat(queue, '/', queueName), peer != '', peer, address) AS name
      FROM (SELECT service, taken, weights, failures, durations,
          ${firstOf(DATABASE)} AS database, ${firstOf(DATABASE_NAMES)} AS databaseName,
          ${firstOf(QUEUE)} AS queue, ${firstOf(QUEUE_NAMES)} AS queueName,
          told['${PEER}'] AS peer, ${firstOf(ADDRESSES)} AS address
        FROM (${told})))
    GROUP BY sourceType, source, targetType, target` };
}

/**
 * A call may be told by both: one that was answered, and one that was not. Those of nobody, and
 * what a service takes from something else than a queue, are no edges.
 */
function merged(rows: readonly EdgeRow[]): EdgeRow[] {
  const found = new Map<string, EdgeRow>();
  for (const row of rows) {
    const key = JSON.stringify([row.sourceType, row.source, row.targetType, row.target]);
    const other = found.get(key);
    const isOwn = row.sourceType === row.targetType && row.source === row.target;
    const isTaken = row.sourceType !== 'service' && row.sourceType !== 'queue';
    if (isOwn || isTaken || row.source === '' || row.target === '') continue;
    found.set(key, other === undefined ? row : {
      ...row,
      calls: row.calls + other.calls,
      errors: row.errors + other.errors,
      quantiles: (other.calls > row.calls ? other : row).quantiles,
    });
  }
  return [...found.values()];
}

const idOf = (type: NodeType, name: string): string => `${type}:${name}`;
const compare = (a: EdgeRow, b: EdgeRow): number =>
  (a.source + a.target < b.source + b.target ? -1 : 1);

const edgeOf = (row: EdgeRow, share: number, seconds: number): MapEdge => ({
  source: idOf(row.sourceType, row.source),
  target: idOf(row.targetType, row.target),
  calls: row.calls / share,
  errors: row.errors / share,
  errorRate: row.errors / row.calls,
  rate: row.calls / share / seconds,
  p50: row.quantiles[0]!,
  p95: row.quantiles[1]!,
});

/** All services, also those without edges, unless it is about one. */
function nodesOf(
  edges: readonly EdgeRow[],
  services: readonly string[],
  service: string | undefined,
): MapNode[] {
  const instrumented = new Set(services);
  const ends = edges.flatMap(({ sourceType, source, targetType, target }) =>
    [{ type: sourceType, name: source }, { type: targetType, name: target }]);
  const alone = service === undefined ? services : [service];
  const all = [...alone.map((name) => ({ type: 'service' as const, name })), ...ends];
  const nodes = new Map(all.map(({ type, name }) => [idOf(type, name), {
    id: idOf(type, name), type, name, isInstrumented: type === 'service' && instrumented.has(name),
  }]));
  return [...nodes.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}
