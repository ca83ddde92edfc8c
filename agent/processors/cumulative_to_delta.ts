// Turns cumulative sums, histograms and exponential histograms into deltas: what was added since
// the last point of their series. Gauges, summaries, sums that may fall and what is delta already
// pass unchanged.
//
// Promises (see series/growth.ts): the deltas that were accepted add up to what the series counted,
// over restarts of their sender, points that come twice or late, and batches that had to be sent
// again. When the agent stops, or a series is forgotten, what grows between its last point before
// and its first point after is not known, and lost, unless `initial_value` keeps it.
//
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
import { addedType, amountOf, withAmount, type AddedType } from '../series/amounts.ts';
import { registerSeries } from '../series/gauges.ts';
import { grow, owe, type Growth, type GrowingSeries } from '../series/growth.ts';
import { attributesKey } from '../series/identity.ts';
import { createSeriesTable, type MetricSeries } from '../series/table.ts';
import { createMetricChoice, metricMatch } from './edit/metrics.ts';
import { createDropCounter, editPoints, editRecords } from './edit/records.ts';

const createSchema = () => section({
  include: metricMatch().describe('Only metrics that match are turned into deltas.'),
  exclude: metricMatch().describe('Metrics that match stay as they are.'),
  max_staleness: duration().describe('A series without points for so long is forgotten. 0: never.')
    .prefault('0'),
  initial_value: z.enum(['auto', 'keep', 'drop'])
    .describe('The first point of a series: auto sends it if the series began after this agent.')
    .default('auto'),
  max_streams: count({ min: 1, max: 10_000_000 }).describe('Most series that are remembered.')
    .default(100_000),
});

export type CumulativeToDeltaConfig = z.output<ReturnType<typeof createSchema>>;

export const cumulativeToDeltaProcessor: ProcessorFactory<CumulativeToDeltaConfig> = {
  kind: 'processor',
  type: 'cumulative_to_delta',
  aliases: ['cumulativetodelta'],
  signals: ['metrics'],
  get schema() {
    return createSchema();
  },
  create: createConverter,
};

const CUMULATIVE = 2;
const DELTA = 1;

/** A point that was taken in, with what is needed to take it back. */
interface Change {
  readonly series: GrowingSeries;
  readonly metric: MetricSeries<GrowingSeries>;
  readonly key: string;
  /** Null when the series is new. */
  readonly before: GrowingSeries | null;
  readonly mark: number;
  readonly sent: Growth | null;
}

/** What happened to a batch. */
interface Conversion {
  readonly changes: Change[];
  readonly dropped: Map<DropReason, number>;
}

type DropReason = 'no_value' | 'first_value' | 'out_of_order' | 'max_streams';

function createConverter(
  config: CumulativeToDeltaConfig,
  context: ComponentContext,
  next: Consumer,
): Processor {
  const { clock } = context.world;
  const table = createSeriesTable<GrowingSeries>(config.max_streams);
  const { untracked } = registerSeries(context, 'processor', table.size);
  const isChosen = createMetricChoice(config);
  const startedNs = clock.nowNs();
  let timer: Timer | null = null;
  let marks = 0;

  const isSent = (point: DataPoint): boolean => {
    const { startTimeUnixNano: start, timeUnixNano: time } = point;
    if (config.initial_value !== 'auto') return config.initial_value === 'keep';
    return start >= startedNs && start !== time;
  };
  const convertPoint = (
    type: AddedType, metric: MetricSeries<GrowingSeries>, point: DataPoint, done: Conversion,
  ): DataPoint | DropReason => {
    const amount = amountOf(type, point);
    if (amount === null) return 'no_value';
    const key = attributesKey(point.attributes);
    const latest = { startNs: point.startTimeUnixNano, timeNs: point.timeUnixNano, amount };
    const known = metric.states.get(key);
    const mark = ++marks;
    if (known === undefined) {
      const series = { latest, owed: null, mark, seenMs: clock.monotonicMs() };
      if (!table.set(metric, key, series)) return 'max_streams';
      const sent = isSent(point) ? latest : null;
      done.changes.push({ series, metric, key, before: null, mark, sent });
      return sent === null ? 'first_value' : withoutExtremes(point);
    }
    const before = { ...known };
    const step = grow(known, latest);
    known.seenMs = clock.monotonicMs();
    if (step === 'old') return 'out_of_order';
    known.mark = mark;
    done.changes.push({ series: known, metric, key, before, mark, sent: step.growth });
    return withAmount(point, step.growth.amount, step.growth.startNs);
  };
  const convertMetric = (
    metric: Metric, series: MetricSeries<GrowingSeries>, done: Conversion,
  ): Metric | null => {
    const type = addedType(metric)!;
    const converted = editPoints(metric, (point) => {
      const result = convertPoint(type, series, point, done);
      if (typeof result !== 'string') return result;
      done.dropped.set(result, (done.dropped.get(result) ?? 0) + 1);
      return null;
    });
    if (converted === null) return null;
    const data = { ...converted.data, aggregationTemporality: DELTA };
    return { ...converted, data: data as Metric['data'] };
  };
  const drops = new Map<DropReason, ReturnType<typeof createDropCounter>>();
  const countDropped = (reason: DropReason, points: number) => {
    if (!drops.has(reason)) drops.set(reason, createDropCounter(context, reason));
    drops.get(reason)!('metrics', points);
    if (reason === 'max_streams') untracked.add(points);
  };
  const takeBack = (changes: readonly Change[]) => {
    for (const change of [...changes].reverse()) undo(change, table.delete);
  };

  return {
    start: async () => {
      if (config.max_staleness === 0) return;
      timer ??= clock.every(config.max_staleness / 2, () => {
        const oldest = clock.monotonicMs() - config.max_staleness;
        table.sweep(({ seenMs }) => seenMs < oldest);
      });
    },
    stop: async () => timer?.cancel(),
    consume: async (batch, abort): Promise<Outcome> => {
      if (!batch.is('metrics')) return next.consume(batch, abort);
      const done: Conversion = { changes: [], dropped: new Map() };
      let converted: Batch | null;
      try {
        converted = editRecords(batch, (metric, place) => (isConverted(metric) && isChosen(metric)
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

function isConverted({ data }: Metric): boolean {
  switch (data?.type) {
    case 'sum': return data.isMonotonic && data.aggregationTemporality === CUMULATIVE;
    case 'histogram':
    case 'exponentialHistogram': return data.aggregationTemporality === CUMULATIVE;
    default: return false;
  }
}

/** Min and max of all that a series ever saw are not those of a stretch. */
function withoutExtremes(point: DataPoint): DataPoint {
  return 'min' in point ? { ...point, min: undefined, max: undefined } as DataPoint : point;
}

/**
 * As if the point had not come. When newer ones have been taken in since, its growth is owed: the
 * point itself would be too old when it is sent again.
 */
function undo(
  { series, metric, key, before, mark, sent }: Change,
  forget: (metric: MetricSeries<GrowingSeries>, key: string) => void,
): void {
  if (series.mark !== mark) {
    if (sent !== null) owe(series, sent);
    return;
  }
  if (before === null) {
    forget(metric, key);
    return;
  }
  const { owed } = series;
  Object.assign(series, before);
  if (owed !== null) owe(series, owed);
}
