// Cumulative series that became one when attributes were taken from them. To add their values up as
// they come would make a series that falls whenever one of them is missing; so each is remembered,
// and what it grew by is added to a total, which begins when the guard does.
//
// Promises: a total never falls, and grows by what its series grow, also over their restarts. Of a
// series that is met first, all that it counted is taken if it began after the guard, or after its
// metric was first met here, since then it is new; otherwise only what comes. What a batch added is
// taken back when it could not be handed on. At most `streamsMax` series are remembered; those
// beyond are told.

import type { Attributes, DataPoint, Metric } from '../../../proto/otlp/model.ts';
import {
  addAmounts, amountOf, subtractAmounts, withAmount, type AddedType, type Amount,
} from '../../series/amounts.ts';
import { grow, type GrowingSeries } from '../../series/growth.ts';
import { attributesKey } from '../../series/identity.ts';
import {
  createSeriesTable, type MetricSeries, type SeriesPlace,
} from '../../series/table.ts';

export interface Totals {
  /** Opens a metric of a batch. */
  metric(place: SeriesPlace, metric: Metric, type: AddedType): MetricTotals;
  /** Takes back what these changes added. */
  undo(changes: readonly TotalChange[]): void;
  /** Forgets series that had no points since this moment of the monotonic clock. */
  sweep(oldestMs: number): void;
  size(): number;
}

export interface MetricTotals {
  /** Series that are part of its totals. */
  size(): number;
  /**
   * What is left of the attributes of a series that is part of a total already, or has the
   * attributes of one.
   */
  reducedOf(key: string, attributes: Attributes): Attributes | undefined;
  /**
   * False: the point adds nothing, since there is no room for another series, or it is a histogram
   * of other bounds than those before.
   */
  add(key: string, point: DataPoint, reduced: Attributes): boolean;
  /** A point of each total that was added to. */
  points(): Iterable<DataPoint>;
  readonly changes: readonly TotalChange[];
}

interface Stream extends GrowingSeries {
  readonly reduced: Attributes;
}

interface Total {
  timeNs: bigint;
  amount: Amount | null;
  seenMs: number;
}

/** What a point changed. */
export interface TotalChange {
  readonly streams: MetricSeries<Stream>;
  readonly key: string;
  readonly stream: Stream;
  /** Null when it was new. */
  readonly before: GrowingSeries | null;
  readonly mark: number;
  readonly total: Total;
  /** What was added to the total. */
  readonly amount: Amount;
}

export interface TotalsOptions {
  /** When the guard began. */
  readonly startedNs: bigint;
  readonly streamsMax: number;
  nowMs(): number;
}

export function createTotals({ startedNs, streamsMax, nowMs }: TotalsOptions): Totals {
  const streams = createSeriesTable<Stream>(streamsMax);
  const totals = createSeriesTable<Total>(streamsMax);
  /** When each metric was first met, by its totals. */
  const met = new WeakMap<object, bigint>();
  let marks = 0;

  const createMetric = (place: SeriesPlace, metric: Metric, type: AddedType): MetricTotals => {
    const own = streams.metric(place, metric);
    const sums = totals.metric(place, metric);
    const touched = new Map<Total, DataPoint>();
    const changes: TotalChange[] = [];
    const isNew = ({ startTimeUnixNano: start, timeUnixNano: time }: DataPoint) => {
      const since = met.get(sums);
      if (since === undefined) met.set(sums, time);
      return start >= startedNs || (since !== undefined && time > since);
    };
    const totalOf = (reduced: Attributes): Total | null => {
      const key = attributesKey(reduced);
      const known = sums.states.get(key);
      if (known !== undefined) return known;
      const created = { timeNs: 0n, amount: null, seenMs: nowMs() };
      return totals.set(sums, key, created) ? created : null;
    };
    /** What the series grew by; null when it has no room, 'old' when it is not newer. */
    const growthOf = (key: string, point: DataPoint, taken: Amount, reduced: Attributes) => {
      const latest = { startNs: point.startTimeUnixNano, timeNs: point.timeUnixNano,
        amount: taken };
      const known = own.states.get(key);
      const mark = ++marks;
      if (known === undefined) {
        const stream = { latest, owed: null, mark, seenMs: nowMs(), reduced };
        const isCounted = isNew(point);
        if (!streams.set(own, key, stream)) return null;
        // Of its kind, and nothing: what it counted before is not part of the total.
        const amount = isCounted ? taken : subtractAmounts(taken, taken)!;
        return { streams: own, key, stream, before: null, mark, amount };
      }
      const before = { ...known };
      known.seenMs = nowMs();
      const step = grow(known, latest);
      if (step === 'old') return step;
      known.mark = mark;
      return { streams: own, key, stream: known, before, mark, amount: step.growth.amount };
    };
    return {
      size: () => own.states.size,
      reducedOf: (key, attributes) =>
        own.states.get(key)?.reduced ?? (sums.states.has(key) ? attributes : undefined),
      add: (key, point, reduced) => {
        const taken = amountOf(type, point);
        if (taken === null) return true;
        const total = totalOf(reduced);
        if (total === null) return false;
        const change = growthOf(key, point, taken, reduced);
        if (change === null) return false;
        if (change === 'old') return true;
        const sum = total.amount === null ? change.amount
          : addAmounts(total.amount, change.amount);
        if (sum === null) return false;
        total.amount = sum;
        total.seenMs = nowMs();
        if (point.timeUnixNano > total.timeNs) total.timeNs = point.timeUnixNano;
        changes.push({ ...change, total });
        touched.set(total, { ...point, attributes: reduced });
        return true;
      },
      points: function* () {
        for (const [{ amount, timeNs }, point] of touched) {
          yield { ...withAmount(point, amount!, startedNs), timeUnixNano: timeNs };
        }
      },
      changes,
    };
  };
  return {
    metric: createMetric,
    undo: (changes) => {
      for (const change of [...changes].reverse()) undo(change, streams.delete);
    },
    sweep: (oldestMs) => {
      streams.sweep(({ seenMs }) => seenMs < oldestMs);
      totals.sweep(({ seenMs }) => seenMs < oldestMs);
    },
    size: () => streams.size() + totals.size(),
  };
}

/** Newer points hold what an older one said: then it stays, and is too old when it comes again. */
function undo(
  { streams, key, stream, before, mark, total, amount }: TotalChange,
  forget: (streams: MetricSeries<Stream>, key: string) => void,
): void {
  if (stream.mark !== mark) return;
  if (before === null) forget(streams, key);
  else Object.assign(stream, before);
  if (total.amount !== null) total.amount = subtractAmounts(total.amount, amount) ?? total.amount;
}
