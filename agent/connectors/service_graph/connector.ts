// Makes metrics of who calls whom, out of the spans of both sides of a request.
//
//   traces_service_graph_request_total            sum, requests
//   traces_service_graph_request_failed_total     sum, those that failed on either side
//   traces_service_graph_request_server_seconds   histogram, as the server saw it
//   traces_service_graph_request_client_seconds   histogram, as the client saw it
//
// Each has client, server, connection_type (messaging_system, database, virtual_node or empty),
// failed, and the dimensions of both sides.
//
// Promises: a request whose both spans come within `store.ttl` of each other counts once, as often
// as samplers say that it stands for others. One side alone counts when it can say who the other
// is: a span without parent was called by `user`; a client may name its peer. Everything is in
// memory: a crash loses what waits, and the series begin anew. Bounds: edges.ts, series/meter.ts.

import type { Batch } from '../../../proto/contract/batch.ts';
import type {
  ComponentContext, Connector, ConnectorFactory, Consumer,
} from '../../../proto/contract/component.ts';
import type { AnyValue, Attributes, KeyValue, Span } from '../../../proto/otlp/model.ts';
import type { Timer } from '../../../runtime/clock.ts';
import {
  createExponentialHistogram, createHistogram, createSum,
} from '../../series/accumulators.ts';
import { createGathering } from '../../series/gathering.ts';
import { createLossCounter, registerSeries } from '../../series/gauges.ts';
import { attributesKey } from '../../series/identity.ts';
import { createMeter, type Instrument, type Meter } from '../../series/meter.ts';
import { createReporter } from '../../series/reporter.ts';
import { weightOf } from '../../series/weight.ts';
import { createSchema, type ServiceGraphConfig } from './config.ts';
import { createEdges, type Edge, type Edges } from './edges.ts';

export const serviceGraphConnector: ConnectorFactory<ServiceGraphConfig> = {
  kind: 'connector',
  type: 'service_graph',
  aliases: ['servicegraph'],
  signals: ['traces'],
  gives: () => ['metrics'],
  get schema() {
    return createSchema();
  },
  create: createConnector,
};

const SCOPE = 'binnacle/agent/service_graph';

const limits = {
  /** A series without requests for so long is forgotten. */
  quietMs: 15 * 60_000,
} as const;

const TOTAL = 0;
const FAILED = 1;
const SERVER_SECONDS = 2;
const CLIENT_SECONDS = 3;

function createConnector(
  config: ServiceGraphConfig,
  context: ComponentContext,
  next: Consumer,
): Connector {
  const { clock } = context.world;
  const meter = createMeter({
    clock, scope: SCOPE, instruments: instrumentsOf(config), temporality: 'cumulative',
    seriesOfMetricMax: 0, resourcesMax: 1, quietMax: 0, expirationMs: limits.quietMs,
    exemplarsMax: 0, lost: createLossCounter(context),
    offsetNs: BigInt(Math.round(config.metrics_timestamp_offset * 1e6)),
  });
  registerSeries(context, 'connector', meter.size);
  const counts = countersOf(context);
  const edges = createEdges({
    itemsMax: config.store.max_items,
    ttlMs: config.store.ttl,
    nowMs: clock.monotonicMs,
    complete: (edge) => record(meter, edge, config),
    expire: (edge) => {
      counts.expired.add(1);
      if (makeVirtual(edge, config)) record(meter, edge, config);
    },
  });
  const take = createTaker(config, edges, counts);
  const { metrics_flush_interval: intervalMs } = config;
  const reporter = createReporter({ clock, next, intervalMs, collect: meter.collect });
  let timer: Timer | null = null;
  const gathering = createGathering({
    reporter,
    gather: (batch) => {
      take(batch as Batch<'traces'>);
      if (intervalMs === 0) void reporter.flush();
    },
    finish: () => {
      timer?.cancel();
      edges.expire(true);
    },
  });
  return {
    ...gathering,
    start: async () => {
      timer ??= clock.every(config.store_expiration_loop, () => edges.expire());
      await gathering.start();
    },
  };
}

function instrumentsOf(config: ServiceGraphConfig): Instrument[] {
  const bounds = config.latency_histogram_buckets.map((one) => one / 1000);
  const most = config.exponential_histogram_max_size;
  const histogram = (name: string, description: string): Instrument => (most === 0
    ? { name, description, unit: 's', type: 'histogram', create: () => createHistogram(bounds) }
    : { name, description, unit: 's', type: 'exponentialHistogram',
      create: () => createExponentialHistogram(most) });
  const sum = (name: string, description: string): Instrument =>
    ({ name, description, unit: '', type: 'sum', create: createSum });
  return [
    sum('traces_service_graph_request_total', 'Requests between two services.'),
    sum('traces_service_graph_request_failed_total', 'Requests that failed.'),
    histogram('traces_service_graph_request_server_seconds',
      'How long requests took, as the server saw it.'),
    histogram('traces_service_graph_request_client_seconds',
      'How long requests took, as the client saw it.'),
  ];
}

function countersOf({ id, counters }: ComponentContext) {
  const labels = { connector: id };
  return {
    dropped: counters.counter('otelcol_connector_servicegraph_dropped_spans_total',
      'Spans that were not looked at, since too many others waited.', labels),
    expired: counters.counter('otelcol_connector_servicegraph_expired_edges_total',
      'Requests of which one side did not come.', labels),
  };
}

const KIND = { server: 2, client: 3, producer: 4, consumer: 5 } as const;
const STATUS_ERROR = 2;

/** Puts the spans of a batch to their edges. */
function createTaker(
  config: ServiceGraphConfig,
  edges: Edges,
  { dropped }: ReturnType<typeof countersOf>,
): (batch: Batch<'traces'>) => void {
  const fillAlike = (edge: Edge, side: 'client' | 'server', span: Span, resource: Attributes) => {
    if (span.status?.code === STATUS_ERROR) edge.failed = true;
    if (config.sampling_weights) edge.weight = Math.max(edge.weight, weightOf(span.traceState));
    for (const name of config.dimensions) {
      const value = textAt(span.attributes, name) ?? textAt(resource, name);
      if (value !== undefined) edge.dimensions.set(`${side}_${name}`, value);
    }
  };
  const fillClient = (edge: Edge, service: string, span: Span, resource: Attributes) => {
    edge.client = service;
    edge.clientSeconds = secondsOf(span);
    if (span.kind === KIND.producer) edge.connection = 'messaging_system';
    edge.peer = firstText(span.attributes, config.virtual_node_peer_attributes);
    const database = firstText(span.attributes, config.database_name_attributes)
      ?? firstText(resource, config.database_name_attributes);
    // A database sends no spans of its own.
    if (database !== undefined && edge.server === undefined) {
      edge.connection = 'database';
      edge.server = database;
      edge.serverSeconds = edge.clientSeconds;
    }
    fillAlike(edge, 'client', span, resource);
  };
  const fillServer = (edge: Edge, service: string, span: Span, resource: Attributes) => {
    edge.server = service;
    edge.serverSeconds = secondsOf(span);
    if (span.kind === KIND.consumer) edge.connection = 'messaging_system';
    fillAlike(edge, 'server', span, resource);
  };
  const takeSpan = (service: string, span: Span, resource: Attributes): boolean => {
    switch (span.kind) {
      case KIND.client:
      case KIND.producer:
        return edges.upsert(`${span.traceId}${span.spanId}`, false,
          (edge) => fillClient(edge, service, span, resource));
      case KIND.server:
      case KIND.consumer:
        return edges.upsert(`${span.traceId}${span.parentSpanId}`, span.parentSpanId === '',
          (edge) => fillServer(edge, service, span, resource));
      default:
        return true;
    }
  };
  return ({ request }) => {
    for (const { resource, scopeSpans } of request.resourceSpans) {
      const attributes = resource?.attributes ?? [];
      const service = textAt(attributes, 'service.name');
      // Who nobody knows is no node.
      if (service === undefined || service === '') continue;
      for (const { spans } of scopeSpans) {
        for (const span of spans) if (!takeSpan(service, span, attributes)) dropped.add(1);
      }
    }
  };
}

/** Names the side that sent no span, where somebody can say who it was. */
function makeVirtual(edge: Edge, config: ServiceGraphConfig): boolean {
  if (config.virtual_node_peer_attributes.length === 0) return false;
  if (edge.client === undefined) {
    if (!edge.isEntry) return false;
    edge.client = 'user';
    edge.virtualNode = 'client';
  } else {
    edge.server = edge.peer ?? 'unknown';
    edge.virtualNode = 'server';
  }
  edge.connection = 'virtual_node';
  return true;
}

function record(meter: Meter, edge: Edge, config: ServiceGraphConfig): void {
  const resource = meter.resource('', undefined);
  const attributes = attributesOf(edge, config);
  const key = attributesKey(attributes);
  const add = (instrument: number, value: number) =>
    resource.record(instrument, key, () => attributes, { value, weight: edge.weight });
  add(TOTAL, 1);
  if (edge.failed) add(FAILED, 1);
  if (edge.serverSeconds !== undefined) add(SERVER_SECONDS, edge.serverSeconds);
  if (edge.clientSeconds !== undefined) add(CLIENT_SECONDS, edge.clientSeconds);
}

function attributesOf(edge: Edge, config: ServiceGraphConfig): Attributes {
  const attributes: KeyValue[] = [
    { key: 'client', value: text(edge.client!) },
    { key: 'server', value: text(edge.server!) },
    { key: 'connection_type', value: text(edge.connection) },
    { key: 'failed', value: { type: 'bool', value: edge.failed } },
  ];
  for (const [key, value] of edge.dimensions) attributes.push({ key, value: text(value) });
  if (config.virtual_node_extra_label) {
    attributes.push({ key: 'virtual_node', value: text(edge.virtualNode) });
  }
  return attributes;
}

const text = (value: string): AnyValue => ({ type: 'string', value });

/** 0 for a span that ends before it begins. */
function secondsOf({ startTimeUnixNano: start, endTimeUnixNano: end }: Span): number {
  return end > start ? Number(end - start) / 1e9 : 0;
}

function firstText(attributes: Attributes, names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = textAt(attributes, name);
    if (value !== undefined) return value;
  }
  return undefined;
}

/** The text of a scalar. */
function textAt(attributes: Attributes, name: string): string | undefined {
  const value = attributes.find(({ key }) => key === name)?.value;
  switch (value?.type) {
    case 'string':
    case 'bool':
    case 'int':
    case 'double': return String(value.value);
    default: return undefined;
  }
}
