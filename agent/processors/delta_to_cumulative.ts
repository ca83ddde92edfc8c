// Turns delta sums, histograms and exponential histograms into cumulative ones: each point becomes
// all that its series has counted since its first one. Everything else passes unchanged.
//
// Promises: what a batch adds is taken back when the batch could not be handed on, so that it
// counts once however often it is sent. Points that are not newer than the last one of their
// series, or begin before its first, are dropped and counted: they are repeated, late, or of two
// senders that share one series. A gap adds nothing and ends nothing.
//
// The state is in memory: when the agent stops, or a series had no points for `max_stale`, it
// begins anew with a new start, which every reader of cumulative values takes for what it is.
// Bounded by `max_streams`; points of series beyond are dropped and counted.

import * as z from 'zod';
import { count, duration, section } from '../../config/schema.ts';
import type { Batch } from '../../proto/contract/batch.ts';
import type {
  ComponentContext, Consumer, Processor, ProcessorFactory,
} from '../../proto/contract/component.ts';
import { ACCEPTED, rejected, type Outcome } from '../../proto/contract/outcome.ts';
import type { DataPoint, Metric } from '../../proto/otlp/model.ts';
import { DecodeError } from '../../proto/protobuf/error.ts';
import type { Timer } from '../../runtime/clock.ts';
import {
  addAmounts, addedType, amountOf, withAmount, type AddedType, type Amount,
} from '../series/amounts.ts';
import { registerSeries } from '../series/gauges.ts';
import { attributesKey } from '../series/identity.ts';
import { createSeriesTable, type MetricSeries } from '../series/table.ts';
import { createDropCounter, editPoints, editRecords } from './edit/records.ts';

const createSchema = () => section({
  max_stale: duration({ min: '1s' }).describe('A series without points for so long begins anew.')
    .prefault('5m'),
  max_streams: count({ min: 1, max: 10_000_000 })
    .describe('Most series that are remembered; points of others are dropped.').default(100_000),
});

export type DeltaToCumulativeConfig = z.output<ReturnType<typeof createSchema>>;

export const deltaToCumulativeProcessor: ProcessorFactory<DeltaToCumulativeConfig> = {
  kind: 'processor',
  type: 'delta_to_cumulative',
  aliases: ['deltatocumulative'],
  signals: ['metrics'],
  get schema() {
    return createSchema();
  },
  create: createConverter,
};

const DELTA = 1;
const CUMULATIVE = 2;

/** What a series has counted since `startNs`. Changed in place. */
interface Total {
  startNs: bigint;
  timeNs: bigint;
  amount: Amount;
  /** Of the change that made it so; no two have the same. */
  mark: number;
  seenMs: number;
}

interface Change {
  readonly total: Total;
  readonly metric: MetricSeries<Total>;
  readonly key: string;
  /** Null when the series is new. */
  readonly before: Total | null;
  readonly mark: number;
}

type DropReason = 'no_value' | 'out_of_order' | 'older_start' | 'max_streams';

interface Conversion {
  readonly changes: Change[];
  readonly dropped: Map<DropReason, number>;
}

function createConverter(
  config: DeltaToCumulativeConfig,
  context: ComponentContext,
  next: Consumer,
): Processor {
  const { clock } = context.world;
  const table = createSeriesTable<Total>(config.max_streams);
  const { untracked } = registerSeries(context, 'processor', table.size);
  let timer: Timer | null = null;
  let marks = 0;

  const convertPoint = (
    type: AddedType, metric: MetricSeries<Total>, point: DataPoint, done: Conversion,
  ): DataPoint | DropReason => {
    const amount = amountOf(type, point);
    if (amount === null) return 'no_value';
    const { startTimeUnixNano: startNs, timeUnixNano: timeNs } = point;
    const key = attributesKey(point.attributes);
    const known = metric.states.get(key);
    const mark = ++marks;
    const seenMs = clock.monotonicMs();
    if (known === undefined) {
      const total = { startNs, timeNs, amount, mark, seenMs };
      if (!table.set(metric, key, total)) return 'max_streams';
      done.changes.push({ total, metric, key, before: null, mark });
      return point;
    }
    if (timeNs <= known.timeNs) return 'out_of_order';
    if (startNs !== 0n && startNs < known.startNs) return 'older_start';
    const before = { ...known };
    add(known, { startNs, timeNs, amount });
    known.mark = mark;
    known.seenMs = seenMs;
    done.changes.push({ total: known, metric, key, before, mark });
    return withAmount(point, known.amount, known.startNs);
  };
  const convertMetric = (
    metric: Metric, series: MetricSeries<Total>, done: Conversion,
  ): Metric | null => {
    const type = addedType(metric)!;
    const converted = editPoints(metric, (point) => {
      const result = convertPoint(type, series, point, done);
      if (typeof result !== 'string') return result;
      done.dropped.set(result, (done.dropped.get(result) ?? 0) + 1);
      return null;
    });
    if (converted === null) return null;
    const data = { ...converted.data, aggregationTemporality: CUMULATIVE };
    return { ...converted, data: data as Metric['data'] };
  };
  const drops = new Map<DropReason, ReturnType<typeof createDropCounter>>();
  const countDropped = (reason: DropReason, points: number) => {
    if (!drops.has(reason)) drops.set(reason, createDropCounter(context, reason));
    drops.get(reason)!('metrics', points);
    if (reason === 'max_streams') untracked.add(points);
  };
  const takeBack = (changes: readonly Change[]) => {
    for (const { total, metric, key, before, mark } of [...changes].reverse()) {
      // What came since holds it, and it will be too old when it is sent again: then it stays.
      if (total.mark !== mark) continue;
      if (before === null) table.delete(metric, key);
      else Object.assign(total, before);
    }
  };

  return {
    start: async () => {
      timer ??= clock.every(config.max_stale / 2, () => {
        const oldest = clock.monotonicMs() - config.max_stale;
        table.sweep(({ seenMs }) => seenMs < oldest);
      });
    },
    stop: async () => timer?.cancel(),
    consume: async (batch, abort): Promise<Outcome> => {
      if (!batch.is('metrics')) return next.consume(batch, abort);
      const done: Conversion = { changes: [], dropped: new Map() };
      let converted: Batch | null;
      try {
        converted = editRecords(batch, (metric, place) => (isDelta(metric)
          ? convertMetric(metric, table.metric(place, metric), done) : metric));
      } catch (error) {
        if (error instanceof DecodeError) return rejected(error.message);
        throw error;
      }
      const outcome = converted === null ? ACCEPTED : await next.consume(converted, abort);
      if (outcome.status === 'retryable') takeBack(done.changes);
      else for (const [reason, points] of done.dropped) countDropped(reason, points);
      return outcome;
    },
  };
}

function isDelta({ data }: Metric): boolean {
  return data !== undefined && 'aggregationTemporality' in data
    && data.aggregationTemporality === DELTA;
}

/** With other bounds than before nothing can be added: the series begins anew. */
function add(total: Total, next: Pick<Total, 'startNs' | 'timeNs' | 'amount'>): void {
  const sum = addAmounts(total.amount, next.amount);
  if (sum === null) total.startNs = next.startNs;
  total.amount = sum ?? next.amount;
  total.timeNs = next.timeNs;
}
