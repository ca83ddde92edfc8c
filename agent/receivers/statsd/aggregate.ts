// What came in since the last batch, by sender, name, type and tags. Counters and observers begin
// anew with each batch; a gauge is sent when it was heard of, and its value is remembered for a
// while, so that `+1` and `-1` mean something after a batch, too (the Collector begins at 0).
//
// Invariant: there are never more than `limits.series` series and `limits.values` values of
// gauges and summaries; what needs more is not kept, and its values are counted.

import { Batch } from '../../../proto/contract/batch.ts';
import type {
  Attributes, Metric, NumberDataPoint, NumberValue, ResourceMetrics,
} from '../../../proto/otlp/model.ts';
import type { World } from '../../../runtime/world.ts';
import type { Mapping, StatsdConfig } from './config.ts';
import type { StatsdLine, StatsdType } from './line.ts';
import { createObserver, type Observer, type Span } from './observers.ts';

export const limits = {
  /** Series of all senders, remembered gauges among them. */
  series: 100_000,
  /** Values that are kept one by one. */
  values: 500_000,
  /** A gauge that was not heard of for so many batches is forgotten. */
  gaugeBatches: 60,
  /** Series in one batch; more make several. */
  batchSeries: 8000,
} as const;

/** The scope of all metrics. */
const SCOPE = 'binnacle/agent/statsd';
const DELTA = 1;

export interface Aggregate {
  /** The number of values that were not kept. */
  add(line: StatsdLine, sender: string): number;
  /** All that came since the last call; none when nothing did. */
  flush(): Batch<'metrics'>[];
  series(): number;
}

interface Series {
  readonly name: string;
  readonly type: StatsdType;
  readonly attributes: Attributes;
  /** Of a gauge or counter. */
  value: number;
  timeNs: bigint;
  observer: Observer | null;
  /** Heard of since the last batch. */
  heard: boolean;
  /** Batches since it was. */
  idle: number;
}

type Senders = Map<string, Map<string, Series>>;

export function createAggregate(
  config: StatsdConfig,
  { clock, random }: Pick<World, 'clock' | 'random'>,
): Aggregate {
  const senders: Senders = new Map();
  const mappings = mappingsOf(config.timer_histogram_mapping);
  let startNs = clock.nowNs();
  let count = 0;
  let values = 0;
  const find = (line: StatsdLine, sender: string): Series | null => {
    const key = JSON.stringify([line.type, line.name, line.tags]);
    const own = senders.get(sender) ?? new Map<string, Series>();
    const known = own.get(key);
    if (known !== undefined) return known;
    if (count >= limits.series) return null;
    count += 1;
    senders.set(sender, own);
    const series = createSeries(line);
    own.set(key, series);
    return series;
  };
  const observe = (series: Series, line: StatsdLine): number => {
    series.observer ??= createObserver(mappings.get(line.type), line.name, random);
    const { observer } = series;
    if (observer === null) return 0;
    let lost = 0;
    for (const value of line.values) {
      const before = observer.kept();
      if (values >= limits.values && before > 0) lost += 1;
      else observer.add(value, line.each, clock.nowNs());
      values += observer.kept() - before;
    }
    return lost;
  };
  return {
    add: (line, sender) => {
      const disabled = mappings.get(line.type)?.observer_type.startsWith('disable') === true;
      if (disabled) return 0;
      const series = find(line, sender);
      if (series === null) return line.values.length;
      series.heard = true;
      series.timeNs = line.timeNs;
      if (line.type !== 'gauge' && line.type !== 'counter') return observe(series, line);
      for (const value of line.values) series.value = valueAfter(series.value, value, line);
      return 0;
    },
    flush: () => {
      const span = { startNs, timeNs: clock.nowNs() };
      startNs = span.timeNs;
      values = 0;
      const round = rounding(config.counter_type, () => random.float());
      const groups = [...senders.values()].map((own) =>
        [...own.values()].filter(({ heard }) => heard)
          .map((series) => toMetric(series, span, { config, round })));
      count = forget(senders);
      return batchesOf(groups);
    },
    series: () => count,
  };
}

function mappingsOf(list: readonly Mapping[]): ReadonlyMap<StatsdType, Mapping> {
  return new Map(list.map((one) =>
    [one.statsd_type === 'timer' ? 'timing' : one.statsd_type, one]));
}

function createSeries({ name, type, tags }: StatsdLine): Series {
  const attributes = tags.map(([key, value]) =>
    ({ key, value: { type: 'string', value } as const }));
  return { name, type, attributes, value: 0, timeNs: 0n, observer: null, heard: false, idle: 0 };
}

function valueAfter(before: number, value: number, { type, relative, each }: StatsdLine): number {
  if (type === 'counter') return before + value * each;
  return relative ? before + value : value;
}

/** Begins anew; the number of series that are remembered. */
function forget(senders: Senders): number {
  let count = 0;
  for (const [sender, own] of senders) {
    for (const [key, series] of own) {
      series.idle = series.heard ? 0 : series.idle + 1;
      const remembered = series.type === 'gauge' && series.idle < limits.gaugeBatches;
      series.heard = false;
      if (!remembered) own.delete(key);
    }
    if (own.size === 0) senders.delete(sender);
    count += own.size;
  }
  return count;
}

type Round = (value: number) => NumberValue;

function rounding(type: StatsdConfig['counter_type'], chance: () => number): Round {
  switch (type) {
    case 'float': return (value) => ({ type: 'double', value });
    case 'int': return (value) => ({ type: 'int', value: BigInt(bounded(Math.round(value))) });
    case 'stochastic_int': return (value) =>
      ({ type: 'int', value: BigInt(bounded(Math.floor(value + chance()))) });
  }
}

/** What fits into the 64 bits of OTLP. */
const bounded = (value: number): number =>
  Math.max(-(2 ** 63), Math.min(2 ** 63 - 1024, value));

interface Making {
  readonly config: StatsdConfig;
  readonly round: Round;
}

function toMetric(series: Series, span: Span, { config, round }: Making): Metric {
  const head = { name: series.name, description: '', unit: '', metadata: [] };
  const { type, attributes, observer } = series;
  if (observer !== null) return { ...head, data: observer.toData(attributes, span) };
  const timeUnixNano = series.timeNs > 0n ? series.timeNs : span.timeNs;
  const point = { attributes, timeUnixNano, flags: 0, exemplars: [] };
  if (type === 'gauge') {
    const value = { type: 'double', value: series.value } as const;
    const dataPoints: NumberDataPoint[] = [{ ...point, startTimeUnixNano: 0n, value }];
    return { ...head, data: { type: 'gauge', dataPoints } };
  }
  const startTimeUnixNano = timeUnixNano < span.startNs ? timeUnixNano : span.startNs;
  return { ...head, data: {
    type: 'sum', aggregationTemporality: DELTA, isMonotonic: config.is_monotonic_counter,
    dataPoints: [{ ...point, startTimeUnixNano, value: round(series.value) }],
  } };
}

/** A resource for each sender. */
function batchesOf(groups: readonly (readonly Metric[])[]): Batch<'metrics'>[] {
  const batches: Batch<'metrics'>[] = [];
  let resourceMetrics: ResourceMetrics[] = [];
  let room: number = limits.batchSeries;
  const close = (): void => {
    if (resourceMetrics.length === 0) return;
    batches.push(Batch.fromRequest('metrics', { resourceMetrics }));
    resourceMetrics = [];
    room = limits.batchSeries;
  };
  for (const group of groups) {
    for (let first = 0; first < group.length;) {
      const metrics = group.slice(first, first + room);
      resourceMetrics.push(resourceOf(metrics));
      first += metrics.length;
      room -= metrics.length;
      if (room === 0) close();
    }
  }
  close();
  return batches;
}

function resourceOf(metrics: readonly Metric[]): ResourceMetrics {
  const scope = { name: SCOPE, version: '', attributes: [], droppedAttributesCount: 0 };
  return {
    resource: { attributes: [], droppedAttributesCount: 0, entityRefs: [] },
    scopeMetrics: [{ scope, metrics, schemaUrl: '' }],
    schemaUrl: '',
  };
}
