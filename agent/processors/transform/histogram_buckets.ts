// merge_histogram_buckets: histograms with fewer buckets, of the same count and sum.

import type { HistogramDataPoint } from '../../../proto/otlp/model.ts';
import { OttlFault } from '../../ottl/fault.ts';
import { editor, type FunctionSpec } from '../../ottl/functions/function.ts';
import { literalDouble, literalWord, optional } from '../../ottl/functions/parameters.ts';
import { draftOf } from '../../ottl/view.ts';
import { METRIC_ONLY } from './convert.ts';

type Merge = (point: HistogramDataPoint) => HistogramDataPoint;

const BOUND_TOLERANCE = 1e-12;

const mergeBuckets = editor('merge_histogram_buckets', {
  targetValue: literalDouble(),
  method: optional(literalWord(['remove_explicit_bound', 'limit_buckets'])),
}, ({ targetValue, method = 'remove_explicit_bound' }) => {
  if (method === 'limit_buckets' && !(Number.isInteger(targetValue) && targetValue > 0)) {
    throw new OttlFault(0, 'limit_buckets takes a whole number above 0');
  }
  const merge: Merge = method === 'limit_buckets' ? limitBuckets(targetValue)
    : removeBound(targetValue);
  return (view) => {
    const { data } = view.metric!;
    if (data?.type !== 'histogram') return;
    const dataPoints = data.dataPoints.map((point) => (isWhole(point) ? merge(point) : point));
    if (dataPoints.every((point, index) => point === data.dataPoints[index])) return;
    draftOf(view, 'metric').data = { ...data, dataPoints };
  };
}, METRIC_ONLY);

const isWhole = ({ bucketCounts, explicitBounds }: HistogramDataPoint): boolean =>
  bucketCounts.length > 0 && bucketCounts.length === explicitBounds.length + 1;

/** The bucket that ends at the bound, and the next one, become one. */
const removeBound = (bound: number): Merge => (point) => {
  const at = point.explicitBounds.findIndex((one) => Math.abs(one - bound) < BOUND_TOLERANCE);
  if (at === -1) return point;
  const joined = point.bucketCounts[at]! + point.bucketCounts[at + 1]!;
  return {
    ...point,
    explicitBounds: point.explicitBounds.toSpliced(at, 1),
    bucketCounts: point.bucketCounts.toSpliced(at, 2, joined),
  };
};

/** Neighbours are joined in groups of one size, the smallest that leaves few enough. */
const limitBuckets = (most: number): Merge => (point) => {
  const { bucketCounts, explicitBounds } = point;
  const isOrdered = explicitBounds.every((bound, index) =>
    index === 0 || bound > explicitBounds[index - 1]!);
  if (bucketCounts.length <= most || !isOrdered) return point;
  const size = Math.ceil(bucketCounts.length / most);
  const counts: bigint[] = [];
  for (let index = 0; index < bucketCounts.length; index += size) {
    counts.push(bucketCounts.slice(index, index + size).reduce((sum, count) => sum + count, 0n));
  }
  const bounds = explicitBounds.filter((_, index) => (index + 1) % size === 0)
    .slice(0, counts.length - 1);
  return { ...point, bucketCounts: counts, explicitBounds: bounds };
};

export const HISTOGRAM_EDITORS: readonly FunctionSpec[] = [mergeBuckets];
