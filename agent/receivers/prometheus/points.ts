// What the samples of one point are gathered into, and the OTLP point that they make, as
// OpenTelemetry's "Prometheus and OpenMetrics compatibility" says.
//
// A point is one number, or the buckets, sum and count of a histogram, or the quantiles of a
// summary. It is kept from page to page: a sum knows when it began (as the page says with
// `_created`, or when it was first seen) and what it was before, so that a reset begins it anew.

import type {
  Attributes, DataPoint, Exemplar, HistogramDataPoint, KeyValue, MetricData, NumberDataPoint,
  SummaryDataPoint,
} from '../../../proto/otlp/model.ts';
import type { PageExemplar } from '../../../proto/prometheus/text.ts';

/** `counter` grows; `state` is a sum that need not (info, state sets). */
export type PointKind = 'gauge' | 'counter' | 'state' | 'histogram' | 'summary';

/** What a sample tells of its point. */
export type Part = 'value' | 'bucket' | 'quantile' | 'sum' | 'count' | 'created';

/** OTLP's DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK: the series has ended. */
const NO_RECORDED_VALUE = 1;

export class Point {
  readonly attributes: Attributes;
  readonly kind: PointKind;
  /** The number of the last page that it was on. */
  page = 0;
  /** It was sent, and not yet said to have ended. */
  live = false;
  /** It has times of its own, so that its end cannot be told. */
  ownTime = false;
  timeMs = 0;
  #value: number | null = null;
  #sum: number | null = null;
  #count: number | null = null;
  #created = 0;
  readonly #bounds: number[] = [];
  readonly #counts: number[] = [];
  #exemplars: Exemplar[] = [];
  #startNs = 0n;
  #before = -Infinity;

  constructor(kind: PointKind, attributes: Attributes) {
    this.kind = kind;
    this.attributes = attributes;
  }

  /** Forgets the samples of the page before. */
  begin(page: number, timeMs: number): void {
    this.page = page;
    this.timeMs = timeMs;
    this.ownTime = false;
    this.#value = null;
    this.#sum = null;
    this.#count = null;
    this.#created = 0;
    this.#bounds.length = 0;
    this.#counts.length = 0;
    this.#exemplars = [];
  }

  /** `bound` is that of a bucket or quantile. */
  add(part: Part, value: number, bound: number): void {
    switch (part) {
      case 'value': this.#value = value; break;
      case 'sum': this.#sum = value; break;
      case 'count': this.#count = value; break;
      case 'created': this.#created = isTime(value * 1000) ? value : 0; break;
      case 'bucket':
      case 'quantile':
        this.#bounds.push(bound);
        this.#counts.push(value);
    }
  }

  exemplar(exemplar: PageExemplar, timeMs: number): void {
    this.#exemplars.push(toExemplar(exemplar, timeMs));
  }

  /** The number of a gauge, for who looks for one by name. */
  get value(): number | null {
    return this.#value;
  }

  /**
   * The point, or null when its samples do not make one. `startNs` is when all sums of the page
   * began, 0n where that is not known.
   */
  build(startNs: bigint): DataPoint | null {
    switch (this.kind) {
      case 'histogram': return this.#histogram(startNs);
      case 'summary': return this.#summary(startNs);
      default: return this.#number(startNs);
    }
  }

  /** The point that says that there are no more. */
  end(timeMs: number): DataPoint {
    const { attributes, kind } = this;
    const time = { startTimeUnixNano: this.#startNs, timeUnixNano: toNs(timeMs) };
    const head = { attributes, ...time, flags: NO_RECORDED_VALUE };
    const none = { exemplars: [] };
    switch (kind) {
      case 'histogram': return { ...head, ...none, count: 0n, sum: undefined, bucketCounts: [],
        explicitBounds: [], min: undefined, max: undefined } as HistogramDataPoint;
      case 'summary':
        return { ...head, count: 0n, sum: 0, quantileValues: [] } as SummaryDataPoint;
      default: return { ...head, ...none, value: undefined } as NumberDataPoint;
    }
  }

  #head(startNs: bigint, counted: number | null): DataPoint {
    const timeNs = toNs(this.timeMs);
    if (counted === null) this.#startNs = 0n;
    else if (this.#created > 0) this.#startNs = toNs(this.#created * 1000);
    else if (startNs > 0n) this.#startNs = startNs;
    else if (this.#startNs === 0n || counted < this.#before) this.#startNs = timeNs;
    if (counted !== null) this.#before = counted;
    return {
      attributes: this.attributes, startTimeUnixNano: this.#startNs, timeUnixNano: timeNs, flags: 0,
    };
  }

  #number(startNs: bigint): NumberDataPoint | null {
    if (this.#value === null) return null;
    const counted = this.kind === 'gauge' ? null : this.kind === 'state' ? 0 : this.#value;
    return {
      ...this.#head(startNs, counted),
      value: { type: 'double', value: this.#value },
      exemplars: this.#exemplars,
    };
  }

  #histogram(startNs: bigint): HistogramDataPoint | null {
    sortTogether(this.#bounds, this.#counts);
    if (this.#bounds.at(-1) === Infinity) {
      this.#count ??= this.#counts.at(-1)!;
      this.#bounds.pop();
      this.#counts.pop();
    }
    const count = this.#count;
    if (count === null || !isCount(count) || !areDistinct(this.#bounds)) return null;
    const bucketCounts: bigint[] = [];
    let below = 0;
    for (const upTo of [...this.#counts, count]) {
      if (!(upTo >= below && upTo <= count)) return null;
      bucketCounts.push(BigInt(Math.trunc(upTo)) - BigInt(Math.trunc(below)));
      below = upTo;
    }
    return {
      ...this.#head(startNs, count),
      count: BigInt(Math.trunc(count)),
      sum: this.#sum ?? undefined,
      bucketCounts,
      explicitBounds: [...this.#bounds],
      exemplars: this.#exemplars,
      min: undefined,
      max: undefined,
    };
  }

  #summary(startNs: bigint): SummaryDataPoint | null {
    const count = this.#count;
    if (count === null || !isCount(count)) return null;
    sortTogether(this.#bounds, this.#counts);
    const quantileValues = this.#bounds.map((quantile, index) =>
      ({ quantile, value: this.#counts[index]! }));
    return {
      ...this.#head(startNs, count), count: BigInt(Math.trunc(count)), sum: this.#sum ?? 0,
      quantileValues,
    };
  }
}

/** The data of a metric whose points are of this kind. */
export function dataOf(kind: PointKind, points: readonly DataPoint[]): MetricData {
  const CUMULATIVE = 2;
  switch (kind) {
    case 'gauge': return { type: 'gauge', dataPoints: points as NumberDataPoint[] };
    case 'histogram': return { type: 'histogram', dataPoints: points as HistogramDataPoint[],
      aggregationTemporality: CUMULATIVE };
    case 'summary': return { type: 'summary', dataPoints: points as SummaryDataPoint[] };
    default: return { type: 'sum', dataPoints: points as NumberDataPoint[],
      aggregationTemporality: CUMULATIVE, isMonotonic: kind === 'counter' };
  }
}

export function toNs(timeMs: number): bigint {
  return BigInt(Math.round(timeMs * 1000)) * 1000n;
}

/** A label as an attribute. */
export function text(key: string, value: string): KeyValue {
  return { key, value: { type: 'string', value } };
}

function toExemplar(
  { labels, value, timestampMs }: PageExemplar,
  timeMs: number,
): Exemplar {
  let traceId = '';
  let spanId = '';
  const filteredAttributes: KeyValue[] = [];
  for (const [name, label] of labels) {
    if (name === 'trace_id' && isId(label, 32)) traceId = label.toLowerCase();
    else if (name === 'span_id' && isId(label, 16)) spanId = label.toLowerCase();
    else if (label !== '') filteredAttributes.push(text(name, label));
  }
  const time = timestampMs === null || !isTime(timestampMs) ? timeMs : timestampMs;
  return {
    filteredAttributes, timeUnixNano: toNs(time), value: { type: 'double', value }, spanId, traceId,
  };
}

const isId = (value: string, digits: number): boolean =>
  value.length === digits && /^[0-9a-f]+$/i.test(value) && !/^0+$/.test(value);

/** Milliseconds that OTLP's nanoseconds can say. */
export function isTime(ms: number): boolean {
  const MS_MAX = 18_446_744_073_709;
  return ms >= 0 && ms < MS_MAX;
}

/** What OTLP's 64 bits can count. */
const isCount = (count: number): boolean => count >= 0 && count < 2 ** 64;

const areDistinct = (sorted: readonly number[]): boolean =>
  sorted.every((bound, index) => index === 0 || bound > sorted[index - 1]!);

/** Almost always they are in order already. */
function sortTogether(bounds: number[], values: number[]): void {
  let sorted = true;
  for (let index = 1; index < bounds.length; index += 1) {
    if (!(bounds[index]! >= bounds[index - 1]!)) sorted = false;
  }
  if (sorted) return;
  const order = bounds.map((bound, index) => [bound, values[index]!] as const)
    .sort((one, two) => one[0] - two[0]);
  order.forEach(([bound, value], index) => {
    bounds[index] = bound;
    values[index] = value;
  });
}

