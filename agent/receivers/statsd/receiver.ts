// `statsd`: takes what programs send by StatsD and DogStatsD, adds it up, and hands it on every
// `aggregation_interval`, and once more at the stop.
//
// Senders by UDP hear nothing, so nothing can be pushed back: what the next part does not take is
// kept for a while in memory (see outbox.ts), then dropped, oldest first, and counted.

import type {
  ComponentContext, Consumer, Receiver, ReceiverFactory,
} from '../../../proto/contract/component.ts';
import type { Timer } from '../../../runtime/clock.ts';
import { rateLimited } from '../../../runtime/log.ts';
import { formatEndpoint } from '../../../runtime/net.ts';
import { createOutbox } from '../readings/outbox.ts';
import { createAggregate } from './aggregate.ts';
import { statsdSchema, type StatsdConfig } from './config.ts';
import { parseLine, type BadLine } from './line.ts';
import { openLines, type Lines } from './sockets.ts';

export const statsdReceiver: ReceiverFactory<StatsdConfig> = {
  kind: 'receiver',
  type: 'statsd',
  signals: ['metrics'],
  get schema() {
    return statsdSchema();
  },
  create: createReceiver,
};

/** The longest wait before a batch that was not taken is handed on again. */
const RETRY_MS_MAX = 30_000;
/** The same failure is written to the log at most this often. */
const WARNING_INTERVAL_MS = 300_000;

function createReceiver(
  config: StatsdConfig,
  context: ComponentContext,
  next: Consumer,
): Receiver {
  const { world, id } = context;
  const meter = createMeter(context);
  const aggregate = createAggregate(config, world);
  const outbox = createOutbox({
    next, world, retryMsMax: Math.min(RETRY_MS_MAX, config.aggregation_interval),
    dropped: meter.dropped,
  });
  const options = { simpleTags: config.enable_simple_tags, metricType: config.enable_metric_type };
  const take = (line: string): void => {
    const parsed = parseLine(line, options);
    if (typeof parsed === 'string') return meter.bad(parsed);
    meter.taken(parsed.values.length, aggregate.add(parsed));
  };
  const flush = (): void => {
    for (const batch of aggregate.flush()) outbox.add(batch);
  };
  context.counters.gauge('binnacle_statsd_series', 'Series that are remembered.',
    aggregate.series, { receiver: id });
  let lines: Lines | undefined;
  let timer: Timer | undefined;
  return {
    start: async () => {
      lines = await openLines(config, {
        setting: `receivers.${id}.endpoint`, line: take, tooLong: () => meter.bad('too long'),
      });
      timer = world.clock.every(config.aggregation_interval, flush);
    },
    stop: async (deadline) => {
      timer?.cancel();
      await lines?.stop();
      if (lines !== undefined) flush();
      lines = undefined;
      await outbox.stop(deadline);
    },
    addresses: (): Readonly<Record<string, string>> =>
      (lines === undefined ? {} : { StatsD: formatEndpoint(lines.endpoint) }),
  };
}

interface Meter {
  taken(values: number, lost: number): void;
  bad(reason: BadLine | 'too long'): void;
  dropped(points: number, reason: string, why: string): void;
}

function createMeter({ id, counters, log, world }: ComponentContext): Meter {
  const limited = rateLimited(log, world.clock, WARNING_INTERVAL_MS);
  const receiver = { receiver: id };
  const values = counters.counter('binnacle_statsd_values_total',
    'Values that came in.', receiver);
  const lines = (reason: string) => counters.counter('binnacle_statsd_refused_lines_total',
    'Lines that could not be used.', { ...receiver, reason });
  const points = (reason: string) => counters.counter('binnacle_statsd_dropped_points_total',
    'Values and data points taken in but not delivered.', { ...receiver, reason });
  return {
    taken: (count, lost) => {
      values.add(count);
      if (lost === 0) return;
      points('too many series').add(lost);
      limited.warn(`${id}: values are dropped: there are too many series`);
    },
    bad: (reason) => {
      lines(reason).add(1);
      const hint = reason === 'simple tag' ? '; set enable_simple_tags to take them' : '';
      limited.warn(`${id}: lines cannot be used: ${reason}${hint}`);
    },
    dropped: (count, reason, why) => {
      points(reason).add(count);
      limited.warn(`${id}: data points are dropped: ${reason}`, { points: count, cause: why });
    },
  };
}
