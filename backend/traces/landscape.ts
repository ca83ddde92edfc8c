// What services do: how many requests they take in, how many of these fail, how long they take, and
// of what a service is made. Numbers are of the rollups, see backend/latency.
//
// A service is judged by the requests it takes in: its spans of kind Server and Consumer. One that
// has none, such as a job, is judged by all its spans; `basis` says which.

import type { Latency, LatencyPoint, LatencyRequest } from '../latency/latency.ts';
import { readServiceMap, type ServiceMap } from './map.ts';
import { isoOfNs, WITHIN, withinParams, type Period, type Rows } from './rows.ts';

export const limits = {
  /** Operations of a service, the busiest first; `truncated` says that there are more. */
  operationsMax: 200,
  /** Steps of a service's course, when the caller does not choose. */
  stepsMax: 120,
  /** Latest errors of a service. */
  errorsMax: 20,
  /** Latest spans of a service that are looked at for where it runs. */
  instanceSpansMax: 50_000,
  /** Spans that are joined for who calls it and whom it calls; of more, a sample. */
  mapSpansMax: 150_000,
  /** Instances of a service, the busiest first. */
  instancesMax: 100,
} as const;

/** Asks for latencies; null when there are too many points. */
export type ReadLatency = (request: LatencyRequest) => Promise<Latency | null>;

/** Rate, errors, durations. Durations are nanoseconds. */
export interface Red {
  /** Spans that were made, as far as sampling has noted what it left out. */
  readonly count: number;
  readonly errors: number;
  /** `errors` of `count`, from 0 to 1. */
  readonly errorRate: number;
  /** `count` for each second. */
  readonly rate: number;
  readonly mean: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
  /** Trace of the slowest span. */
  readonly exemplar: string;
}

export type Basis = 'requests' | 'spans';

export interface ServiceSummary extends Red {
  readonly service: string;
  readonly basis: Basis;
  /** All spans of the service that are stored. */
  readonly spans: number;
}

const QUANTILES = [0.5, 0.95, 0.99];

/** All services with spans in the period, the busiest first; null when there are too many. */
export async function readServices(
  read: ReadLatency,
  period: Period,
  service?: string,
): Promise<ServiceSummary[] | null> {
  const asked = { ...period, stepMs: null, groupBy: ['service'], quantiles: QUANTILES,
    only: service === undefined ? {} : { service }, exact: false } as const;
  const all = await read(asked);
  const requests = all && await read({ ...asked, isOfRequests: true });
  if (all === null || requests === null) return null;
  const taken = new Map(requests.series.map(({ keys, points }) => [keys.service!, points[0]!]));
  return all.series.map(({ keys, points }): ServiceSummary => {
    const name = keys.service!;
    const point = taken.get(name);
    return { service: name, basis: point === undefined ? 'spans' : 'requests',
      spans: points[0]!.spans, ...redOf(point ?? points[0]!) };
  }).sort(byCount);
}

/** The order of the list. */
export const byCount = (
  a: Pick<ServiceSummary, 'count' | 'service'>,
  b: Pick<ServiceSummary, 'count' | 'service'>,
): number => b.count - a.count || (a.service < b.service ? -1 : Number(a.service > b.service));

const redOf = ({ count, errors, rate, mean, max, quantiles, exemplar }: LatencyPoint): Red => ({
  count, errors, errorRate: errors / count, rate, mean,
  p50: quantiles['0.5']!, p95: quantiles['0.95']!, p99: quantiles['0.99']!, max, exemplar,
});

export interface Operation extends Red {
  readonly operation: string;
  readonly kind: string;
}

export interface ServiceError {
  readonly time: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly operation: string;
  readonly message: string;
  readonly exceptionType: string;
}

export interface Instance {
  readonly host: string;
  readonly instance: string;
  readonly version: string;
  readonly environment: string;
  readonly sdkLanguage: string;
  readonly spans: number;
  readonly lastSeen: string;
}

export interface Service {
  readonly from: string;
  readonly to: string;
  readonly summary: ServiceSummary;
  /** Seconds of a step of `series`. */
  readonly step: number;
  readonly series: ReadonlyArray<Red & { readonly from: string; readonly to: string }>;
  readonly operations: { readonly truncated: boolean; readonly items: readonly Operation[] };
  /** Who calls it, and whom and what it calls; see `ServiceMap`. */
  readonly callers: ServiceMap['edges'];
  readonly dependencies: ServiceMap['edges'];
  readonly sampling: ServiceMap['sampling'];
  /** The newest first. */
  readonly latestErrors: readonly ServiceError[];
  /** Where it ran, as its latest spans say; `spansLookedAt` so many. */
  readonly instances: { readonly spansLookedAt: number; readonly items: readonly Instance[] };
}

export interface ServiceRequest {
  readonly service: string;
  readonly period: Period;
  readonly stepMs: number;
}

/** Null when the service has no spans in the period; 'too many' for points. Throws QueryError. */
export async function readService(
  rows: Rows,
  read: ReadLatency,
  { service, period, stepMs }: ServiceRequest,
): Promise<Service | 'too many' | null> {
  const summaries = await readServices(read, period, service);
  if (summaries === null) return 'too many';
  const summary = summaries[0];
  if (summary === undefined) return null;
  const only = { service };
  const asked = { ...period, only, quantiles: QUANTILES, exact: false };
  // One after the other: a caller who asks for a service takes no more than one turn at a time.
  const course = await read({ ...asked, stepMs, groupBy: [],
    isOfRequests: summary.basis === 'requests' });
  const operations = await read({ ...asked, stepMs: null, groupBy: ['operation', 'kind'] });
  if (course === null || operations === null) return 'too many';
  const map = await readServiceMap(rows, period, service, limits.mapSpansMax);
  return {
    from: course.from,
    to: course.to,
    summary,
    step: stepMs / 1000,
    series: course.series.flatMap(({ points }) => points)
      .map((point) => ({ from: point.from, to: point.to, ...redOf(point) })),
    operations: operationsOf(operations),
    callers: map.edges.filter(({ target }) => target === `service:${service}`),
    dependencies: map.edges.filter(({ source }) => source === `service:${service}`),
    sampling: map.sampling,
    latestErrors: await readErrors(rows, service, period),
    instances: await readInstances(rows, service, period),
  };
}

function operationsOf({ series }: Latency): Service['operations'] {
  const items = series.map(({ keys, points }): Operation =>
    ({ operation: keys.operation!, kind: keys.kind!, ...redOf(points[0]!) }))
    .sort((a, b) => b.count - a.count || (a.operation < b.operation ? -1 : 1));
  return { truncated: items.length > limits.operationsMax,
    items: items.slice(0, limits.operationsMax) };
}

async function readErrors(rows: Rows, service: string, period: Period): Promise<ServiceError[]> {
  const found = await rows<Omit<ServiceError, 'time'> & { readonly at: string }>({
    sql: `SELECT toString(toUnixTimestamp64Nano(Timestamp)) AS at, TraceId AS traceId,
        SpanId AS spanId, SpanName AS operation, StatusMessage AS message,
        Events.Attributes[indexOf(Events.Name, 'exception')]['exception.type'] AS exceptionType
      FROM otel_traces
      WHERE ${WITHIN} AND ServiceName = {service:String} AND StatusCode = 'Error'
      ORDER BY toStartOfFiveMinutes(Timestamp) DESC, Timestamp DESC LIMIT ${limits.errorsMax}`,
    params: { ...withinParams(period), service },
  });
  return found.map(({ at, ...row }) => ({ time: isoOfNs(BigInt(at)), ...row }));
}

async function readInstances(
  rows: Rows,
  service: string,
  period: Period,
): Promise<Service['instances']> {
  const attribute = (key: string, name: string): string => `resource['${key}'] AS ${name}`;
  const found = await rows<Omit<Instance, 'lastSeen'> & { readonly at: string }>({
    sql: `SELECT ${[
      attribute('host.name', 'host'), attribute('service.instance.id', 'instance'),
      attribute('service.version', 'version'),
      `if(resource['deployment.environment.name'] != '', resource['deployment.environment.name'],
        resource['deployment.environment']) AS environment`,
      attribute('telemetry.sdk.language', 'sdkLanguage'),
    ].join(', ')}, count() AS spans, toString(max(toUnixTimestamp64Nano(time))) AS at
      FROM (SELECT ResourceAttributes AS resource, Timestamp AS time FROM otel_traces
        WHERE ${WITHIN} AND ServiceName = {service:String}
        ORDER BY toStartOfFiveMinutes(Timestamp) DESC LIMIT ${limits.instanceSpansMax})
      GROUP BY host, instance, version, environment, sdkLanguage ORDER BY spans DESC, at DESC`,
    params: { ...withinParams(period), service },
  });
  return {
    spansLookedAt: found.reduce((sum, { spans }) => sum + spans, 0),
    items: found.slice(0, limits.instancesMax)
      .map(({ at, ...row }) => ({ ...row, lastSeen: isoOfNs(BigInt(at)) })),
  };
}
