// What can be asked about one metric over time, and what is meant when less is said.

/** Kinds of metrics, by the tables that hold their points. */
export const TABLES = {
  gauge: 'otel_metrics_gauge',
  sum: 'otel_metrics_sum',
  histogram: 'otel_metrics_histogram',
  exponential_histogram: 'otel_metrics_exponential_histogram',
  summary: 'otel_metrics_summary',
} as const;

export type MetricType = keyof typeof TABLES;
export const METRIC_TYPES = Object.keys(TABLES) as MetricType[];

/**
 * What becomes of the points of one series in a step. `rate` is what was added for each second,
 * `increase` what was added in all; of histograms and summaries both count observations. `average`
 * is their mean value, `quantile` the value below which a share of them lies.
 */
export const FUNCTIONS = ['last', 'avg', 'min', 'max', 'count', 'rate', 'increase', 'average',
  'quantile'] as const;
export type MetricFunction = (typeof FUNCTIONS)[number];

/** How series of one group become one. */
export const AGGREGATES = ['sum', 'avg', 'min', 'max', 'count'] as const;
export type Aggregate = (typeof AGGREGATES)[number];

export interface MetricQuestion {
  readonly metric: string;
  /** Several at once instead of `metric`, which `metric` among the labels tells apart. */
  readonly metrics?: readonly string[];
  readonly type: MetricType;
  readonly fromMs: number;
  /** Not inside. */
  readonly toMs: number;
  /** Points lie at multiples of it since 1970; null for one point. */
  readonly stepMs: number | null;
  /**
   * Windows of this length that end at multiples of the step, instead of the steps themselves. The
   * period is from the begin of the first to the end of the last.
   */
  readonly windowMs?: number;
  readonly function: MetricFunction;
  readonly aggregate: Aggregate;
  /** Names of labels, as in the search language. */
  readonly groupBy: readonly string[];
  /** From 0 to 1, for `quantile`. */
  readonly quantiles: readonly number[];
  /** A condition over a table of metrics, with its parameters. */
  readonly only: { readonly sql: string; readonly params: Readonly<Record<string, unknown>> };
}

/** What a metric has told about itself. */
export interface MetricKind {
  readonly type: MetricType;
  /** Of sums: it only grows. */
  readonly monotonic: boolean;
  /** Its points are what was added since the one before, not since the start. */
  readonly delta: boolean;
}

const OF_TYPE: Readonly<Record<MetricType, readonly MetricFunction[]>> = {
  gauge: ['last', 'avg', 'min', 'max', 'count'],
  sum: ['rate', 'increase', 'last', 'avg', 'min', 'max', 'count'],
  histogram: ['quantile', 'rate', 'increase', 'average'],
  exponential_histogram: ['quantile', 'rate', 'increase', 'average'],
  summary: ['rate', 'increase', 'average', 'quantile'],
};

/** The functions that make sense for a type, the usual one first. */
export const functionsOf = (type: MetricType): readonly MetricFunction[] => OF_TYPE[type];

/** A sum that goes up and down is looked at like a gauge. */
export function usualFunction({ type, monotonic, delta }: MetricKind): MetricFunction {
  if (type === 'sum' && !monotonic && !delta) return 'last';
  return OF_TYPE[type][0]!;
}

/** What was added, adds up; a level of gauges does not. */
export const usualAggregate = ({ type }: MetricKind): Aggregate =>
  (type === 'gauge' ? 'avg' : 'sum');

/** What is asked is what was added, whichever way the points say it. */
export const asksForIncrease = (name: MetricFunction): boolean =>
  name === 'rate' || name === 'increase' || name === 'average' || name === 'quantile';
