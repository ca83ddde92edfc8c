// Editors that change the kind of a metric, copy it, or scale its values.

import type {
  Exemplar, HistogramDataPoint, MetricData, NumberDataPoint, NumberValue, SummaryDataPoint,
} from '../../../proto/otlp/model.ts';
import { fail } from '../../ottl/fault.ts';
import { editor, type FunctionSpec } from '../../ottl/functions/function.ts';
import {
  literalBool, literalDouble, literalWord, optional, text,
} from '../../ottl/functions/parameters.ts';
import { draftOf, type OttlView } from '../../ottl/view.ts';

export const METRIC_ONLY = { contexts: ['metric'] } as const;

export const temporality = () => literalWord(['cumulative', 'delta']);
export const TEMPORALITIES = { delta: 1, cumulative: 2 } as const;

const limits = {
  /** Metrics that statements may make of those of one scope; then making one more fails. */
  made: 10_000,
};

/** Adds a metric behind those that are there; the statements run on it, too. */
export function make(view: OttlView, metric: OttlView['made'][number]): void {
  if (view.made.length >= limits.made) {
    fail('too many metrics were made: add a condition that does not hold for those');
  }
  view.made.push(metric);
}

const sumToGauge = editor('convert_sum_to_gauge', {}, () => (view) => {
  const { data } = view.metric!;
  if (data?.type !== 'sum') return;
  draftOf(view, 'metric').data = { type: 'gauge', dataPoints: data.dataPoints };
}, METRIC_ONLY);

const gaugeToSum = editor('convert_gauge_to_sum', {
  aggregationTemporality: temporality(), isMonotonic: literalBool(),
}, ({ aggregationTemporality, isMonotonic }) => (view) => {
  const { data } = view.metric!;
  if (data?.type !== 'gauge') return;
  draftOf(view, 'metric').data = {
    type: 'sum', dataPoints: data.dataPoints, isMonotonic,
    aggregationTemporality: TEMPORALITIES[aggregationTemporality],
  };
}, METRIC_ONLY);

const copyMetric = editor('copy_metric', {
  name: optional(text()), description: optional(text()), unit: optional(text()),
  desc: optional(text()),
}, ({ name, description, unit, desc }) => (view) => {
  const metric = view.metric!;
  make(view, {
    ...metric,
    name: name?.(view) ?? metric.name,
    description: (description ?? desc)?.(view) ?? metric.description,
    unit: unit?.(view) ?? metric.unit,
  });
}, METRIC_ONLY);

const scaleMetric = editor('scale_metric', { factor: literalDouble(), unit: optional(text()) },
  ({ factor, unit }) => (view) => {
    const { data } = view.metric!;
    if (data === undefined) return;
    const scaled = scaledData(data, factor);
    const metric = draftOf(view, 'metric');
    metric.data = scaled;
    if (unit !== undefined) metric.unit = unit(view);
  }, METRIC_ONLY);

function scaledData(data: MetricData, factor: number): MetricData {
  switch (data.type) {
    case 'gauge':
    case 'sum':
      return { ...data, dataPoints: data.dataPoints.map((point) => scaledNumber(point, factor)) };
    case 'histogram':
      return {
        ...data, dataPoints: data.dataPoints.map((point) => scaledHistogram(point, factor)),
      };
    case 'summary':
      return { ...data, dataPoints: data.dataPoints.map((point) => scaledSummary(point, factor)) };
    case 'exponentialHistogram':
      return fail('scale_metric cannot scale an exponential histogram');
  }
}

/** Ints stay ints, without what is behind the point. */
function scaledValue(value: NumberValue | undefined, factor: number): NumberValue | undefined {
  if (value === undefined) return undefined;
  const scaled = Number(value.value) * factor;
  if (value.type === 'double') return { type: 'double', value: scaled };
  if (!Number.isFinite(scaled)) return fail('a scaled int is too large');
  return { type: 'int', value: BigInt.asIntN(64, BigInt(Math.trunc(scaled))) };
}

const scaledNumber = (point: NumberDataPoint, factor: number): NumberDataPoint =>
  ({ ...point, value: scaledValue(point.value, factor) });

const scaledExemplar = (exemplar: Exemplar, factor: number): Exemplar =>
  ({ ...exemplar, value: scaledValue(exemplar.value, factor) });

function scaledHistogram(point: HistogramDataPoint, factor: number): HistogramDataPoint {
  const scaled = (value: number | undefined) => (value === undefined ? value : value * factor);
  return {
    ...point,
    sum: scaled(point.sum),
    min: scaled(point.min),
    max: scaled(point.max),
    explicitBounds: point.explicitBounds.map((bound) => bound * factor),
    exemplars: point.exemplars.map((exemplar) => scaledExemplar(exemplar, factor)),
  };
}

const scaledSummary = (point: SummaryDataPoint, factor: number): SummaryDataPoint => ({
  ...point,
  sum: point.sum * factor,
  quantileValues: point.quantileValues.map(({ quantile, value }) =>
    ({ quantile, value: value * factor })),
});

export const CONVERT_EDITORS: readonly FunctionSpec[] = [
  sumToGauge, gaugeToSum, copyMetric, scaleMetric,
];
