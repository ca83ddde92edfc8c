// Proves that senders which are not ours work unchanged: the OpenTelemetry SDK for JavaScript with
// its exporters over gRPC, HTTP/protobuf and HTTP/JSON, for traces, metrics and logs.

import { SpanStatusCode } from '@opentelemetry/api';
import { SeverityNumber } from '@opentelemetry/api-logs';
import { OTLPLogExporter as LogGrpc } from '@opentelemetry/exporter-logs-otlp-grpc';
import { OTLPLogExporter as LogJson } from '@opentelemetry/exporter-logs-otlp-http';
import { OTLPLogExporter as LogProto } from '@opentelemetry/exporter-logs-otlp-proto';
import { OTLPMetricExporter as MetricGrpc } from '@opentelemetry/exporter-metrics-otlp-grpc';
import { OTLPMetricExporter as MetricJson } from '@opentelemetry/exporter-metrics-otlp-http';
import { OTLPMetricExporter as MetricProto } from '@opentelemetry/exporter-metrics-otlp-proto';
import { OTLPTraceExporter as TraceGrpc } from '@opentelemetry/exporter-trace-otlp-grpc';
import { OTLPTraceExporter as TraceJson } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as TraceProto } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { otlpReceiver } from '../../../agent/receivers/otlp.ts';
import type { Batch } from '../../../proto/contract/batch.ts';
import { ACCEPTED, retryable } from '../../../proto/contract/outcome.ts';
import type { Resource } from '../../../proto/otlp/model.ts';
import { createSink, inOrder, NEVER, testContext, type Sink } from '../../contract/fakes.ts';

const resource = resourceFromAttributes({ 'service.name': 'shop' });

interface Urls {
  readonly grpc: string;
  readonly http: string;
}

type Compression = 'gzip' | 'none';
const gzipOf = (compression: Compression) => ({ compression: compression as never });

const flavours = {
  'gRPC': ({ grpc }: Urls, compression: Compression) => ({
    traces: new TraceGrpc({ url: grpc, ...gzipOf(compression) }),
    metrics: new MetricGrpc({ url: grpc, ...gzipOf(compression) }),
    logs: new LogGrpc({ url: grpc, ...gzipOf(compression) }),
  }),
  'HTTP/protobuf': ({ http }: Urls, compression: Compression) => ({
    traces: new TraceProto({ url: `${http}/v1/traces`, ...gzipOf(compression) }),
    metrics: new MetricProto({ url: `${http}/v1/metrics`, ...gzipOf(compression) }),
    logs: new LogProto({ url: `${http}/v1/logs`, ...gzipOf(compression) }),
  }),
  'HTTP/JSON': ({ http }: Urls, compression: Compression) => ({
    traces: new TraceJson({ url: `${http}/v1/traces`, ...gzipOf(compression) }),
    metrics: new MetricJson({ url: `${http}/v1/metrics`, ...gzipOf(compression) }),
    logs: new LogJson({ url: `${http}/v1/logs`, ...gzipOf(compression) }),
  }),
};
type Exporters = ReturnType<(typeof flavours)[keyof typeof flavours]>;

for (const [name, create] of Object.entries(flavours)) {
  for (const compression of ['none', 'gzip'] as const) {
    test(`otlp receiver: OpenTelemetry SDK over ${name}, ${compression}`, () =>
      withReceiver(async (sink, urls) => {
        const exporters = create(urls, compression);
        await sendTraces(exporters);
        checkTraces(sink.received.find((batch) => batch.signal === 'traces')!);
        await sendMetrics(exporters);
        checkMetrics(sink.received.find((batch) => batch.signal === 'metrics')!);
        await sendLogs(exporters);
        checkLogs(sink.received.find((batch) => batch.signal === 'logs')!);
        assert.equal(sink.received.length, 3);
      }));
  }
  // The gRPC exporter of this SDK never sends anything twice.
  if (name === 'gRPC') continue;
  test(`otlp receiver: OpenTelemetry SDK over ${name} comes again when told so`, () =>
    withReceiver(async (sink, urls) => {
      sink.answer(inOrder(retryable('not now', 10), ACCEPTED));
      await sendLogs(create(urls, 'gzip'));
      assert.deepEqual(sink.deliveries.map(({ outcome }) => outcome.status),
        ['retryable', 'accepted']);
      checkLogs(sink.received[1]!);
    }));
}

async function withReceiver(body: (sink: Sink, urls: Urls) => Promise<void>): Promise<void> {
  const sink = createSink();
  const config = otlpReceiver.schema.parse({
    protocols: { grpc: { endpoint: 'localhost:0' }, http: { endpoint: 'localhost:0' } },
  });
  const receiver = otlpReceiver.create(config, testContext(), sink);
  await receiver.start();
  const addresses = receiver.addresses!();
  try {
    await body(sink, {
      grpc: `http://${addresses['OTLP gRPC']}`, http: `http://${addresses['OTLP HTTP']}`,
    });
  } finally {
    await receiver.stop(NEVER);
  }
}

async function sendTraces({ traces }: Exporters): Promise<void> {
  const provider = new BasicTracerProvider({
    resource, spanProcessors: [new BatchSpanProcessor(traces)],
  });
  const tracer = provider.getTracer('checkout', '1.2.3');
  const span = tracer.startSpan('buy', {
    attributes: { text: 'ü', whole: 7, part: 0.5, yes: true, list: ['a', 'b'] },
  });
  span.addEvent('paid', { amount: 3 });
  span.setStatus({ code: SpanStatusCode.ERROR, message: 'no stock' });
  span.end();
  await provider.shutdown();
}

function checkTraces(batch: Batch): void {
  assert.ok(batch.is('traces'));
  const [group] = batch.request.resourceSpans;
  checkResource(group!.resource);
  const [scope] = group!.scopeSpans;
  assert.deepEqual([scope!.scope?.name, scope!.scope?.version], ['checkout', '1.2.3']);
  const [span] = scope!.spans;
  assert.match(span!.traceId, /^[0-9a-f]{32}$/);
  assert.match(span!.spanId, /^[0-9a-f]{16}$/);
  assert.equal(span!.name, 'buy');
  assert.ok(span!.endTimeUnixNano >= span!.startTimeUnixNano);
  assert.ok(span!.startTimeUnixNano > 1_600_000_000_000_000_000n);
  const attributes = Object.fromEntries(span!.attributes.map(({ key, value }) => [key, value]));
  assert.deepEqual(attributes, {
    text: { type: 'string', value: 'ü' },
    whole: { type: 'int', value: 7n },
    part: { type: 'double', value: 0.5 },
    yes: { type: 'bool', value: true },
    list: {
      type: 'array', value: [{ type: 'string', value: 'a' }, { type: 'string', value: 'b' }],
    },
  });
  assert.deepEqual(span!.events.map((event) => event.name), ['paid']);
  assert.deepEqual(span!.status, { code: 2, message: 'no stock' });
}

async function sendMetrics({ metrics }: Exporters): Promise<void> {
  const reader = new PeriodicExportingMetricReader({
    exporter: metrics, exportIntervalMillis: 60_000,
  });
  const provider = new MeterProvider({ resource, readers: [reader] });
  const meter = provider.getMeter('checkout');
  meter.createCounter('orders').add(3, { kind: 'web' });
  meter.createHistogram('latency').record(12.5);
  await provider.shutdown();
}

function checkMetrics(batch: Batch): void {
  assert.ok(batch.is('metrics'));
  assert.equal(batch.itemCount, 2);
  const [group] = batch.request.resourceMetrics;
  checkResource(group!.resource);
  const [orders, latency] = group!.scopeMetrics[0]!.metrics;
  assert.equal(orders!.name, 'orders');
  assert.ok(orders!.data?.type === 'sum');
  assert.equal(orders!.data.isMonotonic, true);
  assert.equal(Number(orders!.data.dataPoints[0]!.value?.value), 3);
  assert.ok(latency!.data?.type === 'histogram');
  const [point] = latency!.data.dataPoints;
  assert.deepEqual([point!.count, point!.sum, point!.min], [1n, 12.5, 12.5]);
}

async function sendLogs({ logs }: Exporters): Promise<void> {
  const processor = new BatchLogRecordProcessor({ exporter: logs });
  const provider = new LoggerProvider({ resource, processors: [processor] });
  provider.getLogger('checkout').emit({
    severityNumber: SeverityNumber.WARN, severityText: 'WARN', body: 'low stock: 日本',
    attributes: { item: 'tea' },
  });
  await provider.shutdown();
}

function checkLogs(batch: Batch): void {
  assert.ok(batch.is('logs'));
  const [group] = batch.request.resourceLogs;
  checkResource(group!.resource);
  const [record] = group!.scopeLogs[0]!.logRecords;
  assert.equal(record!.severityNumber, 13);
  assert.deepEqual(record!.body, { type: 'string', value: 'low stock: 日本' });
  assert.deepEqual(record!.attributes, [{ key: 'item', value: { type: 'string', value: 'tea' } }]);
}

function checkResource(found: Resource | undefined): void {
  assert.deepEqual(found?.attributes, [
    { key: 'service.name', value: { type: 'string', value: 'shop' } },
  ]);
}
