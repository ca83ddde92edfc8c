// What the processors that change the temporality of sums and histograms share: which points they
// see, the state of each series, its bound and its end, and what is taken back when a batch could
// not be handed on. What becomes of a point, and of its series, is theirs.

import type { Batch } from '../../../proto/contract/batch.ts';
import type { ComponentContext, Consumer, Processor } from '../../../proto/contract/component.ts';
import { ACCEPTED, rejected, type Outcome } from '../../../proto/contract/outcome.ts';
import type { DataPoint, Metric } from '../../../proto/otlp/model.ts';
import { DecodeError } from '../../../proto/protobuf/error.ts';
import type { Timer } from '../../../runtime/clock.ts';
import { addedType, amountOf, type AddedType, type Amount } from '../../series/amounts.ts';
import { registerSeries } from '../../series/gauges.ts';
import { attributesKey } from '../../series/identity.ts';
import { createSeriesTable, type MetricSeries, type SeriesTable } from '../../series/table.ts';
import { createDropCounter, editPoints, editRecords } from './records.ts';

/** OTLP's numbers. */
export const TEMPORALITY = { delta: 1, cumulative: 2 } as const;

export type DropReason =
  'no_value' | 'first_value' | 'out_of_order' | 'older_start' | 'max_streams';

export interface Seen {
  /** By the monotonic clock; when its last point came. */
  seenMs: number;
}

/** A point of a series that is looked at. */
export interface SeriesPoint<State> {
  readonly point: DataPoint;
  readonly amount: Amount;
  readonly metric: MetricSeries<State>;
  /** Of the series in `metric`. */
  readonly key: string;
  readonly table: SeriesTable<State>;
}

export interface TemporalityOptions<State extends Seen, Change> {
  readonly to: (typeof TEMPORALITY)[keyof typeof TEMPORALITY];
  readonly streamsMax: number;
  /** A series without points for so long is forgotten; 0: never. */
  readonly staleMs: number;
  readonly isConverted: (metric: Metric) => boolean;
  /** The point as it goes on, or why it does not; what it changes goes to `changes`. */
  readonly convert: (asked: SeriesPoint<State>, changes: Change[]) => DataPoint | DropReason;
  /** Called with the changes of a batch, the newest first. */
  readonly undo: (change: Change, table: SeriesTable<State>) => void;
}

export function createTemporalityProcessor<State extends Seen, Change>(
  options: TemporalityOptions<State, Change>,
  context: ComponentContext,
  next: Consumer,
): Processor {
  const { clock } = context.world;
  const { staleMs } = options;
  const table = createSeriesTable<State>(options.streamsMax);
  const { untracked } = registerSeries(context, 'processor', table.size);
  const drops = new Map<DropReason, ReturnType<typeof createDropCounter>>();
  let timer: Timer | null = null;
  const countDropped = (reason: DropReason, points: number) => {
    if (!drops.has(reason)) drops.set(reason, createDropCounter(context, reason));
    drops.get(reason)!('metrics', points);
    if (reason === 'max_streams') untracked.add(points);
  };
  return {
    start: async () => {
      if (staleMs === 0) return;
      timer ??= clock.every(staleMs / 2, () => {
        const oldest = clock.monotonicMs() - staleMs;
        table.sweep(({ seenMs }) => seenMs < oldest);
      });
    },
    stop: async () => timer?.cancel(),
    consume: async (batch, abort): Promise<Outcome> => {
      if (!batch.is('metrics')) return next.consume(batch, abort);
      const done: Conversion<Change> = { changes: [], dropped: new Map() };
      let converted: Batch | null;
      try {
        converted = editRecords(batch, (metric, place) => (options.isConverted(metric)
          ? convertMetric(options, metric, { table, metric: table.metric(place, metric) }, done)
          : metric));
      } catch (error) {
        if (error instanceof DecodeError) return rejected(error.message);
        throw error;
      }
      const outcome = converted === null ? ACCEPTED : await next.consume(converted, abort);
      if (outcome.status === 'retryable') {
        for (const change of done.changes.reverse()) options.undo(change, table);
      } else for (const [reason, points] of done.dropped) countDropped(reason, points);
      return outcome;
    },
  };
}

/** What happened to a batch. */
interface Conversion<Change> {
  readonly changes: Change[];
  readonly dropped: Map<DropReason, number>;
}

function convertMetric<State extends Seen, Change>(
  { to, convert }: TemporalityOptions<State, Change>,
  metric: Metric,
  place: Pick<SeriesPoint<State>, 'table' | 'metric'>,
  { changes, dropped }: Conversion<Change>,
): Metric | null {
  const type: AddedType = addedType(metric)!;
  const converted = editPoints(metric, (point) => {
    const amount = amountOf(type, point);
    const result = amount === null ? 'no_value'
      : convert({ ...place, point, amount, key: attributesKey(point.attributes) }, changes);
    if (typeof result !== 'string') return result;
    dropped.set(result, (dropped.get(result) ?? 0) + 1);
    return null;
  });
  if (converted === null) return null;
  const data = { ...converted.data, aggregationTemporality: to };
  return { ...converted, data: data as Metric['data'] };
}
