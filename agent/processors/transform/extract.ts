// Editors that make new metrics of what histograms and summaries say: their count, sum, percentiles
// and quantiles. The new metric comes behind the others of its scope.

import type {
  DataPoint, ExponentialHistogramDataPoint, HistogramDataPoint, Metric, MetricData,
  NumberDataPoint, NumberValue, SummaryDataPoint,
} from '../../../proto/otlp/model.ts';
import { fail, OttlFault } from '../../ottl/fault.ts';
import { editor, type FunctionSpec, type Parameter } from '../../ottl/functions/function.ts';
import {
  literalBool, literalDouble, literalText, optional,
} from '../../ottl/functions/parameters.ts';
import { stringAny, withKey } from '../../ottl/value.ts';
import { make, METRIC_ONLY, TEMPORALITIES, temporality } from './convert.ts';
import { exponentialPercentile, histogramPercentile } from './percentile.ts';

type Counted = HistogramDataPoint | ExponentialHistogramDataPoint | SummaryDataPoint;
type CountedData = Exclude<MetricData, { type: 'gauge' | 'sum' }>;

function countedData({ data }: Metric, name: string): CountedData {
  if (data !== undefined && data.type !== 'gauge' && data.type !== 'sum') return data;
  return fail(`${name} takes a histogram or a summary, not ${data?.type ?? 'no data'}`);
}

const numberPoint = (point: DataPoint, value: NumberValue): NumberDataPoint => ({
  attributes: point.attributes, startTimeUnixNano: point.startTimeUnixNano,
  timeUnixNano: point.timeUnixNano, flags: 0, value, exemplars: [],
});

/** The int that a count is; the sum, or undefined where there is none. */
const PARTS: Readonly<Record<'count' | 'sum', (point: Counted) => NumberValue | undefined>> = {
  count: ({ count }) => ({ type: 'int', value: BigInt.asIntN(64, count) }),
  sum: ({ sum }) => (sum === undefined ? undefined : { type: 'double', value: sum }),
};

interface Extraction {
  readonly part: 'count' | 'sum';
  readonly suffix: string;
  readonly isMonotonic: boolean;
  readonly aggregationTemporality: number;
  readonly unit: string;
}

function extracted(metric: Metric, points: readonly Counted[], how: Extraction): Metric {
  const { part, suffix, isMonotonic, aggregationTemporality, unit } = how;
  const dataPoints = points.flatMap((point) => {
    const value = PARTS[part](point);
    return value === undefined ? [] : [numberPoint(point, value)];
  });
  return {
    name: metric.name + suffix, description: metric.description, unit, metadata: [],
    data: { type: 'sum', dataPoints, aggregationTemporality, isMonotonic },
  };
}

/** Of a count the unit is 1, whatever is counted. */
function extractEditor(part: 'count' | 'sum'): FunctionSpec {
  const name = `extract_${part}_metric`;
  return editor(name, { isMonotonic: literalBool(), suffix: optional(literalText()) },
    ({ isMonotonic, suffix = `_${part}` }) => (view) => {
      const metric = view.metric!;
      const data = countedData(metric, name);
      const made = extracted(metric, data.dataPoints, {
        part, suffix, isMonotonic, unit: part === 'count' ? '1' : metric.unit,
        aggregationTemporality: data.type === 'summary' ? TEMPORALITIES.cumulative
          : data.aggregationTemporality,
      });
      if (made.data!.dataPoints.length > 0) make(view, made);
    }, METRIC_ONLY);
}

/** In the context of data points it is made once, with the first one. */
function summaryEditor(part: 'count' | 'sum'): FunctionSpec {
  return editor(`convert_summary_${part}_val_to_sum`, {
    aggregationTemporality: temporality(), isMonotonic: literalBool(),
    suffix: optional(literalText()),
  }, ({ aggregationTemporality, isMonotonic, suffix = `_${part}` }, { context }) => {
    let last: MetricData | undefined;
    return (view) => {
      const { data } = view.metric!;
      if (data?.type !== 'summary' || (context === 'datapoint' && data === last)) return;
      last = data;
      make(view, extracted(view.metric!, data.dataPoints, {
        part, suffix, isMonotonic, unit: view.metric!.unit,
        aggregationTemporality: TEMPORALITIES[aggregationTemporality],
      }));
    };
  }, { contexts: ['metric', 'datapoint'] });
}

const quantiles = editor('convert_summary_quantile_val_to_gauge', {
  attributeKey: optional(literalText()), suffix: optional(literalText()),
}, ({ attributeKey = 'quantile', suffix = '.quantiles' }) => (view) => {
  const metric = view.metric!;
  if (metric.data?.type !== 'summary') return;
  const dataPoints = metric.data.dataPoints.flatMap((point) =>
    point.quantileValues.map(({ quantile, value }) => ({
      ...numberPoint(point, { type: 'double', value }),
      attributes: withKey(point.attributes, attributeKey, stringAny(quantileText(quantile))),
    })));
  make(view, {
    name: metric.name + suffix, description: metric.description, unit: metric.unit, metadata: [],
    data: { type: 'gauge', dataPoints },
  });
}, METRIC_ONLY);

/** Two digits behind the point at least, but for 0 and 1: `0.50`, `0.99`. */
function quantileText(quantile: number): string {
  const text = String(quantile);
  return text.length < 4 && text !== '0' && text !== '1' ? `${text}0` : text;
}

const percentile = (): Parameter<number> => ({
  type: 'double above 0 and below 100',
  optional: false,
  bind: (node, binder) => {
    const value = literalDouble().bind(node, binder);
    if (value > 0 && value < 100) return value;
    throw new OttlFault(node.at, 'a percentile is above 0 and below 100');
  },
});

const extractPercentile = editor('extract_percentile_metric', {
  percentile: percentile(), suffix: optional(literalText()),
}, ({ percentile: asked, suffix = `_p${asked}` }) => (view) => {
  const metric = view.metric!;
  const data = countedData(metric, 'extract_percentile_metric');
  if (data.type === 'summary') return fail('extract_percentile_metric takes no summary');
  const points: readonly DataPoint[] = data.dataPoints;
  const dataPoints = points.flatMap((point) => {
    const value = data.type === 'histogram'
      ? histogramPercentile(point as HistogramDataPoint, asked / 100)
      : exponentialPercentile(point as ExponentialHistogramDataPoint, asked / 100);
    return value === null ? [] : [numberPoint(point, { type: 'double', value })];
  });
  if (dataPoints.length === 0) return;
  make(view, {
    name: metric.name + suffix, description: metric.description, unit: metric.unit, metadata: [],
    data: { type: 'gauge', dataPoints },
  });
}, METRIC_ONLY);

export const EXTRACT_EDITORS: readonly FunctionSpec[] = [
  extractEditor('count'), extractEditor('sum'), extractPercentile,
  summaryEditor('count'), summaryEditor('sum'), quantiles,
];
