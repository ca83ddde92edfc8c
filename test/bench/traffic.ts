// What many services send at the same time, for benches of tables: requests of one resource each,
// whose spans and log records belong to traces that go through several services.
//
// Shape: 40 resources of 20 services with 9 attributes each; 10 to 19 operations a service; traces
// of about 8 spans in 1 to 4 services, 3 in 4 spans below a server span; server spans with 9
// attributes, client spans with 7, one event with 2 attributes in 50 spans; 10,000 spans a second.
// Log records: 30 message patterns a service with a number, an id or an address in them, 4 to 6
// attributes, 3 in 4 inside a trace. A request has 200 records of its resource, as an SDK sends
// them, and ids of random bytes. Everything comes from one seed.

import { rowNames } from '../../backend/storage/clickhouse/transcode/names.ts';
import type { RowNames } from '../../backend/storage/clickhouse/transcode/names.ts';
import { Batch } from '../../proto/contract/batch.ts';
import type { KeyValue, LogRecord, Resource, Span } from '../../proto/otlp/model.ts';
import { seededRandom } from '../proto/generate.ts';
import type { Random } from '../proto/generate.ts';

const SERVICES = 20;
const RESOURCES = 40;
const RECORDS_PER_REQUEST = 200;
const SPANS_PER_SECOND = 10_000;
const START_NS = 1_790_000_000_000_000_000n;
const METHODS = ['GET', 'GET', 'GET', 'POST', 'PUT', 'DELETE'];
const WORDS = ['cart', 'order', 'payment', 'stock', 'user', 'session', 'invoice', 'search', 'mail'];
const LEVELS = [['INFO', 9], ['INFO', 9], ['INFO', 9], ['DEBUG', 5], ['WARN', 13], ['ERROR', 17]];

export interface Request {
  readonly batch: Batch;
  readonly names: RowNames;
}

/** Requests without an end. */
export function* generateTraffic(signal: 'traces' | 'logs', seed: number): Generator<Request> {
  const random = seededRandom(seed);
  const resources = Array.from({ length: RESOURCES }, (_, index) => resourceOf(random, index));
  const epochs = resources.map(() => `${uuid(random)}/${uuid(random)}`);
  const gathered = resources.map((): (Span | LogRecord)[] => []);
  const sequences = resources.map(() => 0);
  for (let made = 0; ; ) {
    const startNs = START_NS + BigInt(Math.floor(made / SPANS_PER_SECOND * 1e9));
    for (const { resource, span } of traceOf(random, startNs)) {
      made++;
      const own = gathered[resource]!;
      own.push(signal === 'traces' ? span : logOf(random, resource % SERVICES, span));
      if (own.length < RECORDS_PER_REQUEST) continue;
      const id = `${epochs[resource]}/${++sequences[resource]!}`;
      yield { batch: requestOf(signal, resources[resource]!, own), names: rowNames(id, 0) };
      gathered[resource] = [];
    }
  }
}

function requestOf(
  signal: 'traces' | 'logs',
  resource: Resource,
  records: readonly (Span | LogRecord)[],
): Batch {
  const scope = {
    name: '@opentelemetry/instrumentation-http', version: '0.223.0', attributes: [],
    droppedAttributesCount: 0,
  };
  const schemaUrl = 'https://opentelemetry.io/schemas/1.37.0';
  if (signal === 'logs') {
    const scopeLogs = [{ scope, logRecords: records as LogRecord[], schemaUrl: '' }];
    return Batch.fromRequest('logs', { resourceLogs: [{ resource, scopeLogs, schemaUrl }] });
  }
  const scopeSpans = [{ scope, spans: records as Span[], schemaUrl: '' }];
  return Batch.fromRequest('traces', { resourceSpans: [{ resource, scopeSpans, schemaUrl }] });
}

function resourceOf(random: Random, index: number): Resource {
  const service = serviceName(index % SERVICES);
  const attributes = [
    text('service.name', service),
    text('service.version', `1.${index % 7}.${index % 3}`),
    text('service.instance.id', uuid(random)),
    text('host.name', `node-${index % 12}.eu-central-1.compute.internal`),
    text('k8s.namespace.name', 'shop'),
    text('k8s.pod.name', `${service}-${hex(random, 4)}-${hex(random, 3)}`),
    text('deployment.environment.name', 'production'),
    text('telemetry.sdk.language', 'nodejs'),
    text('telemetry.sdk.version', '2.12.0'),
  ];
  return { attributes, droppedAttributesCount: 0, entityRefs: [] };
}

const serviceName = (service: number) =>
  `${WORDS[service % WORDS.length]}-${service < WORDS.length ? 'api' : `worker-${service}`}`;

interface Placed {
  readonly resource: number;
  readonly span: Span;
}

function* traceOf(random: Random, startNs: bigint): Generator<Placed> {
  const traceId = hex(random, 16);
  const servers = 1 + below(random, 4);
  let parentSpanId = '';
  let atNs = startNs + BigInt(below(random, 1e9));
  for (let hop = 0; hop < servers; hop++) {
    const resource = below(random, RESOURCES);
    const service = resource % SERVICES;
    const server = spanOf(random, { traceId, parentSpanId, atNs, service, isServer: true });
    yield { resource, span: server };
    for (let child = 1 + below(random, 4); child > 0; child--) {
      atNs += BigInt(below(random, 5e6));
      const place = { traceId, parentSpanId: server.spanId, atNs, service, isServer: false };
      yield { resource, span: spanOf(random, place) };
    }
    parentSpanId = server.spanId;
  }
}

interface Place {
  readonly traceId: string;
  readonly parentSpanId: string;
  readonly atNs: bigint;
  readonly service: number;
  readonly isServer: boolean;
}

function spanOf(random: Random, { traceId, parentSpanId, atNs, service, isServer }: Place): Span {
  const failed = random() < 0.02;
  const operation = below(random, isServer ? 6 + service % 5 : 4 + service % 5);
  const word = WORDS[(service + operation) % WORDS.length]!;
  const method = METHODS[operation % METHODS.length]!;
  const route = `/api/v1/${word}s/:id`;
  return {
    traceId, parentSpanId, spanId: hex(random, 8), traceState: '', flags: 0x101,
    name: isServer ? `${method} ${route}` : `SELECT ${word}s`,
    kind: isServer ? 2 : 3,
    startTimeUnixNano: atNs,
    endTimeUnixNano: atNs + BigInt(Math.floor(1e5 + random() ** 4 * 1e9)),
    attributes: isServer ? serverAttributes(random, method, route) : clientAttributes(random, word),
    droppedAttributesCount: 0,
    events: failed ? [exception(atNs)] : [],
    droppedEventsCount: 0, links: [], droppedLinksCount: 0,
    status: failed ? { code: 2, message: 'connection reset' } : undefined,
  };
}

function serverAttributes(random: Random, method: string, route: string): KeyValue[] {
  return [
    text('http.request.method', method),
    text('http.route', route),
    text('url.path', route.replace(':id', String(below(random, 100_000)))),
    text('url.scheme', 'https'),
    number('http.response.status_code', random() < 0.05 ? 500 : 200),
    text('server.address', 'shop.example.com'),
    number('server.port', 443),
    text('network.protocol.version', '1.1'),
    text('client.address', `10.0.${below(random, 256)}.${below(random, 256)}`),
  ];
}

function clientAttributes(random: Random, word: string): KeyValue[] {
  return [
    text('db.system.name', 'postgresql'),
    text('db.namespace', 'shop'),
    text('db.collection.name', `${word}s`),
    text('db.query.text', `SELECT id, state, changed_at FROM ${word}s WHERE id = $1`),
    text('server.address', 'db.internal'),
    number('server.port', 5432),
    number('thread.id', below(random, 40)),
  ];
}

function exception(atNs: bigint): Span['events'][number] {
  return {
    timeUnixNano: atNs + 1000n, name: 'exception', droppedAttributesCount: 0,
    attributes: [text('exception.type', 'Error'), text('exception.message', 'connection reset')],
  };
}

function logOf(random: Random, service: number, span: Span): LogRecord {
  const pattern = below(random, 30);
  const word = WORDS[(service + pattern) % WORDS.length]!;
  const [severityText, severityNumber] = LEVELS[pattern % LEVELS.length] as [string, number];
  const subject = [
    `${word} ${below(random, 1e6)} stored`,
    `${word} ${uuid(random)} not found, asking the next one of ${below(random, 9)}`,
    `request from 10.0.${below(random, 256)}.${below(random, 256)} took ${below(random, 900)} ms`,
    `retrying ${word} after timeout, attempt ${below(random, 5)}`,
  ][pattern % 4]!;
  const inTrace = random() < 0.75;
  const attributes = [
    text('logger.name', `com.example.shop.${word}.${word}Controller`),
    text('thread.name', `worker-${below(random, 32)}`),
    text('code.function.name', `handle${pattern}`),
    number('code.line.number', 40 + pattern * 7),
  ];
  if (severityNumber >= 17) attributes.push(text('exception.type', 'TimeoutError'));
  if (pattern % 4 === 2) attributes.push(text('user.id', String(below(random, 50_000))));
  return {
    timeUnixNano: span.startTimeUnixNano, observedTimeUnixNano: span.startTimeUnixNano + 1000n,
    severityNumber, severityText, attributes, droppedAttributesCount: 0, flags: inTrace ? 1 : 0,
    body: { type: 'string', value: `[${serviceName(service)}] #${pattern} ${subject}` },
    traceId: inTrace ? span.traceId : '', spanId: inTrace ? span.spanId : '', eventName: '',
  };
}

const text = (key: string, value: string): KeyValue => ({ key, value: { type: 'string', value } });

const number = (key: string, value: number): KeyValue =>
  ({ key, value: { type: 'int', value: BigInt(value) } });

const below = (random: Random, end: number): number => Math.floor(random() * end);

const hex = (random: Random, bytes: number): string =>
  Array.from({ length: bytes * 2 }, () => below(random, 16).toString(16)).join('');

const uuid = (random: Random): string =>
  [4, 2, 2, 2, 6].map((bytes) => hex(random, bytes)).join('-');
