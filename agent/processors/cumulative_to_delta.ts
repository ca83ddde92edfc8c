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
import type {
  ComponentContext, Consumer, Processor, ProcessorFactory,
} from '../../proto/contract/component.ts';
import type { DataPoint, Metric } from '../../proto/otlp/model.ts';
import { withAmount } from '../series/amounts.ts';
import { grow, owe, type Growth, type GrowingSeries } from '../series/growth.ts';
import type { MetricSeries, SeriesTable } from '../series/table.ts';
import { createMetricChoice, metricMatch } from './edit/metrics.ts';
import { createTemporalityProcessor, TEMPORALITY, type DropReason, type SeriesPoint }
  from './edit/temporality.ts';

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

function createConverter(
  config: CumulativeToDeltaConfig,
  context: ComponentContext,
  next: Consumer,
): Processor {
  const { clock } = context.world;
  const isChosen = createMetricChoice(config);
  const startedNs = clock.nowNs();
  let marks = 0;
  const isSent = (point: DataPoint): boolean => {
    const { startTimeUnixNano: start, timeUnixNano: time } = point;
    if (config.initial_value !== 'auto') return config.initial_value === 'keep';
    return start >= startedNs && start !== time;
  };
  const convert = (
    { point, amount, metric, key, table }: SeriesPoint<GrowingSeries>, changes: Change[],
  ): DataPoint | DropReason => {
    const latest = { startNs: point.startTimeUnixNano, timeNs: point.timeUnixNano, amount };
    const known = metric.states.get(key);
    const mark = ++marks;
    if (known === undefined) {
      const series = { latest, owed: null, mark, seenMs: clock.monotonicMs() };
      if (!table.set(metric, key, series)) return 'max_streams';
      const sent = isSent(point) ? latest : null;
      changes.push({ series, metric, key, before: null, mark, sent });
      return sent === null ? 'first_value' : withoutExtremes(point);
    }
    const before = { ...known };
    const step = grow(known, latest);
    known.seenMs = clock.monotonicMs();
    if (step === 'old') return 'out_of_order';
    known.mark = mark;
    changes.push({ series: known, metric, key, before, mark, sent: step.growth });
    return withAmount(point, step.growth.amount, step.growth.startNs);
  };
  return createTemporalityProcessor<GrowingSeries, Change>({
    to: TEMPORALITY.delta,
    streamsMax: config.max_streams,
    staleMs: config.max_staleness,
    isConverted: (metric) => isConverted(metric) && isChosen(metric),
    convert,
    undo,
  }, context, next);
}

function isConverted({ data }: Metric): boolean {
  switch (data?.type) {
    case 'sum': return data.isMonotonic && data.aggregationTemporality === TEMPORALITY.cumulative;
    case 'histogram':
    case 'exponentialHistogram': return data.aggregationTemporality === TEMPORALITY.cumulative;
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
  table: SeriesTable<GrowingSeries>,
): void {
  if (series.mark !== mark) {
    if (sent !== null) owe(series, sent);
    return;
  }
  if (before === null) {
    table.delete(metric, key);
    return;
  }
  const { owed } = series;
  Object.assign(series, before);
  if (owed !== null) owe(series, owed);
}
