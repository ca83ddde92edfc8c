// Keeps attributes with ever new values (user ids, paths, random names) from making ever new
// series. Values of each attribute of each metric are counted by epochs; of one that gets too many
// new ones, what is too many is held off, and everything else is left alone.
//
//   tag_only                the point gets otel.metric.overflow=true and stays as it is
//   overflow_attribute      otel.metric.overflow=true stands in the place of the attribute
//   strip_and_reaggregate   the attribute is removed
//
// Promises: in the last two, points that become alike are one afterwards, and no number is lost:
// deltas are added, cumulative series are added by what they grow (totals.ts), of gauges the newest
// is kept. What cannot be added (summaries, cumulative sums that may fall, histograms with other
// bounds) is treated as tag_only. Everything is in memory, and bounded: trackers.ts, totals.ts.

import type { Batch } from '../../../proto/contract/batch.ts';
import type {
  ComponentContext, Consumer, Processor, ProcessorFactory,
} from '../../../proto/contract/component.ts';
import { ACCEPTED, rejected, type Outcome } from '../../../proto/contract/outcome.ts';
import type {
  AnyValue, Attributes, DataPoint, Metric, MetricData,
} from '../../../proto/otlp/model.ts';
import { DecodeError } from '../../../proto/protobuf/error.ts';
import type { Timer } from '../../../runtime/clock.ts';
import { registerSeries } from '../../series/gauges.ts';
import { attributesKey, valueKey } from '../../series/identity.ts';
import type { SeriesPlace } from '../../series/table.ts';
import { editPoints, editRecords } from '../edit/records.ts';
import { createSchema, type CardinalityGuardConfig } from './config.ts';
import { createMerging, type Merging } from './merging.ts';
import { createTotals, type MetricTotals, type Totals } from './totals.ts';
import { createTrackers, type MetricTrackers, type Trackers } from './trackers.ts';

export const cardinalityGuardProcessor: ProcessorFactory<CardinalityGuardConfig> = {
  kind: 'processor',
  type: 'cardinality_guard',
  aliases: ['cardinality_guardian'],
  signals: ['metrics'],
  get schema() {
    return createSchema();
  },
  create: createGuard,
};

const limits = {
  /** Cumulative series that are part of totals; points of those beyond are dropped, and counted. */
  streamsMax: 100_000,
  /** Epochs without points after which such a series is forgotten. */
  quietEpochs: 12,
} as const;

const DELTA = 1;
const CUMULATIVE = 2;
const MARK = 'otel.metric.overflow';
const TRUE: AnyValue = { type: 'bool', value: true };

/** What happened to a batch. */
interface Work {
  /** Of its metrics. */
  readonly totals: MetricTotals[];
  /** Attributes that were held off. */
  stripped: number;
  /** Points that could not become part of a total. */
  untracked: number;
}

function createGuard(
  config: CardinalityGuardConfig,
  context: ComponentContext,
  next: Consumer,
): Processor {
  const { clock } = context.world;
  const epochMs = config.epoch_duration_seconds * 1000;
  const logged = createLoggedLines(config, context);
  const trackers = createTrackers({
    trackersMax: config.max_tracker_count,
    newMax: (metric) => overrideOf(config, metric),
    overflow: logged.overflow,
  });
  const totals = createTotals({
    startedNs: clock.nowNs(), streamsMax: limits.streamsMax, nowMs: clock.monotonicMs,
  });
  const { untracked } = registerSeries(context, 'processor', totals.size);
  const watch: { trackers: Trackers | null } = { trackers };
  const stripped = registerCounters(config, context, trackers, watch);
  const convert = createConversion(config, trackers, totals);
  let timer: Timer | null = null;
  return {
    start: async () => {
      timer ??= clock.every(epochMs, () => {
        trackers.rotate();
        logged.rotate();
        totals.sweep(clock.monotonicMs() - limits.quietEpochs * epochMs);
      });
    },
    stop: async () => {
      timer?.cancel();
      watch.trackers = null;
    },
    consume: async (batch, abort): Promise<Outcome> => {
      if (!batch.is('metrics')) return next.consume(batch, abort);
      const work: Work = { totals: [], stripped: 0, untracked: 0 };
      let guarded: Batch | null;
      try {
        guarded = editRecords(batch, (metric, place) => convert(metric, place, work));
      } catch (error) {
        if (error instanceof DecodeError) return rejected(error.message);
        throw error;
      }
      const outcome = guarded === null ? ACCEPTED : await next.consume(guarded, abort);
      if (outcome.status === 'retryable') {
        totals.undo(work.totals.flatMap(({ changes }) => changes));
      } else {
        stripped.add(work.stripped);
        untracked.add(work.untracked);
      }
      return outcome;
    },
  };
}

/** Overrides are looked up as own keys: a metric may be called `constructor`. */
function overrideOf(config: CardinalityGuardConfig, metric: string): number {
  const { metric_overrides: overrides } = config;
  return Object.hasOwn(overrides, metric) ? overrides[metric]!
    : config.max_cardinality_delta_per_epoch;
}

/** Tells in the log which attribute explodes, each once per epoch. */
function createLoggedLines(
  { drop_log_max_per_epoch: most }: CardinalityGuardConfig,
  { log }: ComponentContext,
) {
  let lines = 0;
  return {
    overflow: (metric: string, attribute: string) => {
      lines += 1;
      if (most > 0 && lines > most) return;
      log.warn('an attribute has too many new values: they are held off', { metric, attribute });
    },
    rotate: () => {
      if (most > 0 && lines > most) {
        log.warn('more attributes had too many new values', { attributes: lines - most });
      }
      lines = 0;
    },
  };
}

function registerCounters(
  config: CardinalityGuardConfig,
  { id, counters }: ComponentContext,
  trackers: Trackers,
  /** Null when it has stopped: the counters outlive it. */
  watch: { readonly trackers: Trackers | null },
) {
  const labels = { processor: id };
  const { top_offenders_count: most, estimated_cost_per_metric_month: cost } = config;
  counters.gauge('otelcol_processor_cardinality_trackers_active',
    'Pairs of metric and attribute that are watched.', trackers.size, labels);
  counters.counterFrom('otelcol_processor_cardinality_trackers_rejected_total',
    'Times that a pair of metric and attribute could not be watched.', trackers.rejected, labels);
  counters.gauges('otelcol_processor_cardinality_top_offenders',
    'Values in an epoch of the attributes that had too many.', () =>
      (watch.trackers?.offenders(most) ?? []).map(({ metric, attribute, values }) =>
        [{ ...labels, metric_name: metric, label_key: attribute }, values] as const));
  counters.counterFrom('otelcol_processor_cardinality_savings_estimated_total',
    'What the values that were held off would cost a month.', () => trackers.heldOff() * cost,
    labels);
  return counters.counter('otelcol_processor_cardinality_labels_stripped_total',
    'Attributes of points that were held off.', labels);
}

type Conversion = (metric: Metric, place: SeriesPlace, work: Work) => Metric | null;

function createConversion(
  config: CardinalityGuardConfig,
  trackers: Trackers,
  totals: Totals,
): Conversion {
  const { enforcement_mode: mode } = config;
  const exempt = new Set([...config.never_drop_labels, MARK]);
  const tooMany = (watched: MetricTrackers, { attributes }: DataPoint): Set<string> | null => {
    let names: Set<string> | null = null;
    for (const { key, value } of attributes) {
      if (exempt.has(key) || watched.passes(key, textOf(value))) continue;
      (names ??= new Set()).add(key);
    }
    return names;
  };
  const reduce = ({ attributes }: DataPoint, names: ReadonlySet<string>): Attributes => {
    const kept = attributes.filter(({ key }) => !names.has(key));
    return mode === 'overflow_attribute' ? marked(kept) : kept;
  };
  return (metric, place, work) => {
    const watched = trackers.metric(metric.name);
    const sink = mode === 'tag_only' ? null : sinkOf(metric, place, totals, work);
    const kept = editPoints(metric, (point) => {
      const names = tooMany(watched, point);
      const known = sink?.known(point);
      if (names === null && known === undefined) return point;
      if (known !== point.attributes) work.stripped += names?.size ?? 1;
      if (sink?.take(point, known ?? reduce(point, names!)) === true) return null;
      return { ...point, attributes: marked(point.attributes) };
    });
    if (kept === metric || sink === null) return kept;
    // One that passed may be what others have become: it is one with them.
    const apart = kept === null ? null : editPoints(kept, (point) =>
      (sink.known(point) !== undefined && sink.take(point, point.attributes) ? null : point));
    return withPoints(metric, apart, [...sink.points()]);
  };
}

/** Where the points of a metric go that become alike. */
interface Sink {
  /** The attributes under which a point belongs here whatever its values; undefined if not. */
  known(point: DataPoint): Attributes | undefined;
  /** False: it cannot be one with others. */
  take(point: DataPoint, reduced: Attributes): boolean;
  points(): Iterable<DataPoint>;
}

/** Null where points cannot be added up. */
function sinkOf(metric: Metric, place: SeriesPlace, totals: Totals, work: Work): Sink | null {
  const { data } = metric;
  switch (data?.type) {
    case 'gauge':
      return mergingSink(createMerging(null));
    case 'sum':
    case 'histogram':
    case 'exponentialHistogram':
      if (data.aggregationTemporality === DELTA) return mergingSink(createMerging(data.type));
      if (data.type === 'sum' && !data.isMonotonic) return null;
      if (data.aggregationTemporality !== CUMULATIVE) return null;
      return totalsSink(totals.metric(place, metric, data.type), work);
    default:
      return null;
  }
}

function mergingSink(merging: Merging): Sink {
  return {
    // Nothing is here when the first points are looked at, so most cost no key.
    known: (point) => (merging.size() > 0 && merging.has(attributesKey(point.attributes))
      ? point.attributes : undefined),
    take: (point, reduced) => merging.add(point, reduced),
    points: merging.points,
  };
}

function totalsSink(totals: MetricTotals, work: Work): Sink {
  work.totals.push(totals);
  return {
    known: ({ attributes }) => (totals.size() > 0
      ? totals.reducedOf(attributesKey(attributes), attributes) : undefined),
    take: (point, reduced) => {
      if (!totals.add(attributesKey(point.attributes), point, reduced)) work.untracked += 1;
      return true;
    },
    points: totals.points,
  };
}

function withPoints(
  metric: Metric,
  kept: Metric | null,
  more: readonly DataPoint[],
): Metric | null {
  const dataPoints = [...(kept?.data?.dataPoints ?? []), ...more];
  if (dataPoints.length === 0) return null;
  const data: object = { ...metric.data, dataPoints };
  return { ...metric, data: data as MetricData };
}

function marked(attributes: Attributes): Attributes {
  if (attributes.some(({ key }) => key === MARK)) return attributes;
  return [...attributes, { key: MARK, value: TRUE }];
}

function textOf(value: AnyValue): string {
  return value.type === 'string' ? value.value : valueKey(value);
}
