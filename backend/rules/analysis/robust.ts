// Statistics that a few wild values cannot move: median and median absolute deviation, and the
// robust z-score of Iglewicz and Hoaglin (1993): M = 0.6745 (x - median) / MAD.

/** MAD and mean absolute deviation of a normal distribution are its standard deviation by these. */
export const MAD_TO_SIGMA = 1.4826;
export const MEAN_AD_TO_SIGMA = 1.2533;

/** NaN for no values. */
export const median = (values: readonly number[] | Float64Array): number => quantile(values, 0.5);

/** Between two values in a straight line, as most programs do it (Hyndman and Fan's type 7). */
export const quantile = (values: readonly number[] | Float64Array, level: number): number =>
  quantileOfSorted(sortedOf(values), level);

export const sortedOf = (values: readonly number[] | Float64Array): Float64Array =>
  new Float64Array(values).sort();

export function quantileOfSorted(
  sorted: Float64Array,
  level: number,
  count = sorted.length,
): number {
  if (count === 0) return NaN;
  const place = (count - 1) * level;
  const below = Math.floor(place);
  const low = sorted[below]!;
  return place === below ? low : low + (sorted[below + 1]! - low) * (place - below);
}

/** Median absolute deviation from a centre. */
export const mad = (values: readonly number[] | Float64Array, centre = median(values)): number =>
  median(Float64Array.from(values, (value) => Math.abs(value - centre)));

/** Mean absolute deviation from a centre. */
export function meanAd(
  values: readonly number[] | Float64Array,
  centre = median(values),
): number {
  let sum = 0;
  for (const value of values) sum += Math.abs(value - centre);
  return values.length === 0 ? NaN : sum / values.length;
}

/** Skewness of the 5, 50 and 95 % quantiles from which on a tail is heavy. */
const SKEWNESS_MIN = 0.3;

/**
 * Of values with a heavy tail to the right, none below 0, what they are divided by before log1p; 0
 * where the values themselves are to be compared. `quantile`: of the values.
 */
export function logScaleOf(quantile: (level: number) => number): number {
  if (!(quantile(0) >= 0)) return 0;
  const [low, middle, high] = [0.05, 0.5, 0.95].map(quantile) as [number, number, number];
  if (high - low <= 0 || low <= 0) return 0;
  return (high + low - 2 * middle) / (high - low) > SKEWNESS_MIN ? low : 0;
}

/** There and back; both are nothing for a scale of 0. */
export interface Scaling {
  readonly to: (value: number) => number;
  readonly from: (value: number) => number;
}

export const scalingOf = (scale: number): Scaling => (scale === 0
  ? { to: (value) => value, from: (value) => value }
  : { to: (value) => Math.log1p(Math.max(0, value) / scale),
    from: (value) => Math.expm1(value) * scale });

export interface Spread {
  readonly centre: number;
  /** Robust standard deviation; 0 when all values are the same. */
  readonly sigma: number;
}

/** MAD; where more than half of the values are the same, mean absolute deviation. */
export function spreadOf(values: readonly number[] | Float64Array): Spread {
  const centre = median(values);
  const deviation = mad(values, centre);
  if (deviation > floorOf(centre)) return { centre, sigma: MAD_TO_SIGMA * deviation };
  const mean = meanAd(values, centre);
  return { centre, sigma: mean > floorOf(centre) ? MEAN_AD_TO_SIGMA * mean : 0 };
}

/** Differences that are no more than the rounding of numbers. */
const floorOf = (centre: number): number => Math.abs(centre) * 1e-9;

/** Of a value beside others; above 3.5 is an outlier. Infinite beside others that are all alike. */
export function robustZ(value: number, values: readonly number[] | Float64Array): number {
  const { centre, sigma } = spreadOf(values);
  return value === centre ? 0 : (value - centre) / sigma;
}

/** Values in order, which come and go one by one. A step costs O(log n) and a move in memory. */
export interface Ordered {
  add(value: number): void;
  /** One that was added. */
  remove(value: number): void;
  size(): number;
  quantile(level: number): number;
  spread(of?: (value: number) => number): Spread;
}

export function createOrdered(): Ordered {
  let sorted = new Float64Array(256);
  let count = 0;
  const placeOf = (value: number): number => {
    let [low, high] = [0, count];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sorted[middle]! < value) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  const ordered: Ordered = {
    add: (value) => {
      if (count === sorted.length) {
        const wider = new Float64Array(count * 2);
        wider.set(sorted);
        sorted = wider;
      }
      const place = placeOf(value);
      sorted.copyWithin(place + 1, place, count++);
      sorted[place] = value;
    },
    remove: (value) => {
      const place = placeOf(value);
      sorted.copyWithin(place, place + 1, count--);
    },
    size: () => count,
    quantile: (level) => quantileOfSorted(sorted, level, count),
    spread: (of = (value) => value) => spreadOfSorted(sorted.subarray(0, count), of),
  };
  return ordered;
}

/** `of` must not change the order of values. */
function spreadOfSorted(sorted: Float64Array, of: (value: number) => number): Spread {
  const count = sorted.length;
  if (count === 0) return { centre: NaN, sigma: 0 };
  const upper = of(sorted[count >> 1]!);
  const centre = count % 2 === 1 ? upper : (of(sorted[(count >> 1) - 1]!) + upper) / 2;
  const deviation = count % 2 === 1 ? nearest(sorted, of, centre, count >> 1)
    : (nearest(sorted, of, centre, (count >> 1) - 1) + nearest(sorted, of, centre, count >> 1)) / 2;
  if (deviation > floorOf(centre)) return { centre, sigma: MAD_TO_SIGMA * deviation };
  let sum = 0;
  for (const value of sorted) sum += Math.abs(of(value) - centre);
  const mean = sum / count;
  return { centre, sigma: mean > floorOf(centre) ? MEAN_AD_TO_SIGMA * mean : 0 };
}

/** The distance from the centre of the value that has `rank` others nearer to it. */
function nearest(
  sorted: Float64Array,
  of: (value: number) => number,
  centre: number,
  rank: number,
): number {
  // The rank + 1 nearest values are neighbours: the first of them is searched for.
  const size = rank + 1;
  let [low, high] = [0, sorted.length - size];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (centre - of(sorted[middle]!) > of(sorted[middle + size]!) - centre) low = middle + 1;
    else high = middle;
  }
  return Math.max(centre - of(sorted[low]!), of(sorted[low + size - 1]!) - centre);
}
