// Spans as a web service makes them, for benches and load tests: a server span, and client spans
// for the database and the cache below it.

import type { AnyValue, KeyValue, Span, TracesRequest } from '../../proto/otlp/model.ts';
import type { Random } from '../proto/generate.ts';

const ROUTES = ['/', '/cart', '/products/:id', '/checkout', '/api/v1/orders/:id', '/healthz'];
const METHODS = ['GET', 'GET', 'GET', 'POST', 'PUT', 'DELETE'];
const TABLES = ['orders', 'customers', 'products', 'stock'];

/** One request of one resource and one scope with `count` spans that start at `startMs`. */
export function generateServiceSpans(
  random: Random,
  count: number,
  startMs: number = 1_760_000_000_000,
): TracesRequest {
  const spans: Span[] = [];
  let traceId = '';
  let parentSpanId = '';
  for (let index = 0; index < count; index++) {
    const root = index % 5 === 0;
    if (root) traceId = hex(random, 16);
    const span = serviceSpan(random, { traceId, parentSpanId: root ? '' : parentSpanId, startMs });
    if (root) parentSpanId = span.spanId;
    spans.push(span);
  }
  const scope = {
    name: '@opentelemetry/instrumentation-http',
    version: '0.223.0',
    attributes: [],
    droppedAttributesCount: 0,
  };
  const scopeSpans = [{ scope, spans, schemaUrl: '' }];
  return { resourceSpans: [{ resource: serviceResource(random), scopeSpans, schemaUrl: '' }] };
}

function serviceResource(random: Random) {
  const attributes = [
    text('service.name', pick(random, ['frontend', 'cart', 'checkout', 'catalogue'])),
    text('service.version', '1.14.2'),
    text('host.name', `node-${Math.floor(random() * 20)}`),
    text('process.runtime.name', 'nodejs'),
    text('telemetry.sdk.language', 'nodejs'),
    text('deployment.environment.name', 'production'),
  ];
  return { attributes, droppedAttributesCount: 0, entityRefs: [] };
}

interface Place {
  readonly traceId: string;
  readonly parentSpanId: string;
  readonly startMs: number;
}

function serviceSpan(random: Random, { traceId, parentSpanId, startMs }: Place): Span {
  const start = BigInt(startMs) * 1_000_000n + BigInt(Math.floor(random() * 60e9));
  const failed = random() < 0.02;
  const isServer = parentSpanId === '';
  const method = pick(random, METHODS);
  const route = pick(random, ROUTES);
  return {
    traceId,
    spanId: hex(random, 8),
    traceState: '',
    parentSpanId,
    flags: 0x101,
    name: isServer ? `${method} ${route}` : `SELECT ${pick(random, TABLES)}`,
    kind: isServer ? 2 : 3,
    startTimeUnixNano: start,
    endTimeUnixNano: start + BigInt(Math.floor(random() ** 4 * 2e9)),
    attributes: isServer ? serverAttributes(random, method, route) : clientAttributes(random),
    droppedAttributesCount: 0,
    events: failed ? [exception(start)] : [],
    droppedEventsCount: 0,
    links: [],
    droppedLinksCount: 0,
    status: failed ? { code: 2, message: 'connection reset' } : undefined,
  };
}

function serverAttributes(random: Random, method: string, route: string): KeyValue[] {
  return [
    text('http.request.method', method),
    text('http.route', route),
    text('url.path', route.replace(':id', String(Math.floor(random() * 100_000)))),
    text('url.scheme', 'https'),
    number('http.response.status_code', random() < 0.05 ? 500 : 200),
    text('server.address', 'shop.example.com'),
    number('server.port', 443),
    text('network.protocol.version', '1.1'),
    text('client.address', `10.0.${Math.floor(random() * 256)}.${Math.floor(random() * 256)}`),
  ];
}

function clientAttributes(random: Random): KeyValue[] {
  const table = pick(random, TABLES);
  return [
    text('db.system.name', 'postgresql'),
    text('db.namespace', 'shop'),
    text('db.collection.name', table),
    text('db.query.text', `SELECT * FROM ${table} WHERE id = $1`),
    text('server.address', 'db.internal'),
    number('server.port', 5432),
    number('thread.id', Math.floor(random() * 40)),
  ];
}

function exception(start: bigint): Span['events'][number] {
  return {
    timeUnixNano: start + 1000n,
    name: 'exception',
    attributes: [text('exception.type', 'Error'), text('exception.message', 'connection reset')],
    droppedAttributesCount: 0,
  };
}

const text = (key: string, value: string): KeyValue => ({ key, value: { type: 'string', value } });

const number = (key: string, value: number): KeyValue => {
  const int: AnyValue = { type: 'int', value: BigInt(value) };
  return { key, value: int };
};

function pick<T>(random: Random, choices: readonly T[]): T {
  return choices[Math.floor(random() * choices.length)]!;
}

function hex(random: Random, bytes: number): string {
  const digit = () => Math.floor(random() * 16).toString(16);
  return Array.from({ length: bytes * 2 }, digit).join('');
}
