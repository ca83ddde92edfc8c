// Batches that hold a secret in every place where a text can stand.

import { Batch } from '../../../../proto/contract/batch.ts';
import type {
  AnyValue, Attributes, KeyValue, LogRecord, MetricData, Requests, Signal, Span,
} from '../../../../proto/otlp/model.ts';
import type { Random } from '../../../../runtime/random.ts';
import { makeBatch } from '../../../contract/fakes.ts';

interface Secret {
  readonly text: string;
}

/** `secrets` is how often it stands in the batch. */
export function everywhere(
  signal: Signal,
  { text }: Secret,
  random: Random,
): { batch: Batch; secrets: number } {
  let secrets = 0;
  const put = (): string => {
    secrets += 1;
    return 'w '.repeat(Math.floor(random.float() * 40)) + text;
  };
  const value = (depth: number): AnyValue => {
    const choice = depth > 4 ? 0 : Math.floor(random.float() * 4);
    if (choice === 1) {
      return { type: 'array', value: [value(depth + 1), { type: 'int', value: 7n }] };
    }
    if (choice === 2) return { type: 'kvlist', value: attributes(depth + 1) };
    if (choice === 3) return { type: 'bytes', value: Buffer.from(put()) };
    return { type: 'string', value: put() };
  };
  const attributes = (depth = 0): Attributes => [
    plain('before', 'x'), { key: `k ${put()}`, value: value(depth) },
    { key: 'n', value: value(depth) },
    plain('behind', '550e8400-e29b-41d4-a716-446655440000'),
  ];
  const resource = { attributes: attributes(), droppedAttributesCount: 0, entityRefs: [] };
  const scope = { name: 's', version: '1', attributes: attributes(), droppedAttributesCount: 0 };
  const requests: { [S in Signal]: () => Requests[S] } = {
    logs: () => ({ resourceLogs: [{ resource, schemaUrl: '', scopeLogs: [{ scope, schemaUrl: '',
      logRecords: [0, 1].map(() => ({
        ...recordOf('logs'), body: value(0), attributes: attributes(), eventName: put(),
      })) }] }] }),
    traces: () => ({ resourceSpans: [{ resource, schemaUrl: '', scopeSpans: [{ scope, schemaUrl: '',
      spans: [0, 1].map(() => ({
        ...recordOf('traces'), name: put(), attributes: attributes(),
        events: [{ timeUnixNano: 1n, name: put(), attributes: attributes(),
          droppedAttributesCount: 0 }],
        links: [{ traceId: '5b8efff798038103d269b633813fc60c', spanId: '00f067aa0ba902b7',
          traceState: '', attributes: attributes(), droppedAttributesCount: 0, flags: 0 }],
        status: { message: put(), code: 2 },
      })) }] }] }),
    metrics: () => ({ resourceMetrics: [{ resource, schemaUrl: '', scopeMetrics: [{ scope,
      schemaUrl: '', metrics: metrics(attributes) }] }] }),
  };
  const request = requests[signal]() as Requests[Signal];
  const built = Batch.fromRequest(signal, request as never);
  return { batch: Batch.fromBytes(signal, built.bytes), secrets };
}

const plain = (key: string, text: string): KeyValue =>
  ({ key, value: { type: 'string', value: text } });

/** A record of `makeBatch` to take the rest of the fields from. */
function recordOf<S extends 'logs' | 'traces'>(signal: S) {
  const request = makeBatch(signal, 1).request as unknown as Requests['logs'] & Requests['traces'];
  return (signal === 'logs' ? request.resourceLogs[0]!.scopeLogs[0]!.logRecords[0]!
    : request.resourceSpans[0]!.scopeSpans[0]!.spans[0]!) as S extends 'logs'
    ? LogRecord : Span;
}

function metrics(attributes: () => Attributes) {
  const point = () =>
    ({ attributes: attributes(), startTimeUnixNano: 1n, timeUnixNano: 2n, flags: 0 });
  const exemplars = () => [{ filteredAttributes: attributes(), timeUnixNano: 1n, spanId: '',
    traceId: '', value: { type: 'double' as const, value: 1 } }];
  const sums = { count: 1n, sum: 1, min: undefined, max: undefined };
  const temporality = { aggregationTemporality: 2 };
  const number = () => ({ ...point(), exemplars: exemplars(),
    value: { type: 'int' as const, value: 1n } });
  const one = (name: string, data: MetricData) =>
    ({ name, description: '', unit: '', metadata: attributes(), data });
  return [
    one('gauge', { type: 'gauge', dataPoints: [number()] }),
    one('sum', { type: 'sum', dataPoints: [number()], ...temporality, isMonotonic: true }),
    one('histogram', { type: 'histogram', ...temporality, dataPoints: [{ ...point(), ...sums,
      bucketCounts: [1n, 0n], explicitBounds: [1], exemplars: exemplars() }] }),
    one('exponential', { type: 'exponentialHistogram', ...temporality, dataPoints: [{ ...point(),
      ...sums, scale: 1, zeroCount: 0n, positive: undefined, negative: undefined, zeroThreshold: 0,
      exemplars: exemplars() }] }),
    one('summary', { type: 'summary', dataPoints: [{ ...point(), count: 1n, sum: 1,
      quantileValues: [] }] }),
  ];
}
