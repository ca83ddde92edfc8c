// The series that are shown: of each the last value that came, deltas added up. A series goes when
// it was not heard of for `metric_expiration`, or when a point says that it has ended.
//
// Invariant: there are never more than `limits.series`; points of further ones are not kept, and
// are counted.

import type {
  DataPoint, Metric, MetricData, MetricsRequest,
} from '../../../proto/otlp/model.ts';
import { metricName, unitWords } from '../../../proto/prometheus/names.ts';
import type { Clock } from '../../../runtime/clock.ts';
import { STRATEGIES, type PrometheusConfig } from './config.ts';
import { createLabeller, type Labeller, type Pairs } from './labels.ts';
import { added, seriesIn, valueOf, type SeriesValue } from './values.ts';

export const limits = {
  /**
   * Series as Prometheus counts them, each bucket one. Points that need more are not kept, and are
   * counted.
   */
  series: 200_000,
} as const;

/** `unknown` is written `untyped` in the text format. */
export type FamilyType = 'counter' | 'gauge' | 'histogram' | 'summary' | 'unknown' | 'info'
  | 'stateset';

export interface Series {
  /** `a="1",b="2"`. */
  readonly labels: string;
  value: SeriesValue;
  startNs: bigint;
  timeNs: bigint;
  heardMs: number;
}

export interface Family {
  readonly name: string;
  readonly type: FamilyType;
  readonly help: string;
  /** The word of the unit when the name ends with it, or ''. */
  readonly unit: string;
  readonly series: Map<string, Series>;
}

export type DropReason = 'too many series' | 'other type' | 'not usable';

export interface Store {
  /** The points that will never be shown, by reason. */
  add(request: MetricsRequest): Map<DropReason, number>;
  /** In order of their names, without what has expired. */
  families(): Family[];
  size(): number;
}

export interface StoreOptions {
  readonly config: PrometheusConfig;
  readonly clock: Clock;
  readonly seriesMax: number;
}

const NO_RECORDED_VALUE = 1;
const DELTA = 1;
const CUMULATIVE = 2;

export function createStore({ config, clock, seriesMax }: StoreOptions): Store {
  const families = new Map<string, Family>();
  const labeller = createLabeller(config);
  const { translation_strategy: strategy, namespace } = config;
  const suffixes = strategy === undefined ? config.add_metric_suffixes : STRATEGIES[strategy]!;
  let size = 0;
  let sweptMs = clock.monotonicMs();
  const sweep = (): void => {
    const oldest = clock.monotonicMs() - config.metric_expiration;
    sweptMs = clock.monotonicMs();
    for (const [name, { series }] of families) {
      for (const [labels, one] of series) {
        if (one.heardMs < oldest && series.delete(labels)) size -= seriesIn(one.value);
      }
      if (series.size === 0) families.delete(name);
    }
  };
  /** Says why it is not kept, or null. */
  const put = (family: FamilyHead, labels: string, point: DataPoint, value: SeriesValue,
    delta: boolean): DropReason | null => {
    let known = families.get(family.name);
    if (known !== undefined && known.type !== family.type) return 'other type';
    const before = known?.series.get(labels);
    if (before === undefined && size + seriesIn(value) > seriesMax) return 'too many series';
    if (known === undefined) families.set(family.name, known = { ...family, series: new Map() });
    const { startTimeUnixNano: startNs, timeUnixNano: timeNs } = point;
    const now = { labels, value, startNs, timeNs, heardMs: clock.monotonicMs() };
    if (before === undefined) known.series.set(labels, now);
    else size -= seriesIn(before.value);
    if (before !== undefined) replace(before, now, delta);
    size += seriesIn(before?.value ?? value);
    return null;
  };
  const end = (name: string, labels: string): void => {
    const series = families.get(name)?.series;
    const ended = series?.get(labels);
    if (ended === undefined) return;
    size -= seriesIn(ended.value);
    series?.delete(labels);
  };
  return {
    add: (request) => {
      if (clock.monotonicMs() - sweptMs > config.metric_expiration) sweep();
      const dropped = new Map<DropReason, number>();
      each(request, labeller, (metric, more) => {
        const head = headOf(metric, { namespace, suffixes });
        const { data } = metric;
        if (data === undefined) return;
        const delta = temporalityOf(data) === DELTA;
        for (const point of data.dataPoints) {
          const labels = labeller.text(point.attributes, more);
          if ((point.flags & NO_RECORDED_VALUE) !== 0) {
            end(head.name, labels);
            continue;
          }
          const value = head.usable ? valueOf(data.type, point) : null;
          const why = value === null ? 'not usable' : put(head, labels, point, value, delta);
          if (why !== null) dropped.set(why, (dropped.get(why) ?? 0) + 1);
        }
      }, (labels, heard) => {
        const point = { attributes: [], startTimeUnixNano: 0n, timeUnixNano: heard, flags: 0 };
        put(TARGET_INFO, labels, point, { kind: 'number', value: 1, exemplars: [] }, false);
      });
      return dropped;
    },
    families: () => {
      sweep();
      return [...families.values()].sort((one, two) => (one.name < two.name ? -1 : 1));
    },
    size: () => size,
  };
}

type FamilyHead = Omit<Family, 'series'>;

const TARGET_INFO: FamilyHead = {
  name: 'target_info', type: 'gauge', help: 'Target metadata', unit: '',
};

function each(
  { resourceMetrics }: MetricsRequest,
  labeller: Labeller,
  metric: (metric: Metric, more: Pairs) => void,
  target: (labels: string, heardNs: bigint) => void,
): void {
  for (const { resource, scopeMetrics } of resourceMetrics) {
    const attributes = resource?.attributes ?? [];
    const own = labeller.ofResource(attributes);
    let lastNs = 0n;
    for (const { scope, schemaUrl, metrics } of scopeMetrics) {
      const more = [...labeller.ofScope(scope, schemaUrl), ...own];
      for (const one of metrics) {
        metric(one, more);
        for (const { timeUnixNano: timeNs } of one.data?.dataPoints ?? []) {
          if (timeNs > lastNs) lastNs = timeNs;
        }
      }
    }
    const info = labeller.targetInfo(attributes);
    if (info !== null && lastNs > 0n) target(info, lastNs);
  }
}

function headOf(
  metric: Metric,
  options: { readonly namespace: string; readonly suffixes: boolean },
): FamilyHead & { readonly usable: boolean } {
  const { description: help, unit, data } = metric;
  const type = typeOf(metric);
  const kind = type === 'counter' ? 'counter' : data?.type === 'gauge' ? 'gauge' : 'other';
  const name = metricName({ name: metric.name, unit, type: kind }, options);
  const words = unitWords(unit);
  const bare = name.replace(/_total$/, '');
  const usable = name !== '' && (data === undefined || temporalityOf(data) !== 0);
  return { name, type, help, unit: bare.endsWith(`_${words}`) ? words : '', usable };
}

/** 0: unspecified, so that nobody knows what the value means. */
function temporalityOf(data: MetricData): number {
  if (data.type === 'gauge' || data.type === 'summary') return CUMULATIVE;
  const { aggregationTemporality: known } = data;
  return known === DELTA || known === CUMULATIVE ? known : 0;
}

function typeOf({ data, metadata }: Metric): FamilyType {
  const told = metadata.find(({ key }) => key === 'prometheus.type')?.value.value;
  switch (data?.type) {
    case 'sum':
      if (data.isMonotonic) return 'counter';
      return told === 'info' || told === 'stateset' ? told : 'gauge';
    case 'histogram':
    case 'exponentialHistogram': return 'histogram';
    case 'summary': return 'summary';
    default: return told === 'unknown' ? 'unknown' : 'gauge';
  }
}

/** What is older than what is known is passed over; a delta that does not fit begins anew. */
function replace(series: Series, now: Series, delta: boolean): void {
  series.heardMs = now.heardMs;
  if (now.timeNs < series.timeNs || (delta && now.timeNs === series.timeNs)) return;
  const sum = delta ? added(series.value, now.value) : null;
  if (sum === null) series.startNs = now.startNs;
  series.value = sum ?? now.value;
  series.timeNs = now.timeNs;
}
