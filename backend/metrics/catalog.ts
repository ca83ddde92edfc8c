// Which metrics there are, what they say about themselves, and which labels their series have.

import type { Caller } from '../access/roles.ts';
import type { Desk } from '../query/desk.ts';
import { METRIC_TYPES, TABLES, type MetricKind, type MetricType } from './question.ts';

export interface MetricEntry {
  readonly name: string;
  readonly type: MetricType;
  readonly unit: string;
  readonly description: string;
  /** Of sums. */
  readonly monotonic: boolean;
  /** `cumulative`, `delta`, or '' for what has none. */
  readonly temporality: string;
  readonly services: readonly string[];
  /** About. */
  readonly series: number;
  readonly points: number;
  /** ISO 8601, of the newest point. */
  readonly last: string;
}

export interface CatalogReader {
  readonly desk: Desk;
  readonly caller: Caller;
  readonly abort: AbortSignal;
}

export interface CatalogQuestion {
  readonly fromMs: number;
  readonly toMs: number;
  /** Only names with this in them, whatever its case; all when ''. */
  readonly containing: string;
  /** Only of this service; all when ''. */
  readonly service: string;
  /** Only the metric of exactly this name; all when ''. */
  readonly name: string;
  /** Only behind this name and type, in their order. */
  readonly behind: readonly [name: string, type: string] | null;
  readonly limit: number;
}

/** Services of a metric that are named; there may be more. */
const SERVICES_MAX = 20;

/** In the order of names and types. Throws QueryError. */
export async function readCatalog(
  { desk, caller, abort }: CatalogReader,
  { fromMs, toMs, containing, service, name, behind, limit }: CatalogQuestion,
): Promise<MetricEntry[]> {
  const where = `TimeUnix >= fromUnixTimestamp64Milli({from:Int64})
    AND TimeUnix < fromUnixTimestamp64Milli({to:Int64})
    AND ({containing:String} = '' OR positionCaseInsensitive(MetricName, {containing:String}) > 0)
    AND ({service:String} = '' OR ServiceName = {service:String})
    AND ({name:String} = '' OR MetricName = {name:String})
    AND (MetricName, '$type') > ({behindName:String}, {behindType:String})`;
  const parts = METRIC_TYPES.map((type) => `SELECT MetricName AS name, '${type}' AS type,
      anyLast(MetricUnit) AS unit, anyLast(MetricDescription) AS description,
      ${type === 'sum' ? 'max(IsMonotonic)' : 'false'} AS monotonic,
      ${type === 'gauge' || type === 'summary' ? '0' : 'anyLast(AggregationTemporality)'} AS kind,
      groupUniqArray(${SERVICES_MAX})(ServiceName) AS services,
      uniq(ServiceName, ResourceAttributes, Attributes) AS series, count() AS points,
      formatDateTime(max(TimeUnix), '%Y-%m-%dT%H:%i:%S.%fZ', 'UTC') AS last
    FROM ${TABLES[type]} WHERE ${where.replace('$type', type)} GROUP BY MetricName`);
  const [behindName, behindType] = behind ?? ['', ''];
  const rows = await desk.rows<Omit<MetricEntry, 'temporality'> & { kind: number }>({
    sql: `SELECT * FROM (${parts.join(' UNION ALL ')}) ORDER BY name, type LIMIT {limit:UInt32}`,
    params: { from: fromMs, to: toMs, containing, service, name, behindName, behindType, limit },
  }, caller, abort);
  return rows.map(({ kind, services, ...entry }) => ({
    ...entry, services: [...services].sort(), temporality: TEMPORALITIES[kind] ?? '',
  }));
}

/** What a question about the values of a metric must know of it. */
export type MetricHead = Pick<MetricEntry, 'name' | 'type' | 'unit' | 'monotonic' | 'temporality'>;

/** The metrics of exactly this name, one for each type, from any one of their points. */
export async function readHeads(
  { desk, caller, abort }: CatalogReader,
  { name, fromMs, toMs }: Pick<CatalogQuestion, 'name' | 'fromMs' | 'toMs'>,
): Promise<MetricHead[]> {
  const parts = METRIC_TYPES.map((type) => `(SELECT MetricName AS name, '${type}' AS type,
      MetricUnit AS unit, ${type === 'sum' ? 'IsMonotonic' : 'false'} AS monotonic,
      ${type === 'gauge' || type === 'summary' ? '0' : 'AggregationTemporality'} AS kind
    FROM ${TABLES[type]} WHERE MetricName = {name:String}
      AND TimeUnix >= fromUnixTimestamp64Milli({from:Int64})
      AND TimeUnix < fromUnixTimestamp64Milli({to:Int64}) LIMIT 1)`);
  const rows = await desk.rows<Omit<MetricHead, 'temporality'> & { kind: number }>({
    sql: parts.join(' UNION ALL '), params: { name, from: fromMs, to: toMs },
  }, caller, abort);
  return rows.map(({ kind, ...head }) => ({ ...head, temporality: TEMPORALITIES[kind] ?? '' }));
}

const TEMPORALITIES: readonly string[] = ['', 'delta', 'cumulative'];

export const kindOf = ({ type, monotonic, temporality }: MetricHead): MetricKind =>
  ({ type, monotonic, delta: temporality === 'delta' });

export interface LabelEntry {
  /** As the search language names it: `http.route`, `resource.host.name`, `service`. */
  readonly name: string;
  /** About. */
  readonly values: number;
  /** The most frequent ones, by points. */
  readonly top: readonly string[];
}

/** Values of a label that are named. */
const TOP_VALUES = 20;
/** Labels of a metric that are listed. */
const LABELS_MAX = 500;

/** Labels of the series of a metric, by name. Throws QueryError. */
export async function readLabels(
  { desk, caller, abort }: CatalogReader,
  type: MetricType,
  { metric, fromMs, toMs }: { metric: string; fromMs: number; toMs: number },
): Promise<LabelEntry[]> {
  const pairs = `arrayConcat([('service', toString(ServiceName))],
    arrayMap((k, v) -> (toString(k), v), mapKeys(Attributes), mapValues(Attributes)),
    arrayMap((k, v) -> (concat('resource.', k), toString(v)),
      mapKeys(ResourceAttributes), mapValues(ResourceAttributes)))`;
  return desk.rows<LabelEntry>({
    sql: `SELECT pair.1 AS name, uniq(pair.2) AS values, topK(${TOP_VALUES})(pair.2) AS top
      FROM (SELECT arrayJoin(${pairs}) AS pair FROM ${TABLES[type]}
        WHERE MetricName = {metric:String}
          AND TimeUnix >= fromUnixTimestamp64Milli({from:Int64})
          AND TimeUnix < fromUnixTimestamp64Milli({to:Int64}))
      GROUP BY name ORDER BY name LIMIT ${LABELS_MAX}`,
    params: { metric, from: fromMs, to: toMs },
  }, caller, abort);
}
