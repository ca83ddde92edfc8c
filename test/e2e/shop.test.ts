// The whole way, as processes: an app instrumented with the OpenTelemetry SDK for Node.js → agent →
// backend → ClickHouse engine. For each of OTLP over gRPC, HTTP/protobuf and HTTP/JSON, everything
// the app says it reported is found in SQL exactly once, value by value, and the percentiles that
// SQL gives are those the test computes from the app's own ledger.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { join } from 'node:path';
import { request } from 'undici';
import type { Ledger, LedgerPoint, LedgerSpan } from './ledger.ts';
import { startStack, type Stack } from './stack.ts';

const SHOP = join(import.meta.dirname, 'shop.ts');
const REQUESTS = 60;
const LOOPBACK = '127.0.0.1:0';

let stack: Stack;

before(async () => {
  stack = await startStack({
    agent: () => ({
      receivers: {
        otlp: { protocols: { grpc: { endpoint: LOOPBACK }, http: { endpoint: LOOPBACK } } },
      },
      processors: { batch: { timeout: '50ms' }, memory_limiter: {
        check_interval: '1s', limit_mib: 1024,
      } },
      service: {
        pipelines: Object.fromEntries(['traces', 'metrics', 'logs'].map((signal) => [signal, {
          receivers: ['otlp'], processors: ['memory_limiter', 'batch'], exporters: ['otlp'],
        }])),
        telemetry: { metrics: { address: '' } },
      },
    }),
  });
});

after(() => stack.stop());

for (const protocol of ['grpc', 'proto', 'json'] as const) {
  test(`e2e: all an app reports over OTLP ${protocol} is stored once`, async () => {
    const service = `shop-${protocol}`;
    const ledger = await shop(protocol, service);
    assert.ok(ledger.spans.length > REQUESTS * 2, `${ledger.spans.length} spans`);
    assert.equal(ledger.logs.length, REQUESTS);
    await stored(service, ledger);
    await checkSpans(service, ledger.spans);
    await checkLogs(service, ledger);
    for (const kind of ['gauge', 'sum', 'histogram', 'exponential_histogram'] as const) {
      await checkPoints(service, kind, ledger.points.filter((point) => point.kind === kind));
    }
    await checkPercentiles(service, ledger.spans);
  });
}

async function shop(protocol: 'grpc' | 'proto' | 'json', service: string): Promise<Ledger> {
  const endpoint = protocol === 'grpc'
    ? stack.addresses['OTLP gRPC']!
    : stack.addresses['OTLP HTTP']!;
  const child = spawn(process.execPath, ['--import', 'tsx', SHOP, protocol, httpUrl(endpoint),
    service], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const [line] = await once(createInterface(child.stdout), 'line') as [string];
  const { port } = JSON.parse(line) as { port: number };
  for (let index = 0; index < REQUESTS; index += 1) {
    const path = index % 10 === 9 ? 'fail' : 'order';
    await request(`http://127.0.0.1:${port}/${path}?items=${1 + (index % 5)}`)
      .then(({ body }) => body.dump());
  }
  const { body } = await request(`http://127.0.0.1:${port}/finish`);
  const ledger = await body.json() as Ledger;
  await ended;
  return ledger;
}

/** The agent answers when a batch is durable in its queue; the rows come a moment later. */
async function stored(service: string, { spans, logs, points }: Ledger): Promise<void> {
  const kinds = ['gauge', 'sum', 'histogram', 'exponential_histogram'];
  const tables = ['traces', 'logs', ...kinds.map((kind) => `metrics_${kind}`)];
  const wanted = spans.length + logs.length + points.length;
  await stack.until<{ rows: number }>(`SELECT sum(rows) AS rows FROM (${tables.map((table) =>
    `SELECT count() AS rows FROM otel_${table} WHERE ServiceName = '${service}'`)
    .join(' UNION ALL ')})`, ([found]) => Number(found!.rows) >= wanted);
}

const httpUrl = (address: string): string =>
  address.startsWith('http') ? address : `http://${address}`;

async function checkSpans(service: string, expected: readonly LedgerSpan[]): Promise<void> {
  const found = await stack.rows<LedgerSpan>(`
    SELECT TraceId AS traceId, SpanId AS spanId, ParentSpanId AS parentSpanId, SpanName AS name,
      SpanKind AS kind, toString(toUnixTimestamp64Nano(Timestamp)) AS startNs,
      toString(Duration) AS durationNs, StatusCode AS status, StatusMessage AS statusMessage,
      SpanAttributes AS attributes,
      arrayMap((n, a) -> map('name', n, 'attributes', toJSONString(a)),
        Events.Name, Events.Attributes) AS events,
      arrayMap((t, s, a) -> map('traceId', t, 'spanId', s, 'attributes', toJSONString(a)),
        Links.TraceId, Links.SpanId, Links.Attributes) AS links
    FROM otel_traces WHERE ServiceName = '${service}'`);
  const nested = (list: readonly object[]) => list.map((one) =>
    ({ ...one, attributes: JSON.parse((one as { attributes: string }).attributes) }));
  const rows = found.map((row) =>
    ({ ...row, events: nested(row.events), links: nested(row.links) }));
  assert.deepEqual(sorted(rows, bySpan), sorted(expected, bySpan));
  const [resource] = await stack.rows(`
    SELECT DISTINCT ResourceAttributes['service.version'] AS version,
      ResourceAttributes['service.replicas'] AS replicas, ScopeName, ScopeVersion
    FROM otel_traces WHERE ServiceName = '${service}'`);
  assert.deepEqual(resource, {
    version: '1.2.3', replicas: '3', ScopeName: 'shop', ScopeVersion: '0.9',
  });
}

const bySpan = (span: { spanId: string }): string => span.spanId;

async function checkLogs(service: string, { logs }: Ledger): Promise<void> {
  const found = await stack.rows<Ledger['logs'][number]>(`
    SELECT toString(toUnixTimestamp64Nano(Timestamp)) AS timeNs, Body AS body,
      SeverityNumber AS severityNumber, SeverityText AS severityText, TraceId AS traceId,
      SpanId AS spanId
    FROM otel_logs WHERE ServiceName = '${service}'`);
  const byTrace = (log: { traceId: string }) => log.traceId;
  assert.deepEqual(sorted(found, byTrace), sorted(logs, byTrace));
}

async function checkPoints(
  service: string,
  kind: LedgerPoint['kind'],
  expected: readonly LedgerPoint[],
): Promise<void> {
  assert.notEqual(expected.length, 0, kind);
  const histogram = kind.endsWith('histogram');
  const found = await stack.rows<LedgerPoint>(`
    SELECT MetricName AS metric, '${kind}' AS kind,
      toString(toUnixTimestamp64Nano(toDateTime64(TimeUnix, 9))) AS timeNs,
      Attributes AS attributes, ${histogram ? 'Sum' : 'Value'} AS value,
      ${histogram ? 'toUInt32(Count)' : '0'} AS count
    FROM otel_metrics_${kind} WHERE ServiceName = '${service}'`);
  const key = (point: LedgerPoint) =>
    [point.metric, point.timeNs, JSON.stringify(point.attributes)].join();
  assert.deepEqual(sorted(found, key), sorted(expected, key));
}

/** ClickHouse's quantileExact takes the element at floor(level × n) of the sorted values. */
async function checkPercentiles(service: string, spans: readonly LedgerSpan[]): Promise<void> {
  const durations = spans.map(({ durationNs }) => Number(durationNs)).sort((a, b) => a - b);
  const exact = [0.95, 0.99].map((level) => durations[Math.floor(level * durations.length)]!);
  const [found] = await stack.rows<{ exact: number[]; sketch: number[] }>(`
    SELECT arrayMap(q -> toFloat64(q), quantilesExact(0.95, 0.99)(Duration)) AS exact,
      quantilesDD(0.01, 0.95, 0.99)(Duration) AS sketch
    FROM otel_traces WHERE ServiceName = '${service}'`);
  assert.deepEqual(found!.exact, exact);
  found!.sketch.forEach((value, index) => {
    // The sketch answers for a rank beside ours at most; its value is within 1 % of that rank's.
    const rank = Math.floor([0.95, 0.99][index]! * durations.length);
    const near = [durations[rank]!, durations[rank - 1]!];
    const error = Math.min(...near.map((wanted) => Math.abs(value - wanted) / wanted));
    assert.ok(error <= 0.0101, `p${[95, 99][index]}: ${value} instead of ${exact[index]}`);
  });
}

function sorted<T>(list: readonly T[], key: (one: T) => string): T[] {
  return [...list].sort((a, b) => (key(a) < key(b) ? -1 : 1));
}
