// Sends the last point of each series once per interval, in place of every one: fewer points, and
// nothing lost of what only grows.
//
// Gathered are cumulative monotonic sums, cumulative histograms and exponential histograms, and
// unless `pass_through` says otherwise, gauges and summaries, of which everything between two
// reports is lost, as asked for. What is delta, or a sum that may fall, passes at once.
//
// Promises: the newest point by its own time wins. A report that could not be delivered is kept,
// and sent with the next interval unless newer points have come. At the end everything is sent.
// `accepted` means for gathered points: in memory. A crash loses the last interval of gauges and
// summaries; the next point of a cumulative series holds what was before it. At most
// `limits.seriesMax` series are gathered; points of others pass at once.

import * as z from 'zod';
import { duration, section } from '../../config/schema.ts';
import { Batch } from '../../proto/contract/batch.ts';
import type {
  ComponentContext, Consumer, Processor, ProcessorFactory,
} from '../../proto/contract/component.ts';
import { ACCEPTED, rejected, retryable, type Outcome } from '../../proto/contract/outcome.ts';
import type { DataPoint, Metric } from '../../proto/otlp/model.ts';
import { DecodeError } from '../../proto/protobuf/error.ts';
import { registerSeries } from '../series/gauges.ts';
import { attributesKey } from '../series/identity.ts';
import { createReporter, type Report } from '../series/reporter.ts';
import { createRequestBuilder } from '../series/requests.ts';
import { createSeriesTable, type SeriesPlace } from '../series/table.ts';
import { createDropCounter, editPoints, editRecords } from './edit/records.ts';

const createSchema = () => section({
  interval: duration({ min: '1ms' }).describe('Time between two reports.').prefault('60s'),
  pass_through: section({
    gauge: z.boolean().describe('Whether gauges pass at once.').default(false),
    summary: z.boolean().describe('Whether summaries pass at once.').default(false),
  }).describe('Kinds of metrics that are not gathered.'),
});

export type IntervalConfig = z.output<ReturnType<typeof createSchema>>;

export const intervalProcessor: ProcessorFactory<IntervalConfig> = {
  kind: 'processor',
  type: 'interval',
  signals: ['metrics'],
  get schema() {
    return createSchema();
  },
  create: (config, context, next) => createGatherer(config, context, next, limits),
};

export interface IntervalOptions {
  /** Series of one interval; a point of another one passes at once. */
  readonly seriesMax: number;
}

const limits: IntervalOptions = { seriesMax: 100_000 };

const CUMULATIVE = 2;

/** A point that is to be gathered, and where it belongs. */
interface Gathered {
  readonly place: SeriesPlace;
  readonly metric: Metric;
  readonly key: string;
  readonly point: DataPoint;
}

/** The factory's `create`, with a bound that a test may want smaller. */
export function createGatherer(
  config: IntervalConfig,
  context: ComponentContext,
  next: Consumer,
  { seriesMax }: IntervalOptions,
): Processor {
  const { clock } = context.world;
  const table = createSeriesTable<Gathered>(seriesMax);
  const { untracked } = registerSeries(context, 'processor', table.size);
  const drop = createDropCounter(context, 'undelivered');
  let stopped = false;

  const gather = (one: Gathered): void => {
    const series = table.metric(one.place, one.metric);
    const known = series.states.get(one.key);
    if (known !== undefined && known.point.timeUnixNano >= one.point.timeUnixNano) return;
    table.set(series, one.key, one);
  };
  const collect = (): readonly Report[] => {
    const builder = createRequestBuilder<Gathered>();
    for (const { place, metric, states } of table.metrics()) {
      for (const one of states.values()) builder.add(place, metric, one.point, one);
    }
    table.clear();
    return builder.finish().map(({ request, sources }) => ({
      batch: Batch.fromRequest('metrics', request),
      settle: (outcome) => {
        if (outcome.status === 'accepted') return;
        // In the end nobody will ask again.
        if (outcome.status === 'rejected' || stopped) drop('metrics', sources.length);
        else sources.forEach(gather);
      },
    }));
  };
  const reporter = createReporter({ clock, next, intervalMs: config.interval, collect });

  /** What passes at once; the rest is put into `gathered`. */
  const split = (batch: Batch<'metrics'>, gathered: Gathered[]): Batch | null => {
    const passing = editRecords(batch, (metric, place) => {
      if (!isGathered(metric, config)) return metric;
      return editPoints(metric, (point) => {
        const key = attributesKey(point.attributes);
        const isKnown = table.metric(place, metric).states.has(key);
        if (!isKnown && table.size() + gathered.length >= seriesMax) {
          untracked.add(1);
          return point;
        }
        gathered.push({ place, metric, key, point });
        return null;
      });
    });
    return gathered.length > 0 && passing !== null ? passing.from([]) : passing;
  };

  return {
    start: async () => reporter.start(),
    stop: async (deadline) => {
      stopped = true;
      await reporter.stop(deadline);
    },
    consume: async (batch, abort): Promise<Outcome> => {
      if (!batch.is('metrics')) return next.consume(batch, abort);
      const gathered: Gathered[] = [];
      let passing: Batch | null;
      try {
        passing = split(batch, gathered);
      } catch (error) {
        if (error instanceof DecodeError) return rejected(error.message);
        throw error;
      }
      if (gathered.length > 0 && (stopped || abort.aborted)) return retryable('stopping');
      const outcome = passing === null ? ACCEPTED : await next.consume(passing, abort);
      // Whoever is told to send it again brings them then.
      if (outcome.status === 'retryable') return outcome;
      gathered.forEach(gather);
      // The last report may have gone while `next` was asked.
      if (stopped) await reporter.flush();
      return outcome;
    },
  };
}

function isGathered({ data }: Metric, { pass_through: passes }: IntervalConfig): boolean {
  switch (data?.type) {
    case 'gauge': return !passes.gauge;
    case 'summary': return !passes.summary;
    case 'sum': return data.isMonotonic && data.aggregationTemporality === CUMULATIVE;
    case 'histogram':
    case 'exponentialHistogram': return data.aggregationTemporality === CUMULATIVE;
    default: return false;
  }
}
