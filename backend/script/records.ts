// What a script loads, as requests of OTLP: the same that agents would send.

import { Batch } from '../../proto/contract/batch.ts';
import type {
  Attributes, LogRecord, Metric, NumberDataPoint, Resource, ResourceMetrics, Span,
} from '../../proto/otlp/model.ts';
import type { Labels } from '../labels/labels.ts';
import { durationIn } from './line.ts';
import type { MetricLoad, RecordLoad, Script } from './model.ts';

export const limits = {
  /** Records in a batch; more become several. */
  batchRecordsMax: 10_000,
} as const;

/** Everything that is loaded; `epochMs` is the script's 0m. */
export function batchesOf(script: Script, epochMs: number): Batch[] {
  const ids = { next: 1 };
  return [
    ...(script.metrics.length === 0 ? [] : [Batch.fromRequest('metrics',
      { resourceMetrics: script.metrics.map((load) => metricOf(load, epochMs)) })]),
    ...script.records.flatMap((load) => recordBatches(load, epochMs, ids)),
  ];
}

const NS = 1_000_000n;
const nsOf = (ms: number): bigint => BigInt(Math.round(ms * 1000)) * (NS / 1000n);

function metricOf(load: MetricLoad, epochMs: number): ResourceMetrics {
  const { kind, name, labels, values, fromMs, stepMs } = load;
  const { resource, attributes } = partsOf(labels, []);
  const dataPoints = values.flatMap((value, index): NumberDataPoint[] => {
    if (value === null || value === 'error') return [];
    return [{
      attributes, exemplars: [],
      startTimeUnixNano: kind !== 'gauge' ? nsOf(epochMs + fromMs - stepMs) : 0n,
      timeUnixNano: nsOf(epochMs + fromMs + index * stepMs),
      // Prometheus' end of a series is OTLP's "no recorded value".
      flags: value === 'stale' ? 1 : 0,
      value: { type: 'double', value: value === 'stale' ? 0 : value },
    }];
  });
  const metric: Metric = {
    name, description: '', unit: '', metadata: [],
    data: kind === 'gauge' ? { type: 'gauge', dataPoints }
      : { type: 'sum', dataPoints, aggregationTemporality: 2,
        isMonotonic: kind === 'counter' },
  };
  return { resource, schemaUrl: '',
    scopeMetrics: [{ scope: undefined, schemaUrl: '', metrics: [metric] }] };
}

function recordBatches(load: RecordLoad, epochMs: number, ids: { next: number }): Batch[] {
  const times = timesOf(load, epochMs);
  const batches: Batch[] = [];
  for (let first = 0; first < times.length; first += limits.batchRecordsMax) {
    const some = times.slice(first, first + limits.batchRecordsMax);
    batches.push(load.signal === 'logs' ? logBatch(load, some) : spanBatch(load, some, ids));
  }
  return batches;
}

/** Spread evenly over each step, the first at its beginning. */
const timesOf = ({ counts, fromMs, stepMs }: RecordLoad, epochMs: number): number[] =>
  counts.flatMap((count, step) => Array.from({ length: count }, (_, index) =>
    epochMs + fromMs + step * stepMs + (index * stepMs) / count));

const SEVERITIES: Readonly<Record<string, number>> =
  { trace: 1, debug: 5, info: 9, warn: 13, error: 17, fatal: 21 };

function logBatch({ fields }: RecordLoad, times: readonly number[]): Batch {
  const { resource, attributes } = partsOf(fields, ['level', 'body', 'trace']);
  const { level = 'info', body = '', trace = '' } = fields;
  const logRecords = times.map((atMs): LogRecord => ({
    timeUnixNano: nsOf(atMs), observedTimeUnixNano: nsOf(atMs),
    severityNumber: SEVERITIES[level]!, severityText: level.toUpperCase(),
    body: { type: 'string', value: body }, attributes, droppedAttributesCount: 0, flags: 0,
    traceId: trace, spanId: '', eventName: '',
  }));
  return Batch.fromRequest('logs', { resourceLogs: [{ resource, schemaUrl: '',
    scopeLogs: [{ scope: undefined, schemaUrl: '', logRecords }] }] });
}

const KINDS: Readonly<Record<string, number>> =
  { internal: 1, server: 2, client: 3, producer: 4, consumer: 5 };
const STATUSES: Readonly<Record<string, number>> = { unset: 0, ok: 1, error: 2 };
const SPAN_FIELDS = ['name', 'kind', 'duration', 'status', 'trace'];

function spanBatch(
  { fields, place }: RecordLoad,
  times: readonly number[],
  ids: { next: number },
): Batch {
  const { resource, attributes } = partsOf(fields, SPAN_FIELDS);
  const { name = 'request', kind = 'server', duration = '0', status = 'unset', trace } = fields;
  const durationNs = nsOf(durationIn({ text: duration, place }));
  const spans = times.map((atMs): Span => {
    const id = ids.next++;
    const startTimeUnixNano = nsOf(atMs);
    return {
      traceId: trace ?? id.toString(16).padStart(32, '0'),
      spanId: id.toString(16).padStart(16, '0'),
      traceState: '', parentSpanId: '', flags: 0, name, kind: KINDS[kind]!, startTimeUnixNano,
      endTimeUnixNano: startTimeUnixNano + durationNs, attributes, droppedAttributesCount: 0,
      events: [], droppedEventsCount: 0, links: [], droppedLinksCount: 0,
      status: { message: '', code: STATUSES[status]! },
    };
  });
  return Batch.fromRequest('traces', { resourceSpans: [{ resource, schemaUrl: '',
    scopeSpans: [{ scope: undefined, schemaUrl: '', spans }] }] });
}

/** `service` and `resource.x` are the resource's, `known` are fields of the record. */
function partsOf(fields: Labels, known: readonly string[]) {
  const resource: Record<string, string> = {};
  const own: Record<string, string> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (name === 'service') resource['service.name'] = value;
    else if (name.startsWith('resource.')) resource[name.slice('resource.'.length)] = value;
    else if (!known.includes(name)) own[name] = value;
  }
  return {
    attributes: attributesOf(own),
    resource: { attributes: attributesOf(resource), droppedAttributesCount: 0, entityRefs: [] } as
      Resource,
  };
}

/** Numbers are numbers, so that `status:>=500` finds them. */
const attributesOf = (values: Labels): Attributes => Object.entries(values)
  .map(([key, value]) => ({ key, value: /^-?\d{1,15}$/.test(value)
    ? { type: 'int', value: BigInt(value) } : { type: 'string', value } }));
