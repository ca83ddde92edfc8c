// Quantiles out of the counts of buckets: the value below which a share of the observations lies,
// as far as the buckets tell.
//
// Explicit bounds: bucket i holds (bounds[i − 1], bounds[i]], the last all above. Inside of a
// bucket the observations are taken to be spread evenly; below the first bound they begin at 0 when
// it is above 0, else the bound itself is the answer, as is the last bound for all above.
//
// Exponential: bucket i holds (base^i, base^(i + 1)], base = 2^(2^−scale), and the same below
// zero; inside of a bucket they are taken to be spread evenly on a logarithmic axis.
//
// Sources: OpenTelemetry metrics data model, "Histogram", "ExponentialHistogram"; Prometheus
// documentation, "histogram_quantile".

/** One histogram; several with other bounds can be looked at as one. */
export interface Buckets {
  readonly bounds: readonly number[];
  /** One more than bounds. */
  readonly counts: readonly number[];
}

/** Null when there is no observation, or no bound. */
export function explicitQuantile(all: readonly Buckets[], level: number): number | null {
  const bounds = [...new Set(all.flatMap((one) => one.bounds))].sort((a, b) => a - b);
  const total = all.reduce((sum, { counts }) => sum + counts.reduce(add, 0), 0);
  if (total === 0 || bounds.length === 0) return null;
  const rank = level * total;
  let below = 0;
  for (const [index, bound] of bounds.entries()) {
    const upTo = all.reduce((sum, one) => sum + countUpTo(one, bound), 0);
    if (upTo >= rank && upTo > below) {
      const from = index === 0 ? Math.min(0, bound) : bounds[index - 1]!;
      return from + (bound - from) * Math.max(0, rank - below) / (upTo - below);
    }
    below = upTo;
  }
  return bounds.at(-1)!;
}

const add = (sum: number, one: number): number => sum + one;

/** Observations up to a bound, which may lie inside of a bucket when it is another one's. */
function countUpTo({ bounds, counts }: Buckets, bound: number): number {
  let sum = 0;
  for (const [index, upper] of bounds.entries()) {
    if (upper > bound) {
      const lower = index === 0 ? Math.min(0, upper) : bounds[index - 1]!;
      const share = bound <= lower ? 0 : (bound - lower) / (upper - lower);
      return sum + counts[index]! * share;
    }
    sum += counts[index]!;
  }
  return sum;
}

export interface ExponentialBuckets {
  readonly scale: number;
  /** Index and count. */
  readonly positive: ReadonlyArray<readonly [index: number, count: number]>;
  readonly negative: ReadonlyArray<readonly [index: number, count: number]>;
  readonly zeros: number;
}

/** Null when there is no observation. */
export function exponentialQuantile(histogram: ExponentialBuckets, level: number): number | null {
  const ordered = bucketsInOrder(histogram);
  const total = ordered.reduce((sum, { count }) => sum + count, 0);
  if (total === 0) return null;
  const rank = level * total;
  let below = 0;
  for (const { from, to, count } of ordered) {
    if (below + count >= rank) return between(from, to, Math.max(0, rank - below) / count);
    below += count;
  }
  return ordered.at(-1)!.to;
}

interface Bucket {
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

/** From the lowest value to the highest. */
function bucketsInOrder({ scale, positive, negative, zeros }: ExponentialBuckets): Bucket[] {
  const bound = (index: number) => 2 ** (index * 2 ** -scale);
  const isFilled = ([, count]: readonly [number, number]) => count > 0;
  const below = negative.filter(isFilled).sort(([a], [b]) => b - a)
    .map(([index, count]) => ({ from: -bound(index + 1), to: -bound(index), count }));
  const above = positive.filter(isFilled).sort(([a], [b]) => a - b)
    .map(([index, count]) => ({ from: bound(index), to: bound(index + 1), count }));
  const zero = zeros > 0 ? [{ from: 0, to: 0, count: zeros }] : [];
  return [...below, ...zero, ...above];
}

function between(from: number, to: number, share: number): number {
  if (from === 0 || to === 0) return 0;
  return Math.sign(from) * Math.abs(from) ** (1 - share) * Math.abs(to) ** share;
}
