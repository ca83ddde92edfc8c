// Makes metrics of spans: how many calls there were, how many failed, how long they took, by
// service, operation, kind and status, and whatever dimensions are asked for.
//
//   <namespace>.calls      sum, spans; a failed one has status.code STATUS_CODE_ERROR
//   <namespace>.duration   histogram, of the durations of spans
//   <namespace>.events     sum, events of spans; only if asked for
//
// Promises: a span counts as often as samplers say that it stands for others, so that rates stay
// those of all spans; each span of a batch that was `accepted` counts once. Counts are in memory: a
// crash loses what came since the last report, and cumulative series begin anew. What a sender
// sends again after it heard OK, or after another receiver of the same batch put it off, counts
// again. Bounds: see series/meter.ts.

import type { Batch } from '../../../proto/contract/batch.ts';
import type {
  Connector, ComponentContext, ConnectorFactory, Consumer,
} from '../../../proto/contract/component.ts';
import type {
  Attributes, Exemplar, Resource, Span, TracesRequest,
} from '../../../proto/otlp/model.ts';
import {
  createExponentialHistogram, createHistogram, createSum,
} from '../../series/accumulators.ts';
import { createGathering } from '../../series/gathering.ts';
import { createLossCounter, registerSeries } from '../../series/gauges.ts';
import { resourceKey } from '../../series/identity.ts';
import {
  createMeter, type Instrument, type Meter, type MeterResource,
} from '../../series/meter.ts';
import { createReporter } from '../../series/reporter.ts';
import { weightOf } from '../../series/weight.ts';
import { boundsOf, createSchema, type SpanMetricsConfig } from './config.ts';
import { createDimensions, type Dimensions, type SpanOrigin } from './dimensions.ts';

export const spanMetricsConnector: ConnectorFactory<SpanMetricsConfig> = {
  kind: 'connector',
  type: 'span_metrics',
  aliases: ['spanmetrics'],
  signals: ['traces'],
  gives: () => ['metrics'],
  get schema() {
    return createSchema();
  },
  create: createConnector,
};

const SCOPE = 'binnacle/agent/span_metrics';
/** What SDKs call a service that was given no name. */
const UNKNOWN_SERVICE = 'unknown_service';

const CALLS = 0;
const DURATION = 1;
const EVENTS = 2;

function createConnector(
  config: SpanMetricsConfig,
  context: ComponentContext,
  next: Consumer,
): Connector {
  const { clock } = context.world;
  const meter = createMeter({
    clock,
    scope: SCOPE,
    instruments: instrumentsOf(config),
    temporality: config.aggregation_temporality === 'DELTA' ? 'delta' : 'cumulative',
    seriesOfMetricMax: config.aggregation_cardinality_limit,
    resourcesMax: config.resource_metrics_cache_size,
    quietMax: config.metric_timestamp_cache_size,
    expirationMs: config.metrics_expiration,
    exemplarsMax: config.exemplars.enabled ? config.exemplars.max_per_data_point : 0,
    lost: createLossCounter(context),
  });
  registerSeries(context, 'connector', meter.size);
  const record = createRecorder(config);
  const resourceOf = createResourceChoice(config, meter);
  return createGathering({
    reporter: createReporter({
      clock, next, intervalMs: config.metrics_flush_interval, collect: meter.collect,
    }),
    gather: (batch) => {
      for (const group of (batch as Batch<'traces'>).request.resourceSpans) {
        record(resourceOf(group.resource), group);
      }
    },
  });
}

function instrumentsOf(config: SpanMetricsConfig): Instrument[] {
  const { namespace, histogram } = config;
  const named = (name: string) => (namespace === '' ? name : `${namespace}.${name}`);
  const sum = (name: string, description: string): Instrument =>
    ({ name: named(name), description, unit: '', type: 'sum', create: createSum });
  const bounds = boundsOf(histogram);
  const { exponential } = histogram;
  const duration = {
    name: named('duration'), description: 'How long spans took.', unit: histogram.unit,
  };
  return [
    sum('calls', 'Number of spans.'),
    exponential === undefined
      ? { ...duration, type: 'histogram', create: () => createHistogram(bounds) }
      : { ...duration, type: 'exponentialHistogram',
        create: () => createExponentialHistogram(exponential.max_size) },
    sum('events', 'Number of events of spans.'),
  ];
}

/** Which resource the metrics of spans belong to. */
function createResourceChoice(
  { resource_metrics_key_attributes: names, add_resource_attributes: isAdded }: SpanMetricsConfig,
  meter: Meter,
): (resource: Resource | undefined) => MeterResource {
  const kept = new Set(names);
  return (resource) => {
    if (!isAdded || resource === undefined) return meter.resource('', undefined);
    if (kept.size === 0) return meter.resource(resourceKey(resource, ''), resource);
    const attributes = resource.attributes.filter(({ key }) => kept.has(key));
    return meter.resource(resourceKey({ ...resource, attributes }, ''), resource);
  };
}

type Recorder = (to: MeterResource, group: TracesRequest['resourceSpans'][number]) => void;

function createRecorder(config: SpanMetricsConfig): Recorder {
  const { dimensions, events, histogram } = config;
  const dimensionsWith = (more: typeof dimensions): Dimensions => createDimensions({
    excluded: config.exclude_dimensions,
    dimensions: [...dimensions, ...more],
    scopes: config.include_instrumentation_scope,
  });
  const ofCalls = dimensionsWith(config.calls_dimensions);
  // Most have the same dimensions for both: then one key serves both.
  const isShared = config.calls_dimensions.length + histogram.dimensions.length === 0;
  const ofDuration = isShared ? ofCalls : dimensionsWith(histogram.dimensions);
  const ofEvents = dimensionsWith(events.dimensions);
  const divisor = histogram.unit === 's' ? 1e9 : 1e6;
  const recordSpan = (to: MeterResource, origin: SpanOrigin, span: Span) => {
    const weight = config.sampling_weights ? weightOf(span.traceState) : 1;
    const value = durationOf(span) / divisor;
    const exemplar = config.exemplars.enabled ? exemplarOf(span, value) : undefined;
    const one = { value, weight, exemplar };
    const key = ofCalls.key(origin, span);
    to.record(CALLS, key, () => ofCalls.attributes(origin, span), one);
    if (!histogram.disable) {
      const own = isShared ? key : ofDuration.key(origin, span);
      to.record(DURATION, own, () => ofDuration.attributes(origin, span), one);
    }
    if (!events.enabled) return;
    for (const event of span.events) {
      to.record(EVENTS, ofEvents.key(origin, span, event),
        () => ofEvents.attributes(origin, span, event), one);
    }
  };
  return (to, { resource, scopeSpans }) => {
    const attributes = resource?.attributes ?? [];
    const service = serviceOf(attributes);
    for (const { scope, spans } of scopeSpans) {
      const origin = { service, resource: attributes, scope };
      for (const span of spans) recordSpan(to, origin, span);
    }
  };
}

function serviceOf(attributes: Attributes): string {
  const value = attributes.find(({ key }) => key === 'service.name')?.value;
  return value?.type === 'string' && value.value !== '' ? value.value : UNKNOWN_SERVICE;
}

/** Nanoseconds; 0 for a span that ends before it begins. */
function durationOf({ startTimeUnixNano: start, endTimeUnixNano: end }: Span): number {
  return end > start ? Number(end - start) : 0;
}

function exemplarOf(span: Span, value: number): Exemplar | undefined {
  if (span.traceId === '') return undefined;
  return {
    filteredAttributes: [], timeUnixNano: span.endTimeUnixNano,
    value: { type: 'double', value }, spanId: span.spanId, traceId: span.traceId,
  };
}
