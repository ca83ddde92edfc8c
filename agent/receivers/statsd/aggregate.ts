// What came in since the last batch, by name, type and tags, whoever sent it. Counters and
// observers begin anew with each batch; a gauge is sent when it was heard of, and its value is
// remembered for a while, so that `+1` and `-1` mean something after a batch, too (the Collector
// begins at 0).
//
// Invariant: there are never more than `limits.series` series and `limits.values` values of
// gauges and summaries; what needs more is not kept, and its values are counted.

import { Batch } from '../../../proto/contract/batch.ts';
import type {
  Attributes, Metric, NumberDataPoint, NumberValue, ResourceMetrics,
} from '../../../proto/otlp/model.ts';
import { detached } from '../../../runtime/text.ts';
import type { World } from '../../../runtime/world.ts';
import type { Mapping, StatsdConfig } from './config.ts';
import type { StatsdLine, StatsdType } from './line.ts';
import { createObserver, type Observer, type Span } from './observers.ts';

export const limits = {
  /** Series, remembered gauges among them. */
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
  add(line: StatsdLine): number;
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

export function createAggregate(
  config: StatsdConfig,
  { clock, random }: Pick<World, 'clock' | 'random'>,
): Aggregate {
  const all = new Map<string, Series>();
  const mappings = mappingsOf(config.timer_histogram_mapping);
  let startNs = clock.nowNs();
  let values = 0;
  const find = (line: StatsdLine): Series | null => {
    const key = JSON.stringify([line.type, line.name, line.tags]);
    const known = all.get(key);
    if (known !== undefined) return known;
    if (all.size >= limits.series) return null;
    const series = createSeries(line);
    all.set(key, series);
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
    add: (line) => {
      const disabled = mappings.get(line.type)?.observer_type.startsWith('disable') === true;
      if (disabled) return 0;
      const series = find(line);
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
      const metrics = [...all.values()].filter(({ heard }) => heard)
        .map((series) => toMetric(series, span, { config, round }));
      forget(all);
      return batchesOf(metrics);
    },
    series: () => all.size,
  };
}

function mappingsOf(list: readonly Mapping[]): ReadonlyMap<StatsdType, Mapping> {
  return new Map(list.map((one) =>
    [one.statsd_type === 'timer' ? 'timing' : one.statsd_type, one]));
}

function createSeries({ name, type, tags }: StatsdLine): Series {
  const attributes = tags.map(([key, value]) =>
    ({ key: detached(key), value: { type: 'string', value: detached(value) } as const }));
  return {
    name: detached(name), type, attributes, value: 0, timeNs: 0n, observer: null, heard: false,
    idle: 0,
  };
}

function valueAfter(before: number, value: number, { type, relative, each }: StatsdLine): number {
  if (type === 'counter') return before + value * each;
  return relative ? before + value : value;
}

/** Begins anew. */
function forget(all: Map<string, Series>): void {
  for (const [key, series] of all) {
    series.idle = series.heard ? 0 : series.idle + 1;
    const remembered = series.type === 'gauge' && series.idle < limits.gaugeBatches;
    series.heard = false;
    if (!remembered) all.delete(key);
  }
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

function batchesOf(metrics: readonly Metric[]): Batch<'metrics'>[] {
  const batches: Batch<'metrics'>[] = [];
  for (let first = 0; first < metrics.length; first += limits.batchSeries) {
    const some = metrics.slice(first, first + limits.batchSeries);
    batches.push(Batch.fromRequest('metrics', { resourceMetrics: [resourceOf(some)] }));
  }
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
