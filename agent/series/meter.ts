// Metrics that a component makes of what it sees: each metric has series by resource and
// attributes, observations are added up in them, and reports are made of them.
//
// Promises:
// - Cumulative: every report has all series. One that could not be delivered costs nothing.
// - Delta: a report has what came since the one before; what could not be delivered is part of the
//   next one. A series that is quiet is remembered, up to `quietMax`, so that its next stretch
//   begins where the last one ended and its rounding goes on.
// - Beyond a bound observations are not lost but lose their attributes: they go to a series with
//   the one attribute `otel.metric.overflow`, as OpenTelemetry's SDKs do it.

import { Batch } from '../../proto/contract/batch.ts';
import type {
  Attributes, DataPoint, Exemplar, Metric, MetricData, Resource,
} from '../../proto/otlp/model.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { AccumulatedAmount, Accumulator } from './accumulators.ts';
import type { Report } from './reporter.ts';
import { createRequestBuilder } from './requests.ts';
import type { SeriesPlace } from './table.ts';

export type Temporality = 'cumulative' | 'delta';

export interface Instrument {
  readonly name: string;
  readonly description: string;
  readonly unit: string;
  readonly type: 'sum' | 'histogram' | 'exponentialHistogram';
  create(): Accumulator<AccumulatedAmount>;
}

export interface MeterOptions {
  readonly clock: Clock;
  /** The instrumentation scope of all metrics. */
  readonly scope: string;
  readonly instruments: readonly Instrument[];
  readonly temporality: Temporality;
  /** Series of one metric of one resource; 0: no bound but that of the meter. */
  readonly seriesOfMetricMax: number;
  /** Resources that are kept from one report to the next; those seen last. */
  readonly resourcesMax: number;
  /** Quiet series of delta metrics that are kept. */
  readonly quietMax: number;
  /** A series without observations for so long is forgotten; 0: never. */
  readonly expirationMs: number;
  readonly exemplarsMax: number;
  /** How far behind now the reports are dated. */
  readonly offsetNs?: bigint;
  /** Told when points of a report are lost. */
  lost?(points: number, reason: 'rejected' | 'undelivered'): void;
}

export interface Observation {
  readonly value: number;
  readonly weight: number;
  readonly exemplar?: Exemplar | undefined;
}

export interface MeterResource {
  /**
   * Adds to the series with this key, which stands for the attributes: those are asked for when it
   * is new. `instrument` is the place in the list of the options.
   */
  record(instrument: number, key: string, attributes: () => Attributes, one: Observation): void;
}

export interface Meter {
  /** By a key that stands for the resource, which is used when it is new. */
  resource(key: string, resource: Resource | undefined): MeterResource;
  /** Series that are remembered. */
  size(): number;
  /** What is to be reported. `isLast` when nobody will ask again. */
  collect(isLast?: boolean): readonly Report[];
}

const limits = {
  /** Series of all metrics; what is beyond goes to series of overflow. */
  seriesMax: 200_000,
} as const;

export const OVERFLOW: Attributes = [
  { key: 'otel.metric.overflow', value: { type: 'bool', value: true } },
];
const OVERFLOW_KEY = 'overflow';

interface Series {
  readonly attributes: Attributes;
  readonly accumulator: Accumulator<AccumulatedAmount>;
  startNs: bigint;
  seenMs: number;
  /** Whether there is something that was not reported. */
  isFresh: boolean;
  exemplars: Exemplar[];
}

interface Group extends MeterResource {
  readonly place: SeriesPlace;
  /** By instrument. */
  readonly series: readonly Map<string, Series>[];
  seenMs: number;
}

interface Sent {
  readonly series: Series;
  readonly amount: AccumulatedAmount;
  readonly exemplars: Exemplar[];
}

export function createMeter(options: MeterOptions): Meter {
  const { clock, instruments, temporality, exemplarsMax, offsetNs = 0n } = options;
  const groups = new Map<string, Group>();
  const isDelta = temporality === 'delta';
  const metrics = instruments.map((one) => metricOf(one, isDelta ? 1 : 2));
  let size = 0;

  const seriesAt = (group: Group, index: number, key: string, attributes: () => Attributes) => {
    const own = group.series[index]!;
    const known = own.get(key);
    if (known !== undefined) return known;
    const most = options.seriesOfMetricMax;
    const isFull = size >= limits.seriesMax || (most > 0 && own.size >= most);
    if (isFull && key !== OVERFLOW_KEY) return seriesAt(group, index, OVERFLOW_KEY, () => OVERFLOW);
    const created: Series = {
      attributes: attributes(), accumulator: instruments[index]!.create(),
      startNs: clock.nowNs() - offsetNs, seenMs: 0, isFresh: false, exemplars: [],
    };
    own.set(key, created);
    size += 1;
    return created;
  };
  const createGroup = (resource: Resource | undefined): Group => {
    const group: Group = {
      place: placeOf(resource, options.scope),
      series: instruments.map(() => new Map()),
      seenMs: clock.monotonicMs(),
      record: (index, key, attributes, { value, weight, exemplar }) => {
        const series = seriesAt(group, index, key, attributes);
        series.accumulator.record(value, weight);
        series.seenMs = group.seenMs;
        series.isFresh = true;
        if (exemplar !== undefined) keepExemplar(series, exemplar, exemplarsMax);
      },
    };
    return group;
  };
  const forget = (group: Group, index: number, key: string) => {
    if (group.series[index]!.delete(key)) size -= 1;
  };
  /** The series to report; those that nobody asks for any more are removed. */
  const due = function* (): Iterable<readonly [Group, number, Series]> {
    const now = clock.monotonicMs();
    const quiet: { group: Group; index: number; key: string; seenMs: number }[] = [];
    for (const group of groups.values()) {
      for (const [index, own] of group.series.entries()) {
        for (const [key, series] of own) {
          const { expirationMs } = options;
          const isOver = expirationMs > 0 && now - series.seenMs >= expirationMs;
          if (isOver && !series.isFresh) forget(group, index, key);
          else if (!isDelta || series.isFresh) yield [group, index, series];
          else quiet.push({ group, index, key, seenMs: series.seenMs });
        }
      }
    }
    quiet.sort((one, other) => other.seenMs - one.seenMs);
    for (const { group, index, key } of quiet.slice(options.quietMax)) forget(group, index, key);
  };
  const forgetGroups = () => {
    for (const [key, group] of groups) {
      if (group.series.every((own) => own.size === 0)) groups.delete(key);
    }
    const over = groups.size - options.resourcesMax;
    if (over <= 0) return;
    const oldest = [...groups].sort(([, one], [, other]) => one.seenMs - other.seenMs);
    for (const [key, group] of oldest.slice(0, over)) {
      size -= group.series.reduce((sum, own) => sum + own.size, 0);
      groups.delete(key);
    }
  };
  const settle = (sent: readonly Sent[], status: string, isLast: boolean, timeNs: bigint) => {
    if (status === 'accepted') {
      if (isDelta) for (const { series } of sent) series.startNs = timeNs;
      return;
    }
    const isLost = isLast || (isDelta && status === 'rejected');
    if (isLost) options.lost?.(sent.length, status === 'rejected' ? 'rejected' : 'undelivered');
    if (status === 'rejected') return;
    for (const { series, amount, exemplars } of sent) {
      if (isDelta) series.accumulator.giveBack(amount);
      series.isFresh = true;
      for (const one of exemplars) keepExemplar(series, one, exemplarsMax);
    }
  };
  return {
    resource: (key, resource) => {
      let group = groups.get(key);
      if (group === undefined) {
        // Between two reports twice as many are held; what is beyond has no resource of its own.
        if (groups.size >= 2 * options.resourcesMax) return overflowGroup(groups, createGroup);
        group = createGroup(resource);
        groups.set(key, group);
      }
      group.seenMs = clock.monotonicMs();
      return group;
    },
    size: () => size,
    collect: (isLast = false) => {
      const builder = createRequestBuilder<Sent>();
      const timeNs = clock.nowNs() - offsetNs;
      for (const [group, index, series] of due()) {
        const { accumulator, exemplars, startNs } = series;
        const amount = isDelta ? accumulator.take() : accumulator.total();
        const point = pointOf(series, amount, startNs, timeNs);
        builder.add(group.place, metrics[index]!, point, { series, amount, exemplars });
        series.isFresh = false;
        series.exemplars = [];
      }
      forgetGroups();
      return builder.finish().map(({ request, sources }) => ({
        batch: Batch.fromRequest('metrics', request),
        settle: ({ status }) => settle(sources, status, isLast, timeNs),
      }));
    },
  };
}

function overflowGroup(
  groups: Map<string, Group>,
  create: (resource: Resource | undefined) => Group,
): Group {
  const known = groups.get(OVERFLOW_KEY);
  if (known !== undefined) return known;
  const group = create({ attributes: OVERFLOW, droppedAttributesCount: 0, entityRefs: [] });
  groups.set(OVERFLOW_KEY, group);
  return group;
}

function placeOf(resource: Resource | undefined, scope: string): SeriesPlace {
  return { resource, resourceSchemaUrl: '', scopeSchemaUrl: '',
    scope: { name: scope, version: '', attributes: [], droppedAttributesCount: 0 } };
}

function metricOf(instrument: Instrument, aggregationTemporality: number): Metric {
  const { name, description, unit, type } = instrument;
  const data = type === 'sum' ? { type, aggregationTemporality, isMonotonic: true, dataPoints: [] }
    : { type, aggregationTemporality, dataPoints: [] };
  return { name, description, unit, metadata: [], data: data as MetricData };
}

function pointOf(
  { attributes, exemplars }: Series,
  { kind, ...amount }: AccumulatedAmount,
  startTimeUnixNano: bigint,
  timeUnixNano: bigint,
): DataPoint {
  const point = { attributes, startTimeUnixNano, timeUnixNano, flags: 0, exemplars, ...amount };
  return point;
}

/** The newest are kept. */
function keepExemplar({ exemplars }: Series, exemplar: Exemplar, most: number): void {
  if (most === 0) return;
  if (exemplars.length >= most) exemplars.shift();
  exemplars.push(exemplar);
}
