// Requests of the simulated sources: a record has a key that nobody else has, a time that may lie
// on either side of midnight, be missing, or be one that cannot be stored.

import { Batch } from '../../proto/contract/batch.ts';
import type { Signal } from '../../proto/otlp/model.ts';
import type { Random } from '../../runtime/random.ts';
import { batchOfKeys, text } from '../contract/fakes.ts';

export interface RequestOptions {
  readonly signal: Signal;
  readonly keys: readonly string[];
  readonly nowMs: number;
  readonly random: Random;
  /** Bytes that each record carries along, at most. */
  readonly paddingMax: number;
}

/** Records with this in their key have a time after 2105: the backend refuses them. */
export const BAD = '-bad';

const NS = 1_000_000n;
const AFTER_2105_NS = 4_300_000_000_000_000_000n;
const MINUTE_MS = 60_000;

const [LOG] = batchOfKeys('logs', ['']).request.resourceLogs;
const [SPAN] = batchOfKeys('traces', ['']).request.resourceSpans;
const [METRIC] = batchOfKeys('metrics', ['']).request.resourceMetrics;

export function createRequest(options: RequestOptions): Batch {
  const { signal } = options;
  switch (signal) {
    case 'logs': return logs(options);
    case 'traces': return traces(options);
    case 'metrics': return metrics(options);
  }
}

function timeOf(key: string, { nowMs, random }: RequestOptions): bigint {
  if (key.includes(BAD)) return AFTER_2105_NS;
  // Around midnight of the first day records of one request lie in two days.
  return BigInt(Math.floor(nowMs - random.float() * MINUTE_MS)) * NS;
}

const padding = ({ random, paddingMax }: RequestOptions) =>
  [text('padding', 'x'.repeat(Math.floor(random.float() * paddingMax)))];

function logs(options: RequestOptions): Batch {
  const group = LOG!.scopeLogs[0]!;
  const logRecords = options.keys.map((key) => {
    const untimed = options.random.float() < 0.15 && !key.includes(BAD);
    const timeUnixNano = untimed ? 0n : timeOf(key, options);
    return {
      ...group.logRecords[0]!, body: { type: 'string' as const, value: key },
      attributes: padding(options), timeUnixNano, observedTimeUnixNano: timeUnixNano,
    };
  });
  return sealed(Batch.fromRequest('logs', {
    resourceLogs: [{ ...LOG!, scopeLogs: [{ ...group, logRecords }] }],
  }));
}

function traces(options: RequestOptions): Batch {
  const group = SPAN!.scopeSpans[0]!;
  const trace = Buffer.from(options.random.bytes(16)).toString('hex');
  const spans = options.keys.map((key, index) => {
    const start = timeOf(key, options);
    return {
      ...group.spans[0]!, name: key, attributes: padding(options), traceId: trace,
      spanId: (index + 1).toString(16).padStart(16, '0'),
      startTimeUnixNano: start, endTimeUnixNano: start + NS,
    };
  });
  return sealed(Batch.fromRequest('traces', {
    resourceSpans: [{ ...SPAN!, scopeSpans: [{ ...group, spans }] }],
  }));
}

/** Gauges and sums, which go to two tables. */
function metrics(options: RequestOptions): Batch {
  const group = METRIC!.scopeMetrics[0]!;
  const model = group.metrics[0]!;
  if (model.data?.type !== 'gauge') throw new Error('the model of a metric is no gauge');
  const point = model.data.dataPoints[0]!;
  const built = options.keys.map((key, index) => {
    const dataPoints = [{
      ...point, attributes: padding(options), timeUnixNano: timeOf(key, options),
    }];
    const data = index % 2 === 0 ? { type: 'gauge' as const, dataPoints } : {
      type: 'sum' as const, dataPoints, aggregationTemporality: 2, isMonotonic: true,
    };
    return { ...model, name: key, data };
  });
  return sealed(Batch.fromRequest('metrics', {
    resourceMetrics: [{ ...METRIC!, scopeMetrics: [{ ...group, metrics: built }] }],
  }));
}

/** As bytes, as it would come from the network. */
const sealed = (batch: Batch): Batch => Batch.fromBytes(batch.signal, batch.bytes);
