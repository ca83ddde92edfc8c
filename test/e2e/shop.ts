// A small HTTP service as somebody would write it, instrumented with the OpenTelemetry SDK for
// Node.js, that keeps a ledger of all it reported: every span and log record as it ended, every
// data point as its exporter got it. Run as a process of its own:
//
//     tsx test/e2e/shop.ts grpc|proto|json <endpoint> <service name>
//
// It prints `{"port": N}` when it listens. `POST /finish` flushes everything and answers with the
// ledger, after which the process ends.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  SpanKind, SpanStatusCode, context, metrics, propagation, trace, type Span,
} from '@opentelemetry/api';
import { logs, SeverityNumber } from '@opentelemetry/api-logs';
import { OTLPLogExporter as GrpcLogs } from '@opentelemetry/exporter-logs-otlp-grpc';
import { OTLPLogExporter as JsonLogs } from '@opentelemetry/exporter-logs-otlp-http';
import { OTLPLogExporter as ProtoLogs } from '@opentelemetry/exporter-logs-otlp-proto';
import { OTLPMetricExporter as GrpcMetrics } from '@opentelemetry/exporter-metrics-otlp-grpc';
import { OTLPMetricExporter as JsonMetrics } from '@opentelemetry/exporter-metrics-otlp-http';
import { OTLPMetricExporter as ProtoMetrics } from '@opentelemetry/exporter-metrics-otlp-proto';
import { OTLPTraceExporter as GrpcTraces } from '@opentelemetry/exporter-trace-otlp-grpc';
import { OTLPTraceExporter as JsonTraces } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtoTraces } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchLogRecordProcessor, type LogRecordProcessor } from '@opentelemetry/sdk-logs';
import {
  AggregationType, PeriodicExportingMetricReader, type PushMetricExporter, type ResourceMetrics,
} from '@opentelemetry/sdk-metrics';
import { NodeSDK } from '@opentelemetry/sdk-node';
import { BatchSpanProcessor, type ReadableSpan, type SpanProcessor }
  from '@opentelemetry/sdk-trace-base';
import { emptyLedger, hrNs, pointOf, spanOf } from './ledger.ts';

const [protocol, endpoint, serviceName] = process.argv.slice(2) as
  ['grpc' | 'proto' | 'json', string, string];
const ledger = emptyLedger();

const exporters = {
  grpc: () => ({
    traces: new GrpcTraces({ url: endpoint }),
    metrics: new GrpcMetrics({ url: endpoint }),
    logs: new GrpcLogs({ url: endpoint }),
  }),
  proto: () => ({
    traces: new ProtoTraces({ url: `${endpoint}/v1/traces` }),
    metrics: new ProtoMetrics({ url: `${endpoint}/v1/metrics` }),
    logs: new ProtoLogs({ url: `${endpoint}/v1/logs` }),
  }),
  json: () => ({
    traces: new JsonTraces({ url: `${endpoint}/v1/traces` }),
    metrics: new JsonMetrics({ url: `${endpoint}/v1/metrics` }),
    logs: new JsonLogs({ url: `${endpoint}/v1/logs` }),
  }),
}[protocol]();

const spanBook: SpanProcessor = {
  onStart: () => {},
  onEnd: (span: ReadableSpan) => void ledger.spans.push(spanOf(span)),
  forceFlush: async () => {},
  shutdown: async () => {},
};

const logBook: LogRecordProcessor = {
  onEmit: (record) => {
    ledger.logs.push({
      timeNs: hrNs(record.hrTime),
      body: String(record.body),
      severityNumber: record.severityNumber ?? 0,
      severityText: record.severityText ?? '',
      traceId: record.spanContext?.traceId ?? '',
      spanId: record.spanContext?.spanId ?? '',
    });
  },
  forceFlush: async () => {},
  shutdown: async () => {},
};

/** Passes on what the reader gives it, and notes each data point that the peer took. */
function noted(exporter: PushMetricExporter): PushMetricExporter {
  return {
    export: (batch: ResourceMetrics, done) => exporter.export(batch, (result) => {
      if (result.code === 0) {
        for (const scope of batch.scopeMetrics) {
          for (const metric of scope.metrics) {
            for (const point of metric.dataPoints) ledger.points.push(pointOf(metric, point));
          }
        }
      }
      done(result);
    }),
    forceFlush: () => exporter.forceFlush(),
    shutdown: () => exporter.shutdown(),
    selectAggregationTemporality: (type) => exporter.selectAggregationTemporality!(type),
  };
}

const sdk = new NodeSDK({
  autoDetectResources: false,
  resource: resourceFromAttributes({
    'service.name': serviceName,
    'service.version': '1.2.3',
    'service.replicas': 3,
  }),
  spanProcessors: [
    new BatchSpanProcessor(exporters.traces, { scheduledDelayMillis: 100 }), spanBook,
  ],
  logRecordProcessors: [logBook, new BatchLogRecordProcessor({ exporter: exporters.logs,
    scheduledDelayMillis: 100 })],
  metricReaders: [new PeriodicExportingMetricReader({
    exporter: noted(exporters.metrics),
    exportIntervalMillis: 500,
    exportTimeoutMillis: 400,
  })],
  views: [{
    instrumentName: 'shop.basket.size',
    aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM },
  }],
});
sdk.start();

const tracer = trace.getTracer('shop', '0.9');
const logger = logs.getLogger('shop');
const meter = metrics.getMeter('shop');
const orders = meter.createCounter('shop.orders', { unit: '{order}', description: 'Orders made.' });
const open = meter.createUpDownCounter('shop.open', { unit: '{request}' });
const duration = meter.createHistogram('shop.request.duration', { unit: 'ms' });
const basket = meter.createHistogram('shop.basket.size', { unit: '{item}' });
meter.createObservableGauge('shop.memory', { unit: 'By' })
  .addCallback((result) => result.observe(process.memoryUsage().rss, { kind: 'rss' }));

function handle(request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url!, 'http://localhost');
  if (url.pathname === '/finish') return void finish(response);
  const started = performance.now();
  const parent = propagation.extract(context.active(), request.headers);
  const options = { kind: SpanKind.SERVER, attributes: { 'http.request.method': request.method! } };
  open.add(1);
  tracer.startActiveSpan(`${request.method} ${url.pathname}`, options, parent, (span) => {
    const items = Number(url.searchParams.get('items') ?? 1);
    const failed = url.pathname === '/fail';
    for (let item = 0; item < items; item += 1) pick(item, span);
    if (failed) recordFailure(span);
    span.setAttribute('http.response.status_code', failed ? 500 : 200);
    logger.emit({
      severityNumber: failed ? SeverityNumber.ERROR : SeverityNumber.INFO,
      severityText: failed ? 'ERROR' : 'INFO',
      body: `order of ${items} items ${failed ? 'failed' : 'done'} — ✓`,
      attributes: { items, failed, path: url.pathname },
    });
    orders.add(1, { failed });
    basket.record(items);
    duration.record(performance.now() - started, { path: url.pathname });
    open.add(-1);
    span.end();
    response.statusCode = failed ? 500 : 200;
    response.end(span.spanContext().traceId);
  });
}

/** A child span with an attribute of every type, an event and a link to its parent. */
function pick(item: number, parent: Span): void {
  const span = tracer.startSpan(`pick ${item % 3}`, {
    kind: SpanKind.CLIENT,
    links: [{ context: parent.spanContext(), attributes: { why: 'basket' } }],
    attributes: {
      text: 'grüße "quoted" \n',
      whole: 9007199254740991,
      negative: -5,
      fraction: 0.1,
      yes: true,
      texts: ['a', 'b"c'],
      numbers: [1, 2.5],
      flags: [true, false],
      empty: '',
    },
  });
  span.addEvent('picked', { item, shelf: 'A7' });
  span.setStatus({ code: SpanStatusCode.OK });
  span.end();
}

function recordFailure(span: Span): void {
  span.recordException(new Error('no stock'));
  span.setStatus({ code: SpanStatusCode.ERROR, message: 'no stock' });
}

async function finish(response: ServerResponse): Promise<void> {
  await sdk.shutdown();
  response.end(JSON.stringify(ledger), () => process.exit(0));
}

const server = createServer(handle);
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ port: (server.address() as AddressInfo).port })}\n`);
});
