// The keys of span_metrics, as the Collector's spanmetrics has them, and how they become what the
// connector works with.

import * as z from 'zod';
import {
  count, duration, fault, ignoredKey, optionalSection, refusedKey, section, strictObject,
} from '../../../config/schema.ts';

/** Dimensions that every series has unless `exclude_dimensions` names them. */
export const OWN_DIMENSIONS = ['service.name', 'span.name', 'span.kind', 'status.code'] as const;

const BUCKETS = [
  '2ms', '4ms', '6ms', '8ms', '10ms', '50ms', '100ms', '200ms', '400ms', '800ms', '1s', '1400ms',
  '2s', '5s', '10s', '15s',
];

const dimensions = (what: string) => z.array(strictObject({
  name: z.string().min(1).describe('An attribute of the span, or else of its resource.'),
  default: z.string().describe('Its value where it is absent; the dimension is left out if none.')
    .optional(),
})).describe(what).default([]);

const temporality = () => z.string().toUpperCase()
  .transform((text) => text.replace(/^AGGREGATION_TEMPORALITY_/, ''))
  .pipe(z.enum(['CUMULATIVE', 'DELTA']));

const histogram = () => section({
  disable: z.boolean().describe('Leaves out the durations.').default(false),
  unit: z.enum(['ms', 's']).describe('The unit of durations.').default('ms'),
  explicit: optionalSection({
    buckets: z.array(duration()).min(1).describe('Upper bounds, growing.').prefault(BUCKETS),
  }).describe('A histogram with fixed bounds; the default.'),
  exponential: optionalSection({
    max_size: count({ min: 2, max: 16_384 }).describe('Most buckets.').default(160),
  }).describe('A histogram whose buckets follow the values.'),
  dimensions: dimensions('Dimensions of the durations alone.'),
}).superRefine(({ explicit, exponential }, ctx) => {
  if (explicit !== undefined && exponential !== undefined) {
    fault(ctx, 'cannot be used together with explicit', 'keep one of the two', ['exponential']);
  }
  if (!isGrowing(explicit?.buckets ?? [])) {
    fault(ctx, 'must grow from one to the next', '', ['explicit', 'buckets']);
  }
});

export const createSchema = () => section({
  histogram: histogram().describe('How durations are gathered.'),
  dimensions: dimensions('Attributes by which calls and durations are told apart.'),
  calls_dimensions: dimensions('Dimensions of the calls alone.'),
  exclude_dimensions: z.array(z.string()).describe(
    'Of service.name, span.name, span.kind and status.code, those to leave out.').default([]),
  dimensions_cache_size: ignoredKey(
    'dimensions are kept with their series, which aggregation_cardinality_limit bounds'),
  aggregation_cardinality_limit: count()
    .describe('Series of one metric of one resource; what is beyond is one series. 0: 200000.')
    .default(0),
  resource_metrics_cache_size: count({ min: 1, max: 100_000 })
    .describe('Resources whose metrics are kept; those seen last.').default(1000),
  resource_metrics_key_attributes: z.array(z.string()).describe(
    'Resource attributes that tell resources apart; none: all of them.').default([]),
  add_resource_attributes: z.boolean()
    .describe('Whether metrics have the resource of their spans; otherwise they have none.')
    .default(true),
  aggregation_temporality: temporality()
    .describe('AGGREGATION_TEMPORALITY_CUMULATIVE or AGGREGATION_TEMPORALITY_DELTA.')
    .prefault('AGGREGATION_TEMPORALITY_CUMULATIVE'),
  namespace: z.string().describe('Begins the names of the metrics; empty for none.')
    .default('traces.span.metrics'),
  metrics_flush_interval: duration({ min: '1ms' }).describe('Time between two reports.')
    .prefault('60s'),
  metrics_expiration: duration()
    .describe('A series without spans for so long is no longer reported. 0: never.').prefault('0'),
  metric_timestamp_cache_size: count({ min: 1, max: 1_000_000 })
    .describe('Quiet series of deltas of which is known where their last stretch ended.')
    .default(1000),
  delta_temporality: refusedKey('write metric_timestamp_cache_size'),
  exemplars: section({
    enabled: z.boolean().describe('Whether points name spans as examples.').default(false),
    max_per_data_point: count({ min: 1, max: 1000 }).describe('Most examples of a point.')
      .default(5),
  }).describe('Examples of spans.'),
  events: section({
    enabled: z.boolean().describe('Whether events of spans are counted, too.').default(false),
    dimensions: dimensions('Attributes of events by which they are told apart; needed.'),
  }).describe('Counts of the events of spans.'),
  include_instrumentation_scope: z.array(z.string()).describe(
    'Names of scopes whose series have span.instrumentation.scope.name and .version.')
    .default([]),
  sampling_weights: z.boolean()
    .describe('Whether a span counts for all those that samplers left out for it.').default(true),
}).superRefine((config, ctx) => {
  const { dimensions: own, events } = config;
  checkNames(ctx, [], own, ['dimensions']);
  checkNames(ctx, own, config.calls_dimensions, ['calls_dimensions']);
  checkNames(ctx, own, config.histogram.dimensions, ['histogram', 'dimensions']);
  if (!events.enabled) return;
  checkNames(ctx, own, events.dimensions, ['events', 'dimensions']);
  if (events.dimensions.length === 0) {
    fault(ctx, 'must not be empty', 'name attributes of events, such as exception.type',
      ['events', 'dimensions']);
  }
});

export type SpanMetricsConfig = z.output<ReturnType<typeof createSchema>>;

export interface DimensionConfig {
  readonly name: string;
  readonly default?: string | undefined;
}

/** Upper bounds in the unit of the histogram. */
export function boundsOf({ explicit, unit }: SpanMetricsConfig['histogram']): readonly number[] {
  const milliseconds = explicit?.buckets ?? DEFAULT_BOUNDS_MS;
  return unit === 's' ? milliseconds.map((one) => one / 1000) : milliseconds;
}

const DEFAULT_BOUNDS_MS = [
  2, 4, 6, 8, 10, 50, 100, 200, 400, 800, 1000, 1400, 2000, 5000, 10_000, 15_000,
];

const isGrowing = (numbers: readonly number[]): boolean =>
  numbers.every((one, index) => index === 0 || one > numbers[index - 1]!);

function checkNames(
  ctx: z.core.$RefinementCtx<unknown>,
  before: readonly DimensionConfig[],
  list: readonly DimensionConfig[],
  path: string[],
): void {
  const taken = new Set<string>([...OWN_DIMENSIONS, ...before.map(({ name }) => name)]);
  for (const [index, { name }] of list.entries()) {
    if (taken.has(name)) {
      fault(ctx, 'is a dimension already', 'remove it', [...path, index, 'name'] as never);
    }
    taken.add(name);
  }
}
