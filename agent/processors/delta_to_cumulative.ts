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
import type {
  ComponentContext, Consumer, Processor, ProcessorFactory,
} from '../../proto/contract/component.ts';
import type { DataPoint, Metric } from '../../proto/otlp/model.ts';
import { addAmounts, withAmount, type Amount } from '../series/amounts.ts';
import type { MetricSeries, SeriesTable } from '../series/table.ts';
import { createTemporalityProcessor, TEMPORALITY, type DropReason, type SeriesPoint }
  from './edit/temporality.ts';

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

function createConverter(
  config: DeltaToCumulativeConfig,
  context: ComponentContext,
  next: Consumer,
): Processor {
  const { clock } = context.world;
  let marks = 0;
  const convert = (
    { point, amount, metric, key, table }: SeriesPoint<Total>, changes: Change[],
  ): DataPoint | DropReason => {
    const { startTimeUnixNano: startNs, timeUnixNano: timeNs } = point;
    const known = metric.states.get(key);
    const mark = ++marks;
    const seenMs = clock.monotonicMs();
    if (known === undefined) {
      const total = { startNs, timeNs, amount, mark, seenMs };
      if (!table.set(metric, key, total)) return 'max_streams';
      changes.push({ total, metric, key, before: null, mark });
      return point;
    }
    if (timeNs <= known.timeNs) return 'out_of_order';
    if (startNs !== 0n && startNs < known.startNs) return 'older_start';
    const before = { ...known };
    add(known, { startNs, timeNs, amount });
    known.mark = mark;
    known.seenMs = seenMs;
    changes.push({ total: known, metric, key, before, mark });
    return withAmount(point, known.amount, known.startNs);
  };
  return createTemporalityProcessor<Total, Change>({
    to: TEMPORALITY.cumulative,
    streamsMax: config.max_streams,
    staleMs: config.max_stale,
    isConverted: isDelta,
    convert,
    undo,
  }, context, next);
}

/** What came since holds it, and it will be too old when it is sent again: then it stays. */
function undo({ total, metric, key, before, mark }: Change, table: SeriesTable<Total>): void {
  if (total.mark !== mark) return;
  if (before === null) table.delete(metric, key);
  else Object.assign(total, before);
}

function isDelta({ data }: Metric): boolean {
  return data !== undefined && 'aggregationTemporality' in data
    && data.aggregationTemporality === TEMPORALITY.delta;
}

/** With other bounds than before nothing can be added: the series begins anew. */
function add(total: Total, next: Pick<Total, 'startNs' | 'timeNs' | 'amount'>): void {
  const sum = addAmounts(total.amount, next.amount);
  if (sum === null) total.startNs = next.startNs;
  total.amount = sum ?? next.amount;
  total.timeNs = next.timeNs;
}
