// Percentiles of histograms, as well as their buckets tell: in a bucket values are taken to lie
// evenly, in one of an exponential histogram evenly on a logarithmic scale.

import type {
  ExponentialHistogramDataPoint, HistogramDataPoint,
} from '../../../proto/otlp/model.ts';
import { lowerBound } from '../../series/exponential.ts';

/** `share` is above 0 and below 1. Null when nothing can be said. */
export function histogramPercentile(point: HistogramDataPoint, share: number): number | null {
  const { bucketCounts, explicitBounds, count, min, max } = point;
  if (count === 0n || bucketCounts.length !== explicitBounds.length + 1) return null;
  const rank = share * Number(count);
  let below = 0;
  for (let index = 0; index < bucketCounts.length; index++) {
    const inside = Number(bucketCounts[index]);
    if (inside > 0 && below + inside >= rank) {
      const upper = explicitBounds[index] ?? max;
      const lower = index > 0 ? explicitBounds[index - 1]! : min ?? (upper! >= 0 ? 0 : upper);
      // Behind the last bound nothing is known without the largest value.
      if (upper === undefined) return lower ?? null;
      return lower! + (upper - lower!) * ((rank - below) / inside);
    }
    below += inside;
  }
  return null;
}

interface Bucket {
  readonly lower: number;
  readonly upper: number;
  readonly count: number;
}

export function exponentialPercentile(
  point: ExponentialHistogramDataPoint, share: number,
): number | null {
  if (point.count === 0n) return null;
  const rank = share * Number(point.count);
  let below = 0;
  for (const { lower, upper, count } of bucketsOf(point)) {
    if (count > 0 && below + count >= rank) {
      return within(lower, upper, (rank - below) / count);
    }
    below += count;
  }
  return null;
}

/** From the least to the largest values. */
function* bucketsOf(point: ExponentialHistogramDataPoint): Generator<Bucket> {
  const { scale, negative, positive, zeroCount, zeroThreshold } = point;
  const bound = (index: number) => lowerBound(index, scale);
  const below = negative?.bucketCounts ?? [];
  for (let index = below.length - 1; index >= 0; index--) {
    const place = negative!.offset + index;
    yield { lower: -bound(place + 1), upper: -bound(place), count: Number(below[index]) };
  }
  yield { lower: -zeroThreshold, upper: zeroThreshold, count: Number(zeroCount) };
  const above = positive?.bucketCounts ?? [];
  for (let index = 0; index < above.length; index++) {
    const place = positive!.offset + index;
    yield { lower: bound(place), upper: bound(place + 1), count: Number(above[index]) };
  }
}

function within(lower: number, upper: number, part: number): number {
  if (lower <= 0 && upper >= 0) return lower + (upper - lower) * part;
  return lower * (upper / lower) ** part;
}
